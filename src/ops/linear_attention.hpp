// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct LinearAttentionAttributes {
  double scale = 1;

  static void reflect(auto& field) {
    field("scale", &LinearAttentionAttributes::scale, "factor of what the queries read");
  }
};

// q [B, T, Hq, D], k [B, T, Hk, D], v [B, T, Hk, Dv] → y [B, T, Hq, Dv] and the state after the
// last token, [B, Hk, D, Dv]. Hq is a multiple of Hk: neighbouring heads of q share one state.
//
// Optional inputs:
//   state   [B, Hk, D, Dv], before the first token; zeros without. Its type is that of the state
//           that comes out (without: q's).
//   decay   [B, T, Hk, D or 1]: the state shrinks by exp(decay) before a token is written
//   rate    [B, T, Hk or 1]: the delta rule: not v is written, but rate * (v - what k reads)
const OpDef& op_linear_attention();

}  // namespace strop
