// SPDX-License-Identifier: Apache-2.0
// Matrix products (matmul and gemm, with bias, residual and activation) by cuBLASLt. Configurations
// are numbers in the list of algorithms that the library suggests for the sizes at hand.
#include <algorithm>

#include "backends/cuda/cublaslt_library.hpp"
#include "backends/cuda/tactics/library_support.hpp"
#include "base/error.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"
#include "tactic/product_view.hpp"

namespace strop::cuda {
const Tactic& tactic_matmul_cublaslt();
namespace {

constexpr std::size_t kChoices = 8;
constexpr std::int64_t kMaxRank = 8;

// Batches are the result's, or one for all of them.
bool has_regular_batches(const SymShape& operand, const SymShape& output) {
  bool ones = true, equal = true;
  for (std::size_t i = 0; i + 2 < output.size(); ++i) {
    const std::size_t missing = output.size() - operand.size();
    const Dim size = i < missing ? Dim(1) : operand[i - missing];
    ones = ones && size.is(1);
    equal = equal && size == output[i];
  }
  return ones || equal;
}

std::string sizes_refusal(const Problem& problem, const LibraryProduct& product) {
  const Type& a = problem.input_type(product.a);
  const Type& b = problem.input_type(product.b);
  const Type& y = problem.output_type(0);
  if (!a.shape || !b.shape || !y.shape) return "the rank of an operand is not known";
  if (a.rank() < 2 || b.rank() < 2 || y.rank() > kMaxRank)
    return "it takes operands of 2 to " + std::to_string(kMaxRank) + " axes";
  if (!has_regular_batches(*a.shape, *y.shape) || !has_regular_batches(*b.shape, *y.shape))
    return "its batches are repeated in part";
  const Dim& k = a.shape->at(a.shape->size() - (product.trans_a ? 2 : 1));
  if (k.is(0)) return "it sums nothing";
  if (!k.is_constant() && (product.chain.bias || product.chain.residual))
    return "how much it sums is open, and may be nothing";
  if (!product.chain.bias) return {};
  const Type& bias = problem.input_type(*product.chain.bias);
  if (!bias.shape || bias.rank() != 1 || bias.shape->at(0) != y.shape->back())
    return "its bias has not one number a column";
  return {};
}

std::optional<LibraryProduct> read(const Problem& problem, std::string& refusal) {
  const auto product = read_product(problem, refusal);
  if (!product) return std::nullopt;
  LibraryProduct out;
  out.a = static_cast<std::uint32_t>(product->view.input(0));
  out.b = static_cast<std::uint32_t>(product->view.input(1));
  out.trans_a = product->trans_a;
  out.trans_b = product->trans_b;
  if (product->bias >= 0) out.chain.bias = static_cast<std::uint32_t>(product->bias);
  if (!read_library_chain(problem, product->view.epilogue, out.chain, refusal)) return std::nullopt;
  const LibraryActivation activation = out.chain.activation;
  if (activation != LibraryActivation::none && activation != LibraryActivation::relu &&
      activation != LibraryActivation::gelu_tanh)
    refusal = "the library has ReLU and GELU by tanh";
  if (refusal.empty()) refusal = library_types_refusal(problem, out.a, out.b, out.chain);
  if (refusal.empty()) refusal = sizes_refusal(problem, out);
  if (refusal.empty() && problem.precise) refusal = "a precise engine sums in one order";
  if (!refusal.empty()) return std::nullopt;
  return out;
}

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  if (!read(problem, refusal)) return Acceptance::refuse(refusal);
  if (runs_here(problem) && !cublaslt_problem().empty())
    return Acceptance::refuse(cublaslt_description());
  return Acceptance::accept();
}

std::vector<std::string> configs(const Problem&) { return library_choices(kChoices); }

KernelChoice lower(const Problem& problem, std::string_view config) {
  std::string refusal;
  auto product = read(problem, refusal);
  STROP_CHECK(product.has_value(), "a problem is lowered after it was accepted");
  product->choice = library_choice(config, runs_here(problem) ? cublaslt_version() : 0);
  return {"cublaslt_matmul", to_text(*product)};
}

}  // namespace

const Tactic& tactic_matmul_cublaslt() {
  static const Tactic tactic{.name = "matmul_cublaslt",
                             .backend = "cuda",
                             .opens_library = true,
                             .ops = {op_matmul, op_gemm},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .configs = configs,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
