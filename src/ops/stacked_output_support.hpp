// SPDX-License-Identifier: Apache-2.0
// What an operator that loops gives for each of its iterations, stacked along a new first axis.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ir/evaluate.hpp"
#include "ir/type.hpp"

namespace strop {

class StackedOutput {
 public:
  // All slices have one shape; their bytes together are bounded by RunLimits::tensor_bytes.
  void append(KernelContext& context, const Datum& slice);
  // Output `output` becomes the stack. `declared` is the type of a slice: where no slice came, it
  // tells the sizes, with `sizes` for its symbols, and those that it leaves open are 0. Zeros, or
  // empty strings, follow up to `count` slices in all.
  void deliver(KernelContext& context, std::size_t output, const Type& declared,
               const SymbolValues& sizes, std::int64_t count = 0);

 private:
  void charge(const KernelContext& context, std::int64_t bytes);

  DType dtype_ = DType::undefined;
  Shape shape_;
  std::int64_t count_ = 0, charged_ = 0;
  std::vector<std::byte> bytes_;  // one byte for each element of a packed type
  std::vector<std::string> strings_;
};

}  // namespace strop
