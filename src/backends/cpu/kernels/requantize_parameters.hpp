// SPDX-License-Identifier: Apache-2.0
// How the sums of an integer product become bytes (ops/requantize.hpp), as kernels read it from an
// engine's parameters; or that they stay sums.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backends/cpu/kernels/kernel.hpp"
#include "backends/cpu/kernels/simd/table_bytes.hpp"
#include "backends/cpu/kernels/simd/tile_s8.hpp"

namespace strop::cpu {

class RequantizeParameters {
 public:
  // Parameters: result (sums or bytes); for bytes multiplier, offset, residual (inputs, the last -1
  // for none), residual_multiplier (a float's bits as a number), residual_zero, low, high, and
  // perhaps table: an input of 256 bytes that then replace them. Throws Error(engine_invalid).
  RequantizeParameters(const KernelInit& init, const char* kernel);
  // Spreads multiplier and offset over the output channels.
  void set_channels(const KernelInit& init, std::int64_t channels, const char* kernel);
  void prepare(std::span<const View> inputs, const View& output, const char* kernel) const;

  void set_constants(TileS8& tile) const;
  // For a tile of rows from `row` on and columns from `channel` on, of rows `stride` long.
  void set_place(std::span<const View> inputs, const View& output, std::int64_t row,
                 std::int64_t stride, std::int64_t channel, TileS8& tile) const;

  // Replaces the finished bytes of columns [channel, channel + count) of a row by the table's
  // entries; nothing without a table.
  bool has_table() const { return table_ != nullptr; }
  void look_up(const View& output, std::int64_t row, std::int64_t stride, std::int64_t channel,
               std::int64_t count) const;

 private:
  const std::uint8_t* table_ = nullptr;
  LookUp look_up_ = nullptr;
  bool to_bytes_ = false;
  DType out_type_ = DType::undefined;
  std::size_t multiplier_ = 0, offset_ = 0;
  std::int64_t residual_ = -1;
  DType residual_type_ = DType::undefined;
  float residual_multiplier_ = 0;
  std::int32_t residual_zero_ = 0, low_ = 0, high_ = 0;
  std::vector<float> multipliers_, offsets_;
};

}  // namespace strop::cpu
