// SPDX-License-Identifier: Apache-2.0
// Names of external data, as open_beneath takes them. Not for use outside os/.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace strop::os {

inline constexpr const char* kCopyHint =
    "put a copy of the file into the folder of the model, or allow links that end inside a folder "
    "of yours with "
    "--external-data-root";

// Throws Error(external_data).
[[noreturn]] void throw_external(std::string_view relative, const std::string& folder,
                                 std::string why, std::string hint = {});
// The parts of a name that stays inside its folder as far as its text tells. Throws
// Error(external_data).
std::vector<std::string> split_external_name(std::string_view relative, const std::string& folder);

}  // namespace strop::os
