// SPDX-License-Identifier: Apache-2.0
// A dimension: a number, or an integer expression over named symbols ("batch", "floordiv(W+1,2)").
// Expressions are kept as polynomials in canonical order, so that equal arithmetic compares equal;
// division, minimum and the like are atoms of such a polynomial. Values are immutable and cheap to
// copy.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/shape.hpp"

namespace strop {

// Values of symbols for one run.
using SymbolValues = std::unordered_map<std::string, std::int64_t>;

enum class DimFunction : std::uint8_t {
  floordiv,  // rounds towards minus infinity; the divisor is positive
  ceildiv,   // rounds towards plus infinity; the divisor is positive
  mod,       // a - floordiv(a,b)*b
  min,
  max,
  broadcast,  // NumPy broadcasting of two sizes: a if b is 1, b if a is 1, else both must be equal
};

class Dim {
 public:
  Dim(std::int64_t value = 0) : value_(value) {}  // NOLINT: a number is a dimension
  // Letters, digits and any of "_.:/#?" other than a leading digit; other characters become '_'.
  static Dim symbol(std::string_view name);
  static Dim apply(DimFunction function, const Dim& a, const Dim& b);
  // Reads what to_string prints. Throws Error(model_malformed).
  static Dim parse(std::string_view text);

  bool is_constant() const { return expression_ == nullptr; }
  bool is_symbol() const;           // exactly one symbol
  std::string symbol_name() const;  // of is_symbol()
  std::int64_t value() const;       // of a constant
  bool is(std::int64_t number) const { return is_constant() && value_ == number; }

  // Throws Error(bad_shape) when a symbol has no value, on overflow, and where a broadcast does not
  // fit.
  std::int64_t evaluate(const SymbolValues& values) const;
  // As evaluate, but nothing when a symbol has no value.
  std::optional<std::int64_t> try_evaluate(const SymbolValues& values) const;
  // Symbols replaced by other expressions; those absent from `replacements` stay.
  Dim substitute(const std::unordered_map<std::string, Dim>& replacements) const;
  void collect_symbols(std::set<std::string>& into) const;

  std::string to_string() const;
  bool operator==(const Dim& other) const;

  struct Expression;

 private:
  friend Dim operator+(const Dim& a, const Dim& b);
  friend Dim operator*(const Dim& a, const Dim& b);
  std::int64_t value_ = 0;
  std::shared_ptr<const Expression> expression_;
};

Dim operator+(const Dim& a, const Dim& b);
Dim operator-(const Dim& a, const Dim& b);
Dim operator*(const Dim& a, const Dim& b);
Dim floordiv(const Dim& a, const Dim& b);
Dim ceildiv(const Dim& a, const Dim& b);
Dim mod(const Dim& a, const Dim& b);
Dim min(const Dim& a, const Dim& b);
Dim max(const Dim& a, const Dim& b);

using SymShape = std::vector<Dim>;

std::string to_string(const SymShape& shape);
SymShape to_symbolic(const Shape& shape);
// Nothing unless every dimension is a number.
std::optional<Shape> to_concrete(const SymShape& shape);
// Throws like Dim::evaluate; a negative result is Error(bad_shape).
Shape evaluate(const SymShape& shape, const SymbolValues& values);
Dim product(const SymShape& shape);

}  // namespace strop
