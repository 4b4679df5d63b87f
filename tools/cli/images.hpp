// SPDX-License-Identifier: Apache-2.0
// Pictures as tensors: u8[height,width,3], red, green, blue.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/tensor.hpp"

namespace strop::cli {

// `source` names the file in errors. What is transparent becomes white, 16 bits become 8; an
// orientation that a camera noted is not applied. Throws Error(bad_argument) for what is no such
// picture, Error(limit_exceeded) above 100 million pixels, Error(missing_library) where Strop was
// built without libpng and libjpeg.
Tensor read_png(std::span<const std::byte> bytes, const std::string& source);
Tensor read_jpeg(std::span<const std::byte> bytes, const std::string& source);

}  // namespace strop::cli
