// SPDX-License-Identifier: Apache-2.0
#include "lower/lower.hpp"

#include <gtest/gtest.h>

#include "ir/text.hpp"
#include "ops/op_list.hpp"

namespace strop {
namespace {

Plan plan_of(std::string_view text) {
  const Graph graph = parse_graph(text, [](std::string_view name) { return find_op(name); });
  LowerReport report;
  LowerOptions options;
  options.backend = "reference";
  Plan plan = lower(graph, options, report);
  verify(plan);
  return plan;
}

TEST(Lower, outputs_that_share_a_size_only_their_step_knows_are_all_dynamic) {
  const Plan plan = plan_of(R"(
    graph main(%x: f32[N], %k: i64[]) -> (%values, %indices) {
      %values, %indices = top_k(%x, %k)
    })");
  ASSERT_EQ(plan.outputs.size(), 2u);
  for (const std::uint32_t slot : plan.outputs) {
    EXPECT_EQ(plan.slots[slot].kind, SlotKind::dynamic) << plan.slots[slot].name;
  }
}

TEST(Lower, outputs_of_known_sizes_are_planned) {
  const Plan plan = plan_of(R"(
    graph main(%x: f32[N]) -> (%values, %indices) {
      const %k = i64[]{2}
      %values, %indices = top_k(%x, %k)
    })");
  for (const std::uint32_t slot : plan.outputs) {
    EXPECT_EQ(plan.slots[slot].kind, SlotKind::arena) << plan.slots[slot].name;
  }
}

}  // namespace
}  // namespace strop
