// SPDX-License-Identifier: Apache-2.0
// Sum or mean over all spatial axes of a tensor of channels, which stay with size 1.
#include <algorithm>

#include "backends/cpu/parameters.hpp"
#include "ops/reduce.hpp"
#include "tactic/tactic.hpp"

namespace strop::cpu {
const Tactic& tactic_global_pool_cpu();
namespace {

Acceptance accepts(const Problem& problem) {
  const auto& reduce = problem.attributes<ReduceAttributes>();
  const Type& x = problem.input_type(0);
  if (reduce.function != ReduceFunction::sum && reduce.function != ReduceFunction::mean)
    return Acceptance::refuse("it takes sums and means");
  const bool sums = x.dtype == DType::i32 && reduce.function == ReduceFunction::sum;
  if ((x.dtype != DType::f32 && !sums) || x.rank() < 3)
    return Acceptance::refuse("it takes f32, and for sums i32, of rank 3 up");
  const Tensor* axes = problem.has_input(1) ? problem.constant(1) : nullptr;
  if (axes == nullptr || !reduce.keep_dims)
    return Acceptance::refuse("it takes constant axes that stay with size 1");
  std::vector<std::int64_t> reduced;
  for (const std::int64_t axis : axes->to_i64()) reduced.push_back(normalize_axis(axis, x.rank()));
  std::ranges::sort(reduced);
  std::vector<std::int64_t> spatial;
  for (std::int64_t axis = 2; axis < x.rank(); ++axis) spatial.push_back(axis);
  if (reduced != spatial) return Acceptance::refuse("it takes all axes after the second");
  return Acceptance::accept();
}

std::vector<OperandLayouts> layouts(const Problem&, std::string_view) {
  return {{}, {{Layout::channels_last}, {Layout::channels_last}}};
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const bool last = problem.layouts.output(0) == Layout::channels_last;
  Parameters parameters;
  parameters.set("outer_axes", std::int64_t{last ? 1 : 2});
  parameters.set("middle_axes", problem.input_type(0).rank() - 2);
  parameters.set("mean", std::int64_t{problem.attributes<ReduceAttributes>().function ==
                                      ReduceFunction::mean});
  return {"global_pool", parameters.text()};
}

}  // namespace

const Tactic& tactic_global_pool_cpu() {
  static const Tactic tactic{.name = "global_pool_cpu",
                             .backend = "cpu",
                             .ops = {op_reduce},
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu
