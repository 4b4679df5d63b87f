// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct StftAttributes {
  bool onesided = true;

  static void reflect(auto& field) {
    field("onesided", &StftAttributes::onesided,
          "of a real signal: the first half of each spectrum, which says all");
  }
};

// signal [B, n, 1 or 2], step, window [w] (optional), frame length (optional).
const OpDef& op_stft();

}  // namespace strop
