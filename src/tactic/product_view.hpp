// SPDX-License-Identifier: Apache-2.0
// A problem seen as a matrix product (matmul or gemm), perhaps with a bias and a chain of pointwise
// steps behind it.
#pragma once

#include "tactic/anchor_view.hpp"

namespace strop {

struct Product {
  AnchorView view;
  bool trans_a = false, trans_b = false;
  std::int64_t bias = -1;  // a vector, added to the sums first; -1: none
};

// Nothing when the main operator is another one (`refusal` stays empty), or when it is scaled or
// its chain cannot be written as an epilogue (`refusal` says why).
std::optional<Product> read_product(const Problem& problem, std::string& refusal,
                                    Casts casts = Casts::refused,
                                    RowSums row_sums = RowSums::refused);

// The same for a product by a constant matrix that is not empty, whose bias has one number per
// column.
std::optional<Product> read_product_by_matrix(const Problem& problem, std::string& refusal,
                                              Casts casts = Casts::refused,
                                              RowSums row_sums = RowSums::refused);

// Why not all operands are f32 of known rank; empty when they are.
std::string operands_not_f32(const Problem& problem);

}  // namespace strop
