// SPDX-License-Identifier: Apache-2.0
#include "base/dim.hpp"

#include <gtest/gtest.h>

#include <ctime>
#include <functional>
#include <limits>
#include <random>

#include "base/error.hpp"

namespace strop {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();

Dim parse(std::string_view text) { return Dim::parse(text); }
std::string canonical(std::string_view text) { return Dim::parse(text).to_string(); }

ErrorCode code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::ok;
}

TEST(Dim, equal_arithmetic_compares_equal) {
  const Dim n = Dim::symbol("N");
  const Dim c = Dim::symbol("C");
  EXPECT_EQ(n + c, c + n);
  EXPECT_EQ((n + 1) * (n - 1), n * n - 1);
  EXPECT_EQ(n * c * 2 - c * n, n * c);
  EXPECT_EQ(n - n, Dim(0));
  EXPECT_TRUE((n - n).is_constant());
  EXPECT_EQ((n * c).to_string(), "C*N");
  EXPECT_EQ((n * 3 - c - 2).to_string(), "-C+3*N-2");
  EXPECT_NE(n, c);
  EXPECT_NE(n, Dim(1));
}

TEST(Dim, constants_are_folded) {
  EXPECT_EQ(floordiv(-7, 2), Dim(-4));
  EXPECT_EQ(ceildiv(-7, 2), Dim(-3));
  EXPECT_EQ(mod(-7, 2), Dim(1));
  EXPECT_EQ(ceildiv(7, 2), Dim(4));
  EXPECT_EQ(min(3, 4), Dim(3));
  EXPECT_EQ(max(3, 4), Dim(4));
  EXPECT_EQ(Dim::apply(DimFunction::broadcast, 1, 4), Dim(4));
  EXPECT_EQ(floordiv(kMin, 3), Dim(kMin / 3 - 1));
  EXPECT_EQ(mod(kMin, 3), Dim(1));
  EXPECT_EQ(code_of([] { floordiv(1, 0); }), ErrorCode::bad_shape);
  EXPECT_EQ(code_of([] { mod(1, -2); }), ErrorCode::bad_shape);
  EXPECT_EQ(code_of([] { Dim::apply(DimFunction::broadcast, 3, 4); }), ErrorCode::bad_shape);
}

TEST(Dim, divisions_are_simplified) {
  EXPECT_EQ(canonical("floordiv(4*H+3,2)"), "2*H+1");
  EXPECT_EQ(canonical("floordiv(4*H+W+5,2)"), "2*H+floordiv(W+1,2)+2");
  EXPECT_EQ(canonical("mod(4*H+3,2)"), "1");
  EXPECT_EQ(canonical("mod(4*H+W,4)"), "mod(W,4)");
  EXPECT_EQ(canonical("floordiv(H,1)"), "H");
  EXPECT_EQ(canonical("mod(H,1)"), "0");
  EXPECT_EQ(canonical("floordiv(H,H)"), "1");
  EXPECT_EQ(canonical("floordiv(0,H)"), "0");
  EXPECT_EQ(canonical("floordiv(6*C*H*W,2*W)"), "3*C*H");
  EXPECT_EQ(canonical("mod(6*C*H*W,2*W)"), "0");
  EXPECT_EQ(canonical("floordiv(H-1,2)+1"), canonical("floordiv(H+1,2)"));
  EXPECT_EQ(canonical("ceildiv(H,2)"), canonical("floordiv(H+1,2)"));
  // Two convolutions of stride 2 as one of stride 4.
  EXPECT_EQ(canonical("floordiv(floordiv(H-1,2),2)+1"), canonical("floordiv(H+3,4)"));
  EXPECT_EQ(canonical("floordiv(floordiv(H,W),2)"), "floordiv(floordiv(H,W),2)");
}

TEST(Dim, min_max_and_broadcast_take_arguments_in_any_order) {
  EXPECT_EQ(canonical("min(W,H)"), "min(H,W)");
  EXPECT_EQ(canonical("max(W,H)"), canonical("max(H,W)"));
  EXPECT_EQ(canonical("broadcast(W,H)"), canonical("broadcast(H,W)"));
  EXPECT_EQ(canonical("max(H,H)"), "H");
  EXPECT_EQ(canonical("broadcast(1,H)"), "H");
  EXPECT_EQ(canonical("broadcast(H,H)"), "H");
  EXPECT_EQ(canonical("broadcast(W,broadcast(H,W))"), "broadcast(H,W)");
  EXPECT_NE(canonical("broadcast(C,broadcast(H,W))"), "broadcast(H,W)");
  const Dim both = parse("broadcast(H,W)");
  EXPECT_EQ(both.evaluate({{"H", 1}, {"W", 7}}), 7);
  EXPECT_EQ(both.evaluate({{"H", 7}, {"W", 1}}), 7);
  EXPECT_EQ(both.evaluate({{"H", 7}, {"W", 7}}), 7);
  EXPECT_EQ(both.evaluate({{"H", 0}, {"W", 1}}), 0);
  EXPECT_EQ(code_of([&] { both.evaluate({{"H", 2}, {"W", 3}}); }), ErrorCode::bad_shape);
}

TEST(Dim, overflow_is_an_error) {
  EXPECT_EQ(code_of([] { Dim(kMax) + 1; }), ErrorCode::bad_shape);
  EXPECT_EQ(code_of([] { Dim(kMax) * 2; }), ErrorCode::bad_shape);
  EXPECT_EQ(code_of([] { Dim(0) - Dim(kMin); }), ErrorCode::bad_shape);
  const Dim n = Dim::symbol("N");
  EXPECT_EQ(code_of([&] { (n * kMax) * 2; }), ErrorCode::bad_shape);
  EXPECT_EQ(code_of([&] { (n * n).evaluate({{"N", kMax}}); }), ErrorCode::bad_shape);
  EXPECT_EQ(code_of([&] { (n + 1).evaluate({{"N", kMax}}); }), ErrorCode::bad_shape);
  EXPECT_EQ(code_of([&] { product({n, kMax, kMax}); }), ErrorCode::bad_shape);
  EXPECT_EQ(ceildiv(n + kMax, 2).evaluate({{"N", -1}}), kMax / 2);
}

TEST(Dim, extreme_numbers_are_printed_and_read) {
  for (const std::int64_t value : {kMin, kMin + 1, std::int64_t{-1}, std::int64_t{0}, kMax}) {
    EXPECT_EQ(parse(Dim(value).to_string()), Dim(value));
    const Dim expression = Dim::symbol("N") * value + value;
    EXPECT_EQ(parse(expression.to_string()), expression);
  }
}

TEST(Dim, missing_symbol_has_no_value) {
  const Dim sum = parse("N+floordiv(H,3)");
  EXPECT_EQ(sum.try_evaluate({{"N", 1}}), std::nullopt);
  EXPECT_EQ(code_of([&] { sum.evaluate({{"N", 1}}); }), ErrorCode::bad_shape);
  EXPECT_EQ(sum.try_evaluate({{"N", 1}, {"H", 10}}), 4);
  std::set<std::string> symbols;
  sum.collect_symbols(symbols);
  EXPECT_EQ(symbols, (std::set<std::string>{"H", "N"}));
}

TEST(Dim, symbols_are_told_from_expressions) {
  EXPECT_TRUE(Dim::symbol("batch").is_symbol());
  EXPECT_EQ(Dim::symbol("batch").symbol_name(), "batch");
  EXPECT_FALSE((Dim::symbol("batch") * 2).is_symbol());
  EXPECT_FALSE(parse("floordiv(batch,2)").is_symbol());
  EXPECT_FALSE(Dim(3).is_symbol());
  EXPECT_THROW((Dim::symbol("a") + 1).symbol_name(), Error);
  EXPECT_THROW(Dim::symbol("a").value(), Error);
  EXPECT_EQ(Dim::symbol("past + 1").to_string(), "past___1");
  EXPECT_EQ(Dim::symbol("1st").to_string(), "_1st");
  EXPECT_EQ(Dim::symbol("").to_string(), "_");
  EXPECT_EQ(parse(Dim::symbol("min").to_string()), Dim::symbol("min"));
  EXPECT_EQ(parse("unk__1.a:b/c#2?"), Dim::symbol("unk__1.a:b/c#2?"));
}

TEST(Dim, substitution_simplifies) {
  const Dim expression = parse("floordiv(N*C,G)+mod(N,4)");
  EXPECT_EQ(expression.substitute({{"G", Dim::symbol("C")}}), parse("N+mod(N,4)"));
  EXPECT_EQ(expression.substitute({{"N", 8}, {"C", 6}, {"G", 3}}), Dim(16));
  EXPECT_EQ(expression.substitute({}), expression);
}

TEST(Dim, malformed_text_is_an_error) {
  for (const char* text : {"",
                           "+",
                           "-",
                           "a+",
                           "a**b",
                           "a b",
                           "min(a",
                           "min(a,",
                           "min(a)",
                           "min(a,b",
                           "min()",
                           "foo(a,b)",
                           "(a)",
                           "9223372036854775808",
                           "-9223372036854775809",
                           "a-",
                           "2*",
                           ")",
                           "a,b",
                           "\xff"}) {
    EXPECT_EQ(code_of([&] { parse(text); }), ErrorCode::model_malformed) << text;
  }
  EXPECT_EQ(code_of([] { parse("floordiv(1,0)"); }), ErrorCode::bad_shape);
  EXPECT_EQ(code_of([] { parse(std::string(5000, 'a')); }), ErrorCode::model_malformed);
}

TEST(Dim, growth_is_limited_and_what_can_be_made_can_be_read) {
  Dim nested = Dim::symbol("x");
  const ErrorCode code = code_of([&] {
    for (int i = 0; i < 10000; ++i) {
      const Dim next = i % 2 == 0 ? max(nested, 1) : min(nested + 1, 9);
      EXPECT_EQ(parse(next.to_string()), next);
      nested = next;
    }
  });
  EXPECT_EQ(code, ErrorCode::limit_exceeded);
  EXPECT_EQ(nested.evaluate({{"x", 5}}), 9);
  EXPECT_EQ(code_of([] {
              Dim sum(1);
              for (int i = 0; i < 12; ++i) sum = sum * (Dim::symbol("s" + std::to_string(i)) + 1);
            }),
            ErrorCode::limit_exceeded);
}

TEST(Dim, hostile_text_is_answered_fast) {
  std::string product = "x";
  while (product.size() < 4000) product += "*x";
  std::string sum = "a";
  for (int i = 0; sum.size() < 4000; ++i) sum += "+a" + std::to_string(i);
  std::string nested;
  while (nested.size() < 2000) nested += "min(a,";
  std::string divided;
  for (int i = 0; i < 120; ++i) divided += "floordiv(x+";
  divided += "y";
  for (int i = 0; i < 120; ++i) divided += ",3)";
  for (const std::string& text : {product, sum, nested, divided}) {
    const std::clock_t begin = std::clock();  // of this process, whatever else runs
    code_of([&] { parse(text); });
    EXPECT_LT(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC, 0.5)
        << text.substr(0, 20);
  }
}

// An expression as a tree, with the meaning written down a second time.
struct Tree {
  char op = 'n';  // n number, s symbol, + - *, and / ^ % m M for floordiv ceildiv mod min max
  std::int64_t number = 0;
  std::string name;
  std::unique_ptr<Tree> a, b;
};

class RandomTree {
 public:
  explicit RandomTree(unsigned seed) : random_(seed) {}

  std::unique_ptr<Tree> make(int depth) {
    auto out = std::make_unique<Tree>();
    const unsigned kind = pick(depth > 0 ? 11 : 2);
    if (kind == 0) {
      out->number = static_cast<std::int64_t>(pick(21)) - 6;
    } else if (kind == 1) {
      out->op = 's';
      out->name = names()[pick(4)];
    } else {
      out->op = "++-**/^%mM"[kind - 1];
      out->a = make(depth - 1);
      out->b = make(depth - 1);
      if (out->op == '/' || out->op == '^' || out->op == '%') {
        // A positive divisor: a number, or a symbol, all of which are given positive values.
        out->b = std::make_unique<Tree>();
        if (pick(3) == 0) {
          out->b->op = 's';
          out->b->name = names()[pick(4)];
        } else {
          out->b->number = 1 + pick(6);
        }
      }
    }
    return out;
  }
  unsigned pick(unsigned n) { return static_cast<unsigned>(random_() % n); }
  static const std::vector<std::string>& names() {
    static const std::vector<std::string> all = {"N", "C", "H", "W"};
    return all;
  }

 private:
  std::mt19937 random_;
};

Dim build(const Tree& tree) {
  switch (tree.op) {
    case 'n':
      return tree.number;
    case 's':
      return Dim::symbol(tree.name);
    default:
      break;
  }
  const Dim a = build(*tree.a);
  const Dim b = build(*tree.b);
  switch (tree.op) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return floordiv(a, b);
    case '^':
      return ceildiv(a, b);
    case '%':
      return mod(a, b);
    case 'm':
      return min(a, b);
    default:
      return max(a, b);
  }
}

std::int64_t value_of(const Tree& tree, const SymbolValues& values) {
  if (tree.op == 'n') return tree.number;
  if (tree.op == 's') return values.at(tree.name);
  const std::int64_t a = value_of(*tree.a, values);
  const std::int64_t b = value_of(*tree.b, values);
  const auto floor = [](std::int64_t x, std::int64_t y) {
    std::int64_t q = x / y;
    while (q * y > x) --q;
    return q;
  };
  switch (tree.op) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return floor(a, b);
    case '^':
      return -floor(-a, b);
    case '%':
      return a - floor(a, b) * b;
    case 'm':
      return std::min(a, b);
    default:
      return std::max(a, b);
  }
}

TEST(Dim, random_expressions_keep_their_meaning_and_survive_printing) {
  int compared = 0;
  for (unsigned seed = 0; seed < 4000; ++seed) {
    RandomTree random(seed);
    const auto tree = random.make(4);
    Dim dim;
    try {
      dim = build(*tree);
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), ErrorCode::limit_exceeded) << error.message();
      continue;
    }
    const Dim read = parse(dim.to_string());
    ASSERT_EQ(read, dim) << dim.to_string();
    ASSERT_EQ(read.to_string(), dim.to_string());
    for (int round = 0; round < 4; ++round) {
      SymbolValues values;
      std::unordered_map<std::string, Dim> replacements;
      for (const std::string& name : RandomTree::names()) {
        values[name] = 1 + random.pick(12);
        replacements.emplace(name, values[name]);
      }
      const std::int64_t expected = value_of(*tree, values);
      ASSERT_EQ(dim.evaluate(values), expected) << dim.to_string();
      ASSERT_EQ(read.evaluate(values), expected) << dim.to_string();
      ASSERT_EQ(dim.substitute(replacements), Dim(expected)) << dim.to_string();
      ++compared;
    }
  }
  EXPECT_GT(compared, 10000);
}

TEST(Dim, shapes_of_dimensions) {
  const SymShape shape = {Dim::symbol("N"), 3, parse("floordiv(H+1,2)")};
  EXPECT_EQ(to_string(shape), "[N,3,floordiv(H+1,2)]");
  EXPECT_EQ(to_concrete(shape), std::nullopt);
  EXPECT_EQ(to_concrete(to_symbolic({2, 3})), (Shape{2, 3}));
  EXPECT_EQ(evaluate(shape, {{"N", 2}, {"H", 7}}), (Shape{2, 3, 4}));
  EXPECT_EQ(code_of([&] { evaluate(shape, {{"N", -2}, {"H", 7}}); }), ErrorCode::bad_shape);
  EXPECT_EQ(product(shape).evaluate({{"N", 2}, {"H", 7}}), 24);
  EXPECT_EQ(product({}), Dim(1));
}

}  // namespace
}  // namespace strop
