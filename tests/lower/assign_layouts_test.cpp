// SPDX-License-Identifier: Apache-2.0
#include "lower/assign_layouts.hpp"

#include <gtest/gtest.h>

#include "ir/text.hpp"
#include "ops/op_list.hpp"

namespace strop {
namespace {

// Two nodes that each run alone, in ways of these costs; `library` says which of them open one.
std::vector<std::size_t> choose(const std::vector<NodeOption>& first,
                                const std::vector<NodeOption>& second) {
  const Graph graph = parse_graph(R"(graph main(%x: f32[8]) -> (%y) {
    %a = unary{function="exp"}(%x)
    %y = unary{function="exp"}(%a)
  })",
                                  [](std::string_view name) { return find_op(name); });
  LayoutProblem problem;
  problem.graph = &graph;
  problem.nodes = graph.order();
  problem.options = {first, second};
  problem.reorder_cost = [](ValueId) { return 0.0; };
  return assign_layouts(problem);
}

NodeOption own(double cost) { return {cost, {}, false}; }
NodeOption of_library(double cost) { return {cost, {}, true}; }

using Choice = std::vector<std::size_t>;

TEST(AssignLayouts, opens_no_library_for_a_few_percent) {
  EXPECT_EQ(choose({own(100), of_library(96)}, {own(100), of_library(96)}), (Choice{0, 0}));
}

TEST(AssignLayouts, opens_a_library_that_is_worth_it_for_the_whole_graph) {
  EXPECT_EQ(choose({own(100), of_library(70)}, {own(100), of_library(101)}), (Choice{1, 0}));
}

TEST(AssignLayouts, weighs_the_graph_and_not_a_node) {
  // A tenth of one node is little of both.
  EXPECT_EQ(choose({own(10), of_library(5)}, {own(1000), of_library(1001)}), (Choice{0, 0}));
}

TEST(AssignLayouts, takes_what_is_fastest_where_a_library_is_opened_anyway) {
  EXPECT_EQ(choose({of_library(100)}, {own(100), of_library(99)}), (Choice{0, 1}));
}

NodeOption laid_out(double cost, Layout x, Layout y) { return {cost, {{x}, {y}}, false}; }

// A kernel that makes channels last, a pointwise node that takes both, and a region whose fastest
// way wants the wrong ones on both sides: neither of the last two pays to change alone.
TEST(AssignLayouts, changes_two_neighbours_together) {
  const Graph graph = parse_graph(R"(graph main(%x: u8[1,8,4,4]) -> (%y) {
    %a = unary{function="abs"}(%x)
    %b = unary{function="abs"}(%a)
    %y = unary{function="abs"}(%b)
  })",
                                  [](std::string_view name) { return find_op(name); });
  const Layout plain = Layout::plain, last = Layout::channels_last;
  LayoutProblem problem;
  problem.graph = &graph;
  problem.nodes = graph.order();
  problem.options = {{laid_out(50, plain, last)},
                     {laid_out(100, plain, plain), laid_out(101, last, last)},
                     {laid_out(190, plain, last), laid_out(250, last, plain)}};
  const ValueId bytes = graph.node(problem.nodes[0]).outputs[0];
  problem.reorder_cost = [&](ValueId id) { return id == bytes ? 137.0 : 548.0; };
  EXPECT_EQ(assign_layouts(problem), (Choice{0, 1, 1}));
}

}  // namespace
}  // namespace strop
