// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "ir/op_def.hpp"

namespace strop {

enum class CaseChange : std::uint8_t { none, lower, upper };

inline std::span<const std::string_view> enum_names(CaseChange) {
  static constexpr std::array<std::string_view, 3> names = {"none", "lower", "upper"};
  return names;
}

struct StringNormalizeAttributes {
  CaseChange change = CaseChange::none;
  std::vector<std::string> stopwords{};
  bool case_sensitive = true;

  static void reflect(auto& field) {
    field("change", &StringNormalizeAttributes::change, "case of the letters of y");
    field("stopwords", &StringNormalizeAttributes::stopwords, "elements that are left out");
    field("case_sensitive", &StringNormalizeAttributes::case_sensitive,
          "stopwords are told apart from what differs from them in case alone");
  }
};

const OpDef& op_string_normalize();

}  // namespace strop
