// SPDX-License-Identifier: Apache-2.0
#include "lower/host_integers.hpp"

#include <gtest/gtest.h>

#include <string>

#include "ir/text.hpp"
#include "ops/op_list.hpp"

namespace strop {
namespace {

// Operators of the nodes that the host is to run.
std::set<std::string> on_host(const std::string& text, bool is_nested = false) {
  const Graph graph = parse_graph(text, [](std::string_view name) { return find_op(name); });
  std::set<std::string> out;
  for (const NodeId id : host_integers(graph, is_nested)) out.emplace(graph.node(id).op->name);
  return out;
}

TEST(HostIntegers, of_inputs_are_the_devices) {
  const std::string text =
      "graph main(%a: i8[3,4], %b: i8[3,4]) -> (%y) { %y = binary{function=\"add\"}(%a, %b) }";
  EXPECT_TRUE(on_host(text).empty());
  EXPECT_EQ(on_host(text, true), std::set<std::string>{"binary"});
}

TEST(HostIntegers, of_shapes_and_for_shapes_are_the_hosts) {
  EXPECT_EQ(on_host("graph main(%x: f32[N,4]) -> (%y) { %s = shape(%x)\n %y = "
                    "concat(%s, %s)\n }"),
            (std::set<std::string>{"shape", "concat"}));
  EXPECT_EQ(on_host("graph main(%x: f32[N,4], %s: i64[2]) -> (%y) { %t = "
                    "unary{function=\"abs\"}(%s)\n %y = expand(%x, %t) }"),
            std::set<std::string>{"unary"});
}

}  // namespace
}  // namespace strop
