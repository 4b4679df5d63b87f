// SPDX-License-Identifier: Apache-2.0
// Pooling over tensors whose channels lie innermost, [N, H, W, C]: the maximum (f32, bf16, i8, u8)
// or the mean (f32) of a window, whole runs of channels at a time. The padding after the last
// element follows from the output's size.
//
// Parameters function (max, average), kernel, strides, dilations, pads, count_include_pad.
#include <algorithm>
#include <cstring>
#include <limits>

#include "backends/cpu/kernels/kernel.hpp"
#include "backends/cpu/kernels/simd/channel_runs.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "kernel channel_pool";
constexpr std::int64_t kMost = std::int64_t{1} << 30;  // of a window number: products stay in range

class ChannelPoolKernel final : public Kernel {
 public:
  explicit ChannelPoolKernel(const KernelInit& init)
      : runs_(channel_runs()),
        is_max_(init.parameters.string("function") == "max"),
        include_pad_(init.parameters.integer("count_include_pad") != 0),
        kernel_(init.parameters.integers("kernel")),
        strides_(init.parameters.integers("strides")),
        dilations_(init.parameters.integers("dilations")),
        pads_(init.parameters.integers("pads")) {
    const auto within = [](const Shape& values, std::size_t count, std::int64_t lowest) {
      return values.size() == count && std::ranges::all_of(values, [lowest](std::int64_t value) {
               return value >= lowest && value <= kMost;
             });
    };
    require(within(kernel_, 2, 1) && within(strides_, 2, 1) && within(dilations_, 2, 1) &&
                within(pads_, 4, 0) && init.inputs.size() == 1 && init.outputs.size() == 1,
            kWhat, "its parameters do not fit");
    dtype_ = init.inputs[0].dtype;
    const bool is_short = dtype_ == DType::i8 || dtype_ == DType::u8 || dtype_ == DType::bf16;
    require(init.outputs[0].dtype == dtype_ && (dtype_ == DType::f32 || (is_short && is_max_)),
            kWhat, "its types do not fit");
    element_bytes_ = bits_of(dtype_) / 8;
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    const View& x = inputs[0];
    const View& y = outputs[0];
    require(x.dims.size() == 4 && y.dims.size() == 4 && x.dims[0] == y.dims[0] &&
                x.dims[3] == y.dims[3] && x.dtype == dtype_ && y.dims[1] <= kMost &&
                y.dims[2] <= kMost,
            kWhat, "its shapes do not fit");
    return 0;
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    const View& x = inputs[0];
    const View& y = outputs[0];
    const std::int64_t height = y.dims[1];
    parallel_for(y.dims[0] * height, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) run_row(x, y, row / height, row % height);
    });
  }

 private:
  // Taps [first, last) that lie within an axis, for the window that begins at `start`.
  struct Taps {
    std::int64_t first, last;
  };
  static Taps taps(std::int64_t start, std::int64_t kernel, std::int64_t dilation,
                   std::int64_t size) {
    const std::int64_t first = start >= 0 ? 0 : (-start + dilation - 1) / dilation;
    const std::int64_t last = start >= size ? 0 : (size - start - 1) / dilation + 1;
    return {std::min(first, kernel), std::min(last, kernel)};
  }

  void run_row(const View& x, const View& y, std::int64_t n, std::int64_t oh) const {
    const std::int64_t height = x.dims[1], width = x.dims[2], channels = x.dims[3];
    const std::int64_t out_width = y.dims[2];
    const std::int64_t pixel = channels * element_bytes_;
    const auto* image = x.as<const std::byte>() + n * height * width * pixel;
    auto* out = y.as<std::byte>() + (n * y.dims[1] + oh) * out_width * pixel;
    const std::int64_t top = oh * strides_[0] - pads_[0];
    const Taps rows = taps(top, kernel_[0], dilations_[0], height);
    for (std::int64_t ow = 0; ow < out_width; ++ow, out += pixel) {
      const std::int64_t left = ow * strides_[1] - pads_[1];
      const Taps columns = taps(left, kernel_[1], dilations_[1], width);
      if (rows.first >= rows.last || columns.first >= columns.last) {
        nothing(out, channels);
        continue;
      }
      bool begun = false;
      for (std::int64_t kh = rows.first; kh < rows.last; ++kh) {
        const std::byte* line = image + (top + kh * dilations_[0]) * width * pixel;
        for (std::int64_t kw = columns.first; kw < columns.last; ++kw) {
          const std::byte* from = line + (left + kw * dilations_[1]) * pixel;
          if (begun) {
            combine(out, from, channels);
          } else {
            std::memcpy(out, from, static_cast<std::size_t>(pixel));
            begun = true;
          }
        }
      }
      if (is_max_) continue;
      const std::int64_t seen = (rows.last - rows.first) * (columns.last - columns.first);
      const std::int64_t count = include_pad_ ? kernel_[0] * kernel_[1] : seen;
      runs_.scale_f32(reinterpret_cast<float*>(out), 1.0f / static_cast<float>(count), channels);
    }
  }

  void combine(std::byte* out, const std::byte* from, std::int64_t channels) const {
    if (dtype_ == DType::i8) {
      runs_.max_i8(reinterpret_cast<std::int8_t*>(out), reinterpret_cast<const std::int8_t*>(from),
                   channels);
    } else if (dtype_ == DType::u8) {
      runs_.max_u8(reinterpret_cast<std::uint8_t*>(out),
                   reinterpret_cast<const std::uint8_t*>(from), channels);
    } else if (dtype_ == DType::bf16) {
      runs_.max_bf16(reinterpret_cast<std::uint16_t*>(out),
                     reinterpret_cast<const std::uint16_t*>(from), channels);
    } else {
      const auto run = is_max_ ? runs_.max_f32 : runs_.add_f32;
      run(reinterpret_cast<float*>(out), reinterpret_cast<const float*>(from), channels);
    }
  }

  // A window that lies in the padding alone.
  void nothing(std::byte* out, std::int64_t channels) const {
    if (dtype_ == DType::f32) {
      std::fill_n(reinterpret_cast<float*>(out), channels,
                  is_max_ ? -std::numeric_limits<float>::infinity() : 0.0f);
    } else if (dtype_ == DType::bf16) {
      std::fill_n(reinterpret_cast<std::uint16_t*>(out), channels, std::uint16_t{0xff80});
    } else {
      std::memset(out, dtype_ == DType::i8 ? 0x80 : 0, static_cast<std::size_t>(channels));
    }
  }

  const ChannelRuns& runs_;
  bool is_max_, include_pad_;
  Shape kernel_, strides_, dilations_, pads_;
  DType dtype_ = DType::undefined;
  std::int64_t element_bytes_ = 4;
};

}  // namespace

void register_channel_pool_kernel(KernelTable& table) {
  table.add("channel_pool", make<ChannelPoolKernel>);
}

}  // namespace strop::cpu
