// SPDX-License-Identifier: Apache-2.0
// Exact integer products and convolutions of bytes by constant weights (tactic/quantized_view.hpp)
// as implicit GEMM: their sums, floats made of them, or bytes by requantisation.
#pragma once

#include "backends/cuda/codegen/gemm_view.hpp"

namespace strop::cuda {

// Any convolution over one or two axes, channels last. Nothing when the problem is another one or
// has no kernel (`refusal` says so unless the operator is another one); `pack`: with packed
// weights.
std::optional<GemmView> view_as_byte_conv(const Problem& problem, bool pack, std::string& refusal);
// One with as many groups as channels and filters, as depthwise_step wants it; with packed weights
// for that configuration.
std::optional<GemmView> view_as_byte_depthwise(const Problem& problem,
                                               const std::optional<DepthwiseConfig>& pack,
                                               std::string& refusal);
// One of an image of at most four channels in one group, requantised, as stem_step wants it.
std::optional<GemmView> view_as_byte_stem(const Problem& problem, bool pack, std::string& refusal);
// A product with a matrix on its right.
std::optional<GemmView> view_as_byte_product(const Problem& problem, bool pack,
                                             std::string& refusal);

// Input x, the output and operands as large as it channels last.
std::vector<OperandLayouts> byte_conv_layouts(const Problem& problem);
// The same, and with x plain.
std::vector<OperandLayouts> byte_stem_layouts(const Problem& problem);

}  // namespace strop::cuda
