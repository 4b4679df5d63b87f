// SPDX-License-Identifier: Apache-2.0
#include "ops/einsum_support.hpp"

#include <algorithm>
#include <array>

#include "base/error.hpp"

namespace strop {
namespace {

[[noreturn]] void refuse(std::string_view equation, const std::string& why) {
  constexpr std::size_t kShown = 100;
  throw Error(ErrorCode::bad_attribute,
              "einsum equation \"" + std::string(equation.substr(0, kShown)) + "\"", why,
              "write it like \"bij,bjk->bik\": letters for axes, commas between operands, ... for "
              "any number of axes");
}

// -1: no letter.
std::int64_t index_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return 26 + (c - 'a');
  return -1;
}

EinsumTerm parse_term(std::string_view equation, std::string_view text) {
  EinsumTerm term;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ' ') continue;
    if (text[i] == '.') {
      if (term.ellipsis) refuse(equation, "a term has more than one ellipsis");
      if (text.substr(i, 3) != "...") refuse(equation, "an ellipsis is three dots");
      term.ellipsis = true;
      i += 2;
      continue;
    }
    const std::int64_t index = index_of(text[i]);
    if (index < 0) {
      const auto code = static_cast<unsigned char>(text[i]);
      refuse(equation, "character " + std::to_string(code) +
                           (code > 32 && code < 127 ? std::string(" ('") + text[i] + "')" : "") +
                           " is none of a-z, A-Z, comma, dots, -> and space");
    }
    (term.ellipsis ? term.after : term.before).push_back(index);
  }
  return term;
}

}  // namespace

std::vector<std::int64_t> EinsumTerm::indices(std::size_t ellipsis_axes) const {
  std::vector<std::int64_t> out = before;
  for (std::size_t i = 0; i < ellipsis_axes && ellipsis; ++i) {
    out.push_back(kEinsumLetters + static_cast<std::int64_t>(i));
  }
  out.insert(out.end(), after.begin(), after.end());
  return out;
}

EinsumEquation parse_einsum(std::string_view equation) {
  EinsumEquation out;
  const std::size_t arrow = equation.find("->");
  std::string_view left = equation.substr(0, arrow);
  std::array<int, kEinsumLetters> count{};
  bool ellipsis = false;
  for (bool more = true; more;) {
    const std::size_t comma = left.find(',');
    out.operands.push_back(parse_term(equation, left.substr(0, comma)));
    const EinsumTerm& term = out.operands.back();
    for (const auto* part : {&term.before, &term.after}) {
      for (const std::int64_t index : *part) ++count[static_cast<std::size_t>(index)];
    }
    ellipsis = ellipsis || term.ellipsis;
    more = comma != std::string_view::npos;
    if (more) left.remove_prefix(comma + 1);
  }
  if (arrow == std::string_view::npos) {
    out.result.ellipsis = ellipsis;
    for (std::int64_t index = 0; index < kEinsumLetters; ++index) {
      if (count[static_cast<std::size_t>(index)] == 1) out.result.after.push_back(index);
    }
    return out;
  }
  out.result = parse_term(equation, equation.substr(arrow + 2));
  std::array<bool, kEinsumLetters> seen{};
  for (const auto* part : {&out.result.before, &out.result.after}) {
    for (const std::int64_t index : *part) {
      const auto at = static_cast<std::size_t>(index);
      if (count[at] == 0) {
        refuse(equation, "index " + einsum_index_name(index) + " of the result is in no operand");
      }
      if (seen[at]) {
        refuse(equation, "index " + einsum_index_name(index) + " comes twice in the result");
      }
      seen[at] = true;
    }
  }
  if (out.result.ellipsis && !ellipsis) {
    refuse(equation, "the result has an ellipsis, and no operand has");
  }
  return out;
}

std::string einsum_index_name(std::int64_t index) {
  if (index < 26) return {static_cast<char>('A' + index)};
  if (index < kEinsumLetters) return {static_cast<char>('a' + index - 26)};
  return "axis " + std::to_string(index - kEinsumLetters) + " of the ellipsis";
}

}  // namespace strop
