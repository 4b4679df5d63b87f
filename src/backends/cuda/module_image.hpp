// SPDX-License-Identifier: Apache-2.0
// A kernel's code as an engine holds it: machine code, and where chips to come can run it, the PTX
// that it was made from, which their driver compiles. The PTX lies behind the machine code, whose
// headers say where it ends.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "base/tensor.hpp"

namespace strop::cuda {

// u8. `ptx` may be empty.
Tensor join_image(std::span<const std::byte> machine_code, std::string_view ptx);

struct ImageParts {
  std::span<const std::byte> machine_code;
  std::string_view ptx;  // a NUL follows it; empty where there is none
};

// Views of `image`, whatever its bytes are: without PTX all of it is machine code.
ImageParts split_image(std::span<const std::byte> image);

}  // namespace strop::cuda
