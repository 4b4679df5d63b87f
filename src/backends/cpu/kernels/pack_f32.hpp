// SPDX-License-Identifier: Apache-2.0
// Weights of f32 products as tiles read them (simd/tile_f32.hpp): [group][panel][depth][columns of
// a panel], zeros beyond the last column of a group. An engine may hold them so: an f32 tensor
// [groups * panels, depth, columns of a panel], and no numbers in `packed`.
#pragma once

#include <optional>

#include "backends/cpu/kernels/packed_weights.hpp"
#include "base/tensor.hpp"

namespace strop::cpu {

class PackedF32 {
 public:
  // For `columns` columns in each of `groups` groups, summed over `depth` elements. `plain` says
  // where the elements of plain weights lie and is not looked at where the engine holds packed
  // ones. Error(engine_invalid) when the constant does not fit.
  void read(const KernelInit& init, const KernelInit::Operand& weights, std::int64_t groups,
            std::int64_t columns, std::int64_t depth, const PlainWeights<float>& plain,
            const char* kernel);

  // Makes panels of that many columns ready: those of the engine, or packed now.
  void prepare(std::int64_t panel_columns);
  // The form for panels of that many columns, for the engine.
  Tensor packed(std::int64_t panel_columns) const;

  const float* panel(std::int64_t index) const { return data_ + index * depth_ * panel_columns_; }

 private:
  PlainWeights<float> plain_;
  const float* stored_ = nullptr;  // packed, in the engine
  std::int64_t stored_columns_ = 0;
  std::int64_t groups_ = 1, columns_ = 0, depth_ = 0;
  std::int64_t panel_columns_ = 0;
  Tensor own_;
  const float* data_ = nullptr;
};

}  // namespace strop::cpu
