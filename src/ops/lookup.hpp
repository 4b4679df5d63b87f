// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"
#include "ops/lazy.hpp"

namespace strop {

class LookupIndex;

struct LookupAttributes {
  Tensor keys{};
  Tensor values{};
  Tensor otherwise{};
  bool by_bits = false;
  Lazy<LookupIndex> index{};

  static void reflect(auto& field) {
    field("keys", &LookupAttributes::keys, "vector; of equal keys the last counts");
    field("values", &LookupAttributes::values, "vector: what key i becomes");
    field("otherwise", &LookupAttributes::otherwise,
          "one element: what becomes of anything else; none: it is refused");
    field("by_bits", &LookupAttributes::by_bits,
          "floats are equal if their bits are; otherwise NaN equals NaN, and 0 equals -0");
  }
};

const OpDef& op_lookup();

}  // namespace strop
