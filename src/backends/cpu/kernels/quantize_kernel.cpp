// SPDX-License-Identifier: Apache-2.0
// f32 to bytes of one scale, and bytes or int32 of one scale to f32, as quantize_linear and
// dequantize_linear compute them. Parameters scale (the bits of a float as a number) and zero.
// Likewise dynamic_quantize_linear, and widen from bytes to int32, which have none.
#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "backends/cpu/kernels/kernel.hpp"
#include "backends/cpu/kernels/pack_s8.hpp"
#include "backends/cpu/kernels/simd/channel_runs.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr std::int64_t kTask = 8192;  // elements

class ScaledKernel : public Kernel {
 public:
  ScaledKernel(const KernelInit& init, const char* what)
      : runs_(channel_runs()),
        what_(what),
        scale_(std::bit_cast<float>(static_cast<std::uint32_t>(init.parameters.integer("scale")))) {
    require(!init.inputs.empty() && init.outputs.size() == 1 && std::isfinite(scale_), what,
            "its operands do not fit");
    x_type_ = init.inputs[0].dtype;
    y_type_ = init.outputs[0].dtype;
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    require(std::ranges::equal(inputs[0].dims, outputs[0].dims) && inputs[0].dtype == x_type_,
            what_, "its shapes do not fit");
    return 0;
  }

 protected:
  const ChannelRuns& runs_;
  const char* what_;
  float scale_;
  DType x_type_ = DType::undefined, y_type_ = DType::undefined;
};

class QuantizeKernel final : public ScaledKernel {
 public:
  explicit QuantizeKernel(const KernelInit& init) : ScaledKernel(init, "kernel quantize") {
    require(x_type_ == DType::f32 && is_byte(y_type_), what_, "its types do not fit");
    zero_ = static_cast<std::int32_t>(read_zero(init, "zero", y_type_, what_));
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    const auto* x = inputs[0].as<const float>();
    auto* y = outputs[0].as<std::uint8_t>();
    const std::int32_t low = y_type_ == DType::i8 ? -128 : 0;
    parallel_for(outputs[0].size(), kTask, [&](std::int64_t begin, std::int64_t end) {
      runs_.quantize(y + begin, x + begin, scale_, zero_, low, low + 255, end - begin);
    });
  }

 private:
  std::int32_t zero_ = 0;
};

class DequantizeKernel final : public ScaledKernel {
 public:
  explicit DequantizeKernel(const KernelInit& init) : ScaledKernel(init, "kernel dequantize") {
    require(y_type_ == DType::f32 && (is_byte(x_type_) || x_type_ == DType::i32), what_,
            "its types do not fit");
    if (is_byte(x_type_)) {
      zero_ = static_cast<std::int32_t>(read_zero(init, "zero", x_type_, what_));
    } else {
      require(init.parameters.integer("zero") == 0, what_, "its zero point does not fit");
    }
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    const View& x = inputs[0];
    auto* y = outputs[0].as<float>();
    parallel_for(outputs[0].size(), kTask, [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t count = end - begin;
      if (x_type_ == DType::i8) {
        runs_.dequantize_i8(y + begin, x.as<const std::int8_t>() + begin, scale_, zero_, count);
      } else if (x_type_ == DType::u8) {
        runs_.dequantize_u8(y + begin, x.as<const std::uint8_t>() + begin, scale_, zero_, count);
      } else {
        runs_.dequantize_i32(y + begin, x.as<const std::int32_t>() + begin, scale_, zero_, count);
      }
    });
  }

 private:
  std::int32_t zero_ = 0;
};

class WidenKernel final : public Kernel {
 public:
  explicit WidenKernel(const KernelInit& init) : runs_(channel_runs()) {
    require(init.inputs.size() == 1 && init.outputs.size() == 1 && is_byte(init.inputs[0].dtype) &&
                init.outputs[0].dtype == DType::i32,
            "kernel widen", "its operands do not fit");
    type_ = init.inputs[0].dtype;
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    require(std::ranges::equal(inputs[0].dims, outputs[0].dims) && inputs[0].dtype == type_,
            "kernel widen", "its shapes do not fit");
    return 0;
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    auto* y = outputs[0].as<std::int32_t>();
    parallel_for(outputs[0].size(), kTask, [&](std::int64_t begin, std::int64_t end) {
      if (type_ == DType::i8) {
        runs_.widen_i8(y + begin, inputs[0].as<const std::int8_t>() + begin, end - begin);
      } else {
        runs_.widen_u8(y + begin, inputs[0].as<const std::uint8_t>() + begin, end - begin);
      }
    });
  }

 private:
  const ChannelRuns& runs_;
  DType type_ = DType::undefined;
};

class DynamicQuantizeKernel final : public Kernel {
 public:
  explicit DynamicQuantizeKernel(const KernelInit& init) : runs_(channel_runs()) {
    require(init.inputs.size() == 1 && init.outputs.size() == 3 &&
                init.inputs[0].dtype == DType::f32 && init.outputs[0].dtype == DType::u8 &&
                init.outputs[1].dtype == DType::f32 && init.outputs[2].dtype == DType::u8,
            "kernel dynamic_quantize", "its operands do not fit");
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    require(std::ranges::equal(inputs[0].dims, outputs[0].dims) && outputs[1].size() == 1 &&
                outputs[2].size() == 1,
            "kernel dynamic_quantize", "its shapes do not fit");
    parts_.resize(static_cast<std::size_t>((inputs[0].size() + kPart - 1) / kPart));
    return 0;
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    const auto* x = inputs[0].as<const float>();
    const std::int64_t size = inputs[0].size();
    parallel_for(static_cast<std::int64_t>(parts_.size()), 1, [&](auto begin, auto end) {
      for (std::int64_t part = begin; part < end; ++part) {
        Range range;
        runs_.range_f32(x + part * kPart, std::min(kPart, size - part * kPart), range.low,
                        range.high);
        parts_[static_cast<std::size_t>(part)] = range;
      }
    });
    Range whole;
    for (const Range& part : parts_) {
      whole.low = std::min(whole.low, part.low);
      whole.high = std::max(whole.high, part.high);
    }
    const float scale = whole.low == whole.high ? 1.0f : (whole.high - whole.low) / 255.0f;
    const float exact = -whole.low / scale;
    const float bounded = std::isnan(exact) ? 0.0f : std::min(std::max(exact, 0.0f), 255.0f);
    const auto zero = static_cast<std::int32_t>(std::nearbyint(bounded));
    outputs[1].as<float>()[0] = scale;
    outputs[2].as<std::uint8_t>()[0] = static_cast<std::uint8_t>(zero);
    auto* y = outputs[0].as<std::uint8_t>();
    parallel_for(size, kTask, [&](std::int64_t begin, std::int64_t end) {
      runs_.quantize(y + begin, x + begin, scale, zero, 0, 255, end - begin);
    });
  }

 private:
  static constexpr std::int64_t kPart = 16384;
  struct Range {
    float low = 0, high = 0;
  };

  const ChannelRuns& runs_;
  std::vector<Range> parts_;
};

}  // namespace

void register_quantize_kernel(KernelTable& table) {
  table.add("quantize", make<QuantizeKernel>);
  table.add("dequantize", make<DequantizeKernel>);
  table.add("widen", make<WidenKernel>);
  table.add("dynamic_quantize", make<DynamicQuantizeKernel>);
}

}  // namespace strop::cpu
