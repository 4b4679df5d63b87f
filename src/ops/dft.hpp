// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct DftAttributes {
  bool inverse = false;
  bool onesided = false;

  static void reflect(auto& field) {
    field("inverse", &DftAttributes::inverse, "the inverse transform, divided by the length");
    field(
        "onesided", &DftAttributes::onesided,
        "the spectrum of a real signal, of which the first half is enough: what comes out, or with "
        "inverse what goes in");
  }
};

// x [..., n, ..., 1 or 2], length (optional: n), axis (optional: the last but one).
const OpDef& op_dft();

}  // namespace strop
