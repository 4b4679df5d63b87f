// SPDX-License-Identifier: Apache-2.0
// Convolution over f32 tensors whose channels lie innermost, as products of tiles
// (simd/tile_f32.hpp): a tile is a few output pixels by a panel of output channels, its rows of A
// are read where the input lies. 1-D and 2-D, any stride, dilation, padding and group.
//
// A depthwise convolution (one channel a group) multiplies whole vectors of channels instead.
//
// The sum of an output runs over taps and channels in one fixed order, cut where the panel's
// weights fill the cache, whatever the number of threads.
//
// Inputs: x [N, H, W, C] or [N, W, C], w [M, C/group, kernel...] (a constant, packed once), bias
// [M] (optional), operands of the epilogue. Output: [N, OH, OW, M] or [N, OW, M].
#include <algorithm>

#include "backends/cpu/kernels/conv_rows.hpp"
#include "backends/cpu/kernels/conv_window.hpp"
#include "backends/cpu/kernels/epilogue_runs.hpp"
#include "backends/cpu/kernels/pack_f32.hpp"
#include "backends/cpu/kernels/panel_width.hpp"
#include "backends/cpu/kernels/simd/tile_f32.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "convolution kernel conv_f32";
constexpr std::int64_t kSliceBytes = 96 * 1024;  // of a panel's weights, to stay in the L2 cache

class ConvF32Kernel final : public Kernel {
 public:
  explicit ConvF32Kernel(const KernelInit& init)
      : window_(ConvWindow::read(init, kWhat)),
        tiles_(tile_set_f32()),
        epilogue_(parse_epilogue(init.parameters.string("epilogue")), init.inputs.size()) {
    const KernelInit::Operand& w = init.inputs[window_.w];
    weights_shape_ = weights_shape(init, w, kWhat);
    window_.set_weights(weights_shape_, kWhat);
    is_packed_ = is_packed(init);
    choose_panels();
    const std::int64_t channels = window_.channels / window_.group;
    const std::int64_t plane = window_.kernel_h * window_.kernel_w;
    packed_.read(
        init, w, groups_, window_.out_channels / groups_, plane * channels,
        PlainWeights<float>::of_window(static_cast<const float*>(w.constant), channels, plane),
        kWhat);
  }

  std::optional<PackedConstant> pack_constant() const override {
    if (is_packed_) return std::nullopt;
    return PackedConstant{window_.w, packed_parameters({}, weights_shape_), packed_.packed(panel_)};
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
    packed_.prepare(panel_);
    return rows_.workspace_bytes();
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void* workspace) override {
    const std::byte* source = rows_.source(inputs[window_.x].data, workspace);
    const std::int64_t blocks = rows_.blocks();
    const std::int64_t panels = groups_ * panels_per_group_;
    // Panels are shared out as well where there are too few blocks to go round.
    const std::int64_t parts = std::clamp<std::int64_t>(4 * threads_ / blocks, 1, panels);
    parallel_for(blocks * parts, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t part = task % parts;
        run_block(inputs, outputs[0], source, task / parts, panels * part / parts,
                  panels * (part + 1) / parts);
      }
    });
  }

 private:
  void choose_panels() {
    depthwise_ = window_.group > 1 && window_.group == window_.channels &&
                 window_.group == window_.out_channels;
    groups_ = depthwise_ ? 1 : window_.group;
    const std::int64_t columns = window_.out_channels / groups_;
    vectors_ = depthwise_
                   ? channel_panel_vectors(tiles_.lanes, tiles_.most_channel_vectors, columns)
                   : panel_vectors(tiles_, columns);
    tile_rows_ = depthwise_ ? tiles_.channel_rows[vectors_] : tiles_.rows[vectors_];
    panel_ = std::int64_t{vectors_} * tiles_.lanes;
    panels_per_group_ = (columns + panel_ - 1) / panel_;
  }

  void choose_runs() {
    rows_.prepare(window_, static_cast<int>(tile_rows_), kWhat);
    taps_ = rows_.taps();
    depth_ = rows_.depth();
    // Slices of the sum.
    const std::int64_t most = std::max<std::int64_t>(1, kSliceBytes / (panel_ * 4));
    slice_depth_ = std::min(depth_, most);
    slice_taps_ = slice_depth_ < depth_ ? 1 : std::max<std::int64_t>(1, most / depth_);
    if (depthwise_) slice_taps_ = taps_;
  }

  void run_block(std::span<const View> inputs, const View& y, const std::byte* source,
                 std::int64_t block, std::int64_t first_panel, std::int64_t end_panel) const {
    const std::byte* pointers[ConvRows::kPointers];
    const std::int64_t count = rows_.set_pointers(source, block, pointers);
    const std::int64_t first = block * rows_.block_rows();
    if (depthwise_) {
      run_channels(inputs, y, pointers, first, count, first_panel, end_panel);
    } else {
      run_panels(inputs, y, pointers, first, count, first_panel, end_panel);
    }
    if (epilogue_.is_done()) return;
    const std::int64_t begin = channel_of(first_panel);
    const std::int64_t end = channel_of(end_panel);
    epilogue_.apply_rows(inputs, first, count, begin, end - begin,
                         y.as<float>() + first * window_.out_channels + begin,
                         window_.out_channels);
  }

  // The panels one after the other, each over all pixels of the block.
  void run_panels(std::span<const View> inputs, const View& y, const std::byte* const* pointers,
                  std::int64_t first, std::int64_t count, std::int64_t first_panel,
                  std::int64_t end_panel) const {
    const std::int64_t columns = window_.out_channels / groups_;
    for (std::int64_t p = first_panel; p < end_panel; ++p) {
      const std::int64_t group = p / panels_per_group_;
      const std::int64_t column = p % panels_per_group_ * panel_;
      const std::int64_t channel = group * columns + column;
      const float* weights = packed_.panel(p);
      TileF32 tile;
      tile.columns = static_cast<int>(std::min(panel_, columns - column));
      tile.out_stride = window_.out_channels;
      for (std::int64_t t = 0; t < taps_; t += slice_taps_) {
        for (std::int64_t d = 0; d < depth_; d += slice_depth_) {
          tile.taps = std::min(slice_taps_, taps_ - t);
          tile.depth = std::min(slice_depth_, depth_ - d);
          tile.weights = weights + (t * depth_ + d) * panel_;
          tile.accumulate = t > 0 || d > 0;
          tile.row_offset = group * (window_.channels / window_.group) + d;
          if (t + tile.taps == taps_ && d + tile.depth == depth_) set_end(inputs, channel, tile);
          for (std::int64_t i = 0; i * tile_rows_ < count; ++i) {
            tile.rows =
                reinterpret_cast<const float* const*>(pointers + (i * taps_ + t) * tile_rows_);
            set_place(inputs, y, first, count, i, channel, tile);
            tiles_.run[vectors_](tile);
          }
        }
      }
    }
  }

  // A depthwise convolution: a few pixels after the other, each with all channels, which lie side
  // by side; there are few weights.
  void run_channels(std::span<const View> inputs, const View& y, const std::byte* const* pointers,
                    std::int64_t first, std::int64_t count, std::int64_t first_panel,
                    std::int64_t end_panel) const {
    TileF32 tile;
    tile.out_stride = window_.out_channels;
    tile.taps = taps_;
    tile.depth = 1;
    for (std::int64_t i = 0; i * tile_rows_ < count; ++i) {
      tile.rows = reinterpret_cast<const float* const*>(pointers + i * taps_ * tile_rows_);
      for (std::int64_t p = first_panel; p < end_panel; ++p) {
        const std::int64_t channel = p * panel_;
        tile.columns = static_cast<int>(std::min(panel_, window_.out_channels - channel));
        tile.row_offset = channel;
        tile.weights = packed_.panel(p);
        set_end(inputs, channel, tile);
        set_place(inputs, y, first, count, i, channel, tile);
        tiles_.run_channels[vectors_](tile);
      }
    }
  }

  // The first output channel of a panel, or the number of channels after the last one.
  std::int64_t channel_of(std::int64_t panel) const {
    const std::int64_t columns = window_.out_channels / groups_;
    return panel / panels_per_group_ * columns + panel % panels_per_group_ * panel_;
  }

  // What is done to finished sums.
  void set_end(std::span<const View> inputs, std::int64_t channel, TileF32& tile) const {
    const EpilogueRuns::InRegisters& last = epilogue_.in_registers();
    if (has_bias_) tile.bias = inputs[window_.bias].as<const float>() + channel;
    tile.low = last.low;
    tile.high = last.high;
    tile.residual_stride = last.residual >= 0 ? window_.out_channels : 0;
  }

  // The block's tile `index`; a tile that has an end also has its residual.
  void set_place(std::span<const View> inputs, const View& y, std::int64_t first,
                 std::int64_t count, std::int64_t index, std::int64_t channel,
                 TileF32& tile) const {
    const std::int64_t at = (first + index * tile_rows_) * window_.out_channels + channel;
    tile.row_count = static_cast<int>(std::min(tile_rows_, count - index * tile_rows_));
    tile.out = y.as<float>() + at;
    if (tile.residual_stride == 0) return;
    const auto residual = static_cast<std::size_t>(epilogue_.in_registers().residual);
    tile.residual = inputs[residual].as<const float>() + at;
  }

  ConvWindow window_;
  const TileSetF32& tiles_;
  EpilogueRuns epilogue_;
  ConvRows rows_{sizeof(float), 0, 0};
  Shape weights_shape_;
  bool is_packed_ = false;
  PackedF32 packed_;
  int threads_ = 1;
  bool has_bias_ = false, depthwise_ = false;
  std::int64_t groups_ = 1;
  int vectors_ = 1;
  std::int64_t tile_rows_ = 1;
  std::int64_t taps_ = 1, depth_ = 1, slice_taps_ = 1, slice_depth_ = 1;
  std::int64_t panel_ = 1, panels_per_group_ = 1;
};

}  // namespace

void register_conv_f32_kernel(KernelTable& table) { table.add("conv_f32", make<ConvF32Kernel>); }

}  // namespace strop::cpu
