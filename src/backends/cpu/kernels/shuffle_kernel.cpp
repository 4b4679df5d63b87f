// SPDX-License-Identifier: Apache-2.0
// Shuffle along one axis of `groups` groups of n: what is at g * n + i goes to i * groups + g.
// Parameters axis (of the tensor as it lies in memory), groups.
#include <algorithm>
#include <cstring>

#include "backends/cpu/kernels/kernel.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "kernel shuffle";
constexpr std::int64_t kTaskBytes = 32 * 1024;

// One index of the outer axes, single elements.
template <class T>
void shuffle_elements(const void* from, void* to, std::int64_t groups, std::int64_t size) {
  const auto* x = static_cast<const T*>(from);
  auto* y = static_cast<T*>(to);
  if (groups == 2) {
    for (std::int64_t i = 0; i < size; ++i) {
      y[2 * i] = x[i];
      y[2 * i + 1] = x[size + i];
    }
    return;
  }
  for (std::int64_t g = 0; g < groups; ++g) {
    for (std::int64_t i = 0; i < size; ++i) y[i * groups + g] = x[g * size + i];
  }
}

class ShuffleKernel final : public Kernel {
 public:
  explicit ShuffleKernel(const KernelInit& init)
      : axis_(init.parameters.integer("axis")), groups_(init.parameters.integer("groups")) {
    require(axis_ >= 0 && groups_ >= 1 && init.inputs.size() == 1 && init.outputs.size() == 1 &&
                init.inputs[0].dtype == init.outputs[0].dtype,
            kWhat, "its parameters do not fit");
    require(bits_of(init.inputs[0].dtype) >= 8, kWhat, "its elements are not whole bytes");
    element_bytes_ = bits_of(init.inputs[0].dtype) / 8;
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    const auto& dims = inputs[0].dims;
    const auto axis = static_cast<std::size_t>(axis_);
    require(inputs[0].dtype == outputs[0].dtype && bits_of(inputs[0].dtype) == element_bytes_ * 8,
            kWhat, "its operands are of other types");
    require(axis < dims.size() && std::ranges::equal(dims, outputs[0].dims) &&
                dims[axis] % groups_ == 0,
            kWhat, "its shapes do not fit");
    outer_ = 0;  // nothing to do
    if (inputs[0].size() == 0) return 0;
    outer_ = 1;
    for (std::size_t i = 0; i < axis; ++i) outer_ *= dims[i];
    inner_bytes_ = element_bytes_;
    for (std::size_t i = axis + 1; i < dims.size(); ++i) inner_bytes_ *= dims[i];
    size_ = dims[axis] / groups_;
    return 0;
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    const auto* from = inputs[0].as<const std::byte>();
    auto* to = outputs[0].as<std::byte>();
    const std::int64_t row_bytes = groups_ * size_ * inner_bytes_;
    const std::int64_t grain =
        std::max<std::int64_t>(1, kTaskBytes / std::max<std::int64_t>(row_bytes, 1));
    parallel_for(outer_, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row)
        shuffle(from + row * row_bytes, to + row * row_bytes);
    });
  }

 private:
  void shuffle(const std::byte* from, std::byte* to) const {
    switch (inner_bytes_) {
      case 1:
        return shuffle_elements<std::uint8_t>(from, to, groups_, size_);
      case 2:
        return shuffle_elements<std::uint16_t>(from, to, groups_, size_);
      case 4:
        return shuffle_elements<std::uint32_t>(from, to, groups_, size_);
      case 8:
        return shuffle_elements<std::uint64_t>(from, to, groups_, size_);
      default:
        break;
    }
    for (std::int64_t g = 0; g < groups_; ++g) {
      for (std::int64_t i = 0; i < size_; ++i) {
        std::memcpy(to + (i * groups_ + g) * inner_bytes_, from + (g * size_ + i) * inner_bytes_,
                    static_cast<std::size_t>(inner_bytes_));
      }
    }
  }

  std::int64_t axis_, groups_, element_bytes_ = 1;
  std::int64_t outer_ = 0, inner_bytes_ = 1, size_ = 0;
};

}  // namespace

void register_shuffle_kernel(KernelTable& table) { table.add("shuffle", make<ShuffleKernel>); }

}  // namespace strop::cpu
