// SPDX-License-Identifier: Apache-2.0
// concat and split, one kernel a piece, in any layout.
#include "backends/cuda/codegen/strided_copy.hpp"
#include "ops/concat.hpp"
#include "ops/split.hpp"
#include "tactic/layout_support.hpp"

namespace strop::cuda {
const Tactic& tactic_concat_cuda();
namespace {

constexpr std::size_t kMostPieces = 24;  // each is up to two launches of one record

bool joins(const Problem& problem) { return problem.is(op_concat()); }

Acceptance accepts(const Problem& problem) {
  const std::size_t pieces =
      joins(problem) ? problem.node->inputs.size() : problem.node->outputs.size();
  if (pieces > kMostPieces)
    return Acceptance::refuse("it has more than " + std::to_string(kMostPieces) + " pieces");
  if (const std::string why = not_moved(problem.input_type(0).dtype); !why.empty())
    return Acceptance::refuse(why);
  for (std::size_t i = 0; i < (joins(problem) ? pieces : 1); ++i) {
    if (!problem.input_type(i).shape) return Acceptance::refuse("the rank of x is not known");
  }
  for (std::size_t i = 0; i < problem.node->outputs.size(); ++i) {
    if (!problem.output_type(i).shape) return Acceptance::refuse("the rank of y is not known");
  }
  return Acceptance::accept();
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return any_layout(problem, joins(problem) ? problem.node->inputs.size() : 1);
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  const auto rank = static_cast<std::int64_t>(shapes.output(0).size());
  const auto axis = static_cast<std::size_t>(
      normalize_axis(joins(problem) ? problem.attributes<ConcatAttributes>().axis
                                    : problem.attributes<SplitAttributes>().axis,
                     rank));
  const auto order = memory_order(rank, problem.layouts.output(0));
  const std::size_t pieces =
      joins(problem) ? problem.node->inputs.size() : problem.node->outputs.size();
  LaunchStep step;
  Dim start(0);
  for (std::size_t i = 0; i < pieces; ++i) {
    const std::size_t in = joins(problem) ? i : 0, out = joins(problem) ? 0 : i;
    StridedCopy copy{joins(problem) ? shapes.input(i) : shapes.output(i),
                     {shapes.input_strides(in)},
                     {shapes.output_strides(out)},
                     in,
                     out};
    WalkOperand& whole = joins(problem) ? copy.to : copy.from;
    whole.base = start * whole.strides[axis];
    start = start + copy.sizes[axis];
    add_copy(step, problem, shapes, copy, order, problem.input_type(0).dtype, "piece");
  }
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_concat_cuda() {
  static const Tactic tactic{.name = "concat_cuda",
                             .backend = "cuda",
                             .ops = {op_concat, op_split},
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
