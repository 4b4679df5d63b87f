// SPDX-License-Identifier: Apache-2.0
// Operators of PyTorch that arrange elements anew without a computation: views, permutations,
// repetitions, rolls, windows, concatenations, padding.
#include <algorithm>
#include <limits>
#include <numeric>

#include "onnx/convert/aten_support.hpp"
#include "ops/cumulative.hpp"
#include "ops/pad.hpp"
#include "ops/slice.hpp"
#include "ops/squeeze.hpp"
#include "ops/tile.hpp"
#include "ops/trilu.hpp"

namespace strop::onnx {
namespace {

using B = BinaryFunction;
using R = ReduceFunction;

std::vector<std::int64_t> identity_perm(std::int64_t rank) {
  std::vector<std::int64_t> perm(static_cast<std::size_t>(rank));
  std::iota(perm.begin(), perm.end(), 0);
  return perm;
}

void view(ConvertContext& c) {
  AtenCall a(c, {{"", "self size"}});
  c.set_output(0, c.emit(op_reshape(), ReshapeAttributes{.allow_zero = true},
                         {a.tensor("self"), a.sizes("size")}));
}

void permute(ConvertContext& c) {
  AtenCall a(c, {{"", "self dims"}});
  const ValueId x = a.tensor("self");
  auto perm = a.integers("dims");
  const std::int64_t rank = c.rank(x);
  if (static_cast<std::int64_t>(perm.size()) != rank)
    a.malformed("dims does not name each axis once");
  for (std::int64_t& axis : perm) axis = normalize_axis(axis, rank, "an axis");
  c.set_output(0, transposed(c, x, perm));
}

void transpose(ConvertContext& c) {
  AtenCall a(c, {{"int", "self dim0 dim1"}});
  const ValueId x = a.tensor("self");
  auto perm = identity_perm(c.rank(x));
  std::swap(perm[static_cast<std::size_t>(a.axis("dim0", x))],
            perm[static_cast<std::size_t>(a.axis("dim1", x))]);
  c.set_output(0, transposed(c, x, perm));
}

void t(ConvertContext& c) {
  AtenCall a(c, {{"", "self"}});
  const ValueId x = a.tensor("self");
  auto perm = identity_perm(c.rank(x));
  if (perm.size() > 2) a.malformed("its tensor has more than two axes");
  std::ranges::reverse(perm);
  c.set_output(0, transposed(c, x, perm));
}

void unsqueeze(ConvertContext& c) {
  AtenCall a(c, {{"", "self dim"}});
  c.set_output(0, unsqueezed(c, a.tensor("self"), {a.integer("dim")}));
}

// Axes of another size than 1 stay.
void squeeze(ConvertContext& c) {
  AtenCall a(c, {{"", "self"}, {"dim", "self dim"}, {"dims", "self dim"}});
  const ValueId x = a.tensor("self");
  if (!a.given("dim")) {
    const std::int64_t rank = c.rank(x);
    for (std::int64_t axis = 0; axis < rank; ++axis) {
      if (known_size(c, x, axis) < 0) a.refuse("a size that is not known at import");
    }
    return c.set_output(0, c.emit(op_squeeze(), NoAttributes{}, {x}));
  }
  std::vector<std::int64_t> ones;
  for (const std::int64_t axis : a.axes("dim", x)) {
    const std::int64_t size = known_size(c, x, axis);
    if (size < 0) a.refuse("the size of the axis is not known at import");
    if (size == 1) ones.push_back(axis);
  }
  c.set_output(0, ones.empty() ? x : c.emit(op_squeeze(), NoAttributes{}, {x, integers(c, ones)}));
}

void flatten(ConvertContext& c) {
  AtenCall a(c, {{"using_ints", "self start_dim end_dim"}});
  const ValueId x = a.tensor("self");
  if (c.rank(x) == 0) return c.set_output(0, reshaped(c, x, {1}));
  const std::int64_t first = a.axis("start_dim", x, 0), last = a.axis("end_dim", x, -1);
  if (first > last) a.malformed("start_dim is after end_dim");
  const auto part = [&](std::int64_t start, std::int64_t end) {
    return c.emit(op_shape(), ShapeAttributes{.start = start, .end = end}, {x});
  };
  const ValueId size = reduced(c, R::prod, part(first, last + 1), {0}, true);
  const ValueId shape = concatenated(c, {part(0, first), size, part(last + 1, c.rank(x))}, 0);
  c.set_output(0, c.emit(op_reshape(), ReshapeAttributes{.allow_zero = true}, {x, shape}));
}

// -1 keeps a size, as a 1 does when sizes are broadcast.
void expand(ConvertContext& c) {
  AtenCall a(c, {{"", "self size implicit"}});
  const ValueId sizes = a.sizes("size");
  const ValueId one = scalar(c, DType::i64, 1);
  const ValueId kept = binary(c, B::equal, sizes, scalar(c, DType::i64, -1));
  c.set_output(0, expanded(c, a.tensor("self"), chosen(c, kept, one, sizes)));
}

void expand_as(ConvertContext& c) {
  AtenCall a(c, {{"", "self other"}});
  c.set_output(0, expanded(c, a.tensor("self"), shape_of(c, a.tensor("other"))));
}

// New axes come first, for the tensor and for the factors.
void tile(ConvertContext& c, AtenCall& a, const char* name) {
  ValueId x = a.tensor("self"), repeats = a.sizes(name);
  const std::int64_t rank = c.rank(x), count = known_size(c, repeats, 0);
  if (count < 0) a.refuse("an unknown number of factors");
  if (count > rank) {
    std::vector<std::int64_t> axes(static_cast<std::size_t>(count - rank));
    std::iota(axes.begin(), axes.end(), 0);
    x = unsqueezed(c, x, axes);
  } else if (count < rank) {
    const std::vector<std::int64_t> ones(static_cast<std::size_t>(rank - count), 1);
    repeats = concatenated(c, {integers(c, ones), repeats}, 0);
  }
  c.set_output(0, c.emit(op_tile(), NoAttributes{}, {x, repeats}));
}

void repeat(ConvertContext& c) {
  AtenCall a(c, {{"", "self repeats"}});
  tile(c, a, "repeats");
}

void tile_dims(ConvertContext& c) {
  AtenCall a(c, {{"", "self dims"}});
  tile(c, a, "dims");
}

// Element i comes from i - shift, around the end.
void roll(ConvertContext& c) {
  AtenCall a(c, {{"", "self shifts dims"}});
  const ValueId given = a.tensor("self");
  const auto shifts = a.integers("shifts");
  auto axes = a.integers("dims", {});
  const bool flat = axes.empty();
  if (flat && shifts.size() == 1) axes = {0};
  if (axes.size() != shifts.size()) a.malformed("shifts and dims differ in number");
  ValueId x = flat ? reshaped(c, given, {-1}) : given;
  const std::int64_t rank = c.rank(x);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::int64_t axis = normalize_axis(axes[i], rank, "an axis");
    const std::int64_t size = known_size(c, x, axis);
    if (size == 0) continue;
    if (size > 0) {
      const std::int64_t start = (size - shifts[i] % size) % size;
      if (start == 0) continue;
      const ValueId cut = integers(c, {start});
      x = concatenated(
          c,
          {sliced(c, x, axis, cut, integers(c, {size})), sliced(c, x, axis, integers(c, {0}), cut)},
          axis);
      continue;
    }
    const ValueId n = size_along(c, x, axis);
    const ValueId from = binary(c, B::sub, counted(c, n), integers(c, {shifts[i]}));
    // An empty axis has nothing to divide by its size.
    const ValueId by = binary(c, B::max, n, integers(c, {1}));
    x = gathered(c, x, binary(c, B::mod, from, by), axis);
  }
  c.set_output(0, flat ? reshaped_like(c, x, given) : x);
}

void flip(ConvertContext& c) {
  AtenCall a(c, {{"", "self dims"}});
  const ValueId x = a.tensor("self");
  if (a.integers("dims").empty()) return c.set_output(0, x);
  const auto axes = a.axes("dims", x);
  const auto all = [&](std::int64_t number) {
    return integers(c, std::vector<std::int64_t>(axes.size(), number));
  };
  c.set_output(0, c.emit(op_slice(), NoAttributes{},
                         {x, all(-1), all(std::numeric_limits<std::int64_t>::min()),
                          integers(c, axes), all(-1)}));
}

// Windows of `size` every `step` along an axis; their elements are the last axis of y.
void unfold(ConvertContext& c) {
  AtenCall a(c, {{"", "self dimension size step"}});
  const ValueId x = a.tensor("self");
  const std::int64_t axis = a.axis("dimension", x), rank = c.rank(x);
  const std::int64_t size = a.integer("size"), step = a.integer("step");
  // The elements of a window are a table in the graph.
  constexpr std::int64_t kMost = std::int64_t{1} << 20;
  if (size < 1 || step < 1) a.malformed("size and step must be positive");
  if (size > kMost) a.refuse("windows of more than " + std::to_string(kMost) + " elements");
  const std::int64_t known = known_size(c, x, axis);
  if (known >= 0 && known < size) a.malformed("its windows are larger than the tensor");
  const ValueId room = binary(c, B::sub, size_along(c, x, axis), integers(c, {size}));
  const ValueId windows =
      binary(c, B::add, binary(c, B::div, room, integers(c, {step})), integers(c, {1}));
  const ValueId starts = binary(c, B::mul, counted(c, windows), integers(c, {step}));
  const ValueId within = counted(c, integers(c, {size}));
  const ValueId y = gathered(
      c, x, binary(c, B::add, unsqueezed(c, starts, {1}), unsqueezed(c, within, {0})), axis);
  auto perm = identity_perm(rank + 1);
  std::rotate(perm.begin() + axis + 1, perm.begin() + axis + 2, perm.end());
  c.set_output(0, transposed(c, y, perm));
}

// Element j of the result comes from the first element whose copies end after j.
ValueId interleaved(ConvertContext& c, ValueId repeats) {
  const ValueId ends = c.emit(op_cumulative(), CumulativeAttributes{}, {repeats, integers(c, {0})});
  const ValueId places = unsqueezed(c, counted(c, reduced(c, R::sum, repeats, {0}, true)), {1});
  const ValueId ended = binary(c, B::greater_or_equal, places, unsqueezed(c, ends, {0}));
  return reduced(c, R::sum, cast_to(c, ended, DType::i64), {1}, false);
}

void repeat_interleave(ConvertContext& c) {
  AtenCall a(c, {{"self_int", "self repeats dim output_size"},
                 {"self_Tensor", "self repeats dim output_size"},
                 {"Tensor", "repeats output_size"}});
  const ValueId repeats = a.sizes("repeats");
  if (const auto known = c.constant_integers(repeats)) {
    constexpr std::int64_t kMost = std::int64_t{1} << 31;
    if (std::ranges::any_of(*known, [](std::int64_t n) { return n < 0 || n > kMost; }))
      a.malformed("a number of repeats is negative or beyond all reason");
  }
  if (!a.given("self")) return c.set_output(0, interleaved(c, repeats));
  ValueId x = a.tensor("self");
  std::int64_t axis = 0;
  if (a.given("dim")) {
    axis = a.axis("dim", x);
  } else {
    x = reshaped(c, x, {-1});
  }
  const std::int64_t count = known_size(c, repeats, 0), size = known_size(c, x, axis);
  if (count > 1 && size >= 0 && size != count)
    a.malformed(std::to_string(count) + " numbers of repeats for size " + std::to_string(size));
  if (count == 1) {
    const ValueId n = binary(c, B::mul, size_along(c, x, axis), repeats);
    const ValueId by = binary(c, B::max, repeats, integers(c, {1}));
    return c.set_output(0, gathered(c, x, binary(c, B::div, counted(c, n), by), axis));
  }
  // One for each element, or one for all.
  const ValueId each = count > 0 ? repeats : expanded(c, repeats, size_along(c, x, axis));
  c.set_output(0, gathered(c, x, interleaved(c, each), axis));
}

std::vector<ValueId> list_of(ConvertContext& c, AtenCall& a) {
  std::vector<ValueId> parts = a.tensors("tensors");
  if (parts.empty()) a.malformed("its list is empty");
  DType dtype = DType::undefined;
  for (const ValueId part : parts) {
    if (!part.exists()) a.malformed("one of its tensors is missing");
    dtype = dtype == DType::undefined ? c.type(part).dtype
                                      : promoted_type(c, cast_to(c, parts[0], dtype), part);
  }
  for (ValueId& part : parts) part = cast_to(c, part, dtype);
  return parts;
}

void cat(ConvertContext& c) {
  AtenCall a(c, {{"", "tensors... dim"}});
  const auto parts = list_of(c, a);
  c.set_output(0, concatenated(c, parts, a.axis("dim", parts[0], 0)));
}

void stack(ConvertContext& c) {
  AtenCall a(c, {{"", "tensors... dim"}});
  auto parts = list_of(c, a);
  const std::int64_t axis = normalize_axis(a.integer("dim", 0), c.rank(parts[0]) + 1, "its axis");
  for (ValueId& part : parts) part = unsqueezed(c, part, {axis});
  c.set_output(0, concatenated(c, parts, axis));
}

// Before and after the last axis, then the one before it, and so on.
void pad(ConvertContext& c, AtenCall& a, const char* name, PadMode mode) {
  const ValueId x = a.tensor("self");
  const auto given = a.integers(name);
  const std::int64_t rank = c.rank(x), axes = static_cast<std::int64_t>(given.size()) / 2;
  if (given.size() % 2 != 0 || axes > rank)
    a.malformed(std::string(name) + " has " + std::to_string(given.size()) + " numbers");
  std::vector<std::int64_t> pads(static_cast<std::size_t>(2 * rank), 0);
  for (std::int64_t i = 0; i < axes; ++i) {
    const auto axis = static_cast<std::size_t>(rank - 1 - i),
               from = static_cast<std::size_t>(2 * i);
    pads[axis] = given[from];
    pads[axis + static_cast<std::size_t>(rank)] = given[from + 1];
  }
  ValueId value = ValueId::none();
  if (mode == PadMode::constant) value = scalar(c, c.type(x).dtype, a.number("value", 0));
  c.set_output(0, c.emit(op_pad(), PadAttributes{mode}, {x, integers(c, pads), value}));
}

void constant_pad(ConvertContext& c) {
  AtenCall a(c, {{"", "self pad value"}});
  pad(c, a, "pad", PadMode::constant);
}

template <PadMode kMode>
void padding(ConvertContext& c) {
  AtenCall a(c, {{"", "self padding"}});
  pad(c, a, "padding", kMode);
}

void pad_by_mode(ConvertContext& c) {
  AtenCall a(c, {{"", "self pad mode value"}});
  const std::string mode = a.text("mode", "constant");
  const std::pair<const char*, PadMode> modes[] = {{"constant", PadMode::constant},
                                                   {"reflect", PadMode::reflect},
                                                   {"replicate", PadMode::edge},
                                                   {"circular", PadMode::wrap}};
  for (const auto& [name, value] : modes) {
    if (mode == name) return pad(c, a, "pad", value);
  }
  a.malformed("mode is \"" + mode + "\"");
}

template <bool kUpper>
void triangle(ConvertContext& c) {
  AtenCall a(c, {{"", "self diagonal"}});
  c.set_output(0, c.emit(op_trilu(), TriluAttributes{kUpper},
                         {a.tensor("self"), integers(c, {a.integer("diagonal", 0)})}));
}

void type_as(ConvertContext& c) {
  AtenCall a(c, {{"", "self other"}});
  c.set_output(0, cast_to(c, a.tensor("self"), c.type(a.tensor("other")).dtype));
}

// What is not said is the default: f32, or of integers i64.
void arange(ConvertContext& c) {
  AtenCall a(c, {{"", "end dtype layout device pin_memory"},
                 {"start", "start end dtype layout device pin_memory"},
                 {"start_step", "start end step dtype layout device pin_memory"}});
  const ValueId end = a.tensor("end");
  const ValueId start = a.given("start") ? a.tensor("start") : scalar(c, c.type(end).dtype, 0);
  const ValueId step = a.given("step") ? a.tensor("step") : scalar(c, c.type(end).dtype, 1);
  DType dtype = DType::i64;
  for (const ValueId each : {start, end, step}) {
    if (kFloats.contains(c.type(each).dtype)) dtype = DType::f32;
  }
  if (a.given("dtype")) dtype = aten_dtype(a, a.integer("dtype"));
  const auto number = [&](ValueId x) { return reshaped(c, cast_to(c, x, dtype), {}); };
  c.set_output(0, c.emit(op_range(), NoAttributes{}, {number(start), number(end), number(step)}));
}

template <int kValue>
void filled_like(ConvertContext& c) {
  AtenCall a(c, {{"", "self dtype layout device pin_memory memory_format"}});
  const ValueId x = a.tensor("self");
  const DType dtype = a.given("dtype") ? aten_dtype(a, a.integer("dtype")) : c.type(x).dtype;
  c.set_output(0, expanded(c, scalar(c, dtype, kValue), shape_of(c, x)));
}

void full_like(ConvertContext& c) {
  AtenCall a(c, {{"", "self fill_value dtype layout device pin_memory memory_format"}});
  const ValueId x = a.tensor("self");
  const DType dtype = a.given("dtype") ? aten_dtype(a, a.integer("dtype")) : c.type(x).dtype;
  c.set_output(0, expanded(c, scalar(c, dtype, a.number("fill_value")), shape_of(c, x)));
}

}  // namespace

void register_aten_shape(ConverterTable& table) {
  static constexpr std::pair<const char*, Converter> kOperators[] = {
      {"view", view},
      {"reshape", view},
      {"_unsafe_view", view},
      {"permute", permute},
      {"transpose", transpose},
      {"t", t},
      {"unsqueeze", unsqueeze},
      {"squeeze", squeeze},
      {"flatten", flatten},
      {"expand", expand},
      {"expand_as", expand_as},
      {"repeat", repeat},
      {"tile", tile_dims},
      {"roll", roll},
      {"flip", flip},
      {"unfold", unfold},
      {"repeat_interleave", repeat_interleave},
      {"cat", cat},
      {"concat", cat},
      {"stack", stack},
      {"constant_pad_nd", constant_pad},
      {"pad", pad_by_mode},
      {"reflection_pad1d", padding<PadMode::reflect>},
      {"reflection_pad2d", padding<PadMode::reflect>},
      {"reflection_pad3d", padding<PadMode::reflect>},
      {"replication_pad1d", padding<PadMode::edge>},
      {"replication_pad2d", padding<PadMode::edge>},
      {"replication_pad3d", padding<PadMode::edge>},
      {"tril", triangle<false>},
      {"triu", triangle<true>},
      {"type_as", type_as},
      {"arange", arange},
      {"zeros_like", filled_like<0>},
      {"ones_like", filled_like<1>},
      {"full_like", full_like},
  };
  for (const auto& [name, converter] : kOperators) table.add(kAtenDomain, name, 1, converter);
}

}  // namespace strop::onnx
