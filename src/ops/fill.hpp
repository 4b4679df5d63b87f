// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/tensor.hpp"
#include "ir/op_def.hpp"

namespace strop {

struct FillAttributes {
  Tensor value = Tensor::zeros(DType::f32, {1});

  static void reflect(auto& field) {
    field("value", &FillAttributes::value, "one element, which all elements of y become");
  }
};

const OpDef& op_fill();

}  // namespace strop
