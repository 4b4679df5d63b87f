// SPDX-License-Identifier: Apache-2.0
// Functions of two numbers under NumPy broadcasting, one row of the table each. Floats narrower
// than f32 are computed in float and rounded once; integer arithmetic wraps. Sizes flow through the
// arithmetic symbolically, so that shape computations keep their dimensions.
#include "ops/binary.hpp"

#include <array>
#include <cmath>

#include "ir/evaluate.hpp"
#include "ops/broadcast.hpp"
#include "ops/chunk.hpp"

namespace strop {
namespace {

// result[i] = f(a[i * step_a], b[i * step_b]); steps are 0 or 1.
template <class C>
using Loop = void (*)(const C* a, bool step_a, const C* b, bool step_b, C* result,
                      std::int64_t count);

struct Row {
  BinaryFunction function;
  std::string_view name;
  DTypeSet types;
  bool to_bool;
  bool commutative;
  Loop<float> f32;
  Loop<double> f64;
  Loop<std::int64_t> i64;
  Loop<std::uint64_t> u64;
};

template <class F, class C>
void loop(const C* a, bool step_a, const C* b, bool step_b, C* result, std::int64_t count) {
  if (step_a && step_b) {
    for (std::int64_t i = 0; i < count; ++i) result[i] = F{}(a[i], b[i]);
  } else if (step_a) {
    const C second = *b;
    for (std::int64_t i = 0; i < count; ++i) result[i] = F{}(a[i], second);
  } else {
    const C first = *a;
    for (std::int64_t i = 0; i < count; ++i) result[i] = F{}(first, step_b ? b[i] : *b);
  }
}

using B = BinaryFunction;
template <class F>
constexpr Row number(B function, std::string_view name, DTypeSet types, bool commutative, F) {
  return {function,
          name,
          types,
          false,
          commutative,
          loop<F, float>,
          loop<F, double>,
          loop<F, std::int64_t>,
          loop<F, std::uint64_t>};
}
template <class F>
constexpr Row compare(B function, std::string_view name, DTypeSet types, bool commutative, F f) {
  Row row = number(function, name, types, commutative, f);
  row.to_bool = true;
  return row;
}
template <class F>
constexpr Row bits(B function, std::string_view name, DTypeSet types, bool commutative, F) {
  return {function,
          name,
          types,
          types == kBool,
          commutative,
          nullptr,
          nullptr,
          loop<F, std::int64_t>,
          loop<F, std::uint64_t>};
}

template <class C>
constexpr bool kFloat = std::is_floating_point_v<C>;

// Two's complement arithmetic modulo 2^64.
template <class C, class F>
C wrapping(C a, C b, F f) {
  if constexpr (kFloat<C>) {
    return f(a, b);
  } else {
    return static_cast<C>(f(static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(b)));
  }
}

[[noreturn]] void refuse_division_by_zero() {
  throw Error(ErrorCode::bad_value, "operator binary", "an integer is divided by zero",
              "check the divisor's values");
}

template <class C>
C divide(C a, C b) {
  if constexpr (!kFloat<C>) {
    if (b == 0) refuse_division_by_zero();
    if constexpr (std::is_signed_v<C>) {
      if (b == -1) return wrapping(C(0), a, [](auto x, auto y) { return x - y; });
    }
  }
  return a / b;
}

// With the sign of a.
template <class C>
C remainder_of(C a, C b) {
  if constexpr (kFloat<C>) {
    return std::fmod(a, b);
  } else {
    if (b == 0) refuse_division_by_zero();
    if constexpr (std::is_signed_v<C>) {
      if (b == -1) return 0;
    }
    return a % b;
  }
}

// With the sign of b.
template <class C>
C modulo(C a, C b) {
  const C rest = remainder_of(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

template <class C>
C power(C a, C b) {
  if constexpr (kFloat<C>) {
    return std::pow(a, b);
  } else {
    if (b < 0) {
      if (a == 0) refuse_division_by_zero();
      if (a == 1) return 1;
      if (a == C(-1)) return b % 2 == 0 ? C(1) : a;
      return 0;
    }
    C result = 1;
    const auto times = [](auto x, auto y) { return x * y; };
    for (auto left = static_cast<std::uint64_t>(b); left != 0; left /= 2) {
      if (left % 2 != 0) result = wrapping(result, a, times);
      a = wrapping(a, a, times);
    }
    return result;
  }
}

#define STROP_FUNCTION [](auto a, auto b)
constexpr DTypeSet kReals = kFloats | kIntegers;
constexpr DTypeSet kComparable = kReals | kBool;

const Row kTable[] = {
    number(
        B::add, "add", kReals, true,
        STROP_FUNCTION { return wrapping(a, b, [](auto x, auto y) { return x + y; }); }),
    number(
        B::sub, "sub", kReals, false,
        STROP_FUNCTION { return wrapping(a, b, [](auto x, auto y) { return x - y; }); }),
    number(
        B::mul, "mul", kReals, true,
        STROP_FUNCTION { return wrapping(a, b, [](auto x, auto y) { return x * y; }); }),
    number(
        B::div, "div", kReals, false, STROP_FUNCTION { return divide(a, b); }),
    number(
        B::pow, "pow", kReals, false, STROP_FUNCTION { return power(a, b); }),
    number(
        B::mod, "mod", kIntegers, false, STROP_FUNCTION { return modulo(a, b); }),
    number(
        B::fmod, "fmod", kReals, false, STROP_FUNCTION { return remainder_of(a, b); }),
    // Not commutative: zeros of different sign compare equal, and one of them is taken.
    number(
        B::min, "min", kReals, false, STROP_FUNCTION { return a < b || a != a ? a : b; }),
    number(
        B::max, "max", kReals, false, STROP_FUNCTION { return a > b || a != a ? a : b; }),
    number(
        B::prelu, "prelu", kReals, false,
        STROP_FUNCTION {
          return a < 0 ? wrapping(a, b, [](auto x, auto y) { return x * y; }) : a;
        }),
    compare(
        B::equal, "equal", kComparable, true, STROP_FUNCTION { return decltype(a)(a == b); }),
    compare(
        B::less, "less", kReals, false, STROP_FUNCTION { return decltype(a)(a < b); }),
    compare(
        B::less_or_equal, "less_or_equal", kReals, false,
        STROP_FUNCTION { return decltype(a)(a <= b); }),
    compare(
        B::greater, "greater", kReals, false, STROP_FUNCTION { return decltype(a)(a > b); }),
    compare(
        B::greater_or_equal, "greater_or_equal", kReals, false,
        STROP_FUNCTION { return decltype(a)(a >= b); }),
    bits(
        B::logical_and, "logical_and", kBool, true, STROP_FUNCTION { return a & b; }),
    bits(
        B::logical_or, "logical_or", kBool, true, STROP_FUNCTION { return a | b; }),
    bits(
        B::logical_xor, "logical_xor", kBool, true, STROP_FUNCTION { return a ^ b; }),
    bits(
        B::bitwise_and, "bitwise_and", kIntegers, true, STROP_FUNCTION { return a & b; }),
    bits(
        B::bitwise_or, "bitwise_or", kIntegers, true, STROP_FUNCTION { return a | b; }),
    bits(
        B::bitwise_xor, "bitwise_xor", kIntegers, true, STROP_FUNCTION { return a ^ b; }),
    bits(
        B::bit_shift_left, "bit_shift_left", kUnsignedInts, false,
        STROP_FUNCTION { return b < 64 ? decltype(a)(a << b) : decltype(a)(0); }),
    bits(
        B::bit_shift_right, "bit_shift_right", kUnsignedInts, false,
        STROP_FUNCTION { return b < 64 ? decltype(a)(a >> b) : decltype(a)(0); }),
};

constexpr std::size_t kCount = std::size(kTable);

const Row& row_of(BinaryFunction function) {
  const Row& row = kTable[static_cast<std::size_t>(function)];
  STROP_CHECK(row.function == function, "the table has the order of the enum");
  return row;
}

// Printed expressions hold a minus sign only where something is subtracted: without one, all parts
// are sizes, their sums and products, none of them negative.
bool is_not_negative(const Dim& dim) { return dim.to_string().find('-') == std::string::npos; }

// One element of the result as a size, or nothing where sizes cannot express it. Constants follow
// the kernel where they fit; what would wrap is left unknown.
std::optional<Dim> combine(BinaryFunction function, const Dim& a, const Dim& b) {
  const bool constant = a.is_constant() && b.is_constant();
  const auto checked = [](std::optional<std::int64_t> value) -> std::optional<Dim> {
    if (!value) return std::nullopt;
    return Dim(*value);
  };
  constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
  switch (function) {
    case B::add:
      return constant ? checked(try_add(a.value(), b.value())) : a + b;
    case B::sub:
      if (b.is(kLowest)) return std::nullopt;
      return constant ? checked(try_add(a.value(), -b.value())) : a - b;
    case B::mul:
      return constant ? checked(try_mul(a.value(), b.value())) : a * b;
    case B::div:
      if (constant && b.value() != 0 && !(a.is(kLowest) && b.is(-1))) return a.value() / b.value();
      // Rounding down is rounding towards zero where nothing is negative.
      if (!constant && b.is_constant() && b.value() > 0 && is_not_negative(a))
        return floordiv(a, b);
      return std::nullopt;
    case B::min:
      return min(a, b);
    case B::max:
      return max(a, b);
    case B::equal:
      if (constant) return Dim(a == b ? 1 : 0);
      if (a == b) return Dim(1);
      if ((is_not_negative(a) && b.is_constant() && b.value() < 0) ||
          (is_not_negative(b) && a.is_constant() && a.value() < 0)) {
        return Dim(0);
      }
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

void propagate_elements(InferContext& context, BinaryFunction function) {
  if (!kIndices.contains(context.dtype(0))) return;
  const SymShape* shapes[] = {context.shape(0), context.shape(1)};
  if (!shapes[0] || !shapes[1] || shapes[0]->size() > 1 || shapes[1]->size() > 1) return;
  const auto a = context.elements(0);
  const auto b = context.elements(1);
  if (!a || !b || (a->size() != b->size() && a->size() != 1 && b->size() != 1)) return;
  const std::size_t count = a->size() == 1 ? b->size() : a->size();
  std::vector<Dim> out;
  for (std::size_t i = 0; i < count; ++i) {
    std::optional<Dim> dim;
    try {
      dim = combine(function, (*a)[a->size() == 1 ? 0 : i], (*b)[b->size() == 1 ? 0 : i]);
    } catch (const Error&) {  // the expression outgrew what sizes can express
    }
    if (!dim) return;
    if (context.dtype(0) == DType::i32 && dim->is_constant() &&
        dim->value() != static_cast<std::int32_t>(dim->value())) {
      return;
    }
    out.push_back(*dim);
  }
  context.set_elements(0, std::move(out));
}

void infer(InferContext& context) {
  const Row& row = row_of(context.attributes<BinaryAttributes>().function);
  const DType dtype = context.dtype(0);
  const bool strings = row.function == B::equal && dtype == DType::string;
  context.require(strings || row.types.contains(dtype), ErrorCode::bad_type,
                  std::string(row.name) + " does not take " + std::string(to_string(dtype)));
  const DType other = context.dtype(1);
  const bool mixed = row.function == B::pow && row.types.contains(other);
  context.require(dtype == other || mixed, ErrorCode::bad_type,
                  std::string(row.name) + " takes two inputs of one type, got " +
                      std::string(to_string(dtype)) + " and " + std::string(to_string(other)));
  const DType result = row.to_bool ? DType::boolean : dtype;
  if (context.shape(0) == nullptr || context.shape(1) == nullptr) {
    return context.set_output(0, Type::tensor_of_unknown_rank(result));
  }
  SymShape shape = context.broadcast(*context.shape(0), *context.shape(1));
  context.set_output(0, result, std::move(shape));
  propagate_elements(context, row.function);
}

void compare_strings(const BroadcastWalk<2>& walk, const Tensor& a, const Tensor& b, Tensor& y) {
  const auto x = a.values<std::string>();
  const auto z = b.values<std::string>();
  const auto out = y.mutable_values<bool>();
  walk.for_each_run(kChunk, [&](std::int64_t to, const auto& from, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      out[static_cast<std::size_t>(to + i)] =
          x[static_cast<std::size_t>(from[0] + (walk.moves(0) ? i : 0))] ==
          z[static_cast<std::size_t>(from[1] + (walk.moves(1) ? i : 0))];
    }
  });
}

void reference(KernelContext& context) {
  const Row& row = row_of(context.attributes<BinaryAttributes>().function);
  const Tensor& a = context.input(0);
  const Tensor& b = context.input(1);
  Tensor& y = context.output(0);
  const BroadcastWalk<2> walk(y.shape(), {&a.shape(), &b.shape()});
  if (a.dtype() == DType::string) return compare_strings(walk, a, b, y);
  ComputeKind kind = compute_kind(a.dtype());
  // A power of mixed types holds every exact value of both only in double.
  if (a.dtype() != b.dtype() && kind != compute_kind(b.dtype())) {
    const bool floats = is_floating(a.dtype()) || is_floating(b.dtype());
    kind = floats ? ComputeKind::f64 : ComputeKind::i64;
  }
  dispatch_compute(kind, [&]<class C>() {
    Loop<C> function = nullptr;
    if constexpr (std::is_same_v<C, float>) function = row.f32;
    if constexpr (std::is_same_v<C, double>) function = row.f64;
    if constexpr (std::is_same_v<C, std::int64_t>) function = row.i64;
    if constexpr (std::is_same_v<C, std::uint64_t>) function = row.u64;
    STROP_CHECK(function != nullptr, "inference admits only types that the function has");
    walk.for_each_run(kChunk, [&](std::int64_t to, const auto& from, std::int64_t count) {
      std::array<C, kChunk> first, second, out;
      const bool step_a = walk.moves(0), step_b = walk.moves(1);
      C* result = result_chunk<C>(y, to, out.data());
      function(load_chunk<C>(a, from[0], step_a ? count : 1, first.data()), step_a,
               load_chunk<C>(b, from[1], step_b ? count : 1, second.data()), step_b, result, count);
      store_chunk<C>(y, to, count, result);
    });
  });
}

}  // namespace

std::span<const std::string_view> enum_names(BinaryFunction) {
  static const auto names = [] {
    std::array<std::string_view, kCount> out;
    for (std::size_t i = 0; i < kCount; ++i) out[i] = kTable[i].name;
    return out;
  }();
  return names;
}

bool is_commutative(BinaryFunction function) { return row_of(function).commutative; }

const OpDef& op_binary() {
  static const OpDef def{
      .name = "binary",
      .summary = "y = function(a, b), element by element, a and b broadcast as in NumPy",
      .attributes = &attribute_schema<BinaryAttributes>(),
      .inputs = {{.name = "a", .types = kComparable | DTypeSet{DType::string}},
                 {.name = "b", .types = kComparable | DTypeSet{DType::string}}},
      .outputs = {{.name = "y", .types = kComparable}},
      .subgraphs = {},
      .traits = {.pointwise = true},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
