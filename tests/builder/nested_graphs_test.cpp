// SPDX-License-Identifier: Apache-2.0
// Nested graphs from passes to the plan that runs them: what the engine computes is what the graph
// means.
#include <gtest/gtest.h>

#include <chrono>

#include "builder/pipeline.hpp"
#include "builder/plan_execution.hpp"
#include "ir/evaluate.hpp"
#include "ir/text.hpp"
#include "ir/text_scanner.hpp"
#include "lower/lower.hpp"
#include "ops/op_list.hpp"
#include "passes/pass_runner.hpp"

namespace strop {
namespace {

Graph parse(std::string_view text) {
  return parse_graph(text, [](std::string_view name) { return find_op(name); });
}

Plan planned(std::string_view text) {
  Graph graph = parse(text);
  run_passes(graph, default_passes(), Target{.backend = "reference"}, {});
  LowerOptions options;
  options.backend = "reference";
  LowerReport report;
  return lower(graph, options, report);
}

void expect_the_same(std::string_view text, const std::vector<Tensor>& inputs) {
  PlanExecution execution(planned(text), 1);
  execution.bind(inputs);
  execution.run();
  const std::vector<Tensor> got = execution.outputs();
  const auto wanted = evaluate_graph(parse(text), std::vector<Datum>(inputs.begin(), inputs.end()));
  ASSERT_EQ(got.size(), wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_TRUE(got[i].identical(wanted[i].tensor()))
        << "output " << i << ": " << tensor_to_text(got[i]) << ", not "
        << tensor_to_text(wanted[i].tensor());
  }
}

std::size_t count_steps(const Plan& plan, StepKind kind) {
  std::size_t count = 0;
  for (const Step& step : plan.steps) count += step.kind == kind ? 1 : 0;
  return count;
}

Tensor ramp(Shape shape) {
  Tensor out = Tensor::allocate(DType::f32, std::move(shape));
  float next = -2;
  for (float& x : out.mutable_values<float>()) x = next++;
  return out;
}

constexpr std::string_view kScan = R"(graph main(%s: f32[B], %x: f32[T,B], %k: f32[]) -> (%y, %z) {
  %y, %z = scan{states=1, axes=[0]}(_, %s, %x, %k)
    body graph sum(%s: f32[B], %x: f32[B], %k: f32[]) -> (%next, %scaled) {
      %next = binary{function="add"}(%s, %x)
      %scaled = binary{function="mul"}(%next, %k)
    }
})";

TEST(NestedGraphs, scan_runs_as_a_loop_of_the_plan) {
  const Plan plan = planned(kScan);
  EXPECT_EQ(count_steps(plan, StepKind::loop), 1u);
  EXPECT_EQ(count_steps(plan, StepKind::kernel), 0u);
  for (const std::int64_t steps : {0, 1, 5})
    expect_the_same(kScan, {ramp({3}), ramp({steps, 3}), ramp({})});
}

TEST(NestedGraphs, scan_runs_backwards_along_any_axis) {
  constexpr std::string_view text = R"(graph main(%x: f32[A,T], %w: f32[T,B]) -> (%y) {
    %y = scan{axes=[1, 0], reverse=[1, 0]}(_, %x, %w)
      body graph outer(%p: f32[A], %q: f32[B]) -> (%r) {
        const %column = i64[2]{-1, 1}
        %c = reshape(%p, %column)
        %r = binary{function="mul"}(%c, %q)
      }
  })";
  EXPECT_EQ(count_steps(planned(text), StepKind::loop), 1u);
  expect_the_same(text, {ramp({2, 4}), ramp({4, 3})});
}

TEST(NestedGraphs, scan_over_a_size_that_a_node_finds_out) {
  expect_the_same(R"(graph main(%x: f32[N]) -> (%y) {
    %places = non_zero(%x)
    %y = scan{axes=[1]}(_, %places)
      body graph same(%p: i64[1]) -> (%d) { %d = binary{function="add"}(%p, %p) }
  })",
                  {ramp({5})});
}

TEST(NestedGraphs, scan_with_a_length_runs_on_the_reference) {
  constexpr std::string_view text = R"(graph main(%n: i64[], %x: f32[T,B]) -> (%y) {
    %y = scan{axes=[0]}(%n, %x) body graph same(%x: f32[B]) -> (%y) { %y = unary(%x) }
  })";
  EXPECT_EQ(count_steps(planned(text), StepKind::loop), 0u);
  expect_the_same(text, {Tensor::scalar<std::int64_t>(2), ramp({3, 2})});
}

TEST(NestedGraphs, scan_in_a_scan_with_captures) {
  expect_the_same(R"(graph main(%x: f32[N,T], %k: f32[]) -> (%y) {
    %y = scan{axes=[0]}(_, %x, %k)
      body graph rows(%r: f32[T], %k: f32[]) -> (%z) {
        %z = scan{axes=[0], reverse=[1]}(_, %r, %k)
          body graph one(%e: f32[], %k: f32[]) -> (%p) { %p = binary{function="mul"}(%e, %k) }
      }
  })",
                  {ramp({3, 4}), ramp({})});
}

// Both nodes find the same size out. One of them goes, and with it the name of that size.
TEST(NestedGraphs, captured_sizes_follow_the_passes) {
  expect_the_same(R"(graph main(%x: f32[N], %c: bool[]) -> (%y, %z) {
    %a = non_zero(%x)
    %b = non_zero(%x)
    %z = concat{axis=1}(%a, %a, %a)
    %twice = concat{axis=1}(%b, %b)
    %y = if_else(%c, %twice)
      then graph t(%d: i64[1,2*K]) -> (%e) { %e = binary{function="add"}(%d, %d) }
      else graph e(%d: i64[1,2*K]) -> (%e) { %e = binary{function="mul"}(%d, %d) }
  })",
                  {ramp({5}), Tensor::scalar(true)});
}

// What a branch computes with sizes goes on when they get other names, and is kept where they lose
// them.
TEST(NestedGraphs, sizes_that_branches_compute_with_follow_too) {
  for (const char* captured : {"%a", "%twice", "%vague"}) {
    const std::string text =
        std::string(R"(graph main(%x: f32[N], %c: bool[], %to: i64[R]) -> (%y) {
    %a = non_zero(%x)
    %twice = concat{axis=1}(%a, %a)
    %vague = reshape(%a, %to)
    %y = if_else(%c, )") +
        captured +
        R"()
      then graph t(%d: i64[1,K]) -> (%e) { %e = dims{values=[K, 3]}() }
      else graph e(%d: i64[1,K]) -> (%e) { %e = dims{values=[2*K]}() }
  })";
    for (const bool condition : {true, false}) {
      expect_the_same(
          text, {ramp({5}), Tensor::scalar(condition), Tensor::from<std::int64_t>({2}, {1, -1})});
    }
  }
}

TEST(NestedGraphs, carried_sizes_may_have_lost_their_names) {
  expect_the_same(R"(graph main(%x: f32[N], %n: i64[]) -> (%y) {
    %b = non_zero(%x)
    %twice = concat{axis=1}(%b, %b)
    %y = loop{carried=1}(%n, _, %twice)
      body graph body(%i: i64[], %c: bool[], %d: i64[1,2*K]) -> (%c, %e) {
        %e = binary{function="add"}(%d, %i)
      }
  })",
                  {ramp({5}), Tensor::scalar<std::int64_t>(3)});
}

TEST(NestedGraphs, sharper_sizes_reach_what_is_nested) {
  Graph graph = parse(R"(graph main(%x: f32[4], %c: bool[]) -> (%y) {
    const %zero = i64[1]{0}
    const %sizes = i64[2]{2, -1}
    %s = shape(%x)
    %p = reshape(%x, %sizes)
    %y = if_else(%c, %p)
      then graph t(%d: f32[A,B]) -> (%e) { %e = shape(%d) }
      else graph e(%d: f32[A,B]) -> (%e) { %e = shape(%d) }
  })");
  run_passes(graph, default_passes(), Target{.backend = "reference"}, {});
  const Node* branch = graph.producer(graph.outputs()[0]);
  ASSERT_NE(branch, nullptr);
  const Graph& then = *branch->subgraphs[0];
  EXPECT_EQ(then.value(then.inputs()[0]).type.to_string(), "f32[2,2]");
  EXPECT_TRUE(then.value(then.outputs()[0]).is_constant());
}

// The branch that is not taken may contradict what is known now.
TEST(NestedGraphs, a_branch_that_cannot_run_does_no_harm) {
  expect_the_same(R"(graph main(%x: f32[4], %c: bool[]) -> (%y) {
    const %flat = i64[1]{-1}
    %p = reshape(%x, %flat)
    %y = if_else(%c, %p)
      then graph t(%d: f32[A]) -> (%e) {
        const %three = f32[3]{1, 2, 3}
        %e = binary{function="add"}(%d, %three)
      }
      else graph e(%d: f32[A]) -> (%e) { %e = unary{function="neg"}(%d) }
  })",
                  {ramp({4}), Tensor::scalar(false)});
}

// The build of a model with a loop that nothing ends takes no longer than it may.
TEST(NestedGraphs, an_endless_loop_does_not_hold_up_a_run) {
  constexpr std::string_view text = R"(graph main(%c: bool[]) -> (%n) {
    const %zero = i64[]{0}
    %n = loop{carried=1}(_, _, %zero, %c)
      body graph body(%i: i64[], %go: bool[], %n: i64[], %c: bool[]) -> (%c, %next) {
        const %one = i64[]{1}
        %next = binary{function="add"}(%n, %one)
      }
  })";
  PlanExecution execution(planned(text), 1);
  execution.bind(std::vector<Tensor>{Tensor::scalar(true)});
  try {
    execution.run(50);
    FAIL() << "the loop ended";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::limit_exceeded);
  }
  RunLimits limits;
  limits.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  const std::vector<Datum> inputs = {Tensor::scalar(true)};
  EXPECT_THROW(evaluate_graph(parse(text), inputs, limits), Error);
}

}  // namespace
}  // namespace strop
