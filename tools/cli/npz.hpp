// SPDX-License-Identifier: Apache-2.0
// NumPy's .npz format: a zip archive of .npy files.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/tensor.hpp"

namespace strop::cli {

// Name (without .npy) and array of every entry, in the archive's order. `source` names the file in
// errors. Throws Error(bad_argument), and Error(missing_library) where Strop was built without
// libzip.
std::vector<std::pair<std::string, Tensor>> read_npz(std::span<const std::byte> bytes,
                                                     const std::string& source);

}  // namespace strop::cli
