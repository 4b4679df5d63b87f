// SPDX-License-Identifier: Apache-2.0
#include "base/dim.hpp"

#include <algorithm>
#include <cctype>
#include <map>

#include "base/error.hpp"

namespace strop {

// A sum of terms, each a coefficient times a sorted product of atoms. An atom is a symbol or a
// function of two dimensions. `terms` maps the printed product to the term, so printing order is
// canonical order.
struct Atom {
  std::string name;  // of a symbol; empty for a function
  DimFunction function = DimFunction::floordiv;
  Dim a, b;
  std::string key;  // printed form, what atoms are compared by
  int depth = 0;    // of functions within functions; 0 for a symbol
};

struct Term {
  std::int64_t coefficient = 0;
  std::vector<Atom> atoms;  // sorted by key
};

struct Dim::Expression {
  std::int64_t constant = 0;
  std::map<std::string, Term> terms;  // by product of keys; never empty, no zero coefficients
  std::string text;
  int depth = 0;  // of its deepest atom
};

namespace {

[[noreturn]] void overflow() {
  throw Error(ErrorCode::bad_shape, "a dimension passes 2^63-1 while shapes are computed");
}

std::int64_t checked_add(std::int64_t a, std::int64_t b) {
  const auto result = try_add(a, b);
  if (!result) overflow();
  return *result;
}

std::int64_t checked_mul(std::int64_t a, std::int64_t b) {
  const auto result = try_mul(a, b);
  if (!result) overflow();
  return *result;
}

// Bounds what one expression may grow to: shapes of real models stay far below it, a hostile one is
// refused.
constexpr std::size_t kMaxTerms = 256;
constexpr std::size_t kMaxText = 4096;
constexpr std::size_t kMaxFactors = 64;
// Bounds recursion: whatever can be made can also be read again.
constexpr int kMaxDepth = 128;

struct Polynomial {
  std::int64_t constant = 0;
  std::map<std::string, Term> terms;
};

std::string product_key(const std::vector<Atom>& atoms) {
  std::string key;
  for (const Atom& atom : atoms) {
    if (!key.empty()) key += '*';
    key += atom.key;
  }
  return key;
}

void add_term(Polynomial& into, Term term) {
  const std::string key = product_key(term.atoms);
  auto [it, inserted] = into.terms.try_emplace(key, term);
  if (!inserted) {
    it->second.coefficient = checked_add(it->second.coefficient, term.coefficient);
    if (it->second.coefficient == 0) into.terms.erase(it);
  }
}

std::string print(const Polynomial& p) {
  std::string out;
  for (const auto& [key, term] : p.terms) {
    std::int64_t c = term.coefficient;
    if (c < 0) {
      out += '-';
    } else if (!out.empty()) {
      out += '+';
    }
    if (c != 1 && c != -1) {
      std::string digits = std::to_string(c);
      if (c < 0) digits.erase(0, 1);
      out += digits + "*";
    }
    out += key;
  }
  if (p.constant != 0 || out.empty()) {
    if (p.constant >= 0 && !out.empty()) out += '+';
    out += std::to_string(p.constant);
  }
  return out;
}

const char* function_name(DimFunction function) {
  switch (function) {
    case DimFunction::floordiv:
      return "floordiv";
    case DimFunction::ceildiv:
      return "ceildiv";
    case DimFunction::mod:
      return "mod";
    case DimFunction::min:
      return "min";
    case DimFunction::max:
      return "max";
    case DimFunction::broadcast:
      return "broadcast";
  }
  return "?";
}

std::int64_t apply_function(DimFunction function, std::int64_t a, std::int64_t b) {
  switch (function) {
    case DimFunction::floordiv:
    case DimFunction::ceildiv:
    case DimFunction::mod: {
      if (b <= 0) {
        throw Error(ErrorCode::bad_shape, "a dimension is divided by " + std::to_string(b));
      }
      const std::int64_t toward_zero = a / b;
      const std::int64_t remainder = a % b < 0 ? a % b + b : a % b;  // of the floor, in [0, b)
      const std::int64_t quotient = a % b < 0 ? toward_zero - 1 : toward_zero;
      if (function == DimFunction::floordiv) return quotient;
      if (function == DimFunction::mod) return remainder;
      return remainder != 0 ? quotient + 1 : quotient;
    }
    case DimFunction::min:
      return std::min(a, b);
    case DimFunction::max:
      return std::max(a, b);
    case DimFunction::broadcast:
      if (a == b || b == 1) return a;
      if (a == 1) return b;
      throw Error(ErrorCode::bad_shape,
                  "sizes " + std::to_string(a) + " and " + std::to_string(b) + " do not broadcast",
                  "along an axis both must be equal, or one of them 1");
  }
  return 0;
}

}  // namespace

namespace {

Dim make(Polynomial p, std::shared_ptr<const Dim::Expression>* expression, std::int64_t* value) {
  if (p.terms.empty()) {
    *expression = nullptr;
    *value = p.constant;
    return {};
  }
  auto out = std::make_shared<Dim::Expression>();
  out->text = print(p);
  std::size_t factors = 0;
  for (const auto& [key, term] : p.terms) {
    for (const Atom& atom : term.atoms) out->depth = std::max(out->depth, atom.depth);
    factors = std::max(factors, term.atoms.size());
  }
  if (p.terms.size() > kMaxTerms || factors > kMaxFactors || out->text.size() > kMaxText ||
      out->depth > kMaxDepth) {
    throw Error(ErrorCode::limit_exceeded, "a shape expression grew past its limit",
                "an expression has at most 256 terms of 64 factors, 4096 characters, and 128 "
                "functions within each other",
                "give the model static dimensions where it leaves them open");
  }
  out->constant = p.constant;
  out->terms = std::move(p.terms);
  *expression = std::move(out);
  *value = 0;
  return {};
}

Polynomial polynomial_of(const Dim& dim, const std::shared_ptr<const Dim::Expression>& expression) {
  Polynomial p;
  if (expression) {
    p.constant = expression->constant;
    p.terms = expression->terms;
  } else {
    p.constant = dim.value();
  }
  return p;
}

bool symbol_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == ':' ||
         c == '/' || c == '#' || c == '?';
}

}  // namespace

Dim Dim::symbol(std::string_view name) {
  Atom atom;
  for (char c : name.substr(0, 256)) atom.name += symbol_character(c) ? c : '_';
  if (atom.name.empty() || std::isdigit(static_cast<unsigned char>(atom.name[0])) != 0)
    atom.name.insert(0, "_");
  atom.key = atom.name;
  Polynomial p;
  add_term(p, Term{1, {atom}});
  Dim out;
  make(std::move(p), &out.expression_, &out.value_);
  return out;
}

bool Dim::is_symbol() const {
  if (!expression_ || expression_->constant != 0 || expression_->terms.size() != 1) return false;
  const Term& term = expression_->terms.begin()->second;
  return term.coefficient == 1 && term.atoms.size() == 1 && !term.atoms[0].name.empty();
}

std::string Dim::symbol_name() const {
  STROP_CHECK(is_symbol(), "symbol_name is for a single symbol");
  return expression_->terms.begin()->second.atoms[0].name;
}

std::int64_t Dim::value() const {
  STROP_CHECK(is_constant(), "value is for constant dimensions");
  return value_;
}

Dim operator+(const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant()) return Dim(checked_add(a.value_, b.value_));
  Polynomial p = polynomial_of(a, a.expression_);
  const Polynomial q = polynomial_of(b, b.expression_);
  p.constant = checked_add(p.constant, q.constant);
  for (const auto& [key, term] : q.terms) add_term(p, term);
  Dim out;
  make(std::move(p), &out.expression_, &out.value_);
  return out;
}

Dim operator*(const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant()) return Dim(checked_mul(a.value_, b.value_));
  const Polynomial p = polynomial_of(a, a.expression_);
  const Polynomial q = polynomial_of(b, b.expression_);
  if (p.terms.size() * q.terms.size() > kMaxTerms * 4) {
    throw Error(ErrorCode::limit_exceeded, "a shape expression grew past its limit");
  }
  Polynomial out;
  out.constant = checked_mul(p.constant, q.constant);
  const auto scale = [&out](const Polynomial& from, std::int64_t factor) {
    if (factor == 0) return;
    for (const auto& [key, term] : from.terms) {
      Term scaled = term;
      scaled.coefficient = checked_mul(scaled.coefficient, factor);
      add_term(out, std::move(scaled));
    }
  };
  scale(p, q.constant);
  scale(q, p.constant);
  for (const auto& [key_a, term_a] : p.terms) {
    for (const auto& [key_b, term_b] : q.terms) {
      Term term;
      term.coefficient = checked_mul(term_a.coefficient, term_b.coefficient);
      term.atoms = term_a.atoms;
      term.atoms.insert(term.atoms.end(), term_b.atoms.begin(), term_b.atoms.end());
      std::sort(term.atoms.begin(), term.atoms.end(),
                [](const Atom& x, const Atom& y) { return x.key < y.key; });
      add_term(out, std::move(term));
    }
  }
  Dim result;
  make(std::move(out), &result.expression_, &result.value_);
  return result;
}

Dim operator-(const Dim& a, const Dim& b) { return a + b * Dim(-1); }

// Whether it is broadcast(x, y) with `part` as x or y: to broadcast it with that once more changes
// nothing.
static bool broadcasts_with(const Dim::Expression* whole, const Dim& part) {
  if (whole == nullptr || whole->constant != 0 || whole->terms.size() != 1) return false;
  const Term& term = whole->terms.begin()->second;
  if (term.coefficient != 1 || term.atoms.size() != 1) return false;
  const Atom& atom = term.atoms.front();
  return atom.name.empty() && atom.function == DimFunction::broadcast &&
         (atom.a == part || atom.b == part);
}

Dim Dim::apply(DimFunction function, const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant()) return Dim(apply_function(function, a.value_, b.value_));
  const bool division = function == DimFunction::floordiv || function == DimFunction::ceildiv ||
                        function == DimFunction::mod;
  if (division) {
    if (b.is(1)) return function == DimFunction::mod ? Dim(0) : a;
    if (a == b) return function == DimFunction::mod ? Dim(0) : Dim(1);
    if (a.is(0)) return Dim(0);
    if (b.is_constant() && b.value_ > 0) {
      if (function == DimFunction::ceildiv) {
        // One form for both roundings, so that they compare equal: the floor of (a+b-1) / b.
        if (try_add(polynomial_of(a, a.expression_).constant, b.value_ - 1)) {
          return apply(DimFunction::floordiv, a + Dim(b.value_ - 1), b);
        }
      }
      // Terms whose coefficient the divisor divides leave the division:
      // (4*H+3) floordiv 2 = 2*H + 1.
      Polynomial whole;
      Polynomial rest;
      const Polynomial p = polynomial_of(a, a.expression_);
      for (const auto& [key, term] : p.terms) {
        if (term.coefficient % b.value_ == 0) {
          Term quotient = term;
          quotient.coefficient /= b.value_;
          add_term(whole, std::move(quotient));
        } else {
          add_term(rest, term);
        }
      }
      const std::int64_t quotient = apply_function(DimFunction::floordiv, p.constant, b.value_);
      whole.constant = quotient;
      rest.constant = apply_function(DimFunction::mod, p.constant, b.value_);
      if (whole.constant != 0 || !whole.terms.empty()) {
        Dim outside;
        make(std::move(whole), &outside.expression_, &outside.value_);
        Dim inside;
        make(std::move(rest), &inside.expression_, &inside.value_);
        const Dim remainder = apply(function, inside, b);
        return function == DimFunction::mod ? remainder : outside + remainder;
      }
      // A floor of a floor is one floor: ((x floordiv c) + r) floordiv b = (x+r*c) floordiv (c*b).
      if (function == DimFunction::floordiv && p.terms.size() == 1) {
        const Term& only = p.terms.begin()->second;
        const Atom& inner = only.atoms.front();
        if (only.coefficient == 1 && only.atoms.size() == 1 && inner.name.empty() &&
            inner.function == DimFunction::floordiv && inner.b.is_constant() &&
            inner.b.value_ > 0) {
          const auto both = try_mul(inner.b.value_, b.value_);
          const auto shift = try_mul(inner.b.value_, p.constant);
          if (both && shift) return apply(function, inner.a + Dim(*shift), Dim(*both));
        }
      }
    } else if (!b.is_constant() && b.expression_->constant == 0 &&
               b.expression_->terms.size() == 1 && !a.is_constant() &&
               a.expression_->constant == 0 && a.expression_->terms.size() == 1) {
      // One product over another, as reshapes write it: (2*N*C) floordiv N = 2*C.
      Term top = a.expression_->terms.begin()->second;
      const Term& bottom = b.expression_->terms.begin()->second;
      bool divides = bottom.coefficient > 0 && top.coefficient % bottom.coefficient == 0;
      for (const Atom& atom : bottom.atoms) {
        auto it = std::find_if(top.atoms.begin(), top.atoms.end(),
                               [&](const Atom& x) { return x.key == atom.key; });
        if (it == top.atoms.end()) {
          divides = false;
          break;
        }
        top.atoms.erase(it);
      }
      if (divides) {
        if (function == DimFunction::mod) return Dim(0);
        top.coefficient /= bottom.coefficient;
        Polynomial p;
        if (top.atoms.empty()) {
          p.constant = top.coefficient;
        } else {
          add_term(p, std::move(top));
        }
        Dim out;
        make(std::move(p), &out.expression_, &out.value_);
        return out;
      }
    }
  } else {
    if (a == b) return a;
    if (function == DimFunction::broadcast) {
      if (a.is(1)) return b;
      if (b.is(1)) return a;
      // A fixed size other than 1 is the result; the other side is checked when shapes are known.
      if (broadcasts_with(a.expression_.get(), b)) return a;
      if (broadcasts_with(b.expression_.get(), a)) return b;
    }
  }
  Atom atom;
  atom.function = function;
  atom.a = a;
  atom.b = b;
  // These three do not care about the order of their arguments.
  const bool symmetric = !division;
  if (symmetric && atom.b.to_string() < atom.a.to_string()) std::swap(atom.a, atom.b);
  atom.depth = 1 + std::max(a.expression_ ? a.expression_->depth : 0,
                            b.expression_ ? b.expression_->depth : 0);
  atom.key = std::string(function_name(function)) + "(" + atom.a.to_string() + "," +
             atom.b.to_string() + ")";
  Polynomial p;
  add_term(p, Term{1, {std::move(atom)}});
  Dim out;
  make(std::move(p), &out.expression_, &out.value_);
  return out;
}

std::optional<std::int64_t> Dim::try_evaluate(const SymbolValues& values) const {
  if (!expression_) return value_;
  std::int64_t sum = expression_->constant;
  for (const auto& [key, term] : expression_->terms) {
    std::int64_t product = term.coefficient;
    for (const Atom& atom : term.atoms) {
      std::int64_t factor = 0;
      if (!atom.name.empty()) {
        const auto it = values.find(atom.name);
        if (it == values.end()) return std::nullopt;
        factor = it->second;
      } else {
        const auto a = atom.a.try_evaluate(values);
        const auto b = atom.b.try_evaluate(values);
        if (!a || !b) return std::nullopt;
        factor = apply_function(atom.function, *a, *b);
      }
      product = checked_mul(product, factor);
    }
    sum = checked_add(sum, product);
  }
  return sum;
}

std::int64_t Dim::evaluate(const SymbolValues& values) const {
  const auto result = try_evaluate(values);
  if (!result) throw Error(ErrorCode::bad_shape, "dimension " + to_string() + " is not known yet");
  return *result;
}

Dim Dim::substitute(const std::unordered_map<std::string, Dim>& replacements) const {
  if (!expression_) return *this;
  Dim sum(expression_->constant);
  for (const auto& [key, term] : expression_->terms) {
    Dim product(term.coefficient);
    for (const Atom& atom : term.atoms) {
      if (atom.name.empty()) {
        product = product * apply(atom.function, atom.a.substitute(replacements),
                                  atom.b.substitute(replacements));
      } else if (const auto it = replacements.find(atom.name); it != replacements.end()) {
        product = product * it->second;
      } else {
        product = product * symbol(atom.name);
      }
    }
    sum = sum + product;
  }
  return sum;
}

void Dim::collect_symbols(std::set<std::string>& into) const {
  if (!expression_) return;
  for (const auto& [key, term] : expression_->terms) {
    for (const Atom& atom : term.atoms) {
      if (!atom.name.empty()) {
        into.insert(atom.name);
      } else {
        atom.a.collect_symbols(into);
        atom.b.collect_symbols(into);
      }
    }
  }
}

std::string Dim::to_string() const {
  return expression_ ? expression_->text : std::to_string(value_);
}

bool Dim::operator==(const Dim& other) const {
  if (is_constant() != other.is_constant()) return false;
  if (is_constant()) return value_ == other.value_;
  return expression_ == other.expression_ || expression_->text == other.expression_->text;
}

namespace {

// Recursive descent over what to_string prints; depth-bounded because expressions also come from
// engine files.
class DimParser {
 public:
  explicit DimParser(std::string_view text) : text_(text) {}

  Dim parse_all() {
    if (text_.size() > kMaxText) fail("longer than 4096 characters");
    Dim out = sum(0);
    if (at_ != text_.size()) fail("unexpected character");
    return out;
  }

 private:
  [[noreturn]] void fail(const char* why) const {
    throw Error(ErrorCode::model_malformed,
                "cannot read dimension \"" + std::string(text_.substr(0, 80)) + "\"",
                std::string(why) + " at character " + std::to_string(at_));
  }
  bool take(char c) {
    if (at_ < text_.size() && text_[at_] == c) {
      ++at_;
      return true;
    }
    return false;
  }

  Dim sum(int depth) {
    if (depth > kMaxDepth) fail("nested too deeply");
    Dim out = product(depth, take('-'));
    while (true) {
      if (take('+')) {
        out = out + product(depth, false);
      } else if (take('-')) {
        out = out + product(depth, true);
      } else {
        return out;
      }
    }
  }

  Dim product(int depth, bool negative) {
    Dim out = atom(depth, negative);
    while (take('*')) out = out * atom(depth, false);
    return out;
  }

  // The sign belongs to the first factor: -2^63 has no positive counterpart.
  Dim atom(int depth, bool negative) {
    const std::size_t start = at_;
    if (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])) != 0) {
      std::int64_t value = 0;
      while (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])) != 0) {
        const std::int64_t digit = text_[at_] - '0';
        const auto next = try_mul(value, 10);
        const auto with_digit = next ? try_add(*next, negative ? -digit : digit) : std::nullopt;
        if (!with_digit) fail("number too large");
        value = *with_digit;
        ++at_;
      }
      return Dim(value);
    }
    const Dim factor = named(start, depth);
    return negative ? factor * Dim(-1) : factor;
  }

  Dim named(std::size_t start, int depth) {
    while (at_ < text_.size() && symbol_character(text_[at_])) ++at_;
    if (at_ == start) fail("expected a number or a name");
    const std::string_view name = text_.substr(start, at_ - start);
    if (!take('(')) return Dim::symbol(name);
    for (DimFunction function : {DimFunction::floordiv, DimFunction::ceildiv, DimFunction::mod,
                                 DimFunction::min, DimFunction::max, DimFunction::broadcast}) {
      if (name != function_name(function)) continue;
      const Dim a = sum(depth + 1);
      if (!take(',')) fail("expected ','");
      const Dim b = sum(depth + 1);
      if (!take(')')) fail("expected ')'");
      return Dim::apply(function, a, b);
    }
    fail("unknown function");
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Dim Dim::parse(std::string_view text) { return DimParser(text).parse_all(); }

Dim floordiv(const Dim& a, const Dim& b) { return Dim::apply(DimFunction::floordiv, a, b); }
Dim ceildiv(const Dim& a, const Dim& b) { return Dim::apply(DimFunction::ceildiv, a, b); }
Dim mod(const Dim& a, const Dim& b) { return Dim::apply(DimFunction::mod, a, b); }
Dim min(const Dim& a, const Dim& b) { return Dim::apply(DimFunction::min, a, b); }
Dim max(const Dim& a, const Dim& b) { return Dim::apply(DimFunction::max, a, b); }

std::string to_string(const SymShape& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) out += ',';
    out += shape[i].to_string();
  }
  return out + "]";
}

SymShape to_symbolic(const Shape& shape) { return SymShape(shape.begin(), shape.end()); }

std::optional<Shape> to_concrete(const SymShape& shape) {
  Shape out;
  out.reserve(shape.size());
  for (const Dim& dim : shape) {
    if (!dim.is_constant()) return std::nullopt;
    out.push_back(dim.value());
  }
  return out;
}

Shape evaluate(const SymShape& shape, const SymbolValues& values) {
  Shape out;
  out.reserve(shape.size());
  for (const Dim& dim : shape) {
    const std::int64_t value = dim.evaluate(values);
    if (value < 0) {
      throw Error(ErrorCode::bad_shape,
                  "dimension " + dim.to_string() + " is " + std::to_string(value),
                  "the input shapes make it negative");
    }
    out.push_back(value);
  }
  return out;
}

Dim product(const SymShape& shape) {
  Dim out(1);
  for (const Dim& dim : shape) out = out * dim;
  return out;
}

}  // namespace strop
