// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/kernels/conv_rows.hpp"

#include <algorithm>
#include <cstring>

#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr std::int64_t kFewChannels = 16;  // up to which lines are read as one run

}  // namespace

bool ConvRows::may_read_lines(const ConvWindow& window) {
  return window.group == 1 && window.channels <= kFewChannels && window.dilation_w == 1 &&
         window.kernel_w > 1;
}

void ConvRows::prepare(const ConvWindow& window, int tile_rows, const char* kernel, bool exact) {
  window_ = &window;
  tile_rows_ = tile_rows;
  // Padding wider than the window would make the copy larger than the input.
  lines_ = may_read_lines(window) && window.height > 0 && window.width > 0 &&
           window.pad_left < window.kernel_w &&
           window.padded_width() <= window.width + 2 * window.kernel_w;
  taps_ = lines_ ? window.kernel_h : window.kernel_h * window.kernel_w;
  dense_ = taps_ == 1 && !lines_ && window.stride_h == 1 && window.stride_w == 1 &&
           window.pad_top == 0 && window.pad_left == 0 && window.out_height == window.height &&
           window.out_width == window.width;
  depth_ = lines_ ? window.kernel_w * window.channels : window.channels / window.group;
  // What lies beyond the input's end may not be read: a copy has room there.
  const bool reads_over = !exact && over_read_ > 0 && (depth_ * bytes_) % (over_read_ + 1) != 0;
  copied_ = reads_over || (lines_ && (window.pad_left > 0 || window.padded_width() > window.width));
  require(taps_ <= kPointers / tile_rows_, kernel, "its window has too many elements");
  copy_bytes_ = 0;
  if (copied_ && window.out_pixels() > 0) {
    std::int64_t bytes = bytes_;
    for (const std::int64_t size :
         {window.batch, window.height, lines_ ? window.padded_width() : window.width,
          window.channels}) {
      const auto product = try_mul(bytes, size);
      require(product.has_value(), kernel, "its input is too large to be copied");
      bytes = *product;
    }
    copy_bytes_ = bytes + over_read_;
  }
  const std::int64_t most_tiles = std::max<std::int64_t>(1, kPointers / (taps_ * tile_rows_));
  block_rows_ =
      tile_rows_ * std::min(most_tiles, std::max<std::int64_t>(1, kBlockRows / tile_rows_));
  tap_bytes_.clear();
  for (std::int64_t kh = 0; !lines_ && kh < window.kernel_h; ++kh) {
    for (std::int64_t kw = 0; kw < window.kernel_w; ++kw) {
      tap_bytes_.push_back((kh * window.dilation_h * window.width + kw * window.dilation_w) *
                           window.channels * bytes_);
    }
  }
  padding_.assign(static_cast<std::size_t>(std::max(depth_, window.channels) * bytes_ + over_read_),
                  std::byte{padding_byte_});
}

void ConvRows::set_padding(std::uint8_t byte) {
  padding_byte_ = byte;
  std::ranges::fill(padding_, std::byte{byte});
}

std::uint64_t ConvRows::workspace_bytes() const { return static_cast<std::uint64_t>(copy_bytes_); }

const std::byte* ConvRows::source(const void* input, void* workspace) const {
  const auto* from = static_cast<const std::byte*>(input);
  if (!copied_) return from;
  auto* to = static_cast<std::byte*>(workspace);
  const std::int64_t pixel = window_->channels * bytes_;
  const std::int64_t line = window_->width * pixel;
  if (!lines_) {
    std::memcpy(to, from, static_cast<std::size_t>(window_->batch * window_->height * line));
    return to;
  }
  const std::int64_t padded = window_->padded_width() * pixel;
  const std::int64_t left = window_->pad_left * pixel;
  const std::int64_t copied = std::min(line, padded - left);
  parallel_for(window_->batch * window_->height, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::byte* row = to + i * padded;
      std::memset(row, padding_byte_, static_cast<std::size_t>(left));
      std::memcpy(row + left, from + i * line, static_cast<std::size_t>(copied));
      std::memset(row + left + copied, padding_byte_,
                  static_cast<std::size_t>(padded - left - copied));
    }
  });
  return to;
}

void ConvRows::set_pixel(const std::byte* source, const Pixel& pixel, const std::byte** to) const {
  const ConvWindow& w = *window_;
  const bool padded = lines_ && copied_;
  const std::int64_t pixel_bytes = w.channels * bytes_;
  const std::int64_t line_bytes = (padded ? w.padded_width() : w.width) * pixel_bytes;
  const std::byte* image = source + pixel.image * w.height * line_bytes;
  const std::int64_t h0 = pixel.line * w.stride_h - w.pad_top;
  const std::int64_t w0 = pixel.column * w.stride_w - (padded ? 0 : w.pad_left);
  if (!lines_ && h0 >= 0 && w0 >= 0 && h0 + (w.kernel_h - 1) * w.dilation_h < w.height &&
      w0 + (w.kernel_w - 1) * w.dilation_w < w.width) {  // no padding in sight
    const std::byte* origin = image + h0 * line_bytes + w0 * pixel_bytes;
    for (const std::int64_t offset : tap_bytes_) {
      *to = origin + offset;
      to += tile_rows_;
    }
    return;
  }
  for (std::int64_t kh = 0; kh < w.kernel_h; ++kh) {
    const std::int64_t h = h0 + kh * w.dilation_h;
    const bool inside = h >= 0 && h < w.height;
    const std::byte* line = image + (inside ? h * line_bytes : 0);
    if (lines_) {
      *to = inside ? line + w0 * pixel_bytes : padding_.data();
      to += tile_rows_;
      continue;
    }
    for (std::int64_t kw = 0; kw < w.kernel_w; ++kw) {
      const std::int64_t column = w0 + kw * w.dilation_w;
      *to =
          inside && column >= 0 && column < w.width ? line + column * pixel_bytes : padding_.data();
      to += tile_rows_;
    }
  }
}

std::int64_t ConvRows::set_pointers(const std::byte* source, std::int64_t block,
                                    const std::byte** pointers) const {
  const ConvWindow& w = *window_;
  const std::int64_t first = block * block_rows_;
  const std::int64_t count = std::min(block_rows_, w.out_pixels() - first);
  const std::int64_t tiles = (count + tile_rows_ - 1) / tile_rows_;
  if (dense_) {  // output pixels are input pixels
    const std::int64_t pixel_bytes = w.channels * bytes_;
    for (std::int64_t i = 0; i < tiles * tile_rows_; ++i)
      pointers[i] = source + (first + std::min(i, count - 1)) * pixel_bytes;
    return count;
  }
  Pixel pixel{first / (w.out_width * w.out_height), first / w.out_width % w.out_height,
              first % w.out_width};
  std::int64_t i = 0;
  for (std::int64_t tile = 0; tile < tiles; ++tile) {
    const std::byte** to = pointers + tile * taps_ * tile_rows_;
    for (std::int64_t row = 0; row < tile_rows_; ++row, ++i) {
      set_pixel(source, pixel, to + row);
      if (i + 1 >= count) continue;  // rows beyond the last pixel repeat it
      if (++pixel.column < w.out_width) continue;
      pixel.column = 0;
      if (++pixel.line < w.out_height) continue;
      pixel.line = 0;
      ++pixel.image;
    }
  }
  return count;
}

}  // namespace strop::cpu
