// SPDX-License-Identifier: Apache-2.0
// Generated kernels as C++ of the processor: their source with stand-ins for what is CUDA's.
#pragma once

#include <string>

namespace strop::testing {

// Whole: it includes host_prelude.inl. The kernels are functions with C linkage.
std::string as_host_source(const std::string& source);

}  // namespace strop::testing
