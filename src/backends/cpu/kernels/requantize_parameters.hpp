// SPDX-License-Identifier: Apache-2.0
// How the sums of an integer product become bytes (ops/requantize.hpp) or floats
// (float_result.hpp), as kernels read it from an engine's parameters; or that they stay sums.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "backends/cpu/kernels/float_result.hpp"
#include "backends/cpu/kernels/kernel.hpp"
#include "backends/cpu/kernels/simd/table_bytes.hpp"
#include "backends/cpu/kernels/simd/tile_s8.hpp"

namespace strop::cpu {

class RequantizeParameters {
 public:
  // Parameters: result (sums, floats or bytes); for bytes multiplier, offset, residual (inputs, the
  // last -1 for none), residual_multiplier (a float's bits as a number), residual_zero, low, high,
  // and perhaps table: an input of 256 bytes that then replace them. Throws Error(engine_invalid).
  RequantizeParameters(const KernelInit& init, const char* kernel);
  // Spreads multiplier and offset over the output channels. No sum is larger than `largest_sum`.
  void set_channels(const KernelInit& init, std::int64_t channels, double largest_sum,
                    const char* kernel);
  void prepare(std::span<const View> inputs, const View& output, std::int64_t channels,
               const char* kernel);
  void begin_run(std::span<const View> inputs) {
    if (floats_) floats_->read_factors(inputs);
  }

  // Whether it is bytes without a residual that may be clamped as integers (TileS8::bounded).
  bool is_plain() const { return to_bytes_ && bounded_ && residual_ < 0; }

  void set_constants(TileS8& tile) const;
  // For a tile of rows from `row` on and columns from `channel` on, of rows `stride` long.
  void set_place(std::span<const View> inputs, const View& output, std::int64_t row,
                 std::int64_t stride, std::int64_t channel, TileS8& tile) const;

  // What is left to do for stored columns [channel, channel + count) of `rows` rows: bytes become
  // the table's entries, floats go through the rest of the epilogue.
  bool has_rest() const { return table_ != nullptr || (floats_ && !floats_->is_done()); }
  void finish_rows(std::span<const View> inputs, const View& output, std::int64_t row,
                   std::int64_t rows, std::int64_t stride, std::int64_t channel,
                   std::int64_t count) const;

 private:
  std::optional<FloatResult> floats_;
  const std::uint8_t* table_ = nullptr;
  LookUp look_up_ = nullptr;
  bool to_bytes_ = false;
  DType out_type_ = DType::undefined;
  std::size_t multiplier_ = 0, offset_ = 0;
  std::int64_t residual_ = -1;
  DType residual_type_ = DType::undefined;
  float residual_multiplier_ = 0;
  std::int32_t residual_zero_ = 0, low_ = 0, high_ = 0;
  bool bounded_ = false;
  std::vector<float> multipliers_, offsets_;  // then again from the first, for a panel more
};

}  // namespace strop::cpu
