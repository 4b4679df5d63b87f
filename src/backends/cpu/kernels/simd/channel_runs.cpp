// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/kernels/simd/channel_runs.hpp"

#define STROP_SIMD_SOURCE "backends/cpu/kernels/simd/channel_runs.inl"
#include "backends/cpu/kernels/simd/for_each_isa.hpp"

namespace strop::cpu {

const ChannelRuns& channel_runs() { return STROP_FOR_THIS_CPU(kChannelRuns); }

}  // namespace strop::cpu
