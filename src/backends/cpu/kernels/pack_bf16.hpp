// SPDX-License-Identifier: Apache-2.0
// Weights of bf16 products as tiles read them (simd/tile_bf16.hpp): [group][panel][taps][pairs of a
// tap][columns of a panel][2], zeros beyond the last column of a group and the last element of a
// tap. An engine may hold them so: a bf16 tensor [groups * panels, taps * pairs, 2 * columns of a
// panel], and `packed` tells taps and depth.
#pragma once

#include <vector>

#include "backends/cpu/kernels/packed_weights.hpp"

namespace strop::cpu {

struct FormBf16 {
  std::int64_t panel_columns = 1;
  std::int64_t taps = 1, depth = 1;  // elements of a sum: taps * depth

  std::int64_t pairs() const { return (depth + 1) / 2; }
  bool operator==(const FormBf16&) const = default;
};

class PackedBf16 {
 public:
  // For `columns` columns in each of `groups` groups, summed over `sum` elements. `plain` says
  // where the elements of plain weights lie and is not looked at where the engine holds packed
  // ones. Error(engine_invalid) when the constant does not fit.
  void read(const KernelInit& init, const KernelInit::Operand& weights, std::int64_t groups,
            std::int64_t columns, std::int64_t sum, const PlainWeights<std::uint16_t>& plain,
            const char* kernel);

  // Makes the weights ready in that form: those of the engine, or packed now.
  void prepare(const FormBf16& form);
  // The weights in that form, for the engine; and what `packed` says of it.
  Tensor packed(const FormBf16& form) const;
  static std::vector<std::int64_t> numbers(const FormBf16& form) { return {form.taps, form.depth}; }

  const std::uint16_t* panel(std::int64_t index) const {
    return data_ + index * form_.taps * form_.pairs() * form_.panel_columns * 2;
  }

 private:
  PlainWeights<std::uint16_t> plain_;
  const std::uint16_t* stored_ = nullptr;  // packed, in the engine
  FormBf16 stored_form_, form_;
  std::int64_t groups_ = 1, columns_ = 0, sum_ = 0;
  Tensor own_;
  const std::uint16_t* data_ = nullptr;
};

}  // namespace strop::cpu
