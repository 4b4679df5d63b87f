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
// the output. Parameters beside the window's: x_zero, w_zero, and `result`: sums, or bytes with
// multiplier, offset, residual (inputs, the last -1 for none), residual_multiplier (its bits as a
// number), residual_zero, low, high.
#include <algorithm>
#include <bit>
#include <cmath>

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
    requantize_.set_channels(init, window_.out_channels, kWhat);
    is_packed_ = is_packed(init);
    depthwise_ = window_.group > 1 && window_.group == window_.channels &&
                 window_.group == window_.out_channels;
    groups_ = depthwise_ ? 1 : window_.group;
    vectors_ = best_vectors(tiles_, window_.out_channels / groups_);
    const std::int64_t channels = window_.channels / window_.group;
    const std::int64_t plane = window_.kernel_h * window_.kernel_w;
    packed_.read(init, w, groups_, window_.out_channels / groups_, plane * channels,
                 unsigned_zero(x_type_, x_zero_),
                 PlainWeights<std::int8_t>::of_window(nullptr, channels, plane), kWhat);
  }

  std::optional<PackedConstant> pack_constant() const override {
    if (is_packed_) return std::nullopt;
    // How most inputs are read, whatever their sizes.
    const bool lines = ConvRows::may_read_lines(window_);
    const FormS8 form =
        form_of(lines ? window_.kernel_h : window_.kernel_h * window_.kernel_w,
                lines ? window_.kernel_w * window_.channels : window_.channels / window_.group);
    return PackedConstant{window_.w, packed_parameters(PackedS8::numbers(form), weights_shape_),
                          packed_.packed(form)};
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs,
                        int threads) override {
    threads_ = threads;
    window_.prepare(inputs, outputs, kWhat);
    require(inputs[window_.x].dtype == x_type_, kWhat, "its input is of another type");
    requantize_.prepare(inputs, outputs[0], kWhat);
    tile_rows_ = depthwise_ ? tiles_.channel_rows : tiles_.rows[vectors_];
    rows_.prepare(window_, tile_rows_, kWhat, depthwise_);
    packed_.prepare(form_of(rows_.taps(), rows_.depth()));
    return rows_.workspace_bytes();
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void* workspace) override {
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
    for (std::int64_t p = first_panel; p < end_panel; ++p) {
      const std::int64_t group = p / packed_.panels();
      const std::int64_t column = p % packed_.panels() * packed_.columns();
      const std::int64_t channel = group * columns + column;
      tile.weights = packed_.panel(p);
      tile.start = packed_.start(p);
      tile.columns = static_cast<int>(std::min(packed_.columns(), columns - column));
      tile.row_offset = depthwise_ ? channel : group * (window_.channels / window_.group);
      for (std::int64_t i = 0; i * tile_rows_ < count; ++i) {
        tile.rows =
            reinterpret_cast<const std::uint8_t* const*>(pointers + i * tile.taps * tile_rows_);
        tile.row_count =
            static_cast<int>(std::min<std::int64_t>(tile_rows_, count - i * tile_rows_));
        requantize_.set_place(inputs, y, first + i * tile_rows_, window_.out_channels, channel,
                              tile);
        run(tile);
      }
    }
    if (!requantize_.has_table()) return;
    const std::int64_t begin = channel_of(first_panel), end = channel_of(end_panel);
    for (std::int64_t i = 0; i < count; ++i)
      requantize_.look_up(y, first + i, window_.out_channels, begin, end - begin);
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
  bool depthwise_ = false;
  std::int64_t groups_ = 1;
  int threads_ = 1, vectors_ = 1, tile_rows_ = 1;
};

}  // namespace

void register_conv_s8_kernel(KernelTable& table) { table.add("conv_s8", make<ConvS8Kernel>); }

}  // namespace strop::cpu
