// SPDX-License-Identifier: Apache-2.0
#include "passes/pass_check.hpp"
#include "passes/passes.hpp"

namespace strop {
namespace {

const Target kDevice{.backend = "cuda"};

std::string head(const std::string& filters, const std::string& after) {
  return "graph main(%x: f32[1,2,3,3]) -> (%y) { const %w = f32[" + filters + ",2,1,1]{" +
         [&] {
           std::string all;
           for (int i = 0; i < 2 * std::stoi(filters); ++i)
             all += (i > 0 ? ", " : "") + std::to_string(i);
           return all;
         }() +
         "} %c = conv(%x, %w) " + after + " }";
}

int rewrites(const std::string& text, const Target& target) {
  Graph graph = testing::parse_test_graph(text);
  const Pass pass = rewrite_odd_channels();
  const Graph before = graph.clone();
  const int count = run_passes(graph, {&pass, 1}, target)[0].rewrites;
  EXPECT_EQ(run_passes(graph, {&pass, 1}, target)[0].rewrites, 0);
  testing::expect_same_results(before, graph, {});
  return count;
}

TEST(RewriteOddChannels, adds_filters_before_moves) {
  EXPECT_EQ(rewrites(head("33", "%y = transpose{perm=[0, 2, 3, 1]}(%c)"), kDevice), 1);
}

TEST(RewriteOddChannels, leaves_what_it_does_not_help) {
  const std::string moved = "%y = transpose{perm=[0, 2, 3, 1]}(%c)";
  EXPECT_EQ(rewrites(head("33", moved), {}), 0);
  EXPECT_EQ(rewrites(head("40", moved), kDevice), 0);
  EXPECT_EQ(rewrites(head("9", moved), kDevice), 0);
  EXPECT_EQ(rewrites(head("33", "%y = softmax{axis=1}(%c)"), kDevice), 0);
}

}  // namespace
}  // namespace strop
