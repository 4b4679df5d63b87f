// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace strop::cuda {

// The text of src/backends/cuda/kernels/<name>.cuh.
std::string_view kernel_source(std::string_view name);

}  // namespace strop::cuda
