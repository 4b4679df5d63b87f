// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct ArgReduceAttributes {
  bool largest = true;
  std::int64_t axis = 0;
  bool keep_dims = true;
  bool select_last = false;

  static void reflect(auto& field) {
    field("largest", &ArgReduceAttributes::largest, "index of the maximum, else of the minimum");
    field("axis", &ArgReduceAttributes::axis, "axis to search along");
    field("keep_dims", &ArgReduceAttributes::keep_dims, "the axis stays with size 1");
    field("select_last", &ArgReduceAttributes::select_last, "of equal elements the last");
  }
};

const OpDef& op_arg_reduce();

}  // namespace strop
