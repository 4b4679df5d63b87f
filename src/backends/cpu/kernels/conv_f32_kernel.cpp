// SPDX-License-Identifier: Apache-2.0
// Convolution over f32 tensors whose channels lie innermost, as products of tiles
// (simd/tile_f32.hpp): a tile is a few output pixels by a panel of output channels, its rows of A
// are read where the input lies. 1-D and 2-D, any stride, dilation, padding and group.
//
// Two ways to read the input. `taps`: each tap of the window is a run of the group's channels, or
// of zeros in the padding. `lines`, for inputs of few channels: a whole line of the window is one
// run, which the input must hold contiguously, so it is first copied with its padding.
//
// The sum of an output runs over taps and channels in one fixed order, cut where the panel's
// weights fill the cache, whatever the number of threads.
//
// Inputs: x [N, H, W, C] or [N, W, C], w [M, C/group, kernel...] (a constant, packed once), bias
// [M] (optional), operands of the epilogue. Output: [N, OH, OW, M] or [N, OW, M].
#include <algorithm>
#include <cmath>
#include <vector>

#include "backends/cpu/kernels/conv_window.hpp"
#include "backends/cpu/kernels/epilogue_runs.hpp"
#include "backends/cpu/kernels/simd/tile_f32.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "convolution kernel conv_f32";
constexpr std::int64_t kPointers = 4096;         // rows of a block's tiles, all taps: 32 KiB
constexpr std::int64_t kSliceBytes = 96 * 1024;  // of a panel's weights, to stay in the L2 cache
constexpr std::int64_t kBlockRows = 96;          // output pixels that reuse such a slice
constexpr std::int64_t kFewChannels = 16;        // up to which lines are read as one run

class ConvF32Kernel final : public Kernel {
 public:
  explicit ConvF32Kernel(const KernelInit& init)
      : window_(ConvWindow::read(init, kWhat)),
        tiles_(tile_set_f32()),
        epilogue_(parse_epilogue(init.parameters.string("epilogue")), init.inputs.size()) {
    const KernelInit::Operand& w = init.inputs[window_.w];
    require(w.constant != nullptr && w.dtype == DType::f32, kWhat, "its weights are no constant");
    window_.set_weights(w.constant_shape, kWhat);
    weights_ = static_cast<const float*>(w.constant);
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs,
                        int threads) override {
    threads_ = threads;
    window_.prepare(inputs, outputs, kWhat);
    require(inputs[window_.x].dtype == DType::f32 && outputs[0].dtype == DType::f32, kWhat,
            "its operands are not f32");
    epilogue_.prepare(inputs, outputs[0].dims);
    has_bias_ = window_.has_bias;
    if (has_bias_) {
      require(inputs[window_.bias].dtype == DType::f32 &&
                  inputs[window_.bias].size() == window_.out_channels,
              kWhat, "its bias does not fit");
    }
    choose_runs();
    if (packed_.empty()) pack();
    return padded_bytes();
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void* workspace) override {
    const float* x = inputs[window_.x].as<const float>();
    if (lines_ && pads_width()) {
      copy_with_padding(x, static_cast<float*>(workspace));
      x = static_cast<const float*>(workspace);
    }
    const std::int64_t pixels = window_.out_pixels();
    const std::int64_t blocks = (pixels + block_rows_ - 1) / block_rows_;
    const std::int64_t panels = window_.group * panels_per_group_;
    // Panels are shared out as well where there are too few blocks to go round.
    const std::int64_t parts = std::clamp<std::int64_t>(4 * threads_ / blocks, 1, panels);
    parallel_for(blocks * parts, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t part = task % parts;
        run_block(inputs, outputs[0], x, task / parts, panels * part / parts,
                  panels * (part + 1) / parts);
      }
    });
  }

 private:
  bool pads_width() const { return window_.pad_left > 0 || window_.padded_width() > window_.width; }

  void choose_runs() {
    // Padding wider than the window would make the copy larger than the input.
    lines_ = window_.group == 1 && window_.channels <= kFewChannels && window_.dilation_w == 1 &&
             window_.kernel_w > 1 && window_.pad_left < window_.kernel_w &&
             window_.padded_width() <= window_.width + 2 * window_.kernel_w;
    taps_ = lines_ ? window_.kernel_h : window_.kernel_h * window_.kernel_w;
    depth_ = lines_ ? window_.kernel_w * window_.channels : window_.channels / window_.group;
    zeros_.assign(static_cast<std::size_t>(std::max(depth_, window_.channels)), 0.0f);
    const std::int64_t columns = window_.out_channels / window_.group;
    vectors_ = best_vectors(columns);
    rows_ = tiles_.rows[vectors_];
    panel_ = std::int64_t{vectors_} * tiles_.lanes;
    panels_per_group_ = (columns + panel_ - 1) / panel_;
    require(taps_ <= kPointers / rows_, kWhat, "its window has too many elements");
    const std::int64_t most_tiles = std::max<std::int64_t>(1, kPointers / (taps_ * rows_));
    tiles_per_block_ = std::min(most_tiles, std::max<std::int64_t>(1, kBlockRows / rows_));
    block_rows_ = tiles_per_block_ * rows_;
    // Slices of the sum.
    const std::int64_t most = std::max<std::int64_t>(1, kSliceBytes / (panel_ * 4));
    slice_depth_ = std::min(depth_, most);
    slice_taps_ = slice_depth_ < depth_ ? 1 : std::max<std::int64_t>(1, most / depth_);
  }

  // Vectors of a panel, so that little of the last panel is wasted and a tile has work for its
  // loads.
  int best_vectors(std::int64_t columns) const {
    int best = 1;
    double best_cost = 0;
    for (int v = 1; v <= tiles_.most_vectors; ++v) {
      const double panels =
          std::ceil(static_cast<double>(columns) / static_cast<double>(v * tiles_.lanes));
      const double rows = tiles_.rows[v];
      const double cost = panels * (v * rows + 0.3 * (v + rows)) / rows;
      if (v == 1 || cost < best_cost) {
        best = v;
        best_cost = cost;
      }
    }
    return best;
  }

  // [group][panel][tap][depth][panel columns], zeros beyond the last channel.
  void pack() {
    const std::int64_t columns = window_.out_channels / window_.group;
    const std::int64_t sum = taps_ * depth_;
    packed_.assign(static_cast<std::size_t>(window_.group * panels_per_group_ * sum * panel_),
                   0.0f);
    const std::int64_t channels = window_.channels / window_.group;
    const std::int64_t plane = window_.kernel_h * window_.kernel_w;
    parallel_for(window_.group * panels_per_group_, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t p = begin; p < end; ++p) {
        float* to = packed_.data() + p * sum * panel_;
        const std::int64_t group = p / panels_per_group_;
        const std::int64_t first = p % panels_per_group_ * panel_;
        for (std::int64_t m = 0; m < std::min(panel_, columns - first); ++m) {
          const float* from = weights_ + (group * columns + first + m) * channels * plane;
          for (std::int64_t c = 0; c < channels; ++c) {
            for (std::int64_t k = 0; k < plane; ++k)
              to[(k * channels + c) * panel_ + m] = from[c * plane + k];
          }
        }
      }
    });
  }

  std::uint64_t padded_bytes() const {
    if (!lines_ || !pads_width()) return 0;
    return static_cast<std::uint64_t>(window_.batch * window_.height * window_.padded_width() *
                                      window_.channels) *
           sizeof(float);
  }

  void copy_with_padding(const float* x, float* to) const {
    const std::int64_t line = window_.width * window_.channels;
    const std::int64_t padded = window_.padded_width() * window_.channels;
    const std::int64_t left = window_.pad_left * window_.channels;
    const std::int64_t copied = std::min(line, padded - left);
    parallel_for(window_.batch * window_.height, 16, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        float* row = to + i * padded;
        std::fill_n(row, left, 0.0f);
        std::copy_n(x + i * line, copied, row + left);
        std::fill_n(row + left + copied, padded - left - copied, 0.0f);
      }
    });
  }

  // Where the runs of one output pixel begin, one pointer a tap, `rows_` apart.
  void set_pointers(const float* x, std::int64_t pixel, const float** to) const {
    const std::int64_t ow = pixel % window_.out_width;
    const std::int64_t oh = pixel / window_.out_width % window_.out_height;
    const std::int64_t n = pixel / (window_.out_width * window_.out_height);
    const bool padded = lines_ && pads_width();
    const std::int64_t width = padded ? window_.padded_width() : window_.width;
    const float* image = x + n * window_.height * width * window_.channels;
    const std::int64_t h0 = oh * window_.stride_h - window_.pad_top;
    const std::int64_t w0 = ow * window_.stride_w - (padded ? 0 : window_.pad_left);
    for (std::int64_t kh = 0; kh < window_.kernel_h; ++kh) {
      const std::int64_t h = h0 + kh * window_.dilation_h;
      const bool inside = h >= 0 && h < window_.height;
      const float* line = image + h * width * window_.channels;
      if (lines_) {
        *to = inside ? line + w0 * window_.channels : zeros_.data();
        to += rows_;
        continue;
      }
      for (std::int64_t kw = 0; kw < window_.kernel_w; ++kw) {
        const std::int64_t w = w0 + kw * window_.dilation_w;
        *to = inside && w >= 0 && w < window_.width ? line + w * window_.channels : zeros_.data();
        to += rows_;
      }
    }
  }

  void run_block(std::span<const View> inputs, const View& y, const float* x, std::int64_t block,
                 std::int64_t first_panel, std::int64_t end_panel) const {
    const float* pointers[kPointers];
    const std::int64_t first = block * block_rows_;
    const std::int64_t count = std::min(block_rows_, window_.out_pixels() - first);
    const std::int64_t tiles = (count + rows_ - 1) / rows_;
    for (std::int64_t i = 0; i < tiles * rows_; ++i) {
      set_pointers(x, first + std::min(i, count - 1),
                   pointers + (i / rows_ * taps_) * rows_ + i % rows_);
    }
    const std::int64_t columns = window_.out_channels / window_.group;
    const EpilogueRuns::InRegisters& last = epilogue_.in_registers();
    for (std::int64_t p = first_panel; p < end_panel; ++p) {
      const std::int64_t group = p / panels_per_group_;
      const std::int64_t column = p % panels_per_group_ * panel_;
      const std::int64_t channel = group * columns + column;
      const float* weights = packed_.data() + p * taps_ * depth_ * panel_;
      TileF32 tile;
      tile.columns = static_cast<int>(std::min(panel_, columns - column));
      tile.out_stride = window_.out_channels;
      for (std::int64_t t = 0; t < taps_; t += slice_taps_) {
        for (std::int64_t d = 0; d < depth_; d += slice_depth_) {
          tile.taps = std::min(slice_taps_, taps_ - t);
          tile.depth = std::min(slice_depth_, depth_ - d);
          tile.weights = weights + (t * depth_ + d) * panel_;
          tile.accumulate = t > 0 || d > 0;
          const bool ends = t + tile.taps == taps_ && d + tile.depth == depth_;
          run_tiles(inputs, y, tile, pointers, tiles, first, count, channel, t,
                    group * (window_.channels / window_.group) + d, ends ? &last : nullptr);
        }
      }
    }
    if (epilogue_.is_done()) return;
    const std::int64_t begin = channel_of(first_panel);
    const std::int64_t end = channel_of(end_panel);
    for (std::int64_t i = 0; i < count; ++i) {
      epilogue_.apply(inputs, first + i, begin, end - begin,
                      y.as<float>() + (first + i) * window_.out_channels + begin);
    }
  }

  // The first output channel of a panel, or the number of channels after the last one.
  std::int64_t channel_of(std::int64_t panel) const {
    const std::int64_t columns = window_.out_channels / window_.group;
    return panel / panels_per_group_ * columns + panel % panels_per_group_ * panel_;
  }

  void run_tiles(std::span<const View> inputs, const View& y, TileF32 tile, const float** pointers,
                 std::int64_t tiles, std::int64_t first, std::int64_t count, std::int64_t channel,
                 std::int64_t tap, std::int64_t offset,
                 const EpilogueRuns::InRegisters* last) const {
    tile.row_offset = offset;
    if (last != nullptr) {
      if (has_bias_) tile.bias = inputs[window_.bias].as<const float>() + channel;
      tile.low = last->low;
      tile.high = last->high;
      tile.residual_stride = window_.out_channels;
    }
    for (std::int64_t i = 0; i < tiles; ++i) {
      const std::int64_t pixel = first + i * rows_;
      tile.rows = pointers + (i * taps_ + tap) * rows_;
      tile.row_count = static_cast<int>(std::min<std::int64_t>(rows_, count - i * rows_));
      tile.out = y.as<float>() + pixel * window_.out_channels + channel;
      if (last != nullptr && last->residual >= 0) {
        tile.residual = inputs[static_cast<std::size_t>(last->residual)].as<const float>() +
                        pixel * window_.out_channels + channel;
      }
      tiles_.run[vectors_](tile);
    }
  }

  ConvWindow window_;
  const TileSetF32& tiles_;
  EpilogueRuns epilogue_;
  const float* weights_ = nullptr;
  std::vector<float> packed_;
  std::vector<float> zeros_;
  int threads_ = 1;
  bool has_bias_ = false, lines_ = false;
  int vectors_ = 1;
  std::int64_t rows_ = 1;
  std::int64_t taps_ = 1, depth_ = 1, slice_taps_ = 1, slice_depth_ = 1;
  std::int64_t panel_ = 1, panels_per_group_ = 1;
  std::int64_t tiles_per_block_ = 1, block_rows_ = 1;
};

}  // namespace

void register_conv_f32_kernel(KernelTable& table) { table.add("conv_f32", make<ConvF32Kernel>); }

}  // namespace strop::cpu
