// SPDX-License-Identifier: Apache-2.0
// Where libraries of CUDA are looked for: $STROP_CUDA_LIBRARY_PATH (folders separated by ':'),
// beside Strop's own libraries, where the system looks, a toolkit in /usr/local/cuda, and the
// wheels of PyPI in the Python environment that is active ($VIRTUAL_ENV).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/os/dynamic_library.hpp"

namespace strop::cuda {

// The first of these names that opens, names before places. `wheels` are folders below
// site-packages/nvidia. `tried` receives what was tried, in words, when none does.
std::optional<os::DynamicLibrary> open_library(const std::vector<std::string>& names,
                                               const std::vector<std::string>& wheels,
                                               std::string& tried);

// Names and wheels of NVRTC, which the build side compiles with.
inline const std::vector<std::string> kNvrtcNames{"libnvrtc.so.13", "libnvrtc.so.12"};
inline const std::vector<std::string> kNvrtcWheels{"cuda_nvrtc", "cu13"};

}  // namespace strop::cuda
