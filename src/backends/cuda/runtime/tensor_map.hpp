// SPDX-License-Identifier: Apache-2.0
// A TMA descriptor made from its recipe for the shapes at hand, and made again where its operand
// has moved.
#pragma once

#include <cstdint>
#include <vector>

#include "backends/cuda/launch_record.hpp"
#include "backends/cuda/runtime/driver.hpp"

namespace strop::cuda {

struct EncodedMap {
  CUtensorMap descriptor{};  // valid after place

  // Throws Error(engine_invalid) for a recipe that makes no sense. The recipe outlives this.
  void prepare(const TensorMap& recipe, const SymbolValues& symbols);
  void place(std::uintptr_t address);

 private:
  const TensorMap* recipe_ = nullptr;
  std::vector<cuuint64_t> sizes_, strides_;
  std::uintptr_t address_ = 0;
};

}  // namespace strop::cuda
