// SPDX-License-Identifier: Apache-2.0
// Tensors of one element type joined along an axis. Parameter axis: of the tensors as they lie in
// memory.
#include <algorithm>
#include <cstring>
#include <vector>

#include "backends/cpu/kernels/kernel.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "kernel concat";
constexpr std::int64_t kTaskBytes = 32 * 1024;

class ConcatKernel final : public Kernel {
 public:
  explicit ConcatKernel(const KernelInit& init) : axis_(init.parameters.integer("axis")) {
    require(axis_ >= 0 && !init.inputs.empty() && init.outputs.size() == 1, kWhat,
            "its parameters do not fit");
    const std::int64_t bits = bits_of(init.outputs[0].dtype);
    require(bits >= 8, kWhat, "its elements are not whole bytes");
    element_bytes_ = bits / 8;
    for (const auto& input : init.inputs)
      require(input.dtype == init.outputs[0].dtype, kWhat, "its operands differ in type");
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    const auto& to = outputs[0].dims;
    const auto axis = static_cast<std::size_t>(axis_);
    require(axis < to.size(), kWhat, "its axis is not there");
    outer_ = 0;  // nothing to do
    if (outputs[0].size() == 0) return 0;
    outer_ = 1;
    for (std::size_t i = 0; i < axis; ++i) outer_ *= to[i];
    std::int64_t inner = element_bytes_;
    for (std::size_t i = axis + 1; i < to.size(); ++i) inner *= to[i];
    std::int64_t size = 0;
    chunks_.clear();
    for (const View& x : inputs) {
      bool fits = x.dims.size() == to.size();
      for (std::size_t i = 0; fits && i < to.size(); ++i) fits = i == axis || x.dims[i] == to[i];
      require(fits, kWhat, "its shapes do not fit");
      chunks_.push_back(x.dims[axis] * inner);
      size += x.dims[axis];
    }
    require(size == to[axis], kWhat, "its shapes do not fit");
    row_bytes_ = size * inner;
    return 0;
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    auto* to = outputs[0].as<std::byte>();
    std::int64_t offset = 0;
    for (std::size_t i = 0; outer_ > 0 && i < inputs.size(); ++i) {
      const auto* from = inputs[i].as<const std::byte>();
      const std::int64_t chunk = chunks_[i];
      if (chunk == 0) continue;
      if (outer_ == 1) {
        copy(to + offset, from, chunk);
      } else {
        const std::int64_t grain = std::max<std::int64_t>(1, kTaskBytes / chunk);
        parallel_for(outer_, grain, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t row = begin; row < end; ++row)
            std::memcpy(to + row * row_bytes_ + offset, from + row * chunk,
                        static_cast<std::size_t>(chunk));
        });
      }
      offset += chunk;
    }
  }

 private:
  static void copy(std::byte* to, const std::byte* from, std::int64_t bytes) {
    parallel_for(bytes, kTaskBytes, [&](std::int64_t begin, std::int64_t end) {
      std::memcpy(to + begin, from + begin, static_cast<std::size_t>(end - begin));
    });
  }

  std::int64_t axis_ = 0, element_bytes_ = 1, outer_ = 0, row_bytes_ = 0;
  std::vector<std::int64_t> chunks_;  // bytes of each input for one index of the outer axes
};

}  // namespace

void register_concat_kernel(KernelTable& table) { table.add("concat", make<ConcatKernel>); }

}  // namespace strop::cpu
