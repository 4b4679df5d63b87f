// SPDX-License-Identifier: Apache-2.0
#include "builder/sample_shapes.hpp"

#include <gtest/gtest.h>

#include "ir/text.hpp"
#include "ops/op_list.hpp"

namespace strop {
namespace {

std::optional<SymbolValues> sample(std::string_view text, const WantedShapes& wanted = {}) {
  const Graph graph = parse_graph(text, [](std::string_view name) { return find_op(name); });
  return find_sample_symbols(graph, wanted);
}

TEST(SampleShapes, batch_is_1_where_that_will_do) {
  const auto found = sample(R"(graph main(%x: f32[N,4]) -> (%y) {
  %y = unary{function="relu"}(%x)
})");
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, (SymbolValues{{"N", 1}}));
}

// The first two rows are cut off, and one has to be left.
TEST(SampleShapes, batch_is_larger_where_1_will_not_do) {
  constexpr std::string_view kText = R"(graph main(%x: f32[N,4]) -> (%y) {
  const %start = i64[1]{2}
  const %end = i64[1]{100}
  %y = slice(%x, %start, %end)
})";
  const auto found = sample(kText);
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, (SymbolValues{{"N", 3}}));
  EXPECT_EQ(sample(kText, {{"x", {1, 4}}}), (SymbolValues{{"N", 1}})) << "the user asked for it";
}

TEST(SampleShapes, tensors_may_be_empty_where_no_batch_helps) {
  const auto found = sample(R"(graph main(%x: f32[N,0]) -> (%y) {
  %y = unary{function="relu"}(%x)
})");
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, (SymbolValues{{"N", 1}}));
}

TEST(SampleShapes, there_is_none_where_no_size_is_valid) {
  EXPECT_FALSE(sample(R"(graph main(%x: f32[N,4], %c: f32[1000,4]) -> (%y) {
  %two = concat{axis=0}(%x, %x, %x)
  %y = binary{function="add"}(%two, %c)
})"));
}

}  // namespace
}  // namespace strop
