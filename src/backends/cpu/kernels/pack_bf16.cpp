// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/kernels/pack_bf16.hpp"

#include <algorithm>

#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

// Where the elements of packed weights lie.
struct Places {
  Places(const FormBf16& of, std::int64_t columns)
      : form(of), panels((columns + of.panel_columns - 1) / of.panel_columns) {}

  std::int64_t rows() const { return form.taps * form.pairs(); }
  // Element k of the sum of column m of a panel.
  std::int64_t of(std::int64_t panel, std::int64_t m, std::int64_t k) const {
    const std::int64_t tap = k / form.depth, d = k % form.depth;
    const std::int64_t row = panel * rows() + tap * form.pairs() + d / 2;
    return (row * form.panel_columns + m) * 2 + d % 2;
  }

  FormBf16 form;
  std::int64_t panels;  // of a group
};

}  // namespace

void PackedBf16::read(const KernelInit& init, const KernelInit::Operand& weights,
                      std::int64_t groups, std::int64_t columns, std::int64_t sum,
                      const PlainWeights<std::uint16_t>& plain, const char* kernel) {
  require(weights.constant != nullptr && weights.dtype == DType::bf16, kernel,
          "its weights are no bf16 constant");
  groups_ = groups;
  columns_ = columns;
  sum_ = sum;
  plain_ = plain;
  if (!is_packed(init)) return;
  const std::vector<std::int64_t> numbers = packed_numbers(init, weights, 2, kernel);
  const Shape& shape = weights.constant_shape;
  require(shape.size() == 3 && shape[2] % 2 == 0 && shape[2] >= 2 &&
              shape[2] / 2 <= kMostPanelColumns && numbers[0] >= 1 && numbers[1] >= 1 &&
              numbers[0] <= sum && numbers[1] <= sum / numbers[0] && numbers[0] * numbers[1] == sum,
          kernel, "its packed weights do not fit");
  stored_form_ = {shape[2] / 2, numbers[0], numbers[1]};
  const Places places(stored_form_, columns);
  require(shape[0] == groups * places.panels && shape[1] == places.rows(), kernel,
          "its packed weights do not fit");
  stored_ = static_cast<const std::uint16_t*>(weights.constant);
}

void PackedBf16::prepare(const FormBf16& form) {
  if (data_ != nullptr && form_ == form) return;
  form_ = form;
  if (stored_ != nullptr && stored_form_ == form) {
    data_ = stored_;
    return;
  }
  own_ = packed(form);
  data_ = reinterpret_cast<const std::uint16_t*>(own_.data());
}

Tensor PackedBf16::packed(const FormBf16& form) const {
  const Places to(form, columns_), from(stored_form_, columns_);
  Tensor out = Tensor::zeros(DType::bf16, {groups_ * to.panels, to.rows(), form.panel_columns * 2});
  auto* const packed = reinterpret_cast<std::uint16_t*>(out.mutable_data());
  parallel_for(groups_ * to.panels, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      const std::int64_t group = p / to.panels, first = p % to.panels * form.panel_columns;
      const std::int64_t count = std::min(form.panel_columns, columns_ - first);
      for (std::int64_t k = 0; k < sum_; ++k) {
        std::uint16_t* at = packed + to.of(p, 0, k);
        if (stored_ == nullptr) {
          const std::uint16_t* element =
              plain_.data + (group * columns_ + first) * plain_.column_stride +
              k / plain_.inner * plain_.outer_stride + k % plain_.inner * plain_.inner_stride;
          for (std::int64_t m = 0; m < count; ++m) at[m * 2] = element[m * plain_.column_stride];
          continue;
        }
        for (std::int64_t m = 0; m < count; ++m) {
          const std::int64_t column = first + m;
          at[m * 2] = stored_[from.of(group * from.panels + column / stored_form_.panel_columns,
                                      column % stored_form_.panel_columns, k)];
        }
      }
    }
  });
  return out;
}

}  // namespace strop::cpu
