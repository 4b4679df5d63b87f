// SPDX-License-Identifier: Apache-2.0
// Weights of integer products in the form that tiles read (simd/tile_s8.hpp), and what the kernels
// of such products share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "backends/cpu/kernels/kernel.hpp"
#include "backends/cpu/kernels/simd/tile_s8.hpp"

namespace strop::cpu {

inline bool is_byte(DType dtype) { return dtype == DType::i8 || dtype == DType::u8; }
// What makes a signed byte unsigned, by exclusive or.
inline std::uint8_t flip_of(DType dtype) { return dtype == DType::i8 ? 0x80 : 0; }
inline std::int32_t unsigned_zero(DType dtype, std::int64_t zero) {
  return static_cast<std::int32_t>(zero) + (dtype == DType::i8 ? 128 : 0);
}
// Sums of int32 are defined modulo 2^32.
inline std::int32_t wrapped_product(std::int32_t a, std::int32_t b) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(a) * static_cast<std::uint32_t>(b));
}
// A zero point of that type. Error(engine_invalid) when it is none.
std::int64_t read_zero(const KernelInit& init, const char* parameter, DType dtype,
                       const char* kernel);
// Constant weights less their zero point. Error(engine_invalid) when one is no signed byte then.
std::vector<std::int8_t> signed_weights(const KernelInit::Operand& weights, std::int64_t zero,
                                        const char* kernel);

// Vectors of a panel, so that little of the last panel is wasted and a tile has work for its loads.
int best_vectors(const TileSetS8& tiles, std::int64_t columns);

class PackedS8 {
 public:
  using Weight = std::function<std::int8_t(std::int64_t group, std::int64_t column,
                                           std::int64_t tap, std::int64_t depth)>;
  // Panels of `vectors` vectors over `columns` columns of each group; sums run over taps * depth.
  // x_zero: of the unsigned rows.
  void pack(const TileSetS8& tiles, int vectors, std::int64_t groups, std::int64_t columns,
            std::int64_t taps, std::int64_t depth, std::int32_t x_zero, const Weight& weight);

  // The same for tiles of a depthwise convolution.
  using ChannelWeight = std::function<std::int8_t(std::int64_t channel, std::int64_t tap)>;
  void pack_channels(const TileSetS8& tiles, std::int64_t channels, std::int64_t taps,
                     std::int32_t x_zero, const ChannelWeight& weight);

  bool empty() const { return start_.empty(); }
  std::int64_t panels() const { return panels_; }    // of a group
  std::int64_t columns() const { return columns_; }  // of a panel
  std::int64_t quads() const { return quads_; }      // of a tap; or of taps
  const void* panel(std::int64_t index) const { return bytes_.data() + index * panel_bytes_; }
  const std::int32_t* start(std::int64_t index) const { return start_.data() + index * columns_; }

 private:
  std::int64_t panels_ = 0, columns_ = 0, quads_ = 0, panel_bytes_ = 0;
  std::vector<std::byte> bytes_;
  std::vector<std::int32_t> start_;
};

}  // namespace strop::cpu
