// SPDX-License-Identifier: Apache-2.0
// The equation of an Einstein sum, taken apart. An index is a number: letters come first, in the
// order of their codes, then the axes behind an ellipsis.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace strop {

inline constexpr std::int64_t kEinsumLetters = 52;

// One operand or the result: indices before and after the ellipsis; without one all are `before`.
struct EinsumTerm {
  std::vector<std::int64_t> before, after;
  bool ellipsis = false;

  std::size_t letters() const { return before.size() + after.size(); }
  // One index per axis when the ellipsis stands for that many axes.
  std::vector<std::int64_t> indices(std::size_t ellipsis_axes) const;
};

struct EinsumEquation {
  std::vector<EinsumTerm> operands;
  EinsumTerm result;  // without "->": the ellipsis if there is one, then all letters that come once
};

// Throws Error(bad_attribute) that names what is wrong.
EinsumEquation parse_einsum(std::string_view equation);

// "i", or "axis 2 of ..." for messages.
std::string einsum_index_name(std::int64_t index);

}  // namespace strop
