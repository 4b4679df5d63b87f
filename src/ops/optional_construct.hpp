// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"
#include "ir/type.hpp"

namespace strop {

struct OptionalConstructAttributes {
  Type element = Type::tensor_of_unknown_rank(DType::undefined);  // of an empty optional

  static void reflect(auto& field) {
    field("element", &OptionalConstructAttributes::element,
          "without an input: what the optional could hold");
  }
};

const OpDef& op_optional_construct();

}  // namespace strop
