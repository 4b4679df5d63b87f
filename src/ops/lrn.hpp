// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct LrnAttributes {
  std::int64_t size = 1;
  double alpha = 0.0001;
  double beta = 0.75;
  double bias = 1;

  static void reflect(auto& field) {
    field("size", &LrnAttributes::size, "channels to sum over");
    field("alpha", &LrnAttributes::alpha, "factor of the mean square");
    field("beta", &LrnAttributes::beta, "exponent");
    field("bias", &LrnAttributes::bias, "added to the mean square");
  }
};

const OpDef& op_lrn();

}  // namespace strop
