// SPDX-License-Identifier: Apache-2.0
// Integer products (tactic/quantized_view.hpp) as kernels read them.
#pragma once

#include <optional>
#include <string>

#include "backends/cpu/parameters.hpp"
#include "tactic/quantized_view.hpp"

namespace strop::cpu {

// As view_as_quantized, and there are functions over runs of floats for its epilogue.
std::optional<QuantizedView> read_quantized(const Problem& problem, const OpDef& anchor,
                                            std::int64_t channel_axis, std::string& refusal);

// How bytes are made, as kernels/requantize_parameters.hpp reads it. Inputs of the problem's node;
// a residual of -1: none.
void set_requantize(const RequantizeAttributes& attributes, std::int64_t multiplier,
                    std::int64_t offset, std::int64_t residual, Parameters& parameters);

// The same for a product, whose result may be its sums, and its x_zero, w_zero and table.
void set_quantized(const QuantizedView& view, Parameters& parameters);

}  // namespace strop::cpu
