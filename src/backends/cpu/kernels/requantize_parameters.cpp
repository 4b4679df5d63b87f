// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/kernels/requantize_parameters.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "backends/cpu/kernels/pack_s8.hpp"

namespace strop::cpu {
namespace {

constexpr std::int64_t kPanelColumns = 64;  // at most, of any instruction set

}  // namespace

RequantizeParameters::RequantizeParameters(const KernelInit& init, const char* kernel)
    : to_bytes_(init.parameters.string("result") == "bytes"), out_type_(init.outputs[0].dtype) {
  if (init.parameters.string("result") == "floats") {
    floats_.emplace(init);
    return;
  }
  if (!to_bytes_) {
    require(init.parameters.string("result") == "sums" && out_type_ == DType::i32, kernel,
            "its result is of another type");
    return;
  }
  const auto input = [&](const char* name) {
    const std::int64_t index = init.parameters.integer(name);
    require(index >= 0 && static_cast<std::size_t>(index) < init.inputs.size(), kernel,
            "it names an input that is not there");
    return static_cast<std::size_t>(index);
  };
  require(is_byte(out_type_), kernel, "its result is of another type");
  DType bytes_type = out_type_;  // before the table
  if (init.parameters.has("table")) {
    const KernelInit::Operand& table = init.inputs[input("table")];
    require(
        table.constant != nullptr && table.dtype == out_type_ && table.constant_shape == Shape{256},
        kernel, "its table does not fit");
    table_ = static_cast<const std::uint8_t*>(table.constant);
    look_up_ = look_up_bytes();
    bytes_type = init.parameters.integer("signed") != 0 ? DType::i8 : DType::u8;
  }
  multiplier_ = input("multiplier");
  offset_ = input("offset");
  residual_ = init.parameters.integer("residual");
  if (residual_ >= 0) {
    residual_type_ = init.inputs[input("residual")].dtype;
    require(is_byte(residual_type_), kernel, "its residual is no bytes");
    residual_zero_ =
        unsigned_zero(residual_type_, read_zero(init, "residual_zero", residual_type_, kernel));
    residual_multiplier_ = std::bit_cast<float>(
        static_cast<std::uint32_t>(init.parameters.integer("residual_multiplier")));
    require(std::isfinite(residual_multiplier_), kernel, "a multiplier is not finite");
  }
  const std::int64_t low = init.parameters.integer("low");
  const std::int64_t high = init.parameters.integer("high");
  const std::int64_t lowest = bytes_type == DType::i8 ? -128 : 0;
  require(lowest <= low && low < high && high <= lowest + 255, kernel, "its bounds do not fit");
  low_ = static_cast<std::int32_t>(low);
  high_ = static_cast<std::int32_t>(high);
}

void RequantizeParameters::set_channels(const KernelInit& init, std::int64_t channels,
                                        double largest_sum, const char* kernel) {
  if (!to_bytes_) return;
  double largest[2] = {};
  const auto spread = [&](std::size_t input, double& most) {
    const KernelInit::Operand& operand = init.inputs[input];
    std::int64_t count = 1;
    for (const std::int64_t size : operand.constant_shape) count *= size;
    require(operand.constant != nullptr && operand.dtype == DType::f32 &&
                (count == 1 || count == channels),
            kernel, "its multipliers or offsets do not fit");
    const auto* values = static_cast<const float*>(operand.constant);
    std::vector<float> out;
    for (std::int64_t c = 0; c < channels + kPanelColumns; ++c) {
      out.push_back(values[count == 1 ? 0 : c % channels]);
      const double size = std::abs(static_cast<double>(out.back()));
      most = std::isfinite(size) ? std::max(most, size) : std::numeric_limits<double>::infinity();
    }
    return out;
  };
  multipliers_ = spread(multiplier_, largest[0]);
  offsets_ = spread(offset_, largest[1]);
  const double most = largest_sum * largest[0] + largest[1] +
                      255.0 * std::abs(static_cast<double>(residual_multiplier_));
  bounded_ = most * (high_ - low_) < 2097152.0;  // half of what would still do
}

void RequantizeParameters::prepare(std::span<const View> inputs, const View& output,
                                   std::int64_t channels, const char* kernel) {
  require(output.dtype == out_type_, kernel, "its result is of another type");
  if (floats_) floats_->prepare(inputs, output, channels);
  if (residual_ < 0) return;
  const View& residual = inputs[static_cast<std::size_t>(residual_)];
  require(residual.dtype == residual_type_ && std::ranges::equal(residual.dims, output.dims),
          kernel, "its residual does not fit");
}

void RequantizeParameters::set_constants(TileS8& tile) const {
  tile.range = static_cast<float>(high_ - low_);
  tile.low = low_;
  tile.bounded = bounded_;
  tile.residual_multiplier = residual_multiplier_;
  tile.residual_zero = residual_zero_;
  tile.residual_flip = flip_of(residual_type_);
}

void RequantizeParameters::set_place(std::span<const View> inputs, const View& output,
                                     std::int64_t row, std::int64_t stride, std::int64_t channel,
                                     TileS8& tile) const {
  const std::int64_t at = row * stride + channel;
  if (floats_) return floats_->set_place(output, row, stride, channel, tile);
  if (!to_bytes_) {
    tile.sums = output.as<std::int32_t>() + at;
    tile.sums_stride = stride;
    return;
  }
  tile.out = output.as<std::uint8_t>() + at;
  tile.out_stride = stride;
  tile.multiplier = multipliers_.data() + channel;
  tile.offset = offsets_.data() + channel;
  if (residual_ < 0) return;
  tile.residual = inputs[static_cast<std::size_t>(residual_)].as<const std::uint8_t>() + at;
  tile.residual_stride = stride;
}

void RequantizeParameters::finish_rows(std::span<const View> inputs, const View& output,
                                       std::int64_t row, std::int64_t rows, std::int64_t stride,
                                       std::int64_t channel, std::int64_t count) const {
  if (floats_) floats_->finish_rows(inputs, output, row, rows, stride, channel, count);
  if (table_ == nullptr) return;
  std::uint8_t* at = output.as<std::uint8_t>() + row * stride + channel;
  if (count == stride) return look_up_(at, at, table_, rows * count);
  for (std::int64_t i = 0; i < rows; ++i, at += stride) look_up_(at, at, table_, count);
}

}  // namespace strop::cpu
