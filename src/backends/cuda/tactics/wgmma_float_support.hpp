// SPDX-License-Identifier: Apache-2.0
// Convolutions and products of floats by constant weights as problems of wgmma_support.hpp.
#pragma once

#include "backends/cuda/tactics/wgmma_support.hpp"

namespace strop::cuda {

// f16 and bf16; or f32, which the kernel splits in two.
enum class WgmmaFloats : std::uint8_t { half, single };

// Of one of these; nothing, and why, where the kernel has no such.
template <WgmmaFloats floats>
std::optional<WgmmaProblem> read_wgmma_conv(const Problem& problem, std::string& refusal);
template <WgmmaFloats floats>
std::optional<WgmmaProblem> read_wgmma_matmul(const Problem& problem, std::string& refusal);

// Whether Hopper's tensor cores take the product or convolution of f32 in two parts.
bool is_split(const Problem& problem);

}  // namespace strop::cuda
