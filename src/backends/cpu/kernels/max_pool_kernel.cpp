// SPDX-License-Identifier: Apache-2.0
// Max pooling over f32 [N, C, H, W]. Each output row takes the maximum of its input rows first,
// column by column over contiguous memory, then the maximum of neighbouring columns of that one
// row. NaN anywhere in a window is the result.
//
// Parameters kernel, strides, dilations, pads: as the operator pool has them, for two axes; the
// padding after the last element follows from the output's size.
#include <algorithm>
#include <limits>
#include <vector>

#include "backends/cpu/kernels/kernel.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 30;  // of a window number: products stay in range

inline float larger(float a, float b) { return b > a || b != b ? b : a; }

class MaxPoolKernel final : public Kernel {
 public:
  explicit MaxPoolKernel(const KernelInit& init)
      : kernel_(init.parameters.integers("kernel")),
        strides_(init.parameters.integers("strides")),
        dilations_(init.parameters.integers("dilations")),
        pads_(init.parameters.integers("pads")) {
    const auto within = [](const Shape& values, std::size_t count, std::int64_t lowest) {
      return values.size() == count && std::ranges::all_of(values, [lowest](std::int64_t value) {
               return value >= lowest && value <= kMost;
             });
    };
    if (!within(kernel_, 2, 1) || !within(strides_, 2, 1) || !within(dilations_, 2, 1) ||
        !within(pads_, 4, 0) || init.inputs.size() != 1 || init.outputs.size() != 1 ||
        init.inputs[0].dtype != DType::f32 || init.outputs[0].dtype != DType::f32) {
      throw Error(ErrorCode::engine_invalid, "max pooling kernel", "its parameters do not fit");
    }
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    const View& x = inputs[0];
    const View& y = outputs[0];
    if (x.dims.size() != 4 || y.dims.size() != 4 || x.dims[0] != y.dims[0] ||
        x.dims[1] != y.dims[1]) {
      throw Error(ErrorCode::engine_invalid, "max pooling kernel", "its shapes do not fit");
    }
    return 0;
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    const View& x = inputs[0];
    const View& y = outputs[0];
    const std::int64_t height = x.dims[2], width = x.dims[3];
    const std::int64_t out_height = y.dims[2], out_width = y.dims[3];
    const std::int64_t planes = y.dims[0] * y.dims[1];
    parallel_for(planes, 1, [&](std::int64_t begin, std::int64_t end) {
      std::vector<float>& row = scratch();
      row.resize(static_cast<std::size_t>(width));
      for (std::int64_t plane = begin; plane < end; ++plane) {
        const float* in = x.as<const float>() + plane * height * width;
        float* out = y.as<float>() + plane * out_height * out_width;
        for (std::int64_t oh = 0; oh < out_height; ++oh) {
          reduce_rows(in, oh, height, width, row.data());
          reduce_columns(row.data(), width, out_width, out + oh * out_width);
        }
      }
    });
  }

 private:
  // One per thread, kept, so that running allocates nothing once it is large enough.
  static std::vector<float>& scratch() {
    static thread_local std::vector<float> row;
    return row;
  }

  // The first tap that is not in the padding before the first element.
  static std::int64_t first_inside(std::int64_t start, std::int64_t dilation) {
    return start >= 0 ? 0 : (-start + dilation - 1) / dilation;
  }

  void reduce_rows(const float* in, std::int64_t oh, std::int64_t height, std::int64_t width,
                   float* row) const {
    std::fill_n(row, width, -std::numeric_limits<float>::infinity());
    const std::int64_t start = oh * strides_[0] - pads_[0];
    for (std::int64_t k = first_inside(start, dilations_[0]); k < kernel_[0]; ++k) {
      const std::int64_t ih = start + k * dilations_[0];
      if (ih >= height) break;
      const float* line = in + ih * width;
      for (std::int64_t w = 0; w < width; ++w) row[w] = larger(row[w], line[w]);
    }
  }

  void reduce_columns(const float* row, std::int64_t width, std::int64_t out_width,
                      float* out) const {
    for (std::int64_t ow = 0; ow < out_width; ++ow) {
      const std::int64_t start = ow * strides_[1] - pads_[1];
      float best = -std::numeric_limits<float>::infinity();
      for (std::int64_t k = first_inside(start, dilations_[1]); k < kernel_[1]; ++k) {
        const std::int64_t iw = start + k * dilations_[1];
        if (iw >= width) break;
        best = larger(best, row[iw]);
      }
      out[ow] = best;
    }
  }

  Shape kernel_, strides_, dilations_, pads_;
};

}  // namespace

void register_max_pool_kernel(KernelTable& table) { table.add("max_pool", make<MaxPoolKernel>); }

}  // namespace strop::cpu
