// SPDX-License-Identifier: Apache-2.0
// An epilogue (epilogue.hpp) applied to rows of a result that a kernel has just stored and that is
// still in the cache. Results are dense with the channels innermost; operands broadcast to them.
#pragma once

#include <limits>
#include <span>
#include <vector>

#include "backends/cpu/epilogue.hpp"
#include "backends/cpu/kernels/kernel.hpp"
#include "backends/cpu/pointwise_functions.hpp"

namespace strop::cpu {

class EpilogueRuns {
 public:
  // Throws Error(engine_invalid, library_mismatch) for what no function or input is there for.
  EpilogueRuns(Epilogue epilogue, std::size_t input_count);

  // For a result of this shape. Throws Error(engine_invalid) when an operand does not broadcast.
  // Unless a kernel has registers for it, the start of the chain is apply's like the rest.
  void prepare(std::span<const View> inputs, std::span<const std::int64_t> shape,
               bool registers = true);

  // The start of the chain that a kernel can apply in registers: a sum with a tensor as large as
  // the result, then a clamp. What is left is `apply`'s.
  struct InRegisters {
    std::int64_t residual = -1;  // input, or none
    float low = -std::numeric_limits<float>::infinity();
    float high = std::numeric_limits<float>::infinity();
  };
  const InRegisters& in_registers() const { return in_registers_; }
  bool is_done() const { return first_ == steps_.size(); }

  // Whether the rest reads anything beside the values themselves. If not, rows in a row are one
  // run.
  bool has_operands() const;

  // Applies the rest to columns [begin, begin + count) of row `row` (all outer dimensions as one),
  // which lie at `values`.
  void apply(std::span<const View> inputs, std::int64_t row, std::int64_t begin, std::int64_t count,
             float* values) const;
  // As apply for rows [row, row + rows), which lie `stride` floats apart.
  void apply_rows(std::span<const View> inputs, std::int64_t row, std::int64_t rows,
                  std::int64_t begin, std::int64_t count, float* values, std::int64_t stride) const;

 private:
  struct Step {
    EpilogueStep step;
    RunFunction function = nullptr;
    std::vector<std::int64_t> strides;  // of the operand, along the result's outer dimensions
    bool per_column = false;            // else one value a row
  };
  void take_registers(std::span<const View> inputs, std::span<const std::int64_t> shape);

  std::vector<Step> steps_;
  std::size_t first_ = 0;  // that is left for apply
  InRegisters in_registers_;
  std::vector<std::int64_t> outer_;
};

}  // namespace strop::cpu
