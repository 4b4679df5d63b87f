// SPDX-License-Identifier: Apache-2.0
// Weights of integer products in the form that tiles read (simd/tile_s8.hpp), and what the kernels
// of such products share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "backends/cpu/kernels/packed_weights.hpp"
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
inline std::int32_t wrapped_difference(std::int32_t a, std::int32_t b) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(a) - static_cast<std::uint32_t>(b));
}
// A zero point of that type. Error(engine_invalid) when it is none.
std::int64_t read_zero(const KernelInit& init, const char* parameter, DType dtype,
                       const char* kernel);

// Of bytes with weights of that shape, for each of the output channels.
double largest_sum(const Shape& weights, std::int64_t channels);

// Vectors of a panel, so that little of the last panel is wasted and a tile has work for its loads.
int best_vectors(const TileSetS8& tiles, std::int64_t columns);

// How weights are packed: panels of `vectors` vectors of `lanes` columns, each sum over taps *
// depth elements, cut into fours within a tap. A depthwise convolution has one vector, one tap, and
// the window's elements as its depth.
struct FormS8 {
  SumPacking packing = SumPacking::bytes;
  std::int64_t lanes = 1, vectors = 1;
  std::int64_t taps = 1, depth = 1;

  static FormS8 of_tiles(const TileSetS8& tiles, int vectors, std::int64_t taps,
                         std::int64_t depth) {
    return {tiles.packing, tiles.lanes, vectors, taps, depth};
  }
  static FormS8 of_channels(const TileSetS8& tiles, std::int64_t plane) {
    return {tiles.channel_packing, tiles.channel_columns, 1, 1, plane};
  }
  std::int64_t panel_columns() const { return lanes * vectors; }
  std::int64_t quads() const { return (depth + 3) / 4; }
  bool operator==(const FormS8&) const = default;
};

// Weights less their zero point in a form, and for each column what its sum begins with: minus the
// zero point of the rows times the sum of the weights. An engine may hold both as a tensor of
// bytes, panels first; `packed` tells packing, lanes, vectors, taps and depth.
//
// Where some weight less the zero point is no signed byte, weights are less 0 or 128 only. What is
// left of the zero point, each sum still lacks times the sum of its row (parameter w_zero_left of
// packed weights).
class PackedS8 {
 public:
  // For `columns` columns in each of `groups` groups, summed over `depth` elements. Of `plain`,
  // which says where the elements of plain weights lie, the data is set here. x_zero: of the rows
  // as unsigned bytes. The weights' zero point is parameter w_zero. Error(engine_invalid) when the
  // constant does not fit.
  void read(const KernelInit& init, const KernelInit::Operand& weights, std::int64_t groups,
            std::int64_t columns, std::int64_t depth, std::int32_t x_zero,
            const PlainWeights<std::int8_t>& plain, const char* kernel);

  // Takes the weights of another one, of windows [height][width], for tiles that go through a
  // window column by column; all columns again and again, so many times.
  void read_lines(PackedS8& from, std::int64_t height, std::int64_t width, std::int64_t times);

  // Makes the weights ready in that form: those of the engine, or packed now.
  void prepare(const FormS8& form);
  // The weights in that form, for the engine; and what `packed` says of it.
  Tensor packed(const FormS8& form) const;
  static std::vector<std::int64_t> numbers(const FormS8& form);
  // The same as parameters of a step.
  std::string parameters(const FormS8& form, const Shape& weights) const;

  std::int64_t panels() const { return panels_; }                 // of a group
  std::int64_t columns() const { return form_.panel_columns(); }  // of a panel
  std::int64_t quads() const { return form_.quads(); }            // of a tap
  const void* panel(std::int64_t index) const { return data_ + index * panel_bytes_; }
  // Part `part` of `parts` of a panel that is soon to be used goes to the L2 cache.
  void prefetch(std::int64_t index, std::int64_t part, std::int64_t parts) const {
    if (index >= groups_ * panels_) return;
    const std::byte* panel = data_ + index * panel_bytes_;
    const std::int64_t end = panel_bytes_ * (part + 1) / parts;
    for (std::int64_t at = panel_bytes_ * part / parts; at < end; at += 64)
      __builtin_prefetch(panel + at, 0, 2);
  }
  std::int32_t zero_left() const { return zero_left_; }
  const std::int32_t* start(std::int64_t index) const { return start_ + index * columns(); }

 private:
  void use(const FormS8& form, const std::byte* data);
  void unpack();

  std::int64_t groups_ = 1, columns_ = 0, depth_ = 0;
  std::int32_t x_zero_ = 0, zero_left_ = 0;
  std::vector<std::int8_t> signed_;  // plain weights less their zero point
  PlainWeights<std::int8_t> plain_;
  FormS8 stored_form_;
  const std::byte* stored_ = nullptr;  // packed, in the engine
  Tensor own_;
  FormS8 form_;
  std::int64_t panels_ = 0, panel_bytes_ = 0;
  const std::byte* data_ = nullptr;
  const std::int32_t* start_ = nullptr;
};

}  // namespace strop::cpu
