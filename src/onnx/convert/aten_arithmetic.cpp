// SPDX-License-Identifier: Apache-2.0
// Arithmetic, comparisons and logic of PyTorch on two or three operands, which are brought to one
// element type first as PyTorch does it.
#include <cmath>

#include "onnx/convert/aten_support.hpp"
#include "ops/clip.hpp"

namespace strop::onnx {
namespace {

using B = BinaryFunction;
using U = UnaryFunction;

struct Pair {
  ValueId x, y;
  DType dtype = DType::undefined;
};

Pair promoted(ConvertContext& c, ValueId x, ValueId y) {
  const DType dtype = promoted_type(c, x, y);
  return {cast_to(c, x, dtype), cast_to(c, y, dtype), dtype};
}

Pair operands(ConvertContext& c, AtenCall& a) {
  return promoted(c, a.tensor("self"), a.tensor("other"));
}

// x times the argument, in x's type; a fraction of integers is refused as PyTorch does.
ValueId times(ConvertContext& c, AtenCall& a, const char* name, ValueId x) {
  const double factor = a.number(name, 1);
  const bool whole = factor == std::floor(factor);
  if (!kFloats.contains(c.type(x).dtype) && !whole)
    a.malformed(std::string(name) + " must be an integer for integers");
  return scaled(c, x, factor);
}

ValueId sum(ConvertContext& c, ValueId x, ValueId y) {
  // Of two bools it is "or".
  const bool boolean = c.type(x).dtype == DType::boolean;
  return binary(c, boolean ? B::logical_or : B::add, x, y);
}

void add(ConvertContext& c) {
  AtenCall a(c, {{"Tensor", "self other alpha"}, {"Scalar", "self other alpha"}});
  const Pair p = operands(c, a);
  c.set_output(0, sum(c, p.x, p.dtype == DType::boolean ? p.y : times(c, a, "alpha", p.y)));
}

void sub(ConvertContext& c) {
  AtenCall a(c, {{"Tensor", "self other alpha"}, {"Scalar", "self other alpha"}});
  const Pair p = operands(c, a);
  c.set_output(0, binary(c, B::sub, p.x, times(c, a, "alpha", p.y)));
}

void rsub(ConvertContext& c) {
  AtenCall a(c, {{"Tensor", "self other alpha"}, {"Scalar", "self other alpha"}});
  const Pair p = operands(c, a);
  c.set_output(0, binary(c, B::sub, p.y, times(c, a, "alpha", p.x)));
}

void mul(ConvertContext& c) {
  AtenCall a(c, {{"Tensor", "self other"}, {"Scalar", "self other"}});
  const Pair p = operands(c, a);
  c.set_output(0, binary(c, p.dtype == DType::boolean ? B::logical_and : B::mul, p.x, p.y));
}

ValueId true_quotient(ConvertContext& c, const Pair& p) {
  return binary(c, B::div, floating(c, p.x), floating(c, p.y));
}

// Rounded down; the division of integers is towards zero.
ValueId floor_quotient(ConvertContext& c, const Pair& p) {
  if (kFloats.contains(p.dtype)) return unary(c, {U::floor}, binary(c, B::div, p.x, p.y));
  const ValueId exact = binary(c, B::sub, p.x, binary(c, B::mod, p.x, p.y));
  return binary(c, B::div, exact, p.y);
}

ValueId truncated(ConvertContext& c, ValueId x) {
  const ValueId zero = scalar(c, c.type(x).dtype, 0);
  return chosen(c, binary(c, B::less, x, zero), unary(c, {U::ceil}, x), unary(c, {U::floor}, x));
}

void div(ConvertContext& c) {
  AtenCall a(c, {{"Tensor", "self other"},
                 {"Scalar", "self other"},
                 {"Tensor_mode", "self other rounding_mode"},
                 {"Scalar_mode", "self other rounding_mode"}});
  const Pair p = operands(c, a);
  const std::string mode = a.text("rounding_mode", "");
  if (mode.empty()) return c.set_output(0, true_quotient(c, p));
  if (mode == "floor") return c.set_output(0, floor_quotient(c, p));
  if (mode != "trunc") a.malformed("rounding_mode is \"" + mode + "\"; it may be floor or trunc");
  const ValueId quotient = binary(c, B::div, p.x, p.y);
  c.set_output(0, kFloats.contains(p.dtype) ? truncated(c, quotient) : quotient);
}

void floor_divide(ConvertContext& c) {
  AtenCall a(c, {{"", "self other"}, {"Scalar", "self other"}});
  c.set_output(0, floor_quotient(c, operands(c, a)));
}

// With the sign of the divisor.
void remainder(ConvertContext& c) {
  AtenCall a(c, {{"Tensor", "self other"}, {"Scalar", "self other"}});
  const Pair p = operands(c, a);
  if (!kFloats.contains(p.dtype)) return c.set_output(0, binary(c, B::mod, p.x, p.y));
  const ValueId rest = binary(c, B::fmod, p.x, p.y), zero = scalar(c, p.dtype, 0);
  const ValueId other_sign =
      binary(c, B::logical_xor, binary(c, B::less, rest, zero), binary(c, B::less, p.y, zero));
  const ValueId wraps = binary(c, B::logical_and, other_sign,
                               unary(c, {U::logical_not}, binary(c, B::equal, rest, zero)));
  c.set_output(0, chosen(c, wraps, binary(c, B::add, rest, p.y), rest));
}

void fmod(ConvertContext& c) {
  AtenCall a(c, {{"Tensor", "self other"}, {"Scalar", "self other"}});
  const Pair p = operands(c, a);
  c.set_output(0, binary(c, B::fmod, p.x, p.y));
}

void pow(ConvertContext& c) {
  AtenCall a(c, {{"Tensor_Scalar", "self exponent"},
                 {"Tensor_Tensor", "self exponent"},
                 {"Scalar", "self exponent"}});
  const Pair p = promoted(c, a.tensor("self"), a.tensor("exponent"));
  c.set_output(0, binary(c, B::pow, p.x, p.y));
}

template <B kFunction>
void of_pair(ConvertContext& c) {
  AtenCall a(c, {{"Tensor", "self other"}, {"Scalar", "self other"}, {"", "self other"}});
  const Pair p = operands(c, a);
  c.set_output(0, binary(c, kFunction, p.x, p.y));
}

void not_equal(ConvertContext& c) {
  AtenCall a(c, {{"Tensor", "self other"}, {"Scalar", "self other"}});
  const Pair p = operands(c, a);
  c.set_output(0, unary(c, {U::logical_not}, binary(c, B::equal, p.x, p.y)));
}

ValueId truth(ConvertContext& c, ValueId x) { return cast_to(c, x, DType::boolean); }

template <B kFunction>
void logical(ConvertContext& c) {
  AtenCall a(c, {{"", "self other"}});
  c.set_output(0, binary(c, kFunction, truth(c, a.tensor("self")), truth(c, a.tensor("other"))));
}

template <B kIntegers, B kBools>
void bitwise(ConvertContext& c) {
  AtenCall a(c, {{"Tensor", "self other"}, {"Scalar", "self other"}});
  const Pair p = operands(c, a);
  c.set_output(0, binary(c, p.dtype == DType::boolean ? kBools : kIntegers, p.x, p.y));
}

ValueId bounded(ConvertContext& c, ValueId x, ValueId low, ValueId high) {
  if (low.exists()) x = binary(c, B::max, x, cast_to(c, low, c.type(x).dtype));
  if (high.exists()) x = binary(c, B::min, x, cast_to(c, high, c.type(x).dtype));
  return x;
}

void clamp(ConvertContext& c) {
  AtenCall a(c, {{"", "self min max"}, {"Tensor", "self min max"}});
  ValueId x = a.tensor("self");
  ValueId limits[2] = {a.optional_tensor("min"), a.optional_tensor("max")};
  if (!limits[0].exists() && !limits[1].exists()) a.malformed("neither min nor max is given");
  DType dtype = c.type(x).dtype;
  bool numbers = true;
  for (const ValueId limit : limits) {
    if (!limit.exists()) continue;
    dtype = promoted_type(c, cast_to(c, x, dtype), limit);
    numbers = numbers && c.type(limit).rank() == 0;
  }
  x = cast_to(c, x, dtype);
  if (!numbers) return c.set_output(0, bounded(c, x, limits[0], limits[1]));
  for (ValueId& limit : limits) {
    if (limit.exists()) limit = cast_to(c, limit, dtype);
  }
  c.set_output(0, c.emit(op_clip(), NoAttributes{}, {x, limits[0], limits[1]}));
}

void clamp_min(ConvertContext& c) {
  AtenCall a(c, {{"", "self min"}, {"Tensor", "self min"}});
  const Pair p = promoted(c, a.tensor("self"), a.tensor("min"));
  c.set_output(0, bounded(c, p.x, p.y, ValueId::none()));
}

void clamp_max(ConvertContext& c) {
  AtenCall a(c, {{"", "self max"}, {"Tensor", "self max"}});
  const Pair p = promoted(c, a.tensor("self"), a.tensor("max"));
  c.set_output(0, bounded(c, p.x, ValueId::none(), p.y));
}

void where(ConvertContext& c) {
  AtenCall a(c, {{"self", "condition self other"},
                 {"ScalarSelf", "condition self other"},
                 {"ScalarOther", "condition self other"},
                 {"Scalar", "condition self other"}});
  const Pair p = operands(c, a);
  c.set_output(0, chosen(c, truth(c, a.tensor("condition")), p.x, p.y));
}

// self + value * (tensor1 * tensor2), or / in the place of the second *.
template <B kFunction>
void fused(ConvertContext& c) {
  AtenCall a(c, {{"", "self tensor1 tensor2 value"}});
  const Pair p = promoted(c, a.tensor("tensor1"), a.tensor("tensor2"));
  const ValueId y = kFunction == B::div ? true_quotient(c, p) : binary(c, kFunction, p.x, p.y);
  const Pair s = promoted(c, a.tensor("self"), times(c, a, "value", y));
  c.set_output(0, binary(c, B::add, s.x, s.y));
}

void lerp(ConvertContext& c) {
  AtenCall a(c, {{"Scalar", "self end weight"}, {"Tensor", "self end weight"}});
  const ValueId x = a.tensor("self");
  const ValueId weight = cast_to(c, a.tensor("weight"), c.type(x).dtype);
  const ValueId way = binary(c, B::sub, a.tensor("end"), x);
  c.set_output(0, binary(c, B::add, x, binary(c, B::mul, weight, way)));
}

void threshold(ConvertContext& c) {
  AtenCall a(c, {{"", "self threshold value"}});
  const ValueId x = a.tensor("self");
  const DType dtype = c.type(x).dtype;
  const ValueId above = binary(c, B::less_or_equal, x, scalar(c, dtype, a.number("threshold")));
  c.set_output(0, chosen(c, above, scalar(c, dtype, a.number("value")), x));
}

}  // namespace

void register_aten_arithmetic(ConverterTable& table) {
  static constexpr std::pair<const char*, Converter> kOperators[] = {
      {"add", add},
      {"sub", sub},
      {"subtract", sub},
      {"rsub", rsub},
      {"mul", mul},
      {"multiply", mul},
      {"div", div},
      {"divide", div},
      {"true_divide", div},
      {"floor_divide", floor_divide},
      {"remainder", remainder},
      {"fmod", fmod},
      {"pow", pow},
      {"maximum", of_pair<B::max>},
      {"minimum", of_pair<B::min>},
      {"eq", of_pair<B::equal>},
      {"ne", not_equal},
      {"lt", of_pair<B::less>},
      {"le", of_pair<B::less_or_equal>},
      {"gt", of_pair<B::greater>},
      {"ge", of_pair<B::greater_or_equal>},
      {"logical_and", logical<B::logical_and>},
      {"logical_or", logical<B::logical_or>},
      {"logical_xor", logical<B::logical_xor>},
      {"bitwise_and", bitwise<B::bitwise_and, B::logical_and>},
      {"bitwise_or", bitwise<B::bitwise_or, B::logical_or>},
      {"bitwise_xor", bitwise<B::bitwise_xor, B::logical_xor>},
      {"__and__", bitwise<B::bitwise_and, B::logical_and>},
      {"__or__", bitwise<B::bitwise_or, B::logical_or>},
      {"__xor__", bitwise<B::bitwise_xor, B::logical_xor>},
      {"clamp", clamp},
      {"clip", clamp},
      {"clamp_min", clamp_min},
      {"clamp_max", clamp_max},
      {"where", where},
      {"addcmul", fused<B::mul>},
      {"addcdiv", fused<B::div>},
      {"lerp", lerp},
      {"threshold", threshold},
  };
  for (const auto& [name, converter] : kOperators) table.add(kAtenDomain, name, 1, converter);
}

}  // namespace strop::onnx
