// SPDX-License-Identifier: Apache-2.0
// Exact integer product of bytes with a constant matrix, requantised or not, by own kernels.
#include "backends/cpu/tactics/quantized_support.hpp"
#include "ops/matmul_integer.hpp"

namespace strop::cpu {
const Tactic& tactic_matmul_cpu_s8();
namespace {

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  const std::int64_t rank = problem.output_type(0).rank();
  const auto view = read_quantized(problem, op_matmul_integer(), rank - 1, refusal);
  if (!view) return Acceptance::refuse(refusal);
  if (problem.constant(static_cast<std::size_t>(view->w))->rank() != 2)
    return Acceptance::refuse("its weights are no matrix");
  if (problem.input_type(static_cast<std::size_t>(view->x)).rank() < 2)
    return Acceptance::refuse("its first operand is a vector");
  return Acceptance::accept();
}

KernelChoice lower(const Problem& problem, std::string_view) {
  std::string refusal;
  const std::int64_t rank = problem.output_type(0).rank();
  const auto view = read_quantized(problem, op_matmul_integer(), rank - 1, refusal);
  STROP_CHECK(view.has_value(), "a problem is lowered after it was accepted");
  Parameters parameters;
  parameters.set("inputs", std::vector<std::int64_t>{view->x, view->w});
  set_quantized(*view, parameters);
  return {"matmul_s8", parameters.text()};
}

}  // namespace

const Tactic& tactic_matmul_cpu_s8() {
  static const Tactic tactic{.name = "matmul_cpu_s8",
                             .backend = "cpu",
                             .ops = {op_matmul_integer},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu
