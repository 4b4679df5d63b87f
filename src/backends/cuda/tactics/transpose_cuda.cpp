// SPDX-License-Identifier: Apache-2.0
// transpose and the shuffle of channel groups (fuse_channel_shuffle.cpp).
#include "backends/cuda/codegen/strided_copy.hpp"
#include "base/error.hpp"
#include "ops/reshape.hpp"
#include "ops/transpose.hpp"
#include "tactic/layout_support.hpp"
#include "tactic/shuffle_view.hpp"

namespace strop::cuda {
const Tactic& tactic_transpose_cuda();
namespace {

Acceptance accepts(const Problem& problem) {
  if (!problem.is(op_transpose()) && shuffle_groups(problem) < 1) return Acceptance::refuse("");
  const DType dtype = problem.input_type(0).dtype;
  if (const std::string why = not_moved(dtype); !why.empty()) return Acceptance::refuse(why);
  if (!problem.input_type(0).shape) return Acceptance::refuse("the rank of x is not known");
  return Acceptance::accept();
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return any_layout(problem, 1);
}

// Channel o of the result is channel o % groups * size + o / groups of x.
StridedCopy shuffle(const LaunchShapes& shapes, std::int64_t groups,
                    std::vector<std::size_t>& order) {
  const Dim size = floordiv(shapes.input(0)[1], Dim(groups));
  StridedCopy copy{shapes.output(0), {shapes.input_strides(0)}, {shapes.output_strides(0)}};
  // Axis 1 becomes two: o / groups, then o % groups.
  const auto split = [](SymShape& list, Dim outer, Dim inner) {
    list[1] = std::move(outer);
    list.insert(list.begin() + 2, std::move(inner));
  };
  split(copy.sizes, size, Dim(groups));
  split(copy.from.strides, copy.from.strides[1], copy.from.strides[1] * size);
  split(copy.to.strides, copy.to.strides[1] * Dim(groups), copy.to.strides[1]);
  std::vector<std::size_t> both;
  for (const std::size_t axis : order) {
    both.push_back(axis > 1 ? axis + 1 : axis);
    if (axis == 1) both.push_back(2);
  }
  order = std::move(both);
  return copy;
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  const std::size_t rank = shapes.output(0).size();
  std::vector<std::size_t> order =
      memory_order(static_cast<std::int64_t>(rank), problem.layouts.output(0));
  StridedCopy copy;
  if (problem.is(op_transpose())) {
    copy = {shapes.output(0), {}, {shapes.output_strides(0)}};
    const auto& perm = problem.attributes<TransposeAttributes>().perm;
    for (std::size_t i = 0; i < rank; ++i) {
      const std::size_t axis = perm.empty() ? rank - 1 - i : static_cast<std::size_t>(perm[i]);
      copy.from.strides.push_back(shapes.input_strides(0)[axis]);
    }
  } else {
    copy = shuffle(shapes, shuffle_groups(problem), order);
  }
  LaunchStep step;
  add_copy(step, problem, shapes, copy, order, problem.input_type(0).dtype, "transpose");
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_transpose_cuda() {
  static const Tactic tactic{.name = "transpose_cuda",
                             .backend = "cuda",
                             .ops = {op_transpose, op_reshape},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
