// SPDX-License-Identifier: Apache-2.0
// split, and slice along one axis by steps of 1, in any layout.
#include "backends/cpu/parameters.hpp"
#include "ops/slice.hpp"
#include "ops/split.hpp"
#include "tactic/layout_support.hpp"

namespace strop::cpu {
const Tactic& tactic_cut_cpu();
namespace {

struct Cut {
  std::int64_t axis = 0, start = 0;
};

std::optional<Cut> view_as_cut(const Problem& problem) {
  const std::int64_t rank = problem.input_type(0).rank();
  if (rank < 1) return std::nullopt;
  if (problem.is(op_split()))
    return Cut{normalize_axis(problem.attributes<SplitAttributes>().axis, rank), 0};
  const Tensor* starts = problem.constant(1);
  if (starts == nullptr || starts->size() != 1 || problem.constant(2) == nullptr)
    return std::nullopt;
  Cut cut{0, starts->to_i64()[0]};
  if (problem.has_input(3)) {
    const Tensor* axes = problem.constant(3);
    if (axes == nullptr || axes->size() != 1) return std::nullopt;
    cut.axis = normalize_axis(axes->to_i64()[0], rank);
  }
  if (problem.has_input(4)) {
    const Tensor* steps = problem.constant(4);
    if (steps == nullptr || steps->size() != 1 || steps->to_i64()[0] != 1) return std::nullopt;
  }
  // A start before the first element counts as the first, which one that counts from the end of an
  // axis of unknown size may be.
  const Dim& size = (*problem.input_type(0).shape)[static_cast<std::size_t>(cut.axis)];
  if (cut.start < 0) {
    if (!size.is_constant()) return std::nullopt;
    cut.start = std::max<std::int64_t>(0, cut.start + size.value());
  }
  return cut;
}

Acceptance accepts(const Problem& problem) {
  const DType dtype = problem.input_type(0).dtype;
  if (dtype == DType::string || bits_of(dtype) < 8)
    return Acceptance::refuse("its elements are not whole bytes");
  if (!view_as_cut(problem))
    return Acceptance::refuse("it takes constant slices along one axis by steps of 1");
  return Acceptance::accept();
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return any_layout(problem, 1);
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const Cut cut = *view_as_cut(problem);
  Parameters parameters;
  parameters.set("axis",
                 physical_axis(cut.axis, problem.input_type(0).rank(), problem.layouts.output(0)));
  parameters.set("start", cut.start);
  return {"cut", parameters.text()};
}

}  // namespace

const Tactic& tactic_cut_cpu() {
  static const Tactic tactic{.name = "cut_cpu",
                             .backend = "cpu",
                             .ops = {op_split, op_slice},
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu
