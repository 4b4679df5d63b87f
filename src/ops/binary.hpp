// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "ir/op_def.hpp"

namespace strop {

// In the order of the table in binary.cpp.
enum class BinaryFunction : std::uint8_t {
  add,
  sub,
  mul,
  div,   // integers: towards zero; by zero is Error(bad_value)
  pow,   // the result has the type of a; b may have another
  mod,   // of integers, with the sign of b; by zero is Error(bad_value)
  fmod,  // with the sign of a
  min,   // NaN if either is
  max,
  prelu,  // a < 0 ? a * b : a
  equal,
  less,
  less_or_equal,
  greater,
  greater_or_equal,
  logical_and,
  logical_or,
  logical_xor,
  bitwise_and,
  bitwise_or,
  bitwise_xor,
  bit_shift_left,  // by the width or more gives 0
  bit_shift_right,
};

std::span<const std::string_view> enum_names(BinaryFunction);

// Whether exchanging a and b changes no bit of the result (NaN payloads apart).
bool is_commutative(BinaryFunction function);

struct BinaryAttributes {
  BinaryFunction function = BinaryFunction::add;

  static void reflect(auto& field) {
    field("function", &BinaryAttributes::function, "which function");
  }
};

const OpDef& op_binary();

}  // namespace strop
