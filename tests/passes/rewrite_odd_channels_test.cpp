// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "ops/fused.hpp"
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

template <class F>
std::string list_of(int count, F&& entry) {
  std::string out;
  for (int i = 0; i < count; ++i) out += (i > 0 ? ", " : "") + std::to_string(entry(i));
  return out;
}

// A head in bytes, of 35 filters, each with parameters of its own.
std::string head_in_bytes(const std::string& after, const std::string& output = "%y") {
  const auto zero = [](int i) { return i % 5 - 2; };
  return "graph main(%x: u8[N,2,3,3], %r: u8[N,35,3,3]) -> (" + output +
         ") { const %w = i8[35,2,1,1]{" + list_of(70, [](int i) { return (i * 37) % 255 - 127; }) +
         "} const %xz = u8[]{1} " + "const %wz = i8[35]{" + list_of(35, zero) +
         "} const %m = f32[35]{" + list_of(35, [](int i) { return 0.001 + 0.0001 * i; }) +
         "} const %o = f32[35]{" + list_of(35, [](int i) { return 0.01 * i; }) +
         "} const %t = u8[256]{" + list_of(256, [](int i) { return 255 - i; }) +
         "} const %s = f32[]{0.25} const %ss = f32[35]{" +
         list_of(35, [](int i) { return 1.0 + i; }) + "} %c = conv_integer(%x, %w, %xz, %wz) " +
         "%q = requantize{low=0, high=255, to=u8}(%c, %m, %o) " + after + " }";
}

// How many are rewritten; the filters in the fused node's result.
std::pair<int, std::string> widened(const std::string& text) {
  Graph graph = testing::parse_test_graph(text);
  const Graph before = graph.clone();
  const int count =
      run_passes(graph, std::vector{fuse_epilogue(), rewrite_odd_channels()}, kDevice)[1].rewrites;
  const Pass pass = rewrite_odd_channels();
  EXPECT_EQ(run_passes(graph, {&pass, 1}, kDevice)[0].rewrites, 0);
  testing::expect_same_results(before, graph, {});
  for (const NodeId id : graph.order()) {
    if (graph.node(id).is(op_fused()))
      return {count, (*graph.value(graph.node(id).outputs[0]).type.shape)[1].to_string()};
  }
  return {count, {}};
}

TEST(RewriteOddChannels, adds_filters_of_bytes_that_become_floats) {
  for (const char* after :
       {"%y = dequantize_linear(%q, %s)", "%y = dequantize_linear{axis=1}(%q, %ss)",
        "%u = table_lookup(%q, %t) %y = dequantize_linear(%u, %s)",
        "%u = transpose{perm=[0, 2, 3, 1]}(%q) %d = dequantize_linear(%u, %s) "
        "%y = unary{function=\"sigmoid\"}(%d)"}) {
    SCOPED_TRACE(after);
    const auto [count, filters] = widened(head_in_bytes(after));
    EXPECT_EQ(count, 1);
    EXPECT_EQ(filters, "48");
  }
}

TEST(RewriteOddChannels, leaves_bytes_that_stay_bytes_or_have_several_readers) {
  EXPECT_EQ(widened(head_in_bytes("%y = transpose{perm=[0, 2, 3, 1]}(%q)")).first, 0);
  EXPECT_EQ(widened(head_in_bytes("%y = dequantize_linear(%q, %s)", "%y, %q")).first, 0);
  EXPECT_EQ(widened(head_in_bytes("%y = dequantize_linear(%q, %s) %z = dequantize_linear(%q, %ss)",
                                  "%y, %z"))
                .first,
            0);
  // A residual would have to be made wider too.
  EXPECT_EQ(widened(head_in_bytes("%a = requantize{low=0, high=255, to=u8, residual_multiplier=0.5}"
                                  "(%q, %s, %s, %r) %y = dequantize_linear(%a, %s)"))
                .first,
            0);
}

}  // namespace
}  // namespace strop
