// SPDX-License-Identifier: Apache-2.0
#include "passes/pass_check.hpp"
#include "passes/passes.hpp"

namespace strop {
namespace {

// 1 x 1 to 16 channels, then 3 x 3 over each of them, at `size` x `size`.
std::string model(const std::string& size, const std::string& middle, const std::string& window,
                  const std::string& outputs = "(%y)") {
  std::string weights = "const %e = f32[16,2,1,1]{";
  for (int i = 0; i < 32; ++i) weights += std::string(i > 0 ? ", " : "") + (i % 3 ? "1" : "-2");
  weights += "} const %w = f32[16,1,3,3]{";
  for (int i = 0; i < 144; ++i) weights += std::string(i > 0 ? ", " : "") + (i % 5 ? "1" : "-3");
  return "graph main(%x: f32[N,2," + size + "," + size + "]) -> " + outputs + " { " + weights +
         "} " + middle + " %y = conv{group=16" + window + "}(%q, %w) }";
}

const Target kCpu{.backend = "cpu"};

std::size_t nodes_after(const std::string& text, const Target& target) {
  const Graph before = testing::parse_test_graph(text);
  Graph graph = before.clone();
  const std::vector<Pass> passes = {fuse_epilogue(), fuse_depthwise()};
  run_passes(graph, passes, target);
  const std::size_t count = graph.node_count();
  testing::expect_same_results(before, graph, {.symbols = {{"N", 1}}});
  run_passes(graph, passes, target);
  EXPECT_EQ(graph.node_count(), count);
  return count;
}

TEST(FuseDepthwise, joins_what_is_large_for_the_cpu_alone) {
  const std::string plain = "%q = conv(%x, %e)";
  const std::string relu = "%p = conv(%x, %e) %q = unary(%p)";
  for (const std::string& middle : {plain, relu}) {
    EXPECT_EQ(nodes_after(model("200", middle, ", pads=[1, 1, 1, 1]"), kCpu), 1u);
    EXPECT_EQ(nodes_after(model("200", middle, ", pads=[1, 1, 1, 1]"), {}), 2u);
    EXPECT_EQ(nodes_after(model("40", middle, ", pads=[1, 1, 1, 1]"), kCpu), 2u);
    EXPECT_EQ(nodes_after(model("200", middle, ", dilations=[2, 2]"), kCpu), 2u);
  }
  EXPECT_EQ(nodes_after(model("200", plain, "", "(%y, %q)"), kCpu), 2u);  // read elsewhere
  EXPECT_EQ(nodes_after(model("200", "%q = conv{pads=[1, 0, 1, 0]}(%x, %e)", ""), kCpu), 2u);
}

}  // namespace
}  // namespace strop
