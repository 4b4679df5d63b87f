// SPDX-License-Identifier: Apache-2.0
// Products of one to eight rows by a constant matrix, f32, f16 or bf16; bound by the matrix's
// bytes.
#include "backends/cuda/codegen/gemm_view.hpp"
#include "backends/cuda/codegen/scalar_source.hpp"
#include "base/error.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"

namespace strop::cuda {
const Tactic& tactic_matmul_gemv();
namespace {

constexpr std::int64_t kMostRows = 8;

std::optional<GemmView> view_of(const Problem& problem, bool pack, std::string& refusal) {
  const DType type = problem.output_type(0).dtype;
  auto out = view_as_product(problem, is_half(type) ? type : DType::f32, WeightOrder::k_inner, pack,
                             refusal);
  if (!out) return std::nullopt;
  const GemmProblem& p = out->problem;
  const Tensor* matrix = problem.constant(p.b.index);
  if (matrix == nullptr || matrix->rank() != 2 || matrix->size() == 0) {
    refusal = "its second operand is no constant matrix";
  } else if (!p.inner_a || !p.m.is_constant() || p.m.value() < 1 || p.m.value() > kMostRows) {
    refusal = "it has not one to eight rows";
  } else {
    return out;
  }
  return std::nullopt;
}

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  if (view_of(problem, false, refusal)) return Acceptance::accept();
  return Acceptance::refuse(refusal);
}

// Warps of a column.
std::vector<std::string> configs(const Problem&) { return {"1", "4"}; }

KernelChoice lower(const Problem& problem, std::string_view config) {
  std::string refusal;
  auto view = view_of(problem, true, refusal);
  STROP_CHECK(view.has_value(), "a problem is lowered after it was accepted");
  LaunchStep step = gemv_step(view->problem, config == "4" ? 4 : 1);
  step.replaced = std::move(view->replaced);
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_matmul_gemv() {
  static const Tactic tactic{.name = "matmul_gemv",
                             .backend = "cuda",
                             .ops = {op_matmul, op_gemm},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .configs = configs,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
