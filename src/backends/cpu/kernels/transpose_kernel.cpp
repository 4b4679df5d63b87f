// SPDX-License-Identifier: Apache-2.0
// Axes in another order, for elements of whole bytes. Axes that stay neighbours are taken as one;
// then either whole runs move, or matrices of two axes are transposed (simd/transpose_block.hpp):
// the one that lies innermost in x, and the one that lies innermost in y.
//
// Parameter perm: axis i of y is axis perm[i] of x.
#include <algorithm>
#include <cstring>
#include <vector>

#include "backends/cpu/kernels/kernel.hpp"
#include "backends/cpu/kernels/simd/transpose_block.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "kernel transpose";
constexpr std::int64_t kTaskBytes = 32 * 1024;  // least for a thread
constexpr std::int64_t kColumns = 64;           // of a matrix, in one task

// An axis of y; strides in elements.
struct Axis {
  std::int64_t size, from, to;
};

class TransposeKernel final : public Kernel {
 public:
  explicit TransposeKernel(const KernelInit& init) : perm_(init.parameters.integers("perm")) {
    require(init.inputs.size() == 1 && init.outputs.size() == 1 &&
                init.inputs[0].dtype == init.outputs[0].dtype &&
                init.inputs[0].dtype != DType::undefined && bits_of(init.inputs[0].dtype) >= 8,
            kWhat, "its operands do not fit");
    dtype_ = init.inputs[0].dtype;
    std::vector<bool> seen(perm_.size(), false);
    for (const std::int64_t axis : perm_) {
      require(axis >= 0 && axis < static_cast<std::int64_t>(perm_.size()) &&
                  !seen[static_cast<std::size_t>(axis)],
              kWhat, "its order of axes does not fit");
      seen[static_cast<std::size_t>(axis)] = true;
    }
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    const View &x = inputs[0], &y = outputs[0];
    require(x.dtype == dtype_ && y.dtype == dtype_ && x.dims.size() == perm_.size() &&
                y.dims.size() == perm_.size(),
            kWhat, "its operands do not fit");
    for (std::size_t i = 0; i < perm_.size(); ++i) {
      require(y.dims[i] == x.dims[static_cast<std::size_t>(perm_[i])], kWhat,
              "its shapes do not fit");
    }
    element_bytes_ = bits_of(dtype_) / 8;
    outer_.clear();
    if (y.size() == 0) return 0;  // run is not called
    merge(x.shape());
    take_runs();
    if (run_bytes_ == 0) take_matrix();
    place();
    return 0;
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    const auto* from = inputs[0].as<const std::byte>();
    auto* to = outputs[0].as<std::byte>();
    if (run_bytes_ > 0) return move_runs(from, to);
    const std::int64_t parts = (columns_.size + kColumns - 1) / kColumns;
    const std::int64_t part_bytes = rows_.size * std::min(columns_.size, kColumns) * element_bytes_;
    const std::int64_t grain = std::max<std::int64_t>(1, kTaskBytes / part_bytes);
    parallel_for(count_ * parts, grain, [&](std::int64_t begin, std::int64_t end) {
      for_each_place(begin / parts, (end + parts - 1) / parts,
                     [&](std::int64_t place, std::int64_t x, std::int64_t y) {
                       const std::int64_t first = std::max(begin, place * parts) - place * parts;
                       const std::int64_t last = std::min(end - place * parts, parts);
                       const std::int64_t c = first * kColumns;
                       block_(from + (x + c) * element_bytes_, rows_.from,
                              to + (y + c * columns_.to) * element_bytes_, columns_.to, rows_.size,
                              std::min(last * kColumns, columns_.size) - c);
                     });
    });
  }

 private:
  // The axes of y, those of size 1 left out, neighbours in both tensors as one.
  void merge(const Shape& x) {
    Shape strides(x.size(), 1);
    for (std::size_t i = x.size(); i-- > 1;) strides[i - 1] = strides[i] * x[i];
    for (const std::int64_t axis : perm_) {
      const std::int64_t size = x[static_cast<std::size_t>(axis)];
      const std::int64_t stride = strides[static_cast<std::size_t>(axis)];
      if (size == 1) continue;
      if (!outer_.empty() && outer_.back().from == size * stride) {
        outer_.back().size *= size;
        outer_.back().from = stride;
      } else {
        outer_.push_back({size, stride, 0});
      }
    }
  }

  // An innermost axis that stays: short runs count as elements, longer ones are moved as they are.
  void take_runs() {
    run_bytes_ = 0;
    if (!outer_.empty() && outer_.back().from != 1) return;
    const std::int64_t run = outer_.empty() ? 1 : outer_.back().size;
    const std::int64_t bytes = run * element_bytes_;
    if (!outer_.empty()) outer_.pop_back();
    if (outer_.empty() || transpose_block(bytes) == nullptr) {
      run_bytes_ = bytes;
    } else {
      for (Axis& axis : outer_) axis.from /= run;
      // A run as long as a whole line leaves an axis of stride 1 behind.
      element_bytes_ = bytes;
    }
    if (run_bytes_ > 0) {
      for (Axis& axis : outer_) axis.from *= element_bytes_;
      element_bytes_ = 1;
    }
  }

  void take_matrix() {
    block_ = transpose_block(element_bytes_);
    require(block_ != nullptr, kWhat, "no elements of that width");
    std::int64_t stride = 1;
    for (std::size_t i = outer_.size(); i-- > 0;) {
      outer_[i].to = stride;
      stride *= outer_[i].size;
    }
    rows_ = outer_.back();
    outer_.pop_back();
    const auto innermost =
        std::ranges::find_if(outer_, [](const Axis& axis) { return axis.from == 1; });
    require(innermost != outer_.end(), kWhat, "its shapes do not fit");
    columns_ = *innermost;
    outer_.erase(innermost);
  }

  // How far things are apart along the outer axes.
  void place() {
    count_ = 1;
    for (const Axis& axis : outer_) count_ *= axis.size;
    if (run_bytes_ == 0) return;
    std::int64_t stride = run_bytes_;
    for (std::size_t i = outer_.size(); i-- > 0;) {
      outer_[i].to = stride;
      stride *= outer_[i].size;
    }
  }

  // body(place, offset in x, offset in y) for places of the outer axes.
  template <class Body>
  void for_each_place(std::int64_t begin, std::int64_t end, Body&& body) const {
    for (std::int64_t place = begin; place < end; ++place) {
      std::int64_t rest = place, x = 0, y = 0;
      for (std::size_t i = outer_.size(); i-- > 0;) {
        const std::int64_t index = i == 0 ? rest : rest % outer_[i].size;
        rest /= outer_[i].size;
        x += index * outer_[i].from;
        y += index * outer_[i].to;
      }
      body(place, x, y);
    }
  }

  void move_runs(const std::byte* from, std::byte* to) const {
    if (count_ == 1) {
      parallel_for(run_bytes_, kTaskBytes, [&](std::int64_t begin, std::int64_t end) {
        std::memcpy(to + begin, from + begin, static_cast<std::size_t>(end - begin));
      });
      return;
    }
    parallel_for(count_, std::max<std::int64_t>(1, kTaskBytes / run_bytes_),
                 [&](std::int64_t begin, std::int64_t end) {
                   for_each_place(begin, end, [&](std::int64_t, std::int64_t x, std::int64_t y) {
                     std::memcpy(to + y, from + x, static_cast<std::size_t>(run_bytes_));
                   });
                 });
  }

  const Shape perm_;
  DType dtype_ = DType::undefined;
  std::int64_t element_bytes_ = 1;
  std::int64_t run_bytes_ = 0;  // that move as they are; 0: matrices are transposed
  TransposeBlock block_ = nullptr;
  Axis rows_{}, columns_{};  // innermost in y, innermost in x
  std::vector<Axis> outer_;
  std::int64_t count_ = 0;  // places of the outer axes
};

}  // namespace

void register_transpose_kernel(KernelTable& table) {
  table.add("transpose", make<TransposeKernel>);
}

}  // namespace strop::cpu
