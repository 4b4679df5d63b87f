// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"
#include "ops/scatter_reduction.hpp"

namespace strop {

struct ScatterNdAttributes {
  ScatterReduction reduction = ScatterReduction::none;

  static void reflect(auto& field) {
    field("reduction", &ScatterNdAttributes::reduction,
          "how an update joins what is there; none replaces it");
  }
};

const OpDef& op_scatter_nd();

}  // namespace strop
