// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "ir/op_def.hpp"

namespace strop {

struct TensorScatterAttributes {
  std::int64_t axis = -2;
  bool circular = false;

  static void reflect(auto& field) {
    field("axis", &TensorScatterAttributes::axis, "axis of the sequence; not the first");
    field("circular", &TensorScatterAttributes::circular,
          "past the end of the axis go on at its beginning");
  }
};

const OpDef& op_tensor_scatter();

}  // namespace strop
