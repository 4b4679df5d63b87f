// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>

#include "ir/op_def.hpp"

namespace strop {

enum class RandomDistribution : std::uint8_t { uniform, normal };

inline std::span<const std::string_view> enum_names(RandomDistribution) {
  static constexpr std::array<std::string_view, 2> names = {"uniform", "normal"};
  return names;
}

struct RandomAttributes {
  RandomDistribution distribution = RandomDistribution::uniform;
  DType dtype = DType::f32;
  double low = 0, high = 1;            // uniform
  double mean = 0, deviation = 1;      // normal
  std::optional<std::int64_t> seed{};  // the generator's key; none: another one every run

  static void reflect(auto& field) {
    field("distribution", &RandomAttributes::distribution, "what the values follow");
    field("dtype", &RandomAttributes::dtype, "element type of the result");
    field("low", &RandomAttributes::low, "uniform: the lowest value");
    field("high", &RandomAttributes::high, "uniform: what all values are below");
    field("mean", &RandomAttributes::mean, "normal: the mean");
    field("deviation", &RandomAttributes::deviation, "normal: the standard deviation");
    field("seed", &RandomAttributes::seed,
          "key of the generator, the same values in every run; none: a new key for every run");
  }
};

// shape (i64 vector) → y of that shape.
const OpDef& op_random();

}  // namespace strop
