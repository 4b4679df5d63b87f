// SPDX-License-Identifier: Apache-2.0
// Resize of f32 [N, H, W, C], channels innermost: each pixel is one of x, or a weighted sum of two
// rows by two columns of it.
//
// Parameters rows, columns: which of x, per row and column of the result, or repeat_rows and
// repeat_columns: each of x so many times; for weighted sums also rows_1, columns_1 (the other one
// of the two) and row_weights, column_weights (of the other one, the bits of floats as numbers).
#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "backends/cpu/kernels/kernel.hpp"
#include "backends/cpu/kernels/simd/channel_runs.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "kernel resize";
constexpr std::int64_t kMostRepeats = 16;

struct Axis {
  std::vector<std::int64_t> first, second;
  std::vector<float> weight;  // of the second
  std::int64_t repeat = 0;    // makes `first`; 0: it is given

  Axis(const Parameters& parameters, const std::string& one, const std::string& all, bool linear) {
    if (!linear && parameters.has("repeat_" + all)) {
      repeat = parameters.integer("repeat_" + all);
      require(repeat >= 1 && repeat <= kMostRepeats, kWhat, "it repeats elements too often");
      return;
    }
    first = parameters.integers(all);
    if (!linear) return;
    second = parameters.integers(all + "_1");
    for (const std::int64_t bits : parameters.integers(one + "_weights"))
      weight.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    require(second.size() == first.size() && weight.size() == first.size(), kWhat,
            "its lists differ in length");
  }

  void prepare(std::int64_t from, std::int64_t to) {
    if (repeat != 0) {
      require(to % repeat == 0 && to / repeat == from, kWhat, "its shapes do not fit");
      first.resize(static_cast<std::size_t>(to));
      for (std::int64_t i = 0; i < to; ++i) first[static_cast<std::size_t>(i)] = i / repeat;
      return;
    }
    const auto within = [from](std::int64_t i) { return i >= 0 && i < from; };
    require(static_cast<std::int64_t>(first.size()) == to && std::ranges::all_of(first, within) &&
                std::ranges::all_of(second, within),
            kWhat, "its shapes do not fit");
  }
};

class ResizeKernel final : public Kernel {
 public:
  explicit ResizeKernel(const KernelInit& init)
      : runs_(channel_runs()),
        linear_(init.parameters.has("rows_1")),
        rows_(init.parameters, "row", "rows", linear_),
        columns_(init.parameters, "column", "columns", linear_) {
    require(!init.inputs.empty() && init.outputs.size() == 1 &&
                init.inputs[0].dtype == init.outputs[0].dtype &&
                bits_of(init.inputs[0].dtype) >= 8 &&
                (!linear_ || init.inputs[0].dtype == DType::f32),
            kWhat, "its operands do not fit");
    dtype_ = init.inputs[0].dtype;
    element_bytes_ = bits_of(dtype_) / 8;
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    const auto &x = inputs[0].dims, &y = outputs[0].dims;
    require(x.size() == 4 && y.size() == 4 && x[0] == y[0] && x[3] == y[3], kWhat,
            "its shapes do not fit");
    require(inputs[0].dtype == dtype_ && outputs[0].dtype == dtype_, kWhat,
            "its operands are of other types");
    if (outputs[0].size() == 0) return 0;  // run is not called
    rows_.prepare(x[1], y[1]);
    columns_.prepare(x[2], y[2]);
    return 0;
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    const auto& x = inputs[0].dims;
    const auto& y = outputs[0].dims;
    const std::int64_t line = x[2] * x[3] * element_bytes_, out_line = y[2] * y[3] * element_bytes_;
    parallel_for(y[0] * y[1], 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const std::byte* image = inputs[0].as<const std::byte>() + row / y[1] * x[1] * line;
        const auto oh = static_cast<std::size_t>(row % y[1]);
        std::byte* out = outputs[0].as<std::byte>() + row * out_line;
        if (linear_) {
          blend_row(image, oh, line, x[3], reinterpret_cast<float*>(out));
        } else {
          pick_row(image + rows_.first[oh] * line, x[3] * element_bytes_, out);
        }
      }
    });
  }

 private:
  void pick_row(const std::byte* from, std::int64_t pixel, std::byte* to) const {
    for (const std::int64_t column : columns_.first) {
      std::memcpy(to, from + column * pixel, static_cast<std::size_t>(pixel));
      to += pixel;
    }
  }

  // Columns first, then rows, as the operator does it.
  void blend_row(const std::byte* image, std::size_t oh, std::int64_t line, std::int64_t channels,
                 float* to) const {
    const auto* a = reinterpret_cast<const float*>(image + rows_.first[oh] * line);
    const auto* b = reinterpret_cast<const float*>(image + rows_.second[oh] * line);
    const float weight = rows_.weight[oh];
    for (std::size_t ow = 0; ow < columns_.first.size(); ++ow, to += channels) {
      const std::int64_t one = columns_.first[ow] * channels, two = columns_.second[ow] * channels;
      const float of_two = columns_.weight[ow];
      for (std::int64_t c = 0; c < channels; c += kRun) {
        float upper[kRun], lower[kRun];
        const std::int64_t n = std::min<std::int64_t>(kRun, channels - c);
        runs_.blend_f32(upper, a + one + c, 1 - of_two, a + two + c, of_two, n);
        runs_.blend_f32(lower, b + one + c, 1 - of_two, b + two + c, of_two, n);
        runs_.blend_f32(to + c, upper, 1 - weight, lower, weight, n);
      }
    }
  }

  static constexpr std::int64_t kRun = 256;

  const ChannelRuns& runs_;
  bool linear_;
  Axis rows_, columns_;
  DType dtype_ = DType::undefined;
  std::int64_t element_bytes_ = 4;
};

}  // namespace

void register_resize_kernel(KernelTable& table) { table.add("resize", make<ResizeKernel>); }

}  // namespace strop::cpu
