// SPDX-License-Identifier: Apache-2.0
// What is known of a value before it exists: its kind, element type and (possibly symbolic) shape.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/dim.hpp"
#include "base/dtype.hpp"

namespace strop {

enum class ValueKind : std::uint8_t { tensor, sequence, optional, map };

struct Type {
  ValueKind kind = ValueKind::tensor;
  DType dtype = DType::undefined;       // tensor: of its elements; map: of its keys
  std::optional<SymShape> shape;        // tensor only; nothing when even the rank is unknown
  std::shared_ptr<const Type> element;  // of a sequence, optional or map

  static Type tensor(DType dtype, SymShape shape);
  static Type tensor_of_unknown_rank(DType dtype);
  static Type sequence(Type element);
  static Type optional(Type element);
  static Type map(DType key, Type value);

  bool is_tensor() const { return kind == ValueKind::tensor; }
  // Lives outside the arena: strings, sequences, optionals, maps.
  bool is_boxed() const { return !is_tensor() || dtype == DType::string; }
  // A tensor whose every dimension is a number.
  bool is_static() const;
  // Known rank, or -1.
  std::int64_t rank() const { return shape ? static_cast<std::int64_t>(shape->size()) : -1; }

  // "f32[N,3,224,224]", "f32[*]" for unknown rank, "seq(f32[*])", "opt(i64[])", "map(string,f32[])"
  std::string to_string() const;
  static Type parse(std::string_view text);  // throws Error(model_malformed)
  bool operator==(const Type& other) const;
};

}  // namespace strop
