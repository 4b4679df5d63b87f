// SPDX-License-Identifier: Apache-2.0
// A tensor cut along one axis into its outputs, one after the other: the inverse of concat.
// Parameters axis: of the tensors as they lie in memory; start: where the first output begins (what
// lies before it, and after the last one, is left out); a negative one counts from the end.
#include <algorithm>
#include <cstring>
#include <vector>

#include "backends/cpu/kernels/kernel.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "kernel cut";
constexpr std::int64_t kTaskBytes = 32 * 1024;

class CutKernel final : public Kernel {
 public:
  explicit CutKernel(const KernelInit& init)  // further inputs are parameters of the operator
      : axis_(init.parameters.integer("axis")), given_start_(init.parameters.integer("start")) {
    require(axis_ >= 0 && !init.inputs.empty() && !init.outputs.empty(), kWhat,
            "its parameters do not fit");
    const std::int64_t bits = bits_of(init.inputs[0].dtype);
    require(bits >= 8, kWhat, "its elements are not whole bytes");
    element_bytes_ = bits / 8;
    for (const auto& output : init.outputs)
      require(output.dtype == init.inputs[0].dtype, kWhat, "its operands differ in type");
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    const auto& from = inputs[0].dims;
    const auto axis = static_cast<std::size_t>(axis_);
    require(axis < from.size(), kWhat, "its axis is not there");
    outer_ = 0;  // nothing to do
    if (std::ranges::all_of(outputs, [](const View& y) { return y.size() == 0; })) return 0;
    require(inputs[0].size() > 0, kWhat, "its shapes do not fit");
    outer_ = 1;
    for (std::size_t i = 0; i < axis; ++i) outer_ *= from[i];
    std::int64_t inner = element_bytes_;
    for (std::size_t i = axis + 1; i < from.size(); ++i) inner *= from[i];
    std::int64_t start = given_start_ < 0 ? given_start_ + from[axis] : given_start_;
    // As slices are: clamped to the axis.
    start = std::clamp<std::int64_t>(start, 0, from[axis]);
    first_ = start * inner;
    chunks_.clear();
    for (const View& y : outputs) {
      bool fits = y.dims.size() == from.size();
      for (std::size_t i = 0; fits && i < from.size(); ++i)
        fits = i == axis || y.dims[i] == from[i];
      require(fits && y.dims[axis] <= from[axis] - start, kWhat, "its shapes do not fit");
      chunks_.push_back(y.dims[axis] * inner);
      start += y.dims[axis];
    }
    row_bytes_ = from[axis] * inner;
    return 0;
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    const auto* from = inputs[0].as<const std::byte>();
    std::int64_t offset = first_;
    for (std::size_t i = 0; outer_ > 0 && i < outputs.size(); ++i) {
      auto* to = outputs[i].as<std::byte>();
      const std::int64_t chunk = chunks_[i];
      if (chunk == 0) continue;
      const std::int64_t grain = std::max<std::int64_t>(1, kTaskBytes / chunk);
      parallel_for(outer_, grain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row)
          std::memcpy(to + row * chunk, from + row * row_bytes_ + offset,
                      static_cast<std::size_t>(chunk));
      });
      offset += chunk;
    }
  }

 private:
  std::int64_t axis_ = 0, given_start_ = 0, element_bytes_ = 1;
  std::int64_t outer_ = 0, row_bytes_ = 0, first_ = 0;
  std::vector<std::int64_t> chunks_;  // bytes of each output for one index of the outer axes
};

}  // namespace

void register_cut_kernel(KernelTable& table) { table.add("cut", make<CutKernel>); }

}  // namespace strop::cpu
