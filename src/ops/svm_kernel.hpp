// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "ir/op_def.hpp"

namespace strop {

enum class SvmKernel : std::uint8_t { linear, poly, rbf, sigmoid };

inline std::span<const std::string_view> enum_names(SvmKernel) {
  static constexpr std::array<std::string_view, 4> names = {"linear", "poly", "rbf", "sigmoid"};
  return names;
}

struct SvmKernelAttributes {
  SvmKernel kernel = SvmKernel::linear;
  double gamma = 0;
  double coef0 = 0;
  double degree = 0;

  static void reflect(auto& field) {
    field("kernel", &SvmKernelAttributes::kernel,
          "x.v, (gamma x.v + coef0)^degree, exp(-gamma |x - v|^2) or tanh(gamma x.v + coef0)");
    field("gamma", &SvmKernelAttributes::gamma, "factor of the product or the squared distance");
    field("coef0", &SvmKernelAttributes::coef0, "what is added to the product");
    field("degree", &SvmKernelAttributes::degree, "exponent of poly");
  }
};

const OpDef& op_svm_kernel();

}  // namespace strop
