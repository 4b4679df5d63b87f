// SPDX-License-Identifier: Apache-2.0
// Along each of `axes` (default: the first ones): from start to before end, by step. Negative
// starts and ends count from the end of the axis and both are then clamped to it, so that any
// number is legal.
#include "ops/slice.hpp"

#include <algorithm>
#include <limits>

#include "ir/evaluate.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

struct Range {
  std::int64_t start = 0, step = 1, size = 0;
};

Range range_within(std::int64_t size, std::int64_t start, std::int64_t end, std::int64_t step) {
  if (size == 0) return {0, step, 0};
  // No overflow: size >= 0, and only negative numbers are moved up.
  if (start < 0) start += size;
  if (end < 0) end += size;
  if (step > 0) {
    start = std::clamp<std::int64_t>(start, 0, size);
    end = std::clamp<std::int64_t>(end, 0, size);
    return {start, step, end > start ? (end - start - 1) / step + 1 : 0};
  }
  start = std::clamp<std::int64_t>(start, 0, size - 1);
  end = std::clamp<std::int64_t>(end, -1, size - 1);
  // The distance is divided by -step, which is not computed: step may be -2^63.
  return {start, step, start > end ? (end - start + 1) / step + 1 : 0};
}

// Sizes are never negative, so a sum and product of symbols without a minus is not either.
bool never_negative(const Dim& dim) {
  return dim.is_constant() ? dim.value() >= 0 : dim.to_string().find('-') == std::string::npos;
}
bool always_negative(const Dim& dim) {
  return dim.is_constant() ? dim.value() < 0 : never_negative(dim * Dim(-1) - Dim(1));
}

Dim at_least_zero(const Dim& dim) { return never_negative(dim) ? dim : max(dim, 0); }

// Exporters write "to the end" as one of these.
bool to_the_end(const Dim& end) {
  return end.is(std::numeric_limits<std::int64_t>::max()) ||
         end.is(std::numeric_limits<std::int32_t>::max());
}

// Far beyond any axis; kept from overflowing in sums.
Dim bounded(const Dim& limit) {
  constexpr std::int64_t kFar = std::int64_t{1} << 60;
  return limit.is_constant() && limit.value() < -kFar ? Dim(-kFar) : limit;
}

Dim sliced_size(InferContext& context, const Dim& size, Dim start, Dim end, std::int64_t step) {
  if (size.is_constant() && start.is_constant() && end.is_constant()) {
    return range_within(size.value(), start.value(), end.value(), step).size;
  }
  start = bounded(start);
  end = bounded(end);
  if (step < 0) {
    const bool whole = (start.is(-1) || to_the_end(start)) && end.is_constant() &&
                       end.value() <= -std::numeric_limits<std::int32_t>::max();
    if (!whole || step < -std::numeric_limits<std::int32_t>::max()) return context.fresh_dim();
    return ceildiv(size, -step);
  }
  if (always_negative(start) && to_the_end(end) && step == 1) {
    return min(size, start * Dim(-1));  // the last -start elements
  }
  Dim from;
  if (never_negative(start)) {
    from = start;
  } else if (always_negative(start)) {
    from = at_least_zero(size + start);
  } else {
    return context.fresh_dim();
  }
  Dim to;
  if (to_the_end(end)) {
    to = size;
  } else if (never_negative(end)) {
    to = end == size ? size : min(end, size);
  } else if (always_negative(end)) {
    to = size + end;
  } else {
    return context.fresh_dim();
  }
  return at_least_zero(ceildiv(to - from, step));
}

struct Parameters {
  std::vector<Dim> starts, ends;
  std::vector<std::size_t> axes;
  std::vector<std::int64_t> steps;
};

// Nothing when axes or steps are not known, or how many starts there are. Unknown starts and ends
// leave those vectors empty.
std::optional<Parameters> parameters_of(InferContext& context, std::size_t rank) {
  Parameters out;
  const auto starts = context.elements(1);
  const auto ends = context.elements(2);
  std::optional<std::size_t> count;
  for (std::size_t i = 1; i < 5; ++i) {
    if (!context.has_input(i)) continue;
    context.require_rank(i, 1);
    const SymShape* shape = context.shape(i);
    if (shape == nullptr || !(*shape)[0].is_constant()) continue;
    const auto length = static_cast<std::size_t>((*shape)[0].value());
    context.require(!count || *count == length, ErrorCode::bad_shape,
                    "starts, ends, axes and steps have different lengths");
    count = length;
  }
  if (!count) return std::nullopt;
  context.require(
      *count <= rank, ErrorCode::bad_shape,
      std::to_string(*count) + " axes are sliced of an input of rank " + std::to_string(rank));
  if (context.has_input(3)) {
    const auto axes = context.integers(3);
    if (!axes) return std::nullopt;
    for (const std::int64_t axis : *axes) {
      out.axes.push_back(
          static_cast<std::size_t>(normalize_axis(axis, static_cast<std::int64_t>(rank))));
      context.require(std::ranges::count(out.axes, out.axes.back()) == 1, ErrorCode::bad_value,
                      "axis " + std::to_string(axis) + " is sliced twice");
    }
  } else {
    for (std::size_t a = 0; a < *count; ++a) out.axes.push_back(a);
  }
  out.steps.assign(out.axes.size(), 1);
  if (context.has_input(4)) {
    const auto steps = context.integers(4);
    if (!steps) return std::nullopt;
    out.steps = *steps;
    context.require(std::ranges::count(out.steps, 0) == 0, ErrorCode::bad_value, "a step is 0");
  }
  if (starts && ends) {
    out.starts = *starts;
    out.ends = *ends;
  }
  return out;
}

void infer(InferContext& context) {
  const SymShape* x = context.shape(0);
  const DType dtype = context.dtype(0);
  if (x == nullptr) return context.set_output(0, Type::tensor_of_unknown_rank(dtype));
  const auto parameters = parameters_of(context, x->size());
  if (!parameters) return context.set_output(0, dtype, context.fresh_shape(x->size()));
  const auto& [starts, ends, axes, steps] = *parameters;
  SymShape shape = *x;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    Dim& size = shape[axes[i]];
    size = starts.empty() ? context.fresh_dim()
                          : sliced_size(context, size, starts[i], ends[i], steps[i]);
  }
  context.set_output(0, dtype, std::move(shape));

  const auto elements = x->size() == 1 ? context.elements(0) : std::nullopt;
  if (!elements || starts.size() != 1 || !starts[0].is_constant() || !ends[0].is_constant()) return;
  const Range range = range_within(static_cast<std::int64_t>(elements->size()), starts[0].value(),
                                   ends[0].value(), steps[0]);
  std::vector<Dim> kept;
  for (std::int64_t i = 0; i < range.size; ++i) {
    kept.push_back((*elements)[static_cast<std::size_t>(range.start + i * range.step)]);
  }
  context.set_elements(0, std::move(kept));
}

void reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  const auto starts = context.input(1).to_i64();
  const auto ends = context.input(2).to_i64();
  std::vector<AxisMap> axes = identity_axes(x.shape());
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const auto axis = static_cast<std::size_t>(
        context.has_input(3) ? normalize_axis(context.input(3).to_i64()[i], x.rank())
                             : static_cast<std::int64_t>(i));
    const std::int64_t step = context.has_input(4) ? context.input(4).to_i64()[i] : 1;
    const Range range = range_within(x.shape()[axis], starts[i], ends[i], step);
    AxisMap& map = axes[axis];
    map.size = range.size;
    map.start = range.start * map.step;
    // With one element or none the step is not used, and may be anything.
    map.step = range.size > 1 ? range.step * map.step : map.step;
  }
  move_elements(x, context.output(0), std::move(axes));
}

}  // namespace

const OpDef& op_slice() {
  static const OpDef def{
      .name = "slice",
      .summary = "x[start:end:step] along some axes",
      .inputs = {{.name = "x", .types = kAny, .same_as = 'T'},
                 {.name = "starts", .types = kIndices, .same_as = 'I'},
                 {.name = "ends", .types = kIndices, .same_as = 'I'},
                 {.name = "axes", .types = kIndices, .arity = Operand::optional},
                 {.name = "steps", .types = kIndices, .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kAny, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.moves_only = true, .parameter_inputs = 0b11110},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
