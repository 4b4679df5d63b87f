// SPDX-License-Identifier: Apache-2.0
// f32 to bytes of one scale, and bytes or int32 of one scale to f32, as quantize_linear and
// dequantize_linear compute them. Parameters scale (the bits of a float as a number) and zero.
#include <algorithm>
#include <bit>
#include <cmath>

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

}  // namespace

void register_quantize_kernel(KernelTable& table) {
  table.add("quantize", make<QuantizeKernel>);
  table.add("dequantize", make<DequantizeKernel>);
}

}  // namespace strop::cpu
