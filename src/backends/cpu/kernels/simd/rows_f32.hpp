// SPDX-License-Identifier: Apache-2.0
// Functions over one row of floats that is contiguous: what softmax, normalisations and attention
// are made of. Sums run over vectors and are folded in one fixed order, so that a result depends on
// the row alone.
#pragma once

#include <cstdint>

namespace strop::cpu {

// A row of attention's scores in blocks of keys, from the first to the last.
struct ScoreRow {
  float largest = 0;  // so far; -infinity before the first block
  float sum = 0;      // of exp(score - largest) so far
};

inline constexpr std::int64_t kSoftmaxColumns = 16;

struct RowSetF32 {
  // y = (x - mean) / sqrt(variance + epsilon) * scale + bias; scale and bias may be null. Without
  // `centred` the mean is left out. Computed in double and rounded once, as the reference does.
  // y may be x. count >= 1.
  void (*normalize)(const float* x, const float* scale, const float* bias, float* y,
                    std::int64_t count, double epsilon, bool centred);
  // y = softmax(x), or its logarithm, likewise. y may be x. count >= 1.
  void (*softmax)(const float* x, float* y, std::int64_t count, bool log);
  // The same for `columns` columns of numbers next to each other, at most kSoftmaxColumns, each of
  // which has `count` numbers `stride` apart.
  void (*softmax_columns)(const float* x, float* y, std::int64_t count, std::int64_t stride,
                          std::int64_t columns, bool log);
  // scores = exp(factor * scores + bias - largest), where `bias` moves by bias_step (0 or 1), or is
  // null. Brings `row` up to date and returns exp(its old largest - the new one), by which sums of
  // the blocks before are multiplied.
  float (*exponentials)(float* scores, std::int64_t count, float factor, const float* bias,
                        std::int64_t bias_step, ScoreRow& row);
  // y = x * factor; y may be x.
  void (*multiply)(const float* x, float* y, std::int64_t count, float factor);
};

// Of this processor (isa.hpp).
const RowSetF32& row_set_f32();

}  // namespace strop::cpu
