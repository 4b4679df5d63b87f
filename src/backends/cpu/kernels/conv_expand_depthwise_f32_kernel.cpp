// SPDX-License-Identifier: Apache-2.0
// A convolution of single pixels and the depthwise convolution of its result, over f32 tensors
// whose channels lie innermost. For one panel of channels at a time, the lines that the windows of
// an output line see are made by the first convolution (simd/tile_f32.hpp) into a ring that stays
// in the cache; what lies between the two is never a tensor.
//
// Sums run in the same order as in conv_f32, whatever the number of threads.
//
// Inputs: x [N, H, W, K], expand [C, K, 1, 1] and w [C, 1, kernel...] (constants), biases [C]
// (optional), operands of the epilogue. Output: [N, OH, OW, C]. Parameters: the depthwise window's
// (whose x is the kernel's), expand: inputs of the first convolution (weights, bias or -1);
// middle: the epilogue between the two, functions of one value.
#include <algorithm>
#include <vector>

#include "backends/cpu/kernels/conv_window.hpp"
#include "backends/cpu/kernels/epilogue_runs.hpp"
#include "backends/cpu/kernels/pack_f32.hpp"
#include "backends/cpu/kernels/panel_width.hpp"
#include "backends/cpu/kernels/simd/tile_f32.hpp"
#include "backends/cpu/kernels/workspace_pieces.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "convolution kernel conv_expand_depthwise_f32";
constexpr std::int64_t kMostTaps = 128;      // of the depthwise window
constexpr std::int64_t kLeastBandLines = 8;  // of output, to make few lines twice

class ConvExpandDepthwiseF32Kernel final : public Kernel {
 public:
  explicit ConvExpandDepthwiseF32Kernel(const KernelInit& init)
      : window_(ConvWindow::read(init, kWhat)),
        tiles_(tile_set_f32()),
        middle_(parse_epilogue(init.parameters.string("middle")), init.inputs.size()),
        epilogue_(parse_epilogue(init.parameters.string("epilogue")), init.inputs.size()) {
    const Shape expand = init.parameters.integers("expand");
    require(expand.size() == 2 && is_input(init, expand[0]) &&
                (expand[1] == -1 || is_input(init, expand[1])),
            kWhat, "its list of inputs does not fit");
    expand_ = static_cast<std::size_t>(expand[0]);
    expand_bias_ = expand[1];
    const KernelInit::Operand& w = init.inputs[window_.w];
    require(w.constant != nullptr && w.dtype == DType::f32 && w.constant_shape.size() == 4, kWhat,
            "its weights are no constants");
    window_.set_weights(w.constant_shape, kWhat);
    require(window_.spatial == 2 && window_.group == window_.channels &&
                window_.group == window_.out_channels && window_.dilation_h == 1 &&
                window_.dilation_w == 1 && window_.kernel_h * window_.kernel_w <= kMostTaps &&
                window_.stride_h <= kMostTaps && window_.stride_w <= kMostTaps,
            kWhat, "its window is not a small depthwise one");
    for (const EpilogueStep& step : parse_epilogue(init.parameters.string("middle")))
      require(step.kind != EpilogueStep::binary, kWhat, "a step between reads a tensor");
    expand_shape_ = weights_shape(init, init.inputs[expand_], kWhat);
    require(expand_shape_.size() == 4 && expand_shape_[0] == window_.channels &&
                expand_shape_[1] >= 1 && expand_shape_[2] == 1 && expand_shape_[3] == 1,
            kWhat, "the first convolution does not fit the second");
    depth_ = expand_shape_[1];
    is_packed_ = is_packed(init);
    choose_panels();
    packed_.read(init, init.inputs[expand_], 1, window_.channels, depth_,
                 PlainWeights<float>::of_columns(
                     static_cast<const float*>(init.inputs[expand_].constant), depth_),
                 kWhat);
    pack_window(static_cast<const float*>(w.constant));
  }

  std::optional<PackedConstant> pack_constant() const override {
    if (is_packed_) return std::nullopt;
    return PackedConstant{expand_, packed_parameters({}, expand_shape_), packed_.packed(panel_)};
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs,
                        int threads) override {
    const View& x = inputs[window_.x];
    require(x.dtype == DType::f32 && x.dims.size() == 4 && x.dims[3] == depth_ &&
                outputs[0].dtype == DType::f32,
            kWhat, "its operands do not fit");
    for (const std::int64_t bias : {expand_bias_, bias_of_window()}) {
      require(bias < 0 || (inputs[static_cast<std::size_t>(bias)].dtype == DType::f32 &&
                           inputs[static_cast<std::size_t>(bias)].size() == window_.channels),
              kWhat, "a bias does not fit");
    }
    // The window slides over what the first convolution makes of x.
    between_ = {x.dims[0], x.dims[1], x.dims[2], window_.channels};
    std::vector<View> seen(inputs.begin(), inputs.end());
    seen[window_.x].dims = between_;
    window_.prepare(seen, outputs, kWhat);
    require(window_.pad_left < window_.kernel_w && window_.pad_top < window_.kernel_h, kWhat,
            "it has more padding than its window sees");
    middle_.prepare(inputs, between_);
    epilogue_.prepare(inputs, outputs[0].dims);
    packed_.prepare(panel_);
    return choose_tasks(threads);
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void* workspace) override {
    parallel_for(window_.batch * bands_ * panels_, 1, [&](std::int64_t begin, std::int64_t end) {
      const WorkspacePieces::Use piece(pieces_);
      float* ring = static_cast<float*>(workspace) + piece.index() * piece_size_;
      // Padding: one line, and the columns at both ends of the others. Nobody writes there.
      std::fill_n(ring, piece_size_, 0.0f);
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t band = task / panels_ % bands_;
        run_band(inputs, outputs[0], task / panels_ / bands_, window_.out_height * band / bands_,
                 window_.out_height * (band + 1) / bands_, task % panels_, ring);
      }
    });
  }

 private:
  static bool is_input(const KernelInit& init, std::int64_t index) {
    return index >= 0 && static_cast<std::size_t>(index) < init.inputs.size();
  }
  std::int64_t bias_of_window() const {
    return window_.has_bias ? static_cast<std::int64_t>(window_.bias) : -1;
  }

  // Of widths that both kinds of tiles have: the one that wastes least, the widest of those.
  void choose_panels() {
    vectors_ = channel_panel_vectors(
        tiles_.lanes, std::min(tiles_.most_vectors, tiles_.most_channel_vectors), window_.channels);
    panel_ = std::int64_t{vectors_} * tiles_.lanes;
    panels_ = (window_.channels + panel_ - 1) / panel_;
    rows_ = tiles_.channel_rows[vectors_];
  }

  // [panel][tap][panel columns], zeros beyond the last channel.
  void pack_window(const float* weights) {
    const std::int64_t taps = window_.kernel_h * window_.kernel_w;
    window_weights_.assign(static_cast<std::size_t>(panels_ * taps * panel_), 0.0f);
    for (std::int64_t c = 0; c < window_.channels; ++c) {
      for (std::int64_t t = 0; t < taps; ++t) {
        window_weights_[static_cast<std::size_t>((c / panel_ * taps + t) * panel_ + c % panel_)] =
            weights[c * taps + t];
      }
    }
  }

  // Returns the bytes of workspace.
  std::uint64_t choose_tasks(int threads) {
    // A line as the windows see it, and what whole tiles read beyond it.
    const std::int64_t tiles = (window_.out_width + rows_ - 1) / rows_;
    line_pixels_ = std::max((tiles * rows_ - 1) * window_.stride_w + window_.kernel_w,
                            window_.pad_left + window_.width);
    lines_ = window_.kernel_h;
    piece_size_ = (lines_ + 1) * line_pixels_ * panel_;
    const std::int64_t wanted = threads > 1 ? 4 * threads : 1;
    const std::int64_t others = std::max<std::int64_t>(1, window_.batch * panels_);
    const std::int64_t most = std::max<std::int64_t>(1, window_.out_height / kLeastBandLines);
    bands_ = std::clamp<std::int64_t>((wanted + others - 1) / others, 1, most);
    pieces_.resize(threads);
    return static_cast<std::uint64_t>(piece_size_ * threads * 4);
  }

  // Output lines [first, end) of one panel of one image.
  void run_band(std::span<const View> inputs, const View& y, std::int64_t image, std::int64_t first,
                std::int64_t end, std::int64_t panel, float* ring) const {
    std::int64_t made = 0;  // lines of the input before this one are in the ring, or past
    for (std::int64_t line = first; line < end; ++line) {
      const std::int64_t top = line * window_.stride_h - window_.pad_top;
      const std::int64_t below = std::min(top + window_.kernel_h, window_.height);
      for (std::int64_t h = std::max({made, top, std::int64_t{0}}); h < below; ++h)
        expand_line(inputs, image, h, panel, ring_line(ring, h));
      made = std::max(made, below);
      slide(inputs, y, image, line, top, panel, ring);
    }
  }

  // Line h of the input; the line of zeros beyond its edges.
  float* ring_line(float* ring, std::int64_t h) const {
    const bool inside = h >= 0 && h < window_.height;
    return ring + (inside ? 1 + h % lines_ : 0) * line_pixels_ * panel_;
  }

  void expand_line(std::span<const View> inputs, std::int64_t image, std::int64_t h,
                   std::int64_t panel, float* line) const {
    const float* x =
        inputs[window_.x].as<const float>() + (image * window_.height + h) * window_.width * depth_;
    const std::int64_t channel = panel * panel_;
    const std::int64_t tile_rows = tiles_.rows[vectors_];
    const EpilogueRuns::InRegisters& last = middle_.in_registers();
    float* to = line + window_.pad_left * panel_;
    const float* rows[kMostTileRows];
    TileF32 tile;
    tile.rows = rows;
    tile.depth = depth_;
    tile.weights = packed_.panel(panel);
    tile.out_stride = panel_;
    tile.columns = static_cast<int>(std::min(panel_, window_.channels - channel));
    if (expand_bias_ >= 0)
      tile.bias = inputs[static_cast<std::size_t>(expand_bias_)].as<const float>() + channel;
    tile.low = last.low;
    tile.high = last.high;
    for (std::int64_t w = 0; w < window_.width; w += tile_rows) {
      tile.row_count = static_cast<int>(std::min(tile_rows, window_.width - w));
      for (std::int64_t r = 0; r < tile_rows; ++r)
        rows[r] = x + std::min(w + r, window_.width - 1) * depth_;
      tile.out = to + w * panel_;
      tiles_.run[vectors_](tile);
    }
    if (!middle_.is_done()) {
      middle_.apply_rows(inputs, (image * window_.height + h) * window_.width, window_.width,
                         channel, tile.columns, to, panel_);
    }
  }

  void slide(std::span<const View> inputs, const View& y, std::int64_t image, std::int64_t line,
             std::int64_t top, std::int64_t panel, float* ring) const {
    const std::int64_t channel = panel * panel_;
    const std::int64_t taps = window_.kernel_h * window_.kernel_w;
    const std::int64_t step = window_.stride_w * panel_;  // from pixel to pixel
    const float* pointers[kMostTaps * kMostTileRows];
    for (std::int64_t kh = 0; kh < window_.kernel_h; ++kh) {
      const float* from = ring_line(ring, top + kh);
      for (std::int64_t kw = 0; kw < window_.kernel_w; ++kw) {
        for (std::int64_t r = 0; r < rows_; ++r)
          pointers[(kh * window_.kernel_w + kw) * rows_ + r] = from + kw * panel_ + r * step;
      }
    }
    const EpilogueRuns::InRegisters& last = epilogue_.in_registers();
    const std::int64_t pixel = (image * window_.out_height + line) * window_.out_width;
    float* to = y.as<float>() + pixel * window_.channels + channel;
    const float* residual =
        last.residual < 0 ? nullptr
                          : inputs[static_cast<std::size_t>(last.residual)].as<const float>() +
                                pixel * window_.channels + channel;
    TileF32 tile;
    tile.rows = pointers;
    tile.taps = taps;
    tile.depth = 1;
    tile.weights = window_weights_.data() + panel * taps * panel_;
    tile.out_stride = window_.channels;
    tile.columns = static_cast<int>(std::min(panel_, window_.channels - channel));
    if (window_.has_bias) tile.bias = inputs[window_.bias].as<const float>() + channel;
    tile.residual_stride = window_.channels;
    tile.low = last.low;
    tile.high = last.high;
    for (std::int64_t w = 0; w < window_.out_width; w += rows_) {
      tile.row_count = static_cast<int>(std::min(rows_, window_.out_width - w));
      tile.row_offset = w * step;
      tile.out = to + w * window_.channels;
      if (residual != nullptr) tile.residual = residual + w * window_.channels;
      tiles_.run_channels[vectors_](tile);
    }
    if (!epilogue_.is_done()) {
      epilogue_.apply_rows(inputs, pixel, window_.out_width, channel, tile.columns, to,
                           window_.channels);
    }
  }

  ConvWindow window_;
  const TileSetF32& tiles_;
  EpilogueRuns middle_, epilogue_;
  std::size_t expand_ = 0;
  std::int64_t expand_bias_ = -1;
  Shape expand_shape_, between_;
  std::int64_t depth_ = 0;
  bool is_packed_ = false;
  PackedF32 packed_;
  std::vector<float> window_weights_;
  int vectors_ = 0;
  std::int64_t panel_ = 1, panels_ = 1, rows_ = 1;
  std::int64_t line_pixels_ = 0, lines_ = 0, piece_size_ = 0;  // floats
  std::int64_t bands_ = 1;
  WorkspacePieces pieces_;
};

}  // namespace

void register_conv_expand_depthwise_f32_kernel(KernelTable& table) {
  table.add("conv_expand_depthwise_f32", make<ConvExpandDepthwiseF32Kernel>);
}

}  // namespace strop::cpu
