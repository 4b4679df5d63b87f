// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/kernels/pack_f32.hpp"

#include <algorithm>

#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

std::int64_t panel_count(std::int64_t columns, std::int64_t panel_columns) {
  return (columns + panel_columns - 1) / panel_columns;
}

// One panel of `count` columns from `first` on.
void pack_panel(const PlainWeights<float>& plain, std::int64_t first, std::int64_t count,
                std::int64_t panel_columns, float* to) {
  const float* from = plain.data + first * plain.column_stride;
  for (std::int64_t o = 0; o < plain.outer; ++o) {
    for (std::int64_t i = 0; i < plain.inner; ++i, to += panel_columns) {
      const float* element = from + o * plain.outer_stride + i * plain.inner_stride;
      for (std::int64_t m = 0; m < count; ++m) to[m] = element[m * plain.column_stride];
      std::fill(to + count, to + panel_columns, 0.0f);
    }
  }
}

}  // namespace

void PackedF32::read(const KernelInit& init, const KernelInit::Operand& weights,
                     std::int64_t groups, std::int64_t columns, std::int64_t depth,
                     const PlainWeights<float>& plain, const char* kernel) {
  require(weights.constant != nullptr && weights.dtype == DType::f32, kernel,
          "its weights are no f32 constant");
  groups_ = groups;
  columns_ = columns;
  depth_ = depth;
  plain_ = plain;
  if (!is_packed(init)) return;
  packed_numbers(init, weights, 0, kernel);
  const Shape& shape = weights.constant_shape;
  require(shape.size() == 3 && shape[2] >= 1 && shape[2] <= kMostPanelColumns &&
              shape[0] == groups * panel_count(columns, shape[2]) && shape[1] == depth,
          kernel, "its packed weights do not fit");
  stored_ = static_cast<const float*>(weights.constant);
  stored_columns_ = shape[2];
}

void PackedF32::prepare(std::int64_t panel_columns) {
  if (data_ != nullptr && panel_columns_ == panel_columns) return;
  panel_columns_ = panel_columns;
  if (stored_ != nullptr && stored_columns_ == panel_columns) {
    data_ = stored_;
    return;
  }
  own_ = packed(panel_columns);
  data_ = reinterpret_cast<const float*>(own_.data());
}

Tensor PackedF32::packed(std::int64_t panel_columns) const {
  const std::int64_t panels = panel_count(columns_, panel_columns);
  Tensor out = Tensor::allocate(DType::f32, {groups_ * panels, depth_, panel_columns});
  auto* const to = reinterpret_cast<float*>(out.mutable_data());
  parallel_for(groups_ * panels, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      const std::int64_t group = p / panels, first = p % panels * panel_columns;
      const std::int64_t count = std::min(panel_columns, columns_ - first);
      float* const panel = to + p * depth_ * panel_columns;
      if (stored_ == nullptr) {
        pack_panel(plain_, group * columns_ + first, count, panel_columns, panel);
        continue;
      }
      const std::int64_t stored_panels = panel_count(columns_, stored_columns_);
      std::fill(panel, panel + depth_ * panel_columns, 0.0f);
      for (std::int64_t m = 0; m < count; ++m) {
        const std::int64_t column = first + m;
        const float* from =
            stored_ +
            (group * stored_panels + column / stored_columns_) * depth_ * stored_columns_ +
            column % stored_columns_;
        for (std::int64_t k = 0; k < depth_; ++k)
          panel[k * panel_columns + m] = from[k * stored_columns_];
      }
    }
  });
  return out;
}

}  // namespace strop::cpu
