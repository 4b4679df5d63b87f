// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/dim.hpp"
#include "ir/op_def.hpp"

namespace strop {

struct DimsAttributes {
  std::vector<Dim> values{};

  static void reflect(auto& field) { field("values", &DimsAttributes::values, "the contents"); }
};

const OpDef& op_dims();

}  // namespace strop
