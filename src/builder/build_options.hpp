// SPDX-License-Identifier: Apache-2.0
// Build options as text, for the C API and the command line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "builder/build_config.hpp"

namespace strop {

// Parts between separators; empty ones are left out.
std::vector<std::string> split_list(std::string_view text, char separator);

// "images=1x3x224x224" or "images=MIN:OPT:MAX" with three such shapes, of which OPT counts; '?' is
// a dimension left open. Throws Error(bad_option).
void add_wanted_shape(std::string_view text, WantedShapes& shapes);

}  // namespace strop
