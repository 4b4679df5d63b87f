// SPDX-License-Identifier: Apache-2.0
// Exact products of bytes by a constant matrix on the tensor cores of any chip: their sums, floats
// made of them, or bytes by requantisation.
#include "backends/cuda/codegen/byte_view.hpp"
#include "backends/cuda/tactics/gemm_tactic.hpp"
#include "ops/matmul_integer.hpp"

namespace strop::cuda {
const Tactic& tactic_matmul_mma_s8();
namespace {

struct Family {
  static constexpr bool kTensorCores = true;
  static constexpr auto view = view_as_byte_product;
  static constexpr auto configs = byte_configs;
  static constexpr auto step = mma_step;
};

}  // namespace

const Tactic& tactic_matmul_mma_s8() {
  static const Tactic tactic{.name = "matmul_mma_s8",
                             .backend = "cuda",
                             .ops = {op_matmul_integer},
                             .reads_bodies = true,
                             .accepts = GemmTactic<Family>::accepts,
                             .configs = GemmTactic<Family>::configs,
                             .slowdown = GemmTactic<Family>::slowdown,
                             .lower = GemmTactic<Family>::lower};
  return tactic;
}

}  // namespace strop::cuda
