// SPDX-License-Identifier: Apache-2.0
// Where a convolution by tiles reads its input: for a block of output pixels, a table of pointers
// to the runs of contiguous elements that their windows see.
//
// Two ways. Taps: each tap of the window is a run of the group's channels, or of padding. Lines,
// for inputs of few channels: a whole line of the window is one run, which the input must hold
// contiguously, so it is first copied with its padding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backends/cpu/kernels/conv_window.hpp"

namespace strop::cpu {

class ConvRows {
 public:
  static constexpr std::int64_t kPointers = 4096;  // of a block: 32 KiB
  static constexpr std::int64_t kBlockRows =
      96;  // most output pixels that reuse a panel of weights

  // Elements of `bytes` each; padding is `padding_byte` in every byte. A run may be read
  // `over_read` bytes beyond its end, whose contents do not matter.
  ConvRows(int bytes, std::uint8_t padding_byte, int over_read)
      : bytes_(bytes), padding_byte_(padding_byte), over_read_(over_read) {}

  // Whether lines are read as one run, for all but inputs of odd sizes or paddings.
  static bool may_read_lines(const ConvWindow& window);

  // For a prepared window and tiles of `tile_rows` output pixels. `exact`: tiles read no run beyond
  // its end. Error(engine_invalid) when the window has too many taps.
  void prepare(const ConvWindow& window, int tile_rows, const char* kernel, bool exact = false);

  void set_padding(std::uint8_t byte);

  std::int64_t taps() const { return taps_; }    // runs of an output pixel
  std::int64_t depth() const { return depth_; }  // elements of a run
  std::int64_t block_rows() const { return block_rows_; }
  std::int64_t blocks() const { return (window_->out_pixels() + block_rows_ - 1) / block_rows_; }

  // Bytes of workspace for the input with its padding; 0: it is read where it lies.
  std::uint64_t workspace_bytes() const;
  // Where to read from: the input, or the copy made of it.
  const std::byte* source(const void* input, void* workspace) const;

  // Pointers for the block's tiles: run t of row r of tile i at [(i * taps + t) * tile_rows + r].
  // Returns how many output pixels the block has; rows beyond repeat the last one.
  std::int64_t set_pointers(const std::byte* source, std::int64_t block,
                            const std::byte** pointers) const;

 private:
  struct Pixel {
    std::int64_t image, line, column;
  };
  void set_pixel(const std::byte* source, const Pixel& pixel, const std::byte** to) const;

  int bytes_;
  std::uint8_t padding_byte_;
  int over_read_;
  const ConvWindow* window_ = nullptr;
  bool lines_ = false, copied_ = false, dense_ = false;
  std::int64_t copy_bytes_ = 0;
  std::int64_t tile_rows_ = 1, taps_ = 1, depth_ = 1, block_rows_ = 1;
  std::vector<std::int64_t> tap_bytes_;  // from a window's first tap, where taps are runs
  std::vector<std::byte> padding_;       // one run, and what may be read beyond it
};

}  // namespace strop::cpu
