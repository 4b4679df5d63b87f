// SPDX-License-Identifier: Apache-2.0
// Upper and lower case without a locale: the simple mappings of Unicode 14, one code point to one.
// So "ß" stays as it is, and a final sigma is no special case; Turkish, Azeri and Lithuanian rules
// are not known.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ops/utf8_support.hpp"

namespace strop {

std::uint32_t to_upper(std::uint32_t code);
std::uint32_t to_lower(std::uint32_t code);

// Every character mapped; bytes that are no UTF-8 stay.
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);

// Adds to a set everything that differs from it in case alone.
void add_other_case(CodePointSet& set);

}  // namespace strop
