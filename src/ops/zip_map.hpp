// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct ZipMapAttributes {
  Tensor keys{};

  static void reflect(auto& field) {
    field("keys", &ZipMapAttributes::keys, "vector, i64 or string: the key of each column");
  }
};

const OpDef& op_zip_map();

}  // namespace strop
