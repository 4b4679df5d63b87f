// SPDX-License-Identifier: Apache-2.0
// The one inner loop of convolution, matmul and gemm: c += a * b over rows of b, four rows at a
// time, so that each element of c is loaded once per four products. The order of additions depends
// on `depth` alone.
#pragma once

#include <cstdint>
#include <type_traits>

namespace strop {

// c[i, j] += sum_k a[i, k] * b[k, j] with row lengths lda, ldb, ldc. Integers wrap.
template <class C>
void accumulate_product(const C* a, std::int64_t lda, const C* b, std::int64_t ldb, C* c,
                        std::int64_t ldc, std::int64_t rows, std::int64_t columns,
                        std::int64_t depth) {
  // Signed integers are added up as unsigned ones: the same bits, and no overflow.
  using Sum = typename std::conditional_t<std::is_integral_v<C>, std::make_unsigned<C>,
                                          std::type_identity<C>>::type;
  for (std::int64_t i = 0; i < rows; ++i) {
    C* row = c + i * ldc;
    std::int64_t k = 0;
    for (; k + 4 <= depth; k += 4) {
      const C* w = a + i * lda + k;
      const auto w0 = static_cast<Sum>(w[0]), w1 = static_cast<Sum>(w[1]);
      const auto w2 = static_cast<Sum>(w[2]), w3 = static_cast<Sum>(w[3]);
      const C* x = b + k * ldb;
      for (std::int64_t j = 0; j < columns; ++j) {
        row[j] = static_cast<C>(
            static_cast<Sum>(row[j]) +
            ((w0 * static_cast<Sum>(x[j]) + w1 * static_cast<Sum>(x[j + ldb])) +
             (w2 * static_cast<Sum>(x[j + 2 * ldb]) + w3 * static_cast<Sum>(x[j + 3 * ldb]))));
      }
    }
    for (; k < depth; ++k) {
      const auto w = static_cast<Sum>(a[i * lda + k]);
      const C* x = b + k * ldb;
      for (std::int64_t j = 0; j < columns; ++j) {
        row[j] = static_cast<C>(static_cast<Sum>(row[j]) + w * static_cast<Sum>(x[j]));
      }
    }
  }
}

}  // namespace strop
