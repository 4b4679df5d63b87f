// SPDX-License-Identifier: Apache-2.0
// Convolution of bytes with exact sums by tiles (simd/tile_s8.hpp): the int32 sums themselves, or
// bytes requantised from them by the arithmetic of ops/requantize.hpp, with a residual if there is
// one. 1-D and 2-D, channels innermost, any stride, dilation, padding and group.
//
// A depthwise convolution (one channel a group) multiplies whole vectors of channels instead.
//
// Sums run over x as unsigned bytes (signed ones plus 128) and weights less their zero point; the
// zero point of x is taken off by what a sum begins with. Nothing depends on the instruction set or
// the number of threads.
//
// Inputs: x [N, H, W, C] or [N, W, C], w [M, C/group, kernel...] (a constant), and for requantised
// results multiplier and offset (f32 constants of one or M elements) and perhaps a residual like
// the output. Parameters beside the window's: x_zero, w_zero, x_zero_input (perhaps: an input that
// holds the zero point of x, which is 0 in x_zero then) and those of requantize_parameters.hpp.
#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "backends/cpu/kernels/conv_rows.hpp"
#include "backends/cpu/kernels/conv_window.hpp"
#include "backends/cpu/kernels/pack_s8.hpp"
#include "backends/cpu/kernels/requantize_parameters.hpp"
#include "backends/cpu/kernels/simd/tile_s8.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "convolution kernel conv_s8";

class ConvS8Kernel final : public Kernel {
 public:
  explicit ConvS8Kernel(const KernelInit& init)
      : window_(ConvWindow::read(init, kWhat)),
        requantize_(init, kWhat),
        tiles_(tile_set_s8()),
        x_type_(init.inputs[window_.x].dtype),
        x_zero_(read_zero(init, "x_zero", x_type_, kWhat)),
        rows_(1, static_cast<std::uint8_t>(x_zero_), 3) {
    const KernelInit::Operand& w = init.inputs[window_.w];
    require(is_byte(w.dtype) && is_byte(x_type_), kWhat, "its operands are no bytes");
    weights_shape_ = weights_shape(init, w, kWhat);
    window_.set_weights(weights_shape_, kWhat);
    requantize_.set_channels(init, window_.out_channels,
                             largest_sum(weights_shape_, window_.out_channels), kWhat);
    zero_ = unsigned_zero(x_type_, x_zero_);
    if (init.parameters.has("x_zero_input")) {
      zero_input_ = init.parameters.integer("x_zero_input");
      require(zero_input_ >= 0 && static_cast<std::size_t>(zero_input_) < init.inputs.size() &&
                  init.inputs[static_cast<std::size_t>(zero_input_)].dtype == x_type_,
              kWhat, "its zero point does not fit");
    }
    is_packed_ = is_packed(init);
    depthwise_ = window_.group > 1 && window_.group == window_.channels &&
                 window_.group == window_.out_channels;
    groups_ = depthwise_ ? 1 : window_.group;
    vectors_ = best_vectors(tiles_, window_.out_channels / groups_);
    const std::int64_t channels = window_.channels / window_.group;
    const std::int64_t plane = window_.kernel_h * window_.kernel_w;
    packed_.read(init, w, groups_, window_.out_channels / groups_, plane * channels,
                 zero_input_ < 0 ? zero_ : 1,  // sums begin with what the zero point multiplies
                 PlainWeights<std::int8_t>::of_window(nullptr, channels, plane), kWhat);
    require(packed_.zero_left() == 0 || window_.group == 1, kWhat,
            "the weights of a group are no signed bytes");
    lines_ = depthwise_ && zero_input_ < 0 && tiles_.run_line != nullptr &&
             requantize_.is_plain() && window_.kernel_h <= kMostLineRows;
    if (!lines_) return;
    const std::int64_t most = tiles_.channel_columns;
    if (window_.stride_w == 1 && window_.channels < most && most % window_.channels == 0)
      line_pixels_ = most / window_.channels;
    of_lines_.read_lines(packed_, window_.kernel_h, window_.kernel_w, line_pixels_);
  }

  std::optional<PackedConstant> pack_constant() const override {
    if (is_packed_) return std::nullopt;
    // How most inputs are read, whatever their sizes.
    const bool lines = ConvRows::may_read_lines(window_);
    const FormS8 form =
        form_of(lines ? window_.kernel_h : window_.kernel_h * window_.kernel_w,
                lines ? window_.kernel_w * window_.channels : window_.channels / window_.group);
    return PackedConstant{window_.w, packed_.parameters(form, weights_shape_),
                          packed_.packed(form)};
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs,
                        int threads) override {
    threads_ = threads;
    window_.prepare(inputs, outputs, kWhat);
    require(inputs[window_.x].dtype == x_type_, kWhat, "its input is of another type");
    requantize_.prepare(inputs, outputs[0], window_.out_channels, kWhat);
    require(zero_input_ < 0 || inputs[static_cast<std::size_t>(zero_input_)].size() == 1, kWhat,
            "its zero point does not fit");
    if (lines_) {
      of_lines_.prepare(
          {tiles_.channel_packing, tiles_.channel_columns, 1, window_.kernel_w, window_.kernel_h});
      return 0;
    }
    tile_rows_ = depthwise_ ? tiles_.channel_rows : tiles_.rows[vectors_];
    rows_.prepare(window_, tile_rows_, kWhat, depthwise_);
    packed_.prepare(form_of(rows_.taps(), rows_.depth()));
    if (zero_input_ >= 0)
      start_.resize(static_cast<std::size_t>(groups_ * packed_.panels() * packed_.columns()));
    return rows_.workspace_bytes();
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void* workspace) override {
    if (lines_) return run_lines(inputs, outputs[0]);
    requantize_.begin_run(inputs);
    if (zero_input_ >= 0)
      set_zero(inputs[static_cast<std::size_t>(zero_input_)].as<const std::uint8_t>()[0]);
    const std::byte* source = rows_.source(inputs[window_.x].data, workspace);
    const std::int64_t blocks = rows_.blocks();
    const std::int64_t panels = groups_ * packed_.panels();
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
  FormS8 form_of(std::int64_t taps, std::int64_t depth) const {
    return depthwise_ ? FormS8::of_channels(tiles_, window_.kernel_h * window_.kernel_w)
                      : FormS8::of_tiles(tiles_, vectors_, taps, depth);
  }

  void set_zero(std::uint8_t byte) {
    zero_ = byte ^ flip_of(x_type_);
    rows_.set_padding(byte);
    const std::int32_t* of_one = packed_.start(0);
    for (std::size_t i = 0; i < start_.size(); ++i) start_[i] = wrapped_product(zero_, of_one[i]);
  }

  // What each sum of a row still lacks of the weights' zero point.
  void set_row_terms(const std::byte* const* pointers, std::int64_t count,
                     std::int32_t* terms) const {
    const auto* runs = reinterpret_cast<const std::uint8_t* const*>(pointers);
    const auto terms_of_sum = static_cast<std::int32_t>(rows_.taps() * rows_.depth());
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t at = i / tile_rows_ * rows_.taps() * tile_rows_ + i % tile_rows_;
      const std::int32_t sum =
          tiles_.sum_row(runs + at, tile_rows_, rows_.taps(), rows_.depth(), flip_of(x_type_));
      terms[i] = wrapped_product(packed_.zero_left(),
                                 wrapped_difference(wrapped_product(zero_, terms_of_sum), sum));
    }
  }

  void run_lines(std::span<const View> inputs, const View& y) const {
    parallel_for(window_.batch * window_.out_height, 1, [&](auto begin, auto end) {
      for (std::int64_t line = begin; line < end; ++line) run_line(inputs, y, line);
    });
  }

  void run_line(std::span<const View> inputs, const View& y, std::int64_t index) const {
    const std::int64_t channels = window_.out_channels;
    LineS8 line;
    TileS8& tile = line.tile;
    tile.flip = flip_of(x_type_);
    requantize_.set_constants(tile);
    line.rows_used = static_cast<int>(window_.kernel_h);
    line.groups = (line.rows_used + 3) / 4;
    line.width = window_.width;
    line.out_width = window_.out_width;
    line.pixel_bytes = channels;
    line.kernel_w = window_.kernel_w;
    line.stride = window_.stride_w;
    line.dilation = window_.dilation_w;
    line.pad_left = window_.pad_left;
    line.padding = static_cast<std::uint8_t>(x_zero_);
    line.pixels = line_pixels_;
    const std::int64_t image = index / window_.out_height;
    const std::int64_t top = index % window_.out_height * window_.stride_h - window_.pad_top;
    for (std::int64_t p = 0; p < of_lines_.panels(); ++p) {
      const std::int64_t channel = p * of_lines_.columns();
      for (std::int64_t k = 0; k < window_.kernel_h; ++k) {
        const std::int64_t h = top + k * window_.dilation_h;
        const bool inside = h >= 0 && h < window_.height;
        line.rows[k] = inside
                           ? inputs[window_.x].as<const std::uint8_t>() +
                                 (image * window_.height + h) * window_.width * channels + channel
                           : nullptr;
      }
      tile.weights = of_lines_.panel(p);
      tile.start = of_lines_.start(p);
      tile.columns =
          static_cast<int>(std::min(of_lines_.columns(), channels * line_pixels_ - channel));
      line.channels = tile.columns / static_cast<int>(line_pixels_);
      requantize_.set_place(inputs, y, index * window_.out_width, channels, channel, tile);
      tiles_.run_line(line);
    }
    requantize_.finish_rows(inputs, y, index * window_.out_width, window_.out_width, channels, 0,
                            channels);
  }

  void run_block(std::span<const View> inputs, const View& y, const std::byte* source,
                 std::int64_t block, std::int64_t first_panel, std::int64_t end_panel) const {
    const std::byte* pointers[ConvRows::kPointers];
    const std::int64_t count = rows_.set_pointers(source, block, pointers);
    const std::int64_t first = block * rows_.block_rows();
    const std::int64_t columns = window_.out_channels / groups_;
    const auto run = depthwise_ ? tiles_.run_channels : tiles_.run[vectors_];
    TileS8 tile;
    tile.taps = rows_.taps();
    tile.quads = packed_.quads();
    tile.flip = flip_of(x_type_);
    requantize_.set_constants(tile);
    std::int32_t terms[ConvRows::kBlockRows] = {};
    if (packed_.zero_left() != 0) set_row_terms(pointers, count, terms);
    const std::int64_t tiles = (count + tile_rows_ - 1) / tile_rows_;
    for (std::int64_t p = first_panel; p < end_panel; ++p) {
      const std::int64_t group = p / packed_.panels();
      const std::int64_t column = p % packed_.panels() * packed_.columns();
      const std::int64_t channel = group * columns + column;
      tile.weights = packed_.panel(p);
      tile.start = zero_input_ < 0 ? packed_.start(p) : start_.data() + p * packed_.columns();
      tile.columns = static_cast<int>(std::min(packed_.columns(), columns - column));
      tile.row_offset = depthwise_ ? channel : group * (window_.channels / window_.group);
      for (std::int64_t i = 0; i < tiles; ++i) {
        if (!depthwise_) packed_.prefetch(p + 1, i, tiles);
        tile.rows =
            reinterpret_cast<const std::uint8_t* const*>(pointers + i * tile.taps * tile_rows_);
        tile.row_count =
            static_cast<int>(std::min<std::int64_t>(tile_rows_, count - i * tile_rows_));
        requantize_.set_place(inputs, y, first + i * tile_rows_, window_.out_channels, channel,
                              tile);
        if (packed_.zero_left() != 0) tile.row_terms = terms + i * tile_rows_;
        run(tile);
      }
    }
    if (!requantize_.has_rest()) return;
    const std::int64_t begin = channel_of(first_panel), end = channel_of(end_panel);
    requantize_.finish_rows(inputs, y, first, count, window_.out_channels, begin, end - begin);
  }

  // The first output channel of a panel, or the number of channels after the last one.
  std::int64_t channel_of(std::int64_t panel) const {
    const std::int64_t columns = window_.out_channels / groups_;
    return panel / packed_.panels() * columns +
           std::min(columns, panel % packed_.panels() * packed_.columns());
  }

  ConvWindow window_;
  RequantizeParameters requantize_;
  const TileSetS8& tiles_;
  DType x_type_;
  std::int64_t x_zero_;
  ConvRows rows_;
  Shape weights_shape_;
  bool is_packed_ = false;
  PackedS8 packed_;
  std::int64_t zero_input_ = -1;
  std::int32_t zero_ = 0;            // of this run's x as unsigned bytes
  std::vector<std::int32_t> start_;  // of that zero point
  bool depthwise_ = false;
  bool lines_ = false;            // a depthwise convolution line by line,
  std::int64_t line_pixels_ = 1;  // so many pixels side by side in a vector
  PackedS8 of_lines_;
  std::int64_t groups_ = 1;
  int threads_ = 1, vectors_ = 1, tile_rows_ = 1;
};

}  // namespace

void register_conv_s8_kernel(KernelTable& table) { table.add("conv_s8", make<ConvS8Kernel>); }

}  // namespace strop::cpu
