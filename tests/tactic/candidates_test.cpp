// SPDX-License-Identifier: Apache-2.0
#include "tactic/candidates.hpp"

#include <gtest/gtest.h>

#include "ir/text.hpp"
#include "ops/op_list.hpp"
#include "ops/slice.hpp"
#include "ops/unary.hpp"

namespace strop {
namespace {

Acceptance accept_all(const Problem&) { return Acceptance::accept(); }

std::size_t offered(const Tactic& tactic, const std::string& text) {
  const Graph graph = parse_graph(text, [](std::string_view name) { return find_op(name); });
  const Problem problem{&graph.node(graph.order().at(0)), &graph};
  const Tactic* const tactics[] = {&tactic};
  return list_candidates(problem, tactics, {}).candidates.size();
}

TEST(Candidates, asks_about_bodies_only_what_reads_them) {
  const std::string alone = "graph main(%x: f32[4]) -> (%y) { %y = unary(%x) }";
  const std::string fused =
      R"(graph main(%x: f32[4]) -> (%y) {
        %y = fused{kind="unary+unary"}(%x) body graph body(%x: f32[4]) -> (%y) {
          %a = unary(%x)
          %y = unary{function="neg"}(%a)
        }
      })";
  Tactic tactic{.name = "test", .backend = "cpu", .ops = {op_unary}, .accepts = accept_all};
  EXPECT_EQ(offered(tactic, alone), 1);
  EXPECT_EQ(offered(tactic, fused), 0);
  tactic.reads_bodies = true;
  EXPECT_EQ(offered(tactic, alone), 1);
  EXPECT_EQ(offered(tactic, fused), 1);
  tactic.ops = {op_slice};
  EXPECT_EQ(offered(tactic, fused), 0);
}

}  // namespace
}  // namespace strop
