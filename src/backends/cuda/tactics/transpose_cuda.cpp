// SPDX-License-Identifier: Apache-2.0
// transpose and the shuffle of channel groups (fuse_channel_shuffle.cpp).
#include "backends/cuda/codegen/strided_copy.hpp"
#include "base/error.hpp"
#include "ops/reshape.hpp"
#include "ops/transpose.hpp"
#include "tactic/fused_view.hpp"
#include "tactic/layout_support.hpp"

namespace strop::cuda {
const Tactic& tactic_transpose_cuda();
namespace {

// Groups of a channel shuffle; 0: the problem is none.
std::int64_t groups_of(const Problem& problem) {
  if (!problem.is(op_fused())) return 0;
  const FusedView body(problem);
  const auto& nodes = body.nodes();
  if (nodes.size() != 3 || !nodes[0]->is(op_reshape()) || !nodes[1]->is(op_transpose()) ||
      !nodes[2]->is(op_reshape()) || body.input_index(nodes[0]->inputs[0]) != 0 ||
      nodes[1]->inputs[0] != nodes[0]->outputs[0] || nodes[2]->inputs[0] != nodes[1]->outputs[0] ||
      !body.ends_in(nodes[2]->outputs[0])) {
    return 0;
  }
  const Type& x = body.type(nodes[0]->inputs[0]);
  const Type& groups = body.type(nodes[0]->outputs[0]);
  if (!x.shape || !groups.shape || body.type(nodes[2]->outputs[0]).shape != x.shape ||
      groups.rank() != x.rank() + 1 || x.rank() < 3) {
    return 0;
  }
  const auto& perm = nodes[1]->as<TransposeAttributes>().perm;
  if (perm.size() != groups.shape->size()) return 0;
  for (std::size_t i = 0; i < perm.size(); ++i) {
    const std::size_t wanted = i == 1 ? 2 : i == 2 ? 1 : i;
    if (perm[i] != static_cast<std::int64_t>(wanted)) return 0;
    if (i != 1 && i != 2 && (*groups.shape)[i] != (*x.shape)[i > 2 ? i - 1 : i]) return 0;
  }
  const Dim &count = (*groups.shape)[1], &size = (*groups.shape)[2];
  return count.is_constant() && size.is_constant() ? count.value() : 0;
}

Acceptance accepts(const Problem& problem) {
  if (!problem.is(op_transpose()) && groups_of(problem) < 1) return Acceptance::refuse("");
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
  const auto split = [](SymShape& list, const Dim& outer, const Dim& inner) {
    list[1] = outer;
    list.insert(list.begin() + 2, inner);
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
    copy = shuffle(shapes, groups_of(problem), order);
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
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
