// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct GemmAttributes {
  double alpha = 1;
  double beta = 1;
  bool trans_a = false;
  bool trans_b = false;

  static void reflect(auto& field) {
    field("alpha", &GemmAttributes::alpha, "factor of the product");
    field("beta", &GemmAttributes::beta, "factor of c");
    field("trans_a", &GemmAttributes::trans_a, "a is [K, M] instead of [M, K]");
    field("trans_b", &GemmAttributes::trans_b, "b is [N, K] instead of [K, N]");
  }
};

// a [M, K], b [K, N], c broadcast to [M, N] (optional) → y [M, N].
const OpDef& op_gemm();

}  // namespace strop
