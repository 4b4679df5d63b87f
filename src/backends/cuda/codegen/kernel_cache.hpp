// SPDX-License-Identifier: Apache-2.0
// Compiled kernels on disk, one file each, in $STROP_KERNEL_CACHE or else
// $XDG_CACHE_HOME/strop/kernels or ~/.cache/strop/kernels; "off" in the first turns it off. A file
// that is damaged, or that cannot be read or written, is as if it were not there.
#pragma once

#include <optional>

#include "backends/cuda/codegen/nvrtc.hpp"
#include "base/hash.hpp"

namespace strop::cuda {

std::optional<CompiledKernel> load_cached_kernel(const Hash& key);
void store_cached_kernel(const Hash& key, const CompiledKernel& kernel);

}  // namespace strop::cuda
