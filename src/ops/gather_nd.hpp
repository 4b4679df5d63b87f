// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "ir/op_def.hpp"

namespace strop {

struct GatherNdAttributes {
  std::int64_t batch_dims = 0;

  static void reflect(auto& field) {
    field("batch_dims", &GatherNdAttributes::batch_dims,
          "leading axes that x and the indices share");
  }
};

const OpDef& op_gather_nd();

}  // namespace strop
