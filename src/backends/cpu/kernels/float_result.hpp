// SPDX-License-Identifier: Apache-2.0
// Exact integer sums as floats, and the epilogue that follows them (epilogue.hpp). The first
// product with one factor, or one per column, and the sum with one number per column after it are
// done while the sums are in registers; the rest on rows that have just been stored.
#pragma once

#include <span>
#include <vector>

#include "backends/cpu/kernels/epilogue_runs.hpp"
#include "backends/cpu/kernels/kernel.hpp"
#include "backends/cpu/kernels/simd/tile_s8.hpp"

namespace strop::cpu {

class FloatResult {
 public:
  // Parameter epilogue. Throws Error(engine_invalid, library_mismatch).
  explicit FloatResult(const KernelInit& init);
  void prepare(std::span<const View> inputs, const View& output, std::int64_t channels);
  // Before the tiles of a run.
  void read_factors(std::span<const View> inputs);

  // For a tile of rows from `row` on and columns from `channel` on, of rows `stride` long.
  void set_place(const View& output, std::int64_t row, std::int64_t stride, std::int64_t channel,
                 TileS8& tile) const;
  bool is_done() const { return rest_.is_done(); }
  // Columns [channel, channel + count) of `rows` rows.
  void finish_rows(std::span<const View> inputs, const View& output, std::int64_t row,
                   std::int64_t rows, std::int64_t stride, std::int64_t channel,
                   std::int64_t count) const;

 private:
  // A step's operand, one value or one per column, that tiles take; -1: none.
  std::int64_t factor_ = -1, bias_ = -1;
  EpilogueRuns rest_;
  std::vector<float> factors_, biases_;  // and a panel beyond the channels
};

}  // namespace strop::cpu
