// SPDX-License-Identifier: Apache-2.0
// slice with constant parameters, expand and tile.
#include <array>

#include "backends/cuda/codegen/slice_cuts.hpp"
#include "backends/cuda/codegen/strided_copy.hpp"
#include "ops/expand.hpp"
#include "ops/slice.hpp"
#include "ops/tile.hpp"
#include "tactic/layout_support.hpp"

namespace strop::cuda {
const Tactic& tactic_slice_cuda();
namespace {

std::optional<std::vector<SliceCut>> cuts_of(const Problem& problem) {
  std::array<const Tensor*, 4> parameters{};
  for (std::size_t i = 1; i < 5; ++i) {
    parameters[i - 1] = problem.constant(i);
    if (problem.has_input(i) && parameters[i - 1] == nullptr) return std::nullopt;
  }
  return slice_cuts(problem.input_type(0), parameters);
}

Acceptance accepts(const Problem& problem) {
  if (const std::string why = not_moved(problem.input_type(0).dtype); !why.empty())
    return Acceptance::refuse(why);
  if (!problem.input_type(0).shape || !problem.output_type(0).shape)
    return Acceptance::refuse("the rank of x is not known");
  if (problem.is(op_slice()) && !cuts_of(problem))
    return Acceptance::refuse("it takes constant starts that count from the first element");
  return Acceptance::accept();
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return any_layout(problem, 1);
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  const SymShape& y = shapes.output(0);
  const auto rank = static_cast<std::int64_t>(y.size());
  const auto order = memory_order(rank, problem.layouts.output(0));
  StridedCopy copy{y, {shapes.input_strides(0)}, {shapes.output_strides(0)}};
  LaunchStep step;
  const DType dtype = problem.input_type(0).dtype;
  if (problem.is(op_tile())) {
    // Each axis of y is two: the repeat, which stands still in x, and the index within x.
    StridedCopy both;
    for (const std::size_t axis : order) {
      const Dim& inner = shapes.input(0)[axis];
      // An empty x has an empty y, whatever the repeats.
      both.sizes.push_back(inner.is(0) ? Dim(0) : floordiv(y[axis], max(inner, Dim(1))));
      both.sizes.push_back(inner);
      both.from.strides.push_back(Dim(0));
      both.from.strides.push_back(copy.from.strides[axis]);
      both.to.strides.push_back(copy.to.strides[axis] * inner);
      both.to.strides.push_back(copy.to.strides[axis]);
    }
    add_copy(step, problem, shapes, both, dtype, "tile");
    return to_choice(problem, std::move(step));
  }
  if (problem.is(op_expand())) {
    copy.from.strides = broadcast_strides(shapes.input(0), shapes.input_strides(0), y);
  } else {
    const auto cuts = cuts_of(problem);
    for (const SliceCut& cut : *cuts) {
      const auto axis = static_cast<std::size_t>(cut.axis);
      copy.from.base = copy.from.base + copy.from.strides[axis] * Dim(cut.start);
      // With one element the step is not used, and may be anything.
      if (!y[axis].is(1) && !y[axis].is(0))
        copy.from.strides[axis] = copy.from.strides[axis] * Dim(cut.step);
    }
  }
  add_copy(step, problem, shapes, copy, order, dtype, "slice");
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_slice_cuda() {
  static const Tactic tactic{.name = "slice_cuda",
                             .backend = "cuda",
                             .ops = {op_slice, op_expand, op_tile},
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
