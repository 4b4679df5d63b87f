// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct SoftmaxAttributes {
  std::int64_t axis = -1;  // normalised to [0, rank) at import
  bool log = false;

  static void reflect(auto& field) {
    field("axis", &SoftmaxAttributes::axis, "axis along which the outputs sum to one");
    field("log", &SoftmaxAttributes::log, "the logarithm of the softmax instead");
  }
};

const OpDef& op_softmax();

}  // namespace strop
