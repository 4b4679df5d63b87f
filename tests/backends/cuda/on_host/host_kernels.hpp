// SPDX-License-Identifier: Apache-2.0
// Runs generated kernels on the processor: their source is compiled as C++ with stand-ins for what
// is CUDA's, and the threads of a block take turns at barriers and shuffles. For kernels without
// inline assembly beyond kernels/numbers.cuh and pointwise_functions.cuh.
#pragma once

#include <string>
#include <vector>

#include "backends/cuda/launch_record.hpp"

namespace strop::testing {

// Whether there is a C++ compiler to do it with.
bool can_run_on_host();
// Runs the record's launches on operands in host memory. `symbols` holds the operands' dimensions
// ("i0d1"). Fails the test where it does not compile.
void run_on_host(const cuda::LaunchRecord& record, const std::vector<std::string>& sources,
                 const std::vector<void*>& inputs, const std::vector<void*>& outputs,
                 const SymbolValues& symbols);

}  // namespace strop::testing
