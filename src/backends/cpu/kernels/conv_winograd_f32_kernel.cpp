// SPDX-License-Identifier: Apache-2.0
// Convolution with windows of 3 x 3 and stride 1 over f32 tensors whose channels lie innermost, by
// Winograd's F(m x m, 3 x 3) (simd/winograd_f32.hpp): tiles of input pixels are transformed, each
// of the (m + 2)^2 values of a tile is a product with transformed weights (simd/tile_f32.hpp), and
// the sums are transformed back. A quarter (m = 4) or four ninths (m = 2) of the multiplications,
// for a few bits of accuracy.
//
// Tiles are worked on in blocks whose transformed pixels stay in the cache. The sum of an output
// runs over the channels in one fixed order, whatever the number of threads.
//
// Inputs and output as conv_f32's, with group 1. Parameters beside the window's: m.
#include <algorithm>
#include <array>
#include <vector>

#include "backends/cpu/kernels/conv_window.hpp"
#include "backends/cpu/kernels/epilogue_runs.hpp"
#include "backends/cpu/kernels/pack_f32.hpp"
#include "backends/cpu/kernels/panel_width.hpp"
#include "backends/cpu/kernels/simd/tile_f32.hpp"
#include "backends/cpu/kernels/simd/winograd_f32.hpp"
#include "backends/cpu/kernels/workspace_pieces.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "convolution kernel conv_winograd_f32";
constexpr std::int64_t kBlockBytes = 640 * 1024;  // of a block's transformed pixels and sums
constexpr std::int64_t kLeastBlock = 24;          // tiles, to reuse what is read of the weights
constexpr std::int64_t kMostBlock = 96;
constexpr std::int64_t kSliceBytes = 96 * 1024;  // of a panel's weights, to stay in the L2 cache
constexpr std::int64_t kApart = 16;  // floats, so that streams do not fall on the same cache sets

std::int64_t round_up(std::int64_t value, std::int64_t to) { return (value + to - 1) / to * to; }

// G of G g G^T, which transforms weights.
constexpr double kWeights2[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
constexpr double kWeights4[6][3] = {{1.0 / 4, 0, 0},
                                    {-1.0 / 6, -1.0 / 6, -1.0 / 6},
                                    {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                    {1.0 / 24, 1.0 / 12, 1.0 / 6},
                                    {1.0 / 24, -1.0 / 12, 1.0 / 6},
                                    {0, 0, 1}};

std::int64_t read_m(const KernelInit& init) {
  const std::int64_t m = init.parameters.integer("m");
  require(m == 2 || m == 4, kWhat, "its tiles are of no known size");
  return m;
}

class ConvWinogradF32Kernel final : public Kernel {
 public:
  explicit ConvWinogradF32Kernel(const KernelInit& init)
      : window_(ConvWindow::read(init, kWhat)),
        tiles_(tile_set_f32()),
        transforms_(winograd_set_f32()),
        epilogue_(parse_epilogue(init.parameters.string("epilogue")), init.inputs.size()),
        m_(read_m(init)),
        edge_(m_ + 2) {
    const KernelInit::Operand& w = init.inputs[window_.w];
    weights_shape_ = weights_shape(init, w, kWhat);
    window_.set_weights(weights_shape_, kWhat);
    require(window_.spatial == 2 && window_.kernel_h == 3 && window_.kernel_w == 3 &&
                window_.stride_h == 1 && window_.stride_w == 1 && window_.dilation_h == 1 &&
                window_.dilation_w == 1 && window_.group == 1,
            kWhat, "its window is not 3 x 3 with stride 1");
    choose_panels();
    is_packed_ = is_packed(init);
    const std::int64_t depth = edge_ * edge_ * window_.channels;
    if (!is_packed_) {
      require(w.dtype == DType::f32, kWhat, "its weights are not f32");
      transform_weights(static_cast<const float*>(w.constant));
    }
    packed_.read(init, w, 1, window_.out_channels, depth,
                 PlainWeights<float>::of_columns(transformed_.data(), depth), kWhat);
  }

  // Transformed: that takes longer than to read the more of them.
  std::optional<PackedConstant> pack_constant() const override {
    if (is_packed_) return std::nullopt;
    return PackedConstant{window_.w, packed_parameters({}, weights_shape_), packed_.packed(panel_)};
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs,
                        int threads) override {
    window_.prepare(inputs, outputs, kWhat);
    require(inputs[window_.x].dtype == DType::f32 && outputs[0].dtype == DType::f32, kWhat,
            "its operands are not f32");
    epilogue_.prepare(inputs, outputs[0].dims);
    if (window_.has_bias) {
      require(inputs[window_.bias].dtype == DType::f32 &&
                  inputs[window_.bias].size() == window_.out_channels,
              kWhat, "its bias does not fit");
    }
    packed_.prepare(panel_);
    transformed_ = {};
    return choose_blocks(threads);
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void* workspace) override {
    auto* pixels = static_cast<float*>(workspace);
    float* sums = pixels + pixel_pieces_.count() * pixels_size_;
    const auto run_block = [&](std::int64_t block) {
      const WorkspacePieces::Use pixel_piece(pixel_pieces_);
      float* transformed = pixels + pixel_piece.index() * pixels_size_;
      const std::int64_t first = block * block_tiles_;
      const std::int64_t count = std::min(block_tiles_, tile_count_ - first);
      parallel_for(count, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t t = begin; t < end; ++t)
          transform(inputs[window_.x], first + t, transformed + t * window_.channels);
      });
      parallel_for(panels_, 1, [&](std::int64_t begin, std::int64_t end) {
        const WorkspacePieces::Use sum_piece(sum_pieces_);
        for (std::int64_t p = begin; p < end; ++p)
          run_panel(inputs, outputs[0], transformed, sums + sum_piece.index() * sums_size_, first,
                    count, p);
      });
    };
    if (blocks_ < sum_pieces_.count()) {  // threads share a block
      for (std::int64_t block = 0; block < blocks_; ++block) run_block(block);
      return;
    }
    parallel_for(blocks_, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t block = begin; block < end; ++block) run_block(block);
    });
  }

 private:
  // Into [out channel][value of a tile][channel].
  void transform_weights(const float* weights) {
    const std::int64_t depth = edge_ * edge_ * window_.channels;
    transformed_.resize(static_cast<std::size_t>(window_.out_channels * depth));
    parallel_for(window_.out_channels, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t m = begin; m < end; ++m) {
        for (std::int64_t c = 0; c < window_.channels; ++c) {
          float* to = transformed_.data() + m * depth + c;
          const float* g = weights + (m * window_.channels + c) * 9;
          for (std::int64_t i = 0; i < edge_; ++i) {
            double line[3];
            for (int k = 0; k < 3; ++k)
              line[k] = weight(i, 0) * g[k] + weight(i, 1) * g[3 + k] + weight(i, 2) * g[6 + k];
            for (std::int64_t j = 0; j < edge_; ++j) {
              to[(i * edge_ + j) * window_.channels] = static_cast<float>(
                  weight(j, 0) * line[0] + weight(j, 1) * line[1] + weight(j, 2) * line[2]);
            }
          }
        }
      }
    });
  }

  double weight(std::int64_t row, int column) const {
    return m_ == 2 ? kWeights2[row][column] : kWeights4[row][column];
  }

  void choose_panels() {
    vectors_ = panel_vectors(tiles_, window_.out_channels);
    panel_ = std::int64_t{vectors_} * tiles_.lanes;
    panels_ = (window_.out_channels + panel_ - 1) / panel_;
    slice_ = std::max<std::int64_t>(1, kSliceBytes / (panel_ * 4));
    slice_ = std::min(slice_, window_.channels);
  }

  // Returns the bytes of workspace.
  std::uint64_t choose_blocks(int threads) {
    tiles_w_ = (window_.out_width + m_ - 1) / m_;
    tiles_h_ = (window_.out_height + m_ - 1) / m_;
    const auto lines = try_mul(window_.batch, tiles_h_);
    const auto count = lines ? try_mul(*lines, tiles_w_) : std::nullopt;
    require(count.has_value(), kWhat, "its output is too large");
    tile_count_ = *count;
    const std::int64_t rows = tiles_.rows[vectors_];
    const std::int64_t bytes = edge_ * edge_ * (window_.channels + panel_) * 4;
    const std::int64_t most = std::clamp(kBlockBytes / bytes, kLeastBlock, kMostBlock);
    // Blocks of like size, as many for each thread.
    blocks_ = (tile_count_ + most - 1) / most;
    if (blocks_ > 1) blocks_ = round_up(blocks_, threads);
    block_tiles_ = round_up((tile_count_ + blocks_ - 1) / std::max<std::int64_t>(blocks_, 1), rows);
    block_tiles_ = std::max(block_tiles_, rows);
    blocks_ = (tile_count_ + block_tiles_ - 1) / block_tiles_;
    pixels_stride_ = round_up(block_tiles_ * window_.channels, kApart) + kApart;
    pixels_size_ = edge_ * edge_ * pixels_stride_;
    sums_stride_ = block_tiles_ * panel_ + kApart;
    sums_size_ = edge_ * edge_ * sums_stride_;
    pixel_pieces_.resize(threads);
    sum_pieces_.resize(threads);
    padding_.assign(static_cast<std::size_t>(window_.channels), 0.0f);
    return static_cast<std::uint64_t>((pixels_size_ + sums_size_) * threads * 4);
  }

  struct Place {
    std::int64_t image, line, column;  // of the tile's first output pixel
  };
  Place place_of(std::int64_t tile) const {
    return {tile / (tiles_h_ * tiles_w_), tile / tiles_w_ % tiles_h_ * m_, tile % tiles_w_ * m_};
  }

  void transform(const View& x, std::int64_t index, float* out) const {
    const Place place = place_of(index);
    const float* image =
        x.as<const float>() + place.image * window_.height * window_.width * window_.channels;
    WinogradInput tile;
    tile.out = out;
    tile.out_stride = pixels_stride_;
    tile.channels = window_.channels;
    for (std::int64_t i = 0; i < edge_; ++i) {
      const std::int64_t h = place.line + i - window_.pad_top;
      for (std::int64_t j = 0; j < edge_; ++j) {
        const std::int64_t w = place.column + j - window_.pad_left;
        const bool inside = h >= 0 && h < window_.height && w >= 0 && w < window_.width;
        tile.taps[i * edge_ + j] =
            inside ? image + (h * window_.width + w) * window_.channels : padding_.data();
      }
    }
    (m_ == 2 ? transforms_.input2 : transforms_.input4)(tile);
  }

  // Products and outputs of one panel of channels for the tiles [first, first + count).
  void run_panel(std::span<const View> inputs, const View& y, const float* transformed, float* sums,
                 std::int64_t first, std::int64_t count, std::int64_t panel) const {
    const std::int64_t values = edge_ * edge_;
    const float* weights = packed_.panel(panel);
    for (std::int64_t v = 0; v < values; ++v) {
      multiply(transformed + v * pixels_stride_, weights + v * window_.channels * panel_,
               sums + v * sums_stride_, count);
    }
    for (std::int64_t t = 0; t < count; ++t)
      restore(inputs, y, sums + t * panel_, first + t, panel * panel_);
  }

  void multiply(const float* pixels, const float* weights, float* sums, std::int64_t count) const {
    const std::int64_t tile_rows = tiles_.rows[vectors_];
    const float* rows[kMostTileRows];
    TileF32 tile;
    tile.rows = rows;
    tile.out_stride = panel_;
    tile.columns = static_cast<int>(panel_);
    for (std::int64_t c = 0; c < window_.channels; c += slice_) {
      tile.depth = std::min(slice_, window_.channels - c);
      tile.weights = weights + c * panel_;
      tile.accumulate = c > 0;
      for (std::int64_t t = 0; t < count; t += tile_rows) {
        tile.row_count = static_cast<int>(std::min(tile_rows, count - t));
        for (std::int64_t r = 0; r < tile_rows; ++r)
          rows[r] = pixels + std::min(t + r, count - 1) * window_.channels + c;
        tile.out = sums + t * panel_;
        tiles_.run[vectors_](tile);
      }
    }
  }

  void restore(std::span<const View> inputs, const View& y, const float* sums, std::int64_t index,
               std::int64_t channel) const {
    const EpilogueRuns::InRegisters& last = epilogue_.in_registers();
    const Place place = place_of(index);
    WinogradOutput tile;
    tile.sums = sums;
    tile.sums_stride = sums_stride_;
    tile.columns = std::min(panel_, window_.out_channels - channel);
    tile.low = last.low;
    tile.high = last.high;
    if (window_.has_bias) tile.bias = inputs[window_.bias].as<const float>() + channel;
    const auto* residual = last.residual < 0
                               ? nullptr
                               : inputs[static_cast<std::size_t>(last.residual)].as<const float>();
    std::array<std::int64_t, kMostWinogradOutputs> pixels;
    for (std::int64_t i = 0; i < m_; ++i) {
      for (std::int64_t j = 0; j < m_; ++j) {
        const std::int64_t h = place.line + i, w = place.column + j;
        const bool inside = h < window_.out_height && w < window_.out_width;
        const std::int64_t pixel =
            inside ? (place.image * window_.out_height + h) * window_.out_width + w : -1;
        pixels[static_cast<std::size_t>(i * m_ + j)] = pixel;
        if (!inside) continue;
        const std::int64_t at = pixel * window_.out_channels + channel;
        tile.out[i * m_ + j] = y.as<float>() + at;
        if (residual != nullptr) tile.residual[i * m_ + j] = residual + at;
      }
    }
    (m_ == 2 ? transforms_.output2 : transforms_.output4)(tile);
    if (epilogue_.is_done()) return;
    for (std::int64_t i = 0; i < m_ * m_; ++i) {
      const std::int64_t pixel = pixels[static_cast<std::size_t>(i)];
      if (pixel >= 0) epilogue_.apply(inputs, pixel, channel, tile.columns, tile.out[i]);
    }
  }

  ConvWindow window_;
  const TileSetF32& tiles_;
  const WinogradSetF32& transforms_;
  EpilogueRuns epilogue_;
  const std::int64_t m_, edge_;
  Shape weights_shape_;
  bool is_packed_ = false;
  std::vector<float> transformed_;  // plain weights, until they are packed
  PackedF32 packed_;                // [panel][value of a tile][channel][panel columns]
  std::vector<float> padding_;
  int vectors_ = 1;
  std::int64_t panel_ = 1, panels_ = 1, slice_ = 1;
  std::int64_t tiles_h_ = 0, tiles_w_ = 0, tile_count_ = 0;
  std::int64_t blocks_ = 0, block_tiles_ = 1;
  std::int64_t pixels_stride_ = 0, pixels_size_ = 0;  // floats
  std::int64_t sums_stride_ = 0, sums_size_ = 0;
  WorkspacePieces pixel_pieces_, sum_pieces_;
};

}  // namespace

void register_conv_winograd_f32_kernel(KernelTable& table) {
  table.add("conv_winograd_f32", make<ConvWinogradF32Kernel>);
}

}  // namespace strop::cpu
