// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "ir/op_def.hpp"

namespace strop {

struct MultinomialAttributes {
  std::int64_t samples = 1;
  DType dtype = DType::i32;
  std::optional<std::int64_t> seed{};  // the generator's key; none: another one every run

  static void reflect(auto& field) {
    field("samples", &MultinomialAttributes::samples, "classes drawn for each row");
    field("dtype", &MultinomialAttributes::dtype, "element type of the result");
    field("seed", &MultinomialAttributes::seed,
          "key of the generator, the same values in every run; none: a new key for every run");
  }
};

// logits [rows, classes], unnormalised logarithms of probabilities → classes [rows, samples].
const OpDef& op_multinomial();

}  // namespace strop
