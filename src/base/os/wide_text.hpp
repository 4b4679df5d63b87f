// SPDX-License-Identifier: Apache-2.0
// Windows only: paths are UTF-8 in Strop and UTF-16 in the system.
#pragma once

#include <string>
#include <string_view>

namespace strop::os {

std::wstring to_wide(std::string_view utf8);
std::string to_utf8(std::wstring_view wide);
// What the system says about one of its error numbers.
std::string windows_error_text(unsigned long number);

}  // namespace strop::os
