// SPDX-License-Identifier: Apache-2.0
#include "lower/lower.hpp"

#include <gtest/gtest.h>

#include "ir/text.hpp"
#include "lower/split_fused.hpp"
#include "ops/concat.hpp"
#include "ops/fused.hpp"
#include "ops/matmul.hpp"
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

// Takes every fused node, whatever it gives.
const Tactic& takes_all() {
  static const Tactic tactic{.name = "takes_all",
                             .backend = "cpu",
                             .ops = {op_matmul},
                             .reads_bodies = true,
                             .accepts = [](const Problem&) { return Acceptance::accept(); },
                             .lower =
                                 [](const Problem&, std::string_view) {
                                   return KernelChoice{"none", ""};
                                 }};
  return tactic;
}

TEST(Lower, a_fused_node_of_two_outputs_is_one_step) {
  const Graph graph = parse_graph(R"(
    graph main(%x: f32[N,8], %w: f32[8,W], %u: f32[W,4]) -> (%y, %s) {
      %a, %s = fused{kind="matmul+relu+row_sums"}(%x, %w) body graph body(%x: f32[N,8], %w: f32[8,W]) -> (%a, %s) {
        %p = matmul(%x, %w)
        %a = unary{function="relu"}(%p)
        %s = row_sums(%a)
      }
      %y = matmul(%a, %u)
    })",
                                  [](std::string_view name) { return find_op(name); });
  const Tactic* const tactics[] = {&takes_all()};
  LowerReport report;
  LowerOptions options;
  options.tactics = tactics;
  const Plan plan = lower(graph, options, report);
  verify(plan);
  ASSERT_EQ(plan.steps.size(), 2u);
  ASSERT_EQ(plan.steps[0].outputs.size(), 2u);
  EXPECT_EQ(plan.slots[plan.steps[0].outputs[1]].type, "f32[N,floordiv(W+63,64),2]");
  EXPECT_EQ(plan.outputs[1], plan.steps[0].outputs[1]);
  for (const std::uint32_t slot : plan.steps[0].outputs)
    EXPECT_EQ(plan.slots[slot].kind, SlotKind::arena);

  const Problem problem{&graph.node(graph.order().front()), &graph};
  const Plan single = lower_single(problem, {&takes_all(), "", {}}, {{"N", 3}, {"W", 65}});
  verify(single);
  ASSERT_EQ(single.outputs.size(), 2u);
  EXPECT_EQ(single.slots[single.outputs[1]].type, "f32[3,2,2]");
}

// Two products that read the same pieces, either with a step behind it.
constexpr const char* kJoined = R"(
  graph main(%a: f32[N,2,3], %b: f32[N,1,3], %w: f32[4,3,1]) -> (%y, %z) {
    %y = fused{kind="concat+conv+relu"}(%a, %b, %w) body graph body(%a: f32[N,2,3], %b: f32[N,1,3], %w: f32[4,3,1]) -> (%y) {
      %x = concat{axis=1}(%a, %b)
      %s = conv(%x, %w)
      %y = unary{function="relu"}(%s)
    }
    %z = fused{kind="concat+conv"}(%b, %a, %w) body graph body(%b: f32[N,1,3], %a: f32[N,2,3], %w: f32[4,3,1]) -> (%y) {
      %x = concat{axis=1}(%a, %b)
      %y = conv(%x, %w)
    }
  })";

Graph split(bool takes_the_rest, std::vector<std::string>& names) {
  Graph graph = parse_graph(kJoined, [](std::string_view name) { return find_op(name); });
  names = split_fused(graph, [&](const Graph&, const Node& node) {
    const Graph& body = body_of(node);
    return takes_the_rest && !body.node(body.order()[0]).is(op_concat());
  });
  return graph;
}

TEST(SplitFused, makes_a_concat_once_and_leaves_the_rest_fused) {
  std::vector<std::string> names;
  EXPECT_EQ(to_text(split(true, names)),
            to_text(parse_graph(R"(
    graph main(%a: f32[N,2,3], %b: f32[N,1,3], %w: f32[4,3,1]) -> (%y, %z) {
      %x = concat{axis=1}(%a, %b)
      %y = fused{kind="conv+relu"}(%x, %w) body graph body(%x: f32[N,3,3], %w: f32[4,3,1]) -> (%y) {
        %s = conv(%x, %w)
        %y = unary{function="relu"}(%s)
      }
      %z = conv(%x, %w)
    })",
                                [](std::string_view name) { return find_op(name); })));
  EXPECT_EQ(names.size(), 2u);
}

TEST(SplitFused, splits_the_rest_too_where_nobody_takes_it) {
  std::vector<std::string> names;
  const Graph graph = split(false, names);
  std::vector<std::string> ops;
  for (const NodeId id : graph.order()) ops.emplace_back(graph.node(id).op->name);
  EXPECT_EQ(ops, (std::vector<std::string>{"concat", "conv", "unary", "conv"}));
}

TEST(SplitFused, takes_sums_and_normalisations_of_rows_off_products) {
  Graph graph = parse_graph(R"(
    graph main(%x: f32[N,8], %w: f32[8,64], %r: f32[N,64], %u: f32[64,4]) -> (%a, %y) {
      %a, %s = fused{kind="matmul+add+row_sums"}(%x, %w, %r) body graph body(%x: f32[N,8], %w: f32[8,64], %r: f32[N,64]) -> (%a, %s) {
        %p = matmul(%x, %w)
        %a = binary{function="add"}(%p, %r)
        %s = row_sums(%a)
      }
      %y = fused{kind="normalize_by_sums+matmul+relu"}(%a, %s, %u) body graph body(%a: f32[N,64], %s: f32[N,1,2], %u: f32[64,4]) -> (%y) {
        %n = normalize_by_sums(%a, %s)
        %p = matmul(%n, %u)
        %y = unary{function="relu"}(%p)
      }
    })",
                            [](std::string_view name) { return find_op(name); });
  split_fused(graph, [](const Graph&, const Node& node) {
    const std::string& kind = node.as<FusedAttributes>().kind;
    return kind == "matmul+add" || kind == "matmul+relu";
  });
  EXPECT_EQ(to_text(graph),
            to_text(parse_graph(R"(
    graph main(%x: f32[N,8], %w: f32[8,64], %r: f32[N,64], %u: f32[64,4]) -> (%a, %y) {
      %a = fused{kind="matmul+add"}(%x, %w, %r) body graph body(%x: f32[N,8], %w: f32[8,64], %r: f32[N,64]) -> (%a) {
        %p = matmul(%x, %w)
        %a = binary{function="add"}(%p, %r)
      }
      %s = row_sums(%a)
      %n = normalize_by_sums(%a, %s)
      %y = fused{kind="matmul+relu"}(%n, %u) body graph body(%n: f32[N,64], %u: f32[64,4]) -> (%y) {
        %p = matmul(%n, %u)
        %y = unary{function="relu"}(%p)
      }
    })",
                                [](std::string_view name) { return find_op(name); })));
}

// A product between two normalisations gives and takes sums.
constexpr const char* kBetween = R"(
  graph main(%x: f32[N,64], %s: f32[N,1,2], %u: f32[64,128]) -> (%y, %t) {
    %y, %t = fused{kind="normalize_by_sums+matmul+relu+row_sums"}(%x, %s, %u) body graph body(%x: f32[N,64], %s: f32[N,1,2], %u: f32[64,128]) -> (%y, %t) {
      %n = normalize_by_sums(%x, %s)
      %p = matmul(%n, %u)
      %y = unary{function="relu"}(%p)
      %t = row_sums(%y)
    }
  })";

std::vector<std::string> split_between(std::string_view taken, std::vector<std::string>& names) {
  Graph graph = parse_graph(kBetween, [](std::string_view name) { return find_op(name); });
  names = split_fused(graph, [&](const Graph&, const Node& node) {
    return node.as<FusedAttributes>().kind == taken;
  });
  std::vector<std::string> out;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    out.emplace_back(node.is(op_fused()) ? node.as<FusedAttributes>().kind : node.op->name);
  }
  return out;
}

TEST(SplitFused, takes_both_ends_off_before_it_takes_the_middle_apart) {
  using Nodes = std::vector<std::string>;
  std::vector<std::string> names;
  EXPECT_EQ(split_between("normalize_by_sums+matmul+relu+row_sums", names),
            (Nodes{"normalize_by_sums+matmul+relu+row_sums"}));
  EXPECT_TRUE(names.empty());
  EXPECT_EQ(split_between("normalize_by_sums+matmul+relu", names),
            (Nodes{"normalize_by_sums+matmul+relu", "row_sums"}));
  EXPECT_EQ(split_between("matmul+relu", names),
            (Nodes{"normalize_by_sums", "matmul+relu", "row_sums"}));
  EXPECT_EQ(split_between("nothing", names),
            (Nodes{"normalize_by_sums", "matmul", "unary", "row_sums"}));
  EXPECT_EQ(names.size(), 1u);
}

TEST(SplitFused, keeps_both_outputs_of_a_body_that_is_no_chain) {
  Graph graph = parse_graph(R"(
    graph main(%x: f32[N,64], %s: f32[N,1,2]) -> (%t, %y) {
      %t, %y = fused{kind="any"}(%x, %s) body graph body(%x: f32[N,64], %s: f32[N,1,2]) -> (%t, %y) {
        %n = normalize_by_sums(%x, %s)
        %y = unary{function="relu"}(%n)
        %t = row_sums(%y)
      }
    })",
                            [](std::string_view name) { return find_op(name); });
  split_fused(graph, [](const Graph&, const Node&) { return false; });
  EXPECT_EQ(to_text(graph),
            to_text(parse_graph(R"(
    graph main(%x: f32[N,64], %s: f32[N,1,2]) -> (%t, %y) {
      %n = normalize_by_sums(%x, %s)
      %y = unary{function="relu"}(%n)
      %t = row_sums(%y)
    })",
                                [](std::string_view name) { return find_op(name); })));
}

}  // namespace
}  // namespace strop
