// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "ir/op_def.hpp"
#include "ops/scatter_reduction.hpp"

namespace strop {

struct ScatterElementsAttributes {
  std::int64_t axis = 0;
  ScatterReduction reduction = ScatterReduction::none;

  static void reflect(auto& field) {
    field("axis", &ScatterElementsAttributes::axis, "axis of x that the indices count along");
    field("reduction", &ScatterElementsAttributes::reduction,
          "how an update joins what is there; none replaces it");
  }
};

const OpDef& op_scatter_elements();

}  // namespace strop
