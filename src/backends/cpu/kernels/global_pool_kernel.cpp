// SPDX-License-Identifier: Apache-2.0
// Sum or mean over the middle of f32, or the sum of i32, [outer, middle, inner], the tensor as it
// lies in memory: inner 1 for planes, the channels where they lie innermost. Each result is summed
// in one order, whatever the number of threads.
//
// Parameters outer_axes, middle_axes: how many axes of the input the first two are made of; mean:
// 1 or 0.
#include <algorithm>
#include <cstring>

#include "backends/cpu/kernels/kernel.hpp"
#include "backends/cpu/kernels/simd/channel_runs.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "kernel global_pool";
constexpr std::int64_t kRun = 256;  // channels that are summed together: they stay in the L1 cache

class GlobalPoolKernel final : public Kernel {
 public:
  explicit GlobalPoolKernel(const KernelInit& init)
      : runs_(channel_runs()),
        outer_axes_(init.parameters.integer("outer_axes")),
        middle_axes_(init.parameters.integer("middle_axes")),
        mean_(init.parameters.integer("mean") != 0) {
    require(outer_axes_ >= 0 && outer_axes_ < 64 && middle_axes_ >= 0 && middle_axes_ < 64 &&
                !init.inputs.empty() && init.outputs.size() == 1 &&
                (init.inputs[0].dtype == DType::f32 ||
                 (init.inputs[0].dtype == DType::i32 && !mean_)) &&
                init.outputs[0].dtype == init.inputs[0].dtype,
            kWhat, "its parameters do not fit");
    type_ = init.inputs[0].dtype;
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    const auto rank = static_cast<std::int64_t>(inputs[0].dims.size());
    require(outer_axes_ + middle_axes_ <= rank, kWhat, "its axes do not fit");
    outer_ = middle_ = inner_ = 1;
    for (std::int64_t i = 0; i < rank; ++i) {
      std::int64_t& part = i < outer_axes_                  ? outer_
                           : i < outer_axes_ + middle_axes_ ? middle_
                                                            : inner_;
      const auto product = try_mul(part, inputs[0].dims[static_cast<std::size_t>(i)]);
      require(product.has_value(), kWhat, "its shapes do not fit");
      part = *product;
    }
    const auto results = try_mul(outer_, inner_);
    require(results && outputs[0].size() == *results && inputs[0].dtype == type_ &&
                outputs[0].dtype == type_,
            kWhat, "its shapes do not fit");
    return 0;
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    if (type_ == DType::i32) {
      sum(inputs[0].as<const std::int32_t>(), outputs[0].as<std::int32_t>(), runs_.sum_i32,
          runs_.add_i32, [](std::int32_t*, std::int64_t) {});
      return;
    }
    const float factor = mean_ ? 1.0f / static_cast<float>(middle_) : 1.0f;
    sum(inputs[0].as<const float>(), outputs[0].as<float>(), runs_.sum_f32, runs_.add_f32,
        [&](float* to, std::int64_t count) {
          if (mean_) runs_.scale_f32(to, factor, count);
        });
  }

 private:
  template <class T, class Finish>
  void sum(const T* x, T* y, T (*sum_of)(const T*, std::int64_t),
           void (*add)(T*, const T*, std::int64_t), Finish&& finish) const {
    if (inner_ == 1) {
      const std::int64_t grain =
          std::max<std::int64_t>(1, 16384 / std::max<std::int64_t>(1, middle_));
      parallel_for(outer_, grain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) y[i] = sum_of(x + i * middle_, middle_);
        finish(y + begin, end - begin);
      });
      return;
    }
    const std::int64_t parts = (inner_ + kRun - 1) / kRun;
    parallel_for(outer_ * parts, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t outer = task / parts, first = task % parts * kRun;
        const std::int64_t count = std::min(kRun, inner_ - first);
        T* to = y + outer * inner_ + first;
        std::fill_n(to, count, T{0});
        for (std::int64_t i = 0; i < middle_; ++i)
          add(to, x + (outer * middle_ + i) * inner_ + first, count);
        finish(to, count);
      }
    });
  }

  const ChannelRuns& runs_;
  std::int64_t outer_axes_, middle_axes_;
  bool mean_;
  DType type_ = DType::undefined;
  std::int64_t outer_ = 0, middle_ = 0, inner_ = 0;
};

}  // namespace

void register_global_pool_kernel(KernelTable& table) {
  table.add("global_pool", make<GlobalPoolKernel>);
}

}  // namespace strop::cpu
