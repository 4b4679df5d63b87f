// SPDX-License-Identifier: Apache-2.0
// Quantised bytes from exact sums or other bytes, with a residual if there is one, by the
// arithmetic of ops/requantize.hpp (see requantize_parameters.hpp for the parameters, and x_zero).
// The factors are single, or one per index of the innermost dimension.
//
// The work is that of a tile without anything to sum: x is what its sums begin with.
#include <algorithm>

#include "backends/cpu/kernels/pack_s8.hpp"
#include "backends/cpu/kernels/requantize_parameters.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "kernel requantize";
constexpr std::int64_t kTask = 4096;  // elements

class RequantizeKernel final : public Kernel {
 public:
  explicit RequantizeKernel(const KernelInit& init)
      : requantize_(init, kWhat), tiles_(tile_set_s8()) {
    require(init.inputs.size() >= 3 && init.outputs.size() == 1, kWhat, "its operands do not fit");
    require(init.parameters.string("result") == "bytes", kWhat, "its result is of another type");
    x_type_ = init.inputs[0].dtype;
    require(x_type_ == DType::i32 || is_byte(x_type_), kWhat, "its operands do not fit");
    const std::int64_t zero = init.parameters.integer("x_zero");
    require(x_type_ == DType::i32 ? zero == 0 : zero >= -128 && zero <= 255, kWhat,
            "its zero point does not fit");
    x_zero_ = static_cast<std::int32_t>(zero);
    columns_ = std::int64_t{tiles_.most_vectors} * tiles_.lanes;
    for (const std::size_t i : {1, 2}) {
      std::int64_t count = 1;
      for (const std::int64_t size : init.inputs[i].constant_shape) count *= size;
      channels_ = std::max(channels_, count);
    }
    per_channel_ = channels_ > 1;
    requantize_.set_channels(init, per_channel_ ? channels_ : columns_,
                             x_type_ == DType::i32 ? 2147483648.0 : 255.0, kWhat);
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    requantize_.prepare(inputs, outputs[0], channels_, kWhat);
    require(std::ranges::equal(inputs[0].dims, outputs[0].dims) && inputs[0].dtype == x_type_,
            kWhat, "its shapes do not fit");
    require(!per_channel_ || (!inputs[0].dims.empty() && inputs[0].dims.back() == channels_), kWhat,
            "its factors do not fit");
    return 0;
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    const std::int64_t size = outputs[0].size();
    // A row of channels, or a run of any elements.
    const std::int64_t row = per_channel_ ? channels_ : kTask;
    const std::int64_t rows = (size + row - 1) / row;
    parallel_for(rows, std::max<std::int64_t>(1, kTask / row), [&](auto begin, auto end) {
      for (std::int64_t i = begin; i < end; ++i)
        run_row(inputs, outputs[0], i * row, std::min(row, size - i * row));
    });
  }

 private:
  void run_row(std::span<const View> inputs, const View& y, std::int64_t first,
               std::int64_t count) const {
    std::int32_t start[kMostTileVectors * 16] = {};
    TileS8 tile;
    requantize_.set_constants(tile);
    if (x_type_ != DType::i32 && !per_channel_) {
      requantize_.set_place(inputs, y, first, 1, 0, tile);
      tile.flip = flip_of(x_type_);
      tiles_.run_bytes(tile, inputs[0].as<const std::uint8_t>() + first,
                       unsigned_zero(x_type_, x_zero_), count);
      return;
    }
    tile.taps = 0;
    tile.row_count = 1;
    tile.start = start;
    for (std::int64_t c = 0; c < count; c += columns_) {
      tile.columns = static_cast<int>(std::min(columns_, count - c));
      load(inputs[0], first + c, tile.columns, start);
      // "Channels" of single factors all begin with the first.
      requantize_.set_place(inputs, y, first + c, 1, 0, tile);
      if (per_channel_) {
        tile.multiplier += c;
        tile.offset += c;
      }
      tiles_.run[tiles_.most_vectors](tile);
    }
  }

  void load(const View& x, std::int64_t first, std::int64_t count, std::int32_t* to) const {
    if (x_type_ == DType::i32) {
      std::copy_n(x.as<const std::int32_t>() + first, count, to);
    } else if (x_type_ == DType::i8) {
      const auto* from = x.as<const std::int8_t>() + first;
      for (std::int64_t i = 0; i < count; ++i) to[i] = from[i] - x_zero_;
    } else {
      const auto* from = x.as<const std::uint8_t>() + first;
      for (std::int64_t i = 0; i < count; ++i) to[i] = from[i] - x_zero_;
    }
  }

  RequantizeParameters requantize_;
  const TileSetS8& tiles_;
  DType x_type_ = DType::undefined;
  std::int32_t x_zero_ = 0;
  std::int64_t columns_ = 0, channels_ = 1;
  bool per_channel_ = false;
};

}  // namespace

void register_requantize_kernel(KernelTable& table) {
  table.add("requantize", make<RequantizeKernel>);
}

}  // namespace strop::cpu
