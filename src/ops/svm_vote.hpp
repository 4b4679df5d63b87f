// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "ir/op_def.hpp"

namespace strop {

struct SvmVoteAttributes {
  std::vector<std::int64_t> vectors_per_class{};

  static void reflect(auto& field) {
    field("vectors_per_class", &SvmVoteAttributes::vectors_per_class,
          "how many support vectors each class has, in their order");
  }
};

// kernels [N, V], coefficients [classes - 1, V], rho [pairs of classes].
const OpDef& op_svm_vote();

}  // namespace strop
