// SPDX-License-Identifier: Apache-2.0
// Whether a person reads what is printed.
#pragma once

#include <cstdint>

namespace strop::os {

enum class Stream : std::uint8_t { out, err };

bool is_terminal(Stream stream);
// Columns; nothing known (a file, a pipe) is 0.
int terminal_width(Stream stream);

}  // namespace strop::os
