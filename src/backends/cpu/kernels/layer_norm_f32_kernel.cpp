// SPDX-License-Identifier: Apache-2.0
// Layer and root-mean-square normalisation over the last axes of f32 tensors. In double, rounded
// once, one row at a time: the mean first and then the squares around it.
//
// Inputs: x, scale and bias (optional) with one element for each of a row. Parameters: axis,
// epsilon, centred.
#include <cmath>

#include "backends/cpu/kernels/kernel.hpp"
#include "backends/cpu/kernels/simd/rows_f32.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "layer_norm kernel";
constexpr std::int64_t kGrain = 16384;  // least floats for a thread

class LayerNormKernel final : public Kernel {
 public:
  explicit LayerNormKernel(const KernelInit& init)
      : axis_(init.parameters.integer("axis")),
        epsilon_(init.parameters.number("epsilon")),
        centred_(init.parameters.integer("centred") != 0),
        rows_(row_set_f32()) {}

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    const View &x = inputs[0], &y = outputs[0];
    require(x.dtype == DType::f32 && y.dtype == DType::f32 && x.shape() == y.shape() &&
                axis_ >= 0 && axis_ < static_cast<std::int64_t>(x.dims.size()),
            kWhat, "its operands do not fit");
    size_ = 1;
    for (std::size_t i = static_cast<std::size_t>(axis_); i < x.dims.size(); ++i)
      size_ *= x.dims[i];
    for (std::size_t i = 1; i < inputs.size(); ++i) {
      require(!inputs[i].present() ||
                  (inputs[i].dtype == DType::f32 && inputs[i].size() == size_ && i < 3),
              kWhat, "its scale or bias does not fit");
    }
    return 0;
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    const auto* x = inputs[0].as<const float>();
    auto* y = outputs[0].as<float>();
    const auto parameter = [&](std::size_t i) {
      return i < inputs.size() && inputs[i].present() ? inputs[i].as<const float>() : nullptr;
    };
    const float *scale = parameter(1), *bias = parameter(2);
    parallel_for(outputs[0].size() / size_, 1 + kGrain / size_,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row) {
                     rows_.normalize(x + row * size_, scale, bias, y + row * size_, size_, epsilon_,
                                     centred_);
                   }
                 });
  }

 private:
  std::int64_t axis_;
  double epsilon_;
  bool centred_;
  const RowSetF32& rows_;
  std::int64_t size_ = 1;
};

}  // namespace

void register_layer_norm_f32_kernel(KernelTable& table) {
  table.add("layer_norm_f32", make<LayerNormKernel>);
}

}  // namespace strop::cpu
