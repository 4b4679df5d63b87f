// SPDX-License-Identifier: Apache-2.0
// Tables of functions between quantised values: 256 entries, each the function's exact value at the
// exact value of its place, quantised. Computed in decimal-free extended precision, so that they
// are the same on every machine: exp, tanh and erf of C libraries are not.
#pragma once

#include <optional>

#include "ops/unary.hpp"
#include "passes/quantized_value.hpp"

namespace strop {

// f(x) for every x that `from` can be (one scale, i8 or u8), quantised to `to`. Nothing when the
// function is none of a real number here.
std::optional<Tensor> make_table(const QuantizedValue& from, const UnaryAttributes& function,
                                 const QuantizedValue& to);
// The same of the identity: another scale or zero.
Tensor make_rescaling_table(const QuantizedValue& from, const QuantizedValue& to);

}  // namespace strop
