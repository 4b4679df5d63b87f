// SPDX-License-Identifier: Apache-2.0
// `pads` holds the elements added before each axis of `axes` (default: all), then those after. A
// negative number removes elements, and does so before the others are added.
#include "ops/pad.hpp"

#include <algorithm>

#include "ir/evaluate.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

// Nothing when they are not known.
std::optional<std::vector<std::size_t>> padded_axes(InferContext& context, std::size_t rank) {
  std::vector<std::size_t> out;
  if (!context.has_input(3)) {
    for (std::size_t a = 0; a < rank; ++a) out.push_back(a);
    return out;
  }
  context.require_rank(3, 1);
  const auto axes = context.integers(3);
  if (!axes) return std::nullopt;
  context.require(axes->size() <= rank, ErrorCode::bad_shape, "more axes than x has");
  for (const std::int64_t given : *axes) {
    out.push_back(static_cast<std::size_t>(normalize_axis(given, static_cast<std::int64_t>(rank))));
    context.require(std::ranges::count(out, out.back()) == 1, ErrorCode::bad_value,
                    "axis " + std::to_string(given) + " is padded twice");
  }
  return out;
}

void infer(InferContext& context) {
  const DType dtype = context.dtype(0);
  const PadMode mode = context.attributes<PadAttributes>().mode;
  const SymShape* x = context.shape(0);
  context.require_rank(1, 1);
  if (context.has_input(2)) {
    const SymShape* value = context.shape(2);
    context.require(value == nullptr || !product(*value).is_constant() || product(*value).is(1),
                    ErrorCode::bad_shape, "the padding value must be one element");
  }
  if (x == nullptr) return context.set_output(0, Type::tensor_of_unknown_rank(dtype));
  const auto axes = padded_axes(context, x->size());
  if (axes) {
    if (const SymShape* length = context.shape(1)) {
      context.require_equal((*length)[0], Dim(2 * static_cast<std::int64_t>(axes->size())),
                            "the number of pads and twice the number of axes");
    }
  }
  auto pads = context.elements(1);
  if (const auto numbers = context.integers(1)) pads.emplace(numbers->begin(), numbers->end());
  if (!axes || !pads) return context.set_output(0, dtype, context.fresh_shape(x->size()));
  SymShape shape = *x;
  for (std::size_t i = 0; i < axes->size(); ++i) {
    const Dim& before = (*pads)[i];
    const Dim& after = (*pads)[i + axes->size()];
    Dim& size = shape[(*axes)[i]];
    // Sums and differences of what passes cannot overflow.
    constexpr std::int64_t kFar = std::int64_t{1} << 60;
    for (const Dim& pad : {before, after}) {
      context.require(!pad.is_constant() || (pad.value() >= -kFar && pad.value() <= kFar),
                      ErrorCode::bad_shape, "pad " + pad.to_string() + " is out of range");
    }
    const Dim padded = size + before + after;
    if (size.is_constant() && before.is_constant() && after.is_constant()) {
      const std::int64_t removed =
          -std::min<std::int64_t>(before.value(), 0) - std::min<std::int64_t>(after.value(), 0);
      context.require(
          padded.value() >= 0, ErrorCode::bad_shape,
          "padding makes size " + size.to_string() + " negative: " + padded.to_string());
      const bool grows = before.value() > 0 || after.value() > 0;
      context.require(mode == PadMode::constant || !grows || removed < size.value(),
                      ErrorCode::bad_shape,
                      "only a constant can be padded where nothing of the axis is left");
    }
    size = padded;
  }
  context.set_output(0, dtype, std::move(shape));
}

// Index within an axis of `size` elements for one that may lie outside.
std::int64_t source_index(PadMode mode, std::int64_t index, std::int64_t size) {
  if (index >= 0 && index < size) return index;
  switch (mode) {
    case PadMode::constant:
      break;
    case PadMode::edge:
      return index < 0 ? 0 : size - 1;
    case PadMode::wrap:
      return (index % size + size) % size;
    case PadMode::reflect: {
      if (size == 1) return 0;
      const std::int64_t period = 2 * (size - 1);
      const std::int64_t phase = (index % period + period) % period;
      return phase < size ? phase : period - phase;
    }
  }
  return -1;
}

void reference(KernelContext& context) {
  const PadMode mode = context.attributes<PadAttributes>().mode;
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  if (y.size() == 0) return;
  const auto pads = context.input(1).to_i64();
  std::vector<AxisMap> axes = identity_axes(x.shape());
  for (std::size_t i = 0; i < pads.size() / 2; ++i) {
    const auto axis = static_cast<std::size_t>(
        context.has_input(3) ? normalize_axis(context.input(3).to_i64()[i], x.rank())
                             : static_cast<std::int64_t>(i));
    const std::int64_t before = pads[i], after = pads[i + pads.size() / 2];
    if (before == 0 && after == 0) continue;
    // Constants fill all that lies outside of x; the other modes continue what is left of the axis.
    const bool whole = mode == PadMode::constant;
    const std::int64_t cut = whole ? 0 : -std::min<std::int64_t>(before, 0);
    const std::int64_t left =
        x.shape()[axis] - cut + (whole ? 0 : std::min<std::int64_t>(after, 0));
    AxisMap& map = axes[axis];
    map.size = y.shape()[axis];
    map.table = offset_table(map.size);
    for (std::int64_t j = 0; j < map.size; ++j) {
      const std::int64_t index = source_index(mode, j - before - cut, left);
      map.table[static_cast<std::size_t>(j)] =
          index < 0 ? AxisMap::kFill : (index + cut) * map.step;
    }
  }
  const Tensor value = context.has_input(2) ? context.input(2) : Tensor::zeros(x.dtype(), {1});
  move_elements(x, y, std::move(axes), &value);
}

}  // namespace

const OpDef& op_pad() {
  static const OpDef def{
      .name = "pad",
      .summary = "x with elements added before and after its axes",
      .attributes = &attribute_schema<PadAttributes>(),
      .inputs = {{.name = "x", .types = kAny, .same_as = 'T'},
                 {.name = "pads", .types = {DType::i64}},
                 {.name = "value", .types = kAny, .same_as = 'T', .arity = Operand::optional},
                 {.name = "axes", .types = kIndices, .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kAny, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.moves_only = true, .parameter_inputs = 0b1110},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
