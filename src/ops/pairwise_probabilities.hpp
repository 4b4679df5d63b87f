// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "ir/op_def.hpp"

namespace strop {

struct PairwiseProbabilitiesAttributes {
  std::int64_t classes = 2;

  static void reflect(auto& field) {
    field("classes", &PairwiseProbabilitiesAttributes::classes, "how many classes");
  }
};

// scores [N, pairs of classes], a [pairs], b [pairs].
const OpDef& op_pairwise_probabilities();

}  // namespace strop
