// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "ir/op_def.hpp"

namespace strop {

enum class ReduceFunction : std::uint8_t {
  sum,
  mean,
  max,
  min,
  prod,
  l1,
  l2,
  log_sum,
  log_sum_exp,
  sum_square,
};

inline std::span<const std::string_view> enum_names(ReduceFunction) {
  static constexpr std::array<std::string_view, 10> names = {
      "sum", "mean", "max", "min", "prod", "l1", "l2", "log_sum", "log_sum_exp", "sum_square"};
  return names;
}

struct ReduceAttributes {
  ReduceFunction function = ReduceFunction::sum;
  bool keep_dims = true;
  bool noop_with_empty_axes = false;  // without axes: leave x as it is instead of reducing all

  static void reflect(auto& field) {
    field("function", &ReduceAttributes::function, "what becomes of the elements");
    field("keep_dims", &ReduceAttributes::keep_dims, "reduced axes stay with size 1");
    field("noop_with_empty_axes", &ReduceAttributes::noop_with_empty_axes,
          "without axes reduce nothing instead of everything");
  }
};

// x, axes (i64, optional).
const OpDef& op_reduce();

}  // namespace strop
