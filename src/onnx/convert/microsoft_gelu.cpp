// SPDX-License-Identifier: Apache-2.0
// The forms of GELU in com.microsoft, which ONNX Runtime's optimizer writes.
#include "onnx/convert/emit_support.hpp"

namespace strop::onnx {
namespace {

void gelu(ConvertContext& c) { c.set_output(0, unary(c, {UnaryFunction::gelu}, c.input(0))); }

void bias_gelu(ConvertContext& c) {
  const ValueId sum = binary(c, BinaryFunction::add, c.input(0), c.input(1));
  c.set_output(0, unary(c, {UnaryFunction::gelu}, sum));
}

void fast_gelu(ConvertContext& c) {
  ValueId x = c.input(0);
  if (c.has_input(1)) x = binary(c, BinaryFunction::add, x, c.input(1));
  c.set_output(0, unary(c, {UnaryFunction::gelu_tanh}, x));
}

// x * sigmoid(alpha * x), which is silu with its parameter.
void quick_gelu(ConvertContext& c) {
  const double alpha = static_cast<double>(c.float_attribute("alpha", 1.702f));
  c.set_output(0, unary(c, {UnaryFunction::silu, alpha}, c.input(0)));
}

}  // namespace

void register_microsoft_gelu(ConverterTable& table) {
  table.add("com.microsoft", "Gelu", 1, gelu);
  table.add("com.microsoft", "BiasGelu", 1, bias_gelu);
  table.add("com.microsoft", "FastGelu", 1, fast_gelu);
  table.add("com.microsoft", "QuickGelu", 1, quick_gelu);
}

}  // namespace strop::onnx
