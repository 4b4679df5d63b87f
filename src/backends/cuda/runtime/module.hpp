// SPDX-License-Identifier: Apache-2.0
// Machine code on a GPU. Steps with the same code share it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "backends/cuda/runtime/device.hpp"

namespace strop::cuda {

class Module {
 public:
  Module(Device& device, std::span<const std::byte> image);
  ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  // Throws Error(engine_invalid) when there is none of that name. `shared_bytes`: dynamic shared
  // memory that it is going to be launched with.
  CUfunction function(const std::string& entry, std::uint32_t shared_bytes,
                      std::uint32_t cluster_blocks) const;

 private:
  Device& device_;
  CUmodule handle_ = nullptr;
};

// Loaded if no step has it loaded. Throws Error(engine_other_target) when the code is for another
// chip, Error(engine_invalid) when it is no code.
std::shared_ptr<const Module> load_module(Device& device, std::span<const std::byte> image);

}  // namespace strop::cuda
