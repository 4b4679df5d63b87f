// SPDX-License-Identifier: Apache-2.0
// Convolution of bf16 with f32 sums by tiles (simd/tile_bf16.hpp), channels innermost: as conv_f32,
// which says how. An f32 input is rounded first. A depthwise convolution multiplies whole vectors
// of channels, widened.
//
// The sum of an output runs over taps and channels in one fixed order, cut where the panel's
// weights fill the cache, whatever the number of threads.
//
// Inputs: x [N, H, W, C] or [N, W, C] (bf16 or f32), w [M, C/group, kernel...] (a bf16 constant),
// bias [M] (f32, optional), residual (bf16, like the output), operands of the epilogue (f32).
// Output: [N, OH, OW, M] or [N, OW, M], bf16 or f32.
#include <algorithm>
#include <vector>

#include "backends/cpu/kernels/conv_rows.hpp"
#include "backends/cpu/kernels/conv_window.hpp"
#include "backends/cpu/kernels/narrow_operands.hpp"
#include "backends/cpu/kernels/pack_bf16.hpp"
#include "backends/cpu/kernels/panel_width.hpp"
#include "base/float_types.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "convolution kernel conv_bf16";
constexpr std::int64_t kSliceBytes = 96 * 1024;    // of a panel's weights, to stay in the L2 cache
constexpr std::int64_t kMostPanel = 64;            // output channels
constexpr std::int64_t kBuffer = 96 * kMostPanel;  // f32 of a block's rows of one panel

class ConvBf16Kernel final : public Kernel {
 public:
  explicit ConvBf16Kernel(const KernelInit& init)
      : window_(ConvWindow::read(init, kWhat)), tiles_(tile_set_bf16()), epilogue_(init, kWhat) {
    const KernelInit::Operand& w = init.inputs[window_.w];
    weights_shape_ = weights_shape(init, w, kWhat);
    window_.set_weights(weights_shape_, kWhat);
    is_packed_ = is_packed(init);
    choose_panels();
    require(!depthwise_ || !is_packed_, kWhat, "depthwise weights are not packed");
    const std::int64_t channels = window_.channels / window_.group;
    const std::int64_t plane = window_.kernel_h * window_.kernel_w;
    const auto* weights = static_cast<const std::uint16_t*>(w.constant);
    packed_.read(init, w, groups_, columns_, plane * channels,
                 PlainWeights<std::uint16_t>::of_window(weights, channels, plane), kWhat);
    if (depthwise_) widen_weights(weights, plane);
  }

  std::optional<PackedConstant> pack_constant() const override {
    if (is_packed_ || depthwise_) return std::nullopt;
    // How most inputs are read, whatever their sizes.
    const bool lines = ConvRows::may_read_lines(window_);
    const FormBf16 form =
        lines ? FormBf16{panel_, window_.kernel_h, window_.kernel_w * window_.channels}
              : FormBf16{panel_, window_.kernel_h * window_.kernel_w,
                         window_.channels / window_.group};
    return PackedConstant{window_.w, packed_parameters(PackedBf16::numbers(form), weights_shape_),
                          packed_.packed(form)};
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs,
                        int threads) override {
    threads_ = threads;
    window_.prepare(inputs, outputs, kWhat);
    const View& x = inputs[window_.x];
    require(x.dtype == DType::bf16 || x.dtype == DType::f32, kWhat, "its input is of no use");
    epilogue_.prepare(inputs, outputs[0], kWhat);
    if (window_.has_bias) {
      require(inputs[window_.bias].dtype == DType::f32 &&
                  inputs[window_.bias].size() == window_.out_channels,
              kWhat, "its bias does not fit");
    }
    choose_runs();
    if (!depthwise_) packed_.prepare({panel_, taps_, depth_});
    copy_bytes_ = (rows_.workspace_bytes() + 63) / 64 * 64;
    return copy_bytes_ + (x.dtype == DType::f32 ? x.bytes / 2 : 0);
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void* workspace) override {
    const View& x = inputs[window_.x];
    const void* narrow = x.data;
    if (x.dtype == DType::f32) {
      auto* to = reinterpret_cast<std::uint16_t*>(static_cast<std::byte*>(workspace) + copy_bytes_);
      narrow_all(tiles_, x.as<const float>(), to, x.size());
      narrow = to;
    }
    const std::byte* source = rows_.source(narrow, workspace);
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
    columns_ = window_.out_channels / groups_;
    vectors_ = depthwise_ ? channel_panel_vectors(tiles_.lanes, tiles_.most_vectors, columns_)
                          : panel_vectors(tiles_, columns_);
    tile_rows_ = depthwise_ ? tiles_.channel_rows[vectors_] : tiles_.rows[vectors_];
    panel_ = std::int64_t{vectors_} * tiles_.lanes;
    panels_per_group_ = (columns_ + panel_ - 1) / panel_;
  }

  void choose_runs() {
    rows_.prepare(window_, static_cast<int>(tile_rows_), kWhat);
    taps_ = rows_.taps();
    depth_ = rows_.depth();
    require(panel_ <= kMostPanel && rows_.block_rows() * panel_ <= kBuffer, kWhat,
            "its blocks are too large");
    // Slices of the sum, of whole pairs.
    const std::int64_t most = std::max<std::int64_t>(2, kSliceBytes / (panel_ * 2) / 2 * 2);
    slice_depth_ = std::min(depth_, most);
    slice_taps_ = slice_depth_ < depth_ ? 1 : std::max<std::int64_t>(1, most / depth_);
  }

  // [panel][tap][columns of the panel], zeros beyond the last column.
  void widen_weights(const std::uint16_t* weights, std::int64_t plane) {
    channel_weights_.assign(static_cast<std::size_t>(panels_per_group_ * plane * panel_), 0.0f);
    for (std::int64_t c = 0; c < columns_; ++c) {
      for (std::int64_t t = 0; t < plane; ++t) {
        const std::int64_t at = (c / panel_ * plane + t) * panel_ + c % panel_;
        channel_weights_[static_cast<std::size_t>(at)] = bf16_to_f32(weights[c * plane + t]);
      }
    }
  }

  void run_block(std::span<const View> inputs, const View& y, const std::byte* source,
                 std::int64_t block, std::int64_t first_panel, std::int64_t end_panel) const {
    const std::byte* pointers[ConvRows::kPointers];
    const std::int64_t count = rows_.set_pointers(source, block, pointers);
    const std::int64_t first = block * rows_.block_rows();
    if (depthwise_) {
      run_channels(inputs, y, pointers, first, count, first_panel, end_panel);
    } else {
      for (std::int64_t p = first_panel; p < end_panel; ++p)
        run_panel(inputs, y, pointers, first, count, p);
    }
  }

  TileBf16 tile_at(std::span<const View> inputs, const std::byte* const* pointers,
                   std::int64_t count, std::int64_t index, std::int64_t tap,
                   std::int64_t channel) const {
    TileBf16 tile;
    tile.rows = reinterpret_cast<const std::uint16_t* const*>(pointers +
                                                              (index * taps_ + tap) * tile_rows_);
    tile.row_count = static_cast<int>(std::min(tile_rows_, count - index * tile_rows_));
    if (window_.has_bias) tile.bias = inputs[window_.bias].as<const float>() + channel;
    return tile;
  }

  // One panel over all pixels of the block.
  void run_panel(std::span<const View> inputs, const View& y, const std::byte* const* pointers,
                 std::int64_t first, std::int64_t count, std::int64_t panel) const {
    alignas(64) float buffer[kBuffer];
    const std::int64_t group = panel / panels_per_group_;
    const std::int64_t column = panel % panels_per_group_ * panel_;
    const std::int64_t channel = group * columns_ + column;
    const std::int64_t columns = std::min(panel_, columns_ - column);
    const std::uint16_t* weights = packed_.panel(panel);
    for (std::int64_t t = 0; t < taps_; t += slice_taps_) {
      for (std::int64_t d = 0; d < depth_; d += slice_depth_) {
        const std::int64_t taps = std::min(slice_taps_, taps_ - t);
        const std::int64_t depth = std::min(slice_depth_, depth_ - d);
        for (std::int64_t i = 0; i * tile_rows_ < count; ++i) {
          TileBf16 tile = tile_at(inputs, pointers, count, i, t, channel);
          tile.taps = taps;
          tile.depth = depth;
          tile.row_offset = group * (window_.channels / window_.group) + d;
          tile.weights = weights + (t * ((depth_ + 1) / 2) + d / 2) * panel_ * 2;
          tile.columns = static_cast<int>(columns);
          float* sums = buffer + i * tile_rows_ * panel_;
          tile.begin = t > 0 || d > 0 ? sums : nullptr;
          tile.sums = sums;
          if (t + taps == taps_ && d + depth == depth_) {
            epilogue_.set_finish(inputs, y,
                                 (first + i * tile_rows_) * window_.out_channels + channel, sums,
                                 panel_, tile);
          }
          tiles_.run[vectors_](tile);
        }
      }
    }
    epilogue_.finish_rest(inputs, y, tiles_, first, count, channel, columns, buffer, panel_);
  }

  // A depthwise convolution: a few pixels after the other, each with all channels, which lie side
  // by side; there are few weights.
  void run_channels(std::span<const View> inputs, const View& y, const std::byte* const* pointers,
                    std::int64_t first, std::int64_t count, std::int64_t first_panel,
                    std::int64_t end_panel) const {
    alignas(64) float buffer[kMostTileRows * kMostPanel];
    for (std::int64_t i = 0; i * tile_rows_ < count; ++i) {
      const std::int64_t row = first + i * tile_rows_;
      for (std::int64_t p = first_panel; p < end_panel; ++p) {
        const std::int64_t channel = p * panel_;
        TileBf16 tile = tile_at(inputs, pointers, count, i, 0, channel);
        tile.taps = taps_;
        tile.row_offset = channel;
        tile.columns = static_cast<int>(std::min(panel_, columns_ - channel));
        epilogue_.set_finish(inputs, y, row * window_.out_channels + channel, buffer, panel_, tile);
        tiles_.run_channels[vectors_](tile, channel_weights_.data() + p * taps_ * panel_);
        epilogue_.finish_rest(inputs, y, tiles_, row, tile.row_count, channel, tile.columns, buffer,
                              panel_);
      }
    }
  }

  ConvWindow window_;
  const TileSetBf16& tiles_;
  NarrowEpilogue epilogue_;
  ConvRows rows_{sizeof(std::uint16_t), 0, 0};
  Shape weights_shape_;
  bool is_packed_ = false;
  PackedBf16 packed_;
  std::vector<float> channel_weights_;  // of a depthwise convolution instead
  std::uint64_t copy_bytes_ = 0;
  int threads_ = 1;
  bool depthwise_ = false;
  std::int64_t groups_ = 1, columns_ = 1;
  int vectors_ = 1;
  std::int64_t tile_rows_ = 1;
  std::int64_t taps_ = 1, depth_ = 1, slice_taps_ = 1, slice_depth_ = 1;
  std::int64_t panel_ = 1, panels_per_group_ = 1;
};

}  // namespace

void register_conv_bf16_kernel(KernelTable& table) { table.add("conv_bf16", make<ConvBf16Kernel>); }

}  // namespace strop::cpu
