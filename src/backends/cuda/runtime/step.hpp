// SPDX-License-Identifier: Apache-2.0
// A step of the CUDA backend: made from what the engine says, prepared for shapes, and then ordered
// in a stream as often as the context runs. What it throws reaches the user as an Error.
#pragma once

#include <cstdint>
#include <memory>

#include "backends/cuda/runtime/device.hpp"
#include "plan/backend_abi.h"

namespace strop::cuda {

class Step {
 public:
  virtual ~Step() = default;
  // Bytes of working memory on the device that run needs.
  virtual std::uint64_t prepare(const StropAbiValue* inputs, const StropAbiValue* outputs) = 0;
  // Orders the work; waits for nothing. After the first call it allocates nothing.
  virtual void run(const StropAbiValue* inputs, const StropAbiValue* outputs, void* workspace,
                   const Stream& stream) = 0;
};

// Everything that a step is told comes from an engine file: Error(engine_invalid) unless `holds`.
void require(bool holds, const char* what, const char* why);

// Kernel "launch": parameters are a launch record (launch_record.hpp).
std::unique_ptr<Step> make_launch_step(Device& device, const StropAbiStep& step);
// Kernels "cublaslt_matmul" and "cudnn_conv", where Strop was built with the library: parameters
// are records of library_records.hpp. Throw Error(missing_library) when it is not there.
std::unique_ptr<Step> make_cublaslt_step(Device& device, const StropAbiStep& step);
std::unique_ptr<Step> make_cudnn_conv_step(Device& device, const StropAbiStep& step);

}  // namespace strop::cuda
