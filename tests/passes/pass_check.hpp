// SPDX-License-Identifier: Apache-2.0
// A pass as a test sees it: graph text in, graph text out. Every check also shows that the result
// is legal, that running the pass again finds nothing, and that both graphs compute the same from
// random inputs.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "ir/evaluate.hpp"
#include "ir/text.hpp"
#include "ir/text_scanner.hpp"
#include "ir/verify.hpp"
#include "ops/op_list.hpp"
#include "passes/pass_runner.hpp"

namespace strop::testing {

struct PassCheck {
  SymbolValues symbols{};  // sizes for the comparison; a symbol that is missing is 3
  // Largest difference between results, relative to the largest result; 0: the same bits.
  double tolerance = 0;
  Target target{};
};

inline Graph parse_test_graph(std::string_view text) {
  return parse_graph(text, [](std::string_view name) { return find_op(name); });
}

// With the contents of all constants, and unknown sizes named after their nodes' places.
inline std::string canonical_text(const Graph& graph) {
  const TextOptions options{.literal_elements = 1 << 20};
  return to_text(parse_test_graph(to_text(graph, options)), options);
}

inline Tensor random_tensor(const Type& type, const SymbolValues& symbols, std::mt19937& random) {
  Tensor out = Tensor::allocate(type.dtype, evaluate(*type.shape, symbols));
  std::uniform_real_distribution<double> real(-2, 2);
  std::uniform_int_distribution<int> whole(0, 3);
  for (std::int64_t i = 0; i < out.size(); ++i) {
    const bool floating = is_floating(type.dtype);
    const double value = floating ? real(random) : whole(random);
    store_from_double(type.dtype, out.mutable_data(), i, value);
  }
  return out;
}

inline std::vector<Datum> random_inputs(const Graph& graph, SymbolValues symbols) {
  std::set<std::string> names;
  for (const ValueId id : graph.inputs()) {
    for (const Dim& dim : *graph.value(id).type.shape) dim.collect_symbols(names);
  }
  for (const std::string& name : names) symbols.try_emplace(name, 3);
  std::mt19937 random(1);
  std::vector<Datum> out;
  for (const ValueId id : graph.inputs())
    out.emplace_back(random_tensor(graph.value(id).type, symbols, random));
  return out;
}

inline void expect_same_results(const Graph& before, const Graph& after, const PassCheck& check) {
  const std::vector<Datum> inputs = random_inputs(before, check.symbols);
  const std::vector<Datum> expected = evaluate_graph(before, inputs);
  const std::vector<Datum> results = evaluate_graph(after, inputs);
  ASSERT_EQ(expected.size(), results.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const Tensor& a = expected[i].tensor();
    const Tensor& b = results[i].tensor();
    ASSERT_EQ(describe(a), describe(b)) << "output " << i;
    if (check.tolerance == 0) {
      EXPECT_TRUE(a.identical(b)) << "output " << i << "\nbefore " << tensor_to_text(a)
                                  << "\nafter  " << tensor_to_text(b);
      continue;
    }
    double largest = 0, error = 0;
    std::int64_t at = 0;
    for (std::int64_t k = 0; k < a.size(); ++k) {
      const double x = load_as_double(a.dtype(), a.data(), k);
      const double difference = std::abs(x - load_as_double(b.dtype(), b.data(), k));
      largest = std::max(largest, std::abs(x));
      if (!(difference <= error)) {
        error = difference;
        at = k;
      }
    }
    EXPECT_LE(error, check.tolerance * largest) << "output " << i << ", element " << at;
  }
}

// Runs the pass on `before` and returns the number of rewrites.
inline int check_pass(const Pass& pass, std::string_view before, std::string_view after,
                      const PassCheck& check = {}) {
  const Graph original = parse_test_graph(before);
  verify(original);
  Graph graph = original.clone();
  const auto first = run_passes(graph, {&pass, 1}, check.target);
  EXPECT_EQ(canonical_text(graph), canonical_text(parse_test_graph(after)));
  const std::string text = canonical_text(graph);
  const auto second = run_passes(graph, {&pass, 1}, check.target);
  EXPECT_EQ(second[0].rewrites, 0)
      << "the pass is not idempotent: " << ::testing::PrintToString(second[0].notes);
  EXPECT_EQ(canonical_text(graph), text);
  expect_same_results(original, graph, check);
  return first[0].rewrites;
}

inline int check_unchanged(const Pass& pass, std::string_view text, const PassCheck& check = {}) {
  return check_pass(pass, text, text, check);
}

}  // namespace strop::testing
