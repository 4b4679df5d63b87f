// SPDX-License-Identifier: Apache-2.0
// The activations that ONNX Runtime fuses into products and convolutions, by their names.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "onnx/convert/emit_support.hpp"
#include "ops/clip.hpp"

namespace strop::onnx {

// y through the activation `name` ("": none) with its parameters in the order of the standard's
// attributes; throws bad_attribute for a name that is not known or parameters that are missing.
inline ValueId activated(ConvertContext& c, ValueId y, const std::string& name,
                         const std::vector<float>& parameters) {
  struct Known {
    std::string_view name;
    UnaryFunction function;
    std::size_t parameters;
  };
  static constexpr std::array<Known, 11> kKnown{{
      {"Relu", UnaryFunction::relu, 0},
      {"Sigmoid", UnaryFunction::sigmoid, 0},
      {"Tanh", UnaryFunction::tanh, 0},
      {"Softplus", UnaryFunction::softplus, 0},
      {"Softsign", UnaryFunction::softsign, 0},
      {"LeakyRelu", UnaryFunction::leaky_relu, 1},
      {"Elu", UnaryFunction::elu, 1},
      {"Celu", UnaryFunction::celu, 1},
      {"ThresholdedRelu", UnaryFunction::thresholded_relu, 1},
      {"HardSigmoid", UnaryFunction::hard_sigmoid, 2},
      {"Selu", UnaryFunction::selu, 2},
  }};
  const auto parameter = [&](std::size_t i) {
    if (i < parameters.size()) return static_cast<double>(parameters[i]);
    c.fail(ErrorCode::bad_attribute, "activation " + name + " lacks a parameter");
  };
  if (name.empty()) return y;
  if (name == "HardSwish") return unary(c, {UnaryFunction::hard_swish, 1.0 / 6, 0.5}, y);
  if (name == "Clip") {
    const DType dtype = c.type(y).dtype;
    return c.emit(op_clip(), NoAttributes{},
                  {y, scalar(c, dtype, parameter(0)), scalar(c, dtype, parameter(1))});
  }
  for (const Known& known : kKnown) {
    if (known.name != name) continue;
    UnaryAttributes attributes{known.function};
    if (known.parameters > 0) attributes.alpha = parameter(0);
    if (known.parameters > 1) attributes.beta = parameter(1);
    return unary(c, attributes, y);
  }
  c.fail(ErrorCode::unsupported_operator, "its activation \"" + name + "\" is not known");
}

}  // namespace strop::onnx
