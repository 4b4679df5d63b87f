// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "ir/op_def.hpp"

namespace strop {

// A stage of the scores between queries and keys, for those who want to see them.
enum class AttentionStage : std::uint8_t {
  products,       // scale * q k^T
  capped,         // after softcap
  biased,         // with the bias, -inf for keys that a query does not see
  probabilities,  // after the softmax
};

inline std::span<const std::string_view> enum_names(AttentionStage) {
  static constexpr std::string_view names[] = {"products", "capped", "biased", "probabilities"};
  return names;
}

struct AttentionAttributes {
  double scale = 1;
  double softcap = 0;
  std::int64_t left = -1;
  std::int64_t right = -1;
  bool zero_nan = false;
  AttentionStage stage = AttentionStage::products;

  static void reflect(auto& field) {
    field("scale", &AttentionAttributes::scale, "factor of the products of queries and keys");
    field("softcap", &AttentionAttributes::softcap,
          "scores s become softcap * tanh(s / softcap); 0: they stay");
    field("left", &AttentionAttributes::left,
          "a query sees at most so many keys before its own position; -1: all");
    field("right", &AttentionAttributes::right,
          "a query sees at most so many keys after its own position; -1: all, 0: causal");
    field("zero_nan", &AttentionAttributes::zero_nan,
          "a query whose weights are no numbers gives zeros; otherwise it gives NaN");
    field("stage", &AttentionAttributes::stage, "which scores the second output holds");
  }
};

// q [B, Hq, Lq, D], k [B, Hk, Lk, D], v [B, Hk, Lk, Dv] → y [B, Hq, Lq, Dv], scores [B, Hq, Lq, Lk]
// (optional). Hq is a multiple of Hk: neighbouring heads of q share one of k and v.
//
// Optional inputs:
//   bias      broadcast to [B, Hq, Lq, Lk]: of q's type, added to the scores; or bool, false hides
//             the key from the query
//   lengths   [B] or [1]: so many keys are there, those after them are not read
//   start     [B] or [1]: the position of the first query among the keys, from which `left` and
//             `right` count; 0 without. May be negative.
//   sink      [Hq]: a further score in the softmax of each head, whose weight goes to no value
//
// Keys and values of earlier steps (past, present) are concatenated outside, and lengths of 3-D
// inputs are split into heads outside: a kernel sees this one form.
const OpDef& op_attention();

}  // namespace strop
