// SPDX-License-Identifier: Apache-2.0
// PyTorch's ways to read elements of tensors by index: index, index_select, select, slice, narrow,
// gather, take, masked_select, and to write them: index_put, scatter, masked_fill.
#include <algorithm>
#include <limits>
#include <numeric>

#include "onnx/convert/aten_support.hpp"
#include "ops/gather_elements.hpp"
#include "ops/gather_nd.hpp"
#include "ops/non_zero.hpp"
#include "ops/scatter_elements.hpp"
#include "ops/scatter_nd.hpp"
#include "ops/slice.hpp"

namespace strop::onnx {
namespace {

using B = BinaryFunction;
constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();

// Axes of x, and the index of each: all of one shape.
struct Indices {
  std::vector<std::int64_t> axes;
  std::vector<ValueId> of_axis;
  std::int64_t rank = 0;
};

// A mask becomes the positions where it holds, one vector for each of its axes.
Indices read_indices(ConvertContext& c, AtenCall& a, ValueId x, const std::vector<ValueId>& list) {
  Indices out;
  std::int64_t axis = 0;
  for (const ValueId index : list) {
    if (!index.exists()) {
      ++axis;
      continue;
    }
    const DType dtype = c.type(index).dtype;
    if (dtype == DType::boolean) {
      const std::int64_t rank = c.rank(index);
      if (rank == 0) a.refuse("a mask without axes");
      const ValueId positions = c.emit(op_non_zero(), NoAttributes{}, {index});
      for (std::int64_t i = 0; i < rank; ++i) {
        out.axes.push_back(axis++);
        out.of_axis.push_back(gathered(c, positions, scalar(c, DType::i64, double(i)), 0));
      }
      continue;
    }
    if (!kIntegers.contains(dtype)) a.malformed("indices must be integers or masks");
    if (dtype == DType::u8) a.refuse("a mask of bytes");
    out.axes.push_back(axis++);
    out.of_axis.push_back(cast_to(c, index, DType::i64));
  }
  if (out.axes.empty()) a.refuse("a list without an index");
  if (c.rank(x) < axis) a.malformed("it has more indices than the tensor axes");
  for (const ValueId index : out.of_axis) out.rank = std::max(out.rank, c.rank(index));
  if (out.of_axis.size() == 1) return out;
  ValueId sum = out.of_axis[0];
  for (std::size_t i = 1; i < out.of_axis.size(); ++i) sum = binary(c, B::add, sum, out.of_axis[i]);
  const ValueId shape = shape_of(c, sum);
  for (ValueId& index : out.of_axis) index = expanded(c, index, shape);
  return out;
}

// [shape of the indices, number of indexed axes]
ValueId joined(ConvertContext& c, const Indices& indices) {
  std::vector<ValueId> columns;
  for (const ValueId index : indices.of_axis)
    columns.push_back(unsqueezed(c, index, {indices.rank}));
  return concatenated(c, columns, indices.rank);
}

// The indexed axes of x first, in their order.
std::vector<std::int64_t> indexed_first(const Indices& indices, std::int64_t rank) {
  std::vector<std::int64_t> perm = indices.axes;
  for (std::int64_t axis = 0; axis < rank; ++axis) {
    if (std::ranges::find(indices.axes, axis) == indices.axes.end()) perm.push_back(axis);
  }
  return perm;
}

bool is_leading(const Indices& indices) {
  return indices.axes.back() == static_cast<std::int64_t>(indices.axes.size()) - 1;
}

// Axes that are indexed side by side give their place to the axes of the indices; otherwise those
// come first.
void index(ConvertContext& c) {
  AtenCall a(c, {{"Tensor", "self indices..."}});
  const ValueId x = a.tensor("self");
  const Indices indices = read_indices(c, a, x, a.tensors("indices"));
  if (indices.axes.size() == 1)
    return c.set_output(0, gathered(c, x, indices.of_axis[0], indices.axes[0]));
  const std::int64_t rank = c.rank(x), first = indices.axes.front();
  const ValueId moved = is_leading(indices) ? x : transposed(c, x, indexed_first(indices, rank));
  ValueId y = c.emit(op_gather_nd(), GatherNdAttributes{}, {moved, joined(c, indices)});
  const auto indexed = static_cast<std::int64_t>(indices.axes.size());
  if (first > 0 && indices.axes.back() - first == indexed - 1) {
    std::vector<std::int64_t> perm(static_cast<std::size_t>(indices.rank + rank - indexed));
    std::iota(perm.begin(), perm.end(), 0);
    std::rotate(perm.begin(), perm.begin() + indices.rank, perm.begin() + indices.rank + first);
    y = transposed(c, y, perm);
  }
  c.set_output(0, y);
}

void index_put(ConvertContext& c) {
  AtenCall a(c, {{"", "self indices... values accumulate"}});
  const ValueId x = a.tensor("self");
  const Indices indices = read_indices(c, a, x, a.tensors("indices"));
  if (!is_leading(indices)) a.refuse("indices of axes that are not the first ones");
  const ValueId at = joined(c, indices);
  const auto indexed = static_cast<std::int64_t>(indices.axes.size());
  const ValueId shape = concatenated(
      c,
      {shape_of(c, indices.of_axis[0]), c.emit(op_shape(), ShapeAttributes{.start = indexed}, {x})},
      0);
  const ValueId values = expanded(c, cast_to(c, a.tensor("values"), c.type(x).dtype), shape);
  const bool add = a.boolean("accumulate", false);
  c.set_output(0, c.emit(op_scatter_nd(),
                         ScatterNdAttributes{add ? ScatterReduction::add : ScatterReduction::none},
                         {x, at, values}));
}

void index_select(ConvertContext& c) {
  AtenCall a(c, {{"", "self dim index"}});
  const ValueId x = a.tensor("self");
  c.set_output(0, gathered(c, x, reshaped(c, a.tensor("index"), {-1}), a.axis("dim", x)));
}

void select(ConvertContext& c) {
  AtenCall a(c, {{"int", "self dim index"}});
  const ValueId x = a.tensor("self");
  c.set_output(0, gathered(c, x, reshaped(c, a.sizes("index"), {}), a.axis("dim", x)));
}

void slice(ConvertContext& c) {
  AtenCall a(c, {{"Tensor", "self dim start end step"}});
  const ValueId x = a.tensor("self");
  const std::int64_t step = a.integer("step", 1);
  if (step <= 0) a.malformed("step must be positive");
  const ValueId start = a.given("start") ? a.sizes("start") : integers(c, {0});
  const ValueId end = a.given("end") ? a.sizes("end") : integers(c, {kEnd});
  c.set_output(0, sliced(c, x, a.axis("dim", x, 0), start, end, step));
}

void narrow(ConvertContext& c) {
  AtenCall a(c, {{"", "self dim start length"}, {"Tensor", "self dim start length"}});
  const ValueId x = a.tensor("self");
  const std::int64_t axis = a.axis("dim", x);
  const ValueId start = a.sizes("start"), length = a.sizes("length");
  const auto from = c.constant_integers(start), count = c.constant_integers(length);
  const std::int64_t size = known_size(c, x, axis);
  if (from && count && size >= 0 && from->size() == 1 && count->size() == 1) {
    const std::int64_t n = count->front();
    const std::int64_t begin = from->front() < 0 ? from->front() + size : from->front();
    if (begin < 0 || n < 0 || begin > size || n > size - begin) {
      a.malformed("start " + std::to_string(from->front()) + " and length " + std::to_string(n) +
                  " do not fit into size " + std::to_string(size));
    }
    return c.set_output(0, sliced(c, x, axis, integers(c, {begin}), integers(c, {begin + n})));
  }
  // What does not fit is refused when it runs, which a slice would not do.
  c.set_output(0, gathered(c, x, binary(c, B::add, counted(c, length), start), axis));
}

void gather(ConvertContext& c) {
  AtenCall a(c, {{"", "self dim index sparse_grad"}});
  const ValueId x = a.tensor("self");
  c.set_output(0, c.emit(op_gather_elements(), GatherElementsAttributes{.axis = a.axis("dim", x)},
                         {x, a.tensor("index")}));
}

void take(ConvertContext& c) {
  AtenCall a(c, {{"", "self index"}});
  c.set_output(0, gathered(c, reshaped(c, a.tensor("self"), {-1}), a.tensor("index"), 0));
}

void take_along_dim(ConvertContext& c) {
  AtenCall a(c, {{"", "self indices dim"}});
  ValueId x = a.tensor("self"), at = a.tensor("indices");
  std::int64_t axis = 0;
  if (a.given("dim")) {
    axis = a.axis("dim", x);
    const std::int64_t rank = c.rank(x);
    if (c.rank(at) != rank) a.malformed("its indices have another rank than its tensor");
    for (std::int64_t i = 0; i < rank; ++i) {
      if (i != axis && known_size(c, x, i) != known_size(c, at, i))
        a.refuse("indices that are broadcast");
    }
  } else {
    x = reshaped(c, x, {-1});
    at = reshaped(c, at, {-1});
  }
  c.set_output(0, c.emit(op_gather_elements(), GatherElementsAttributes{.axis = axis}, {x, at}));
}

// `src`, or a number for all places.
void scatter_with(ConvertContext& c, AtenCall& a, ScatterReduction how) {
  const ValueId x = a.tensor("self"), at = a.tensor("index");
  const DType dtype = c.type(x).dtype;
  const bool one = a.given("value");
  ValueId updates = cast_to(c, a.tensor(one ? "value" : "src"), dtype);
  if (one || c.type(updates).rank() == 0) updates = expanded(c, updates, shape_of(c, at));
  const std::int64_t axis = a.axis("dim", x);
  // A source may be larger than the indices.
  const auto &from = c.type(updates).shape, &to = c.type(at).shape;
  if (from && to && *from != *to) {
    if (from->size() != to->size()) a.malformed("its source and indices differ in rank");
    std::vector<std::int64_t> axes(to->size());
    std::iota(axes.begin(), axes.end(), 0);
    updates = c.emit(op_slice(), NoAttributes{},
                     {updates, integers(c, std::vector<std::int64_t>(axes.size(), 0)),
                      shape_of(c, at), integers(c, axes)});
  }
  c.set_output(
      0, c.emit(op_scatter_elements(), ScatterElementsAttributes{.axis = axis, .reduction = how},
                {x, at, updates}));
}

void scatter(ConvertContext& c) {
  AtenCall a(c, {{"src", "self dim index src"}, {"value", "self dim index value"}});
  scatter_with(c, a, ScatterReduction::none);
}

void scatter_add(ConvertContext& c) {
  AtenCall a(c, {{"", "self dim index src"}});
  scatter_with(c, a, ScatterReduction::add);
}

void masked_fill(ConvertContext& c) {
  AtenCall a(c, {{"Scalar", "self mask value"}, {"Tensor", "self mask value"}});
  const ValueId x = a.tensor("self"), value = a.tensor("value");
  const ValueId mask = cast_to(c, a.tensor("mask"), DType::boolean);
  const ValueId one = c.type(value).rank() == 0 ? value : reshaped(c, value, {});
  c.set_output(0, chosen(c, mask, cast_to(c, one, c.type(x).dtype), x));
}

void masked_select(ConvertContext& c) {
  AtenCall a(c, {{"", "self mask"}});
  ValueId x = a.tensor("self"), mask = cast_to(c, a.tensor("mask"), DType::boolean);
  // Both under their common shape.
  const ValueId shape = shape_of(c, chosen(c, mask, x, x));
  x = reshaped(c, expanded(c, x, shape), {-1});
  mask = reshaped(c, expanded(c, mask, shape), {-1});
  const ValueId at = reshaped(c, c.emit(op_non_zero(), NoAttributes{}, {mask}), {-1});
  c.set_output(0, gathered(c, x, at, 0));
}

void nonzero(ConvertContext& c) {
  AtenCall a(c, {{"", "self"}});
  const ValueId positions = c.emit(op_non_zero(), NoAttributes{}, {a.tensor("self")});
  c.set_output(0, transposed(c, positions, {1, 0}));
}

}  // namespace

void register_aten_index(ConverterTable& table) {
  static constexpr std::pair<const char*, Converter> kOperators[] = {
      {"index", index},
      {"index_put", index_put},
      {"index_select", index_select},
      {"select", select},
      {"slice", slice},
      {"narrow", narrow},
      {"gather", gather},
      {"take", take},
      {"take_along_dim", take_along_dim},
      {"scatter", scatter},
      {"scatter_add", scatter_add},
      {"masked_fill", masked_fill},
      {"masked_select", masked_select},
      {"nonzero", nonzero},
  };
  for (const auto& [name, converter] : kOperators) table.add(kAtenDomain, name, 1, converter);
}

}  // namespace strop::onnx
