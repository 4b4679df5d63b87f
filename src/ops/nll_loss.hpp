// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>

#include "ir/op_def.hpp"

namespace strop {

enum class LossReduction : std::uint8_t { none, sum, mean };

inline std::span<const std::string_view> enum_names(LossReduction) {
  static constexpr std::array<std::string_view, 3> names = {"none", "sum", "mean"};
  return names;
}

struct NllLossAttributes {
  LossReduction reduction = LossReduction::mean;
  std::optional<std::int64_t> ignore_index{};

  static void reflect(auto& field) {
    field("reduction", &NllLossAttributes::reduction,
          "losses of all samples, their sum, or their mean by weight");
    field("ignore_index", &NllLossAttributes::ignore_index,
          "samples of this class have loss and weight 0");
  }
};

// log_probabilities [N, C, d...], classes [N, d...], weights [C] (optional) → loss [N, d...] or [].
const OpDef& op_nll_loss();

}  // namespace strop
