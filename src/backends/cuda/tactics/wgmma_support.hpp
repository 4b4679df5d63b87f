// SPDX-License-Identifier: Apache-2.0
// What the tactics over codegen/implicit_gemm_sm90.hpp have in common: a problem as an implicit
// GEMM by constant weights, and the step that it becomes.
#pragma once

#include "backends/cuda/codegen/implicit_gemm_sm90.hpp"
#include "tactic/anchor_view.hpp"

namespace strop::cuda {

struct WgmmaProblem {
  sm90::ImplicitGemm gemm;
  std::size_t a = 0, weights = 0;                // inputs of the node
  std::array<std::int64_t, 3> weight_strides{};  // as of sm90::pack_weights
  std::vector<std::vector<float>> channels;      // values of the epilogue's channel operands
  std::vector<std::uint32_t> tensors;            // inputs of the node, as the epilogue counts them
};

// The device and the element type: why not, or empty.
std::string wgmma_refusal(const Problem& problem);

// The same size, or the symbol that a launch record has for it: logical axes.
Dim size_of_input(const Problem& problem, std::size_t input, std::size_t axis);
Dim size_of_output(const Problem& problem, std::size_t axis);

// Adds a vector, one number a channel, which must be a constant; false, and why, if it is none.
bool add_bias(const Problem& problem, std::size_t input, WgmmaProblem& into, std::string& refusal);
// Adds the steps; `channel_axis` is the axis of the output that columns are. False, and why, when
// an operand has another form than the kernel reads.
bool add_steps(const Problem& problem, const strop::Epilogue& steps, std::size_t channel_axis,
               WgmmaProblem& into, std::string& refusal);

std::vector<std::string> wgmma_configs(const Problem& problem, const WgmmaProblem& wgmma);
KernelChoice wgmma_choice(const Problem& problem, const WgmmaProblem& wgmma,
                          std::string_view config);

}  // namespace strop::cuda
