// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "ir/op_def.hpp"

namespace strop {

enum class MapOrder : std::uint8_t { sorted, indexed, vocabulary };

inline std::span<const std::string_view> enum_names(MapOrder) {
  static constexpr std::array<std::string_view, 3> names = {"sorted", "indexed", "vocabulary"};
  return names;
}

struct MapToTensorAttributes {
  MapOrder order = MapOrder::sorted;
  std::int64_t length = 0;
  Tensor vocabulary{};
  DType to = DType::f32;

  static void reflect(auto& field) {
    field("order", &MapToTensorAttributes::order,
          "where a value goes: in ascending order of the keys, at the index that its key is, or "
          "where "
          "the vocabulary has its key");
    field("length", &MapToTensorAttributes::length, "indexed: columns of y");
    field("vocabulary", &MapToTensorAttributes::vocabulary, "vector of the type of the keys");
    field("to", &MapToTensorAttributes::to, "element type of y");
  }
};

const OpDef& op_map_to_tensor();

}  // namespace strop
