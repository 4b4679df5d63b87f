// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ir/op_def.hpp"

namespace strop {

struct StringSplitAttributes {
  std::string delimiter{};
  std::optional<std::int64_t> most_splits{};

  static void reflect(auto& field) {
    field("delimiter", &StringSplitAttributes::delimiter,
          "what lies between pieces; empty: one or more of space, \\t, \\n, \\v, \\f, \\r");
    field("most_splits", &StringSplitAttributes::most_splits,
          "how often a string is cut; the last piece holds the rest");
  }
};

// pieces [..., most pieces of a string], counts.
const OpDef& op_string_split();

}  // namespace strop
