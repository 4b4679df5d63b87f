// SPDX-License-Identifier: Apache-2.0
// What the tactics of own convolution kernels over floats have in common: activations and
// operands of the epilogue channels last, constant weights.
#pragma once

#include "backends/cpu/parameters.hpp"
#include "backends/cpu/tactics/anchor_support.hpp"

namespace strop::cpu {

// A 1-D or 2-D convolution of f32 with constant weights and an epilogue that kernels have. Nothing
// when the problem is another one (`refusal` as of view_as).
std::optional<AnchorView> view_as_conv_f32(const Problem& problem, std::string& refusal);

// Whether the rest of such a convolution fits, whatever the types of its operands; `refusal` says
// why not.
bool takes_conv(const Problem& problem, const AnchorView& view, std::string& refusal);

std::vector<OperandLayouts> conv_layouts(const Problem& problem, std::string_view config);

// What the kernels read: inputs, the window, the epilogue.
Parameters conv_parameters(const Problem& problem);
Parameters conv_parameters(const Problem& problem, const AnchorView& view);

}  // namespace strop::cpu
