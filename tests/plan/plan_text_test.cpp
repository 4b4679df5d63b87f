// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "plan/sample_plan.hpp"

namespace strop {
namespace {

TEST(PlanText, shows_slots_constraints_steps_and_nested_plans) {
  EXPECT_EQ(to_text(testing::sample_plan()), R"(plan main(%0)
  %0 input f32[N] x
  %1 constant f32[3] w #7977fbb9ac817d62
  %2 constant bool[] flag #e12ef9d2eb86ceeb
  %3 constant string[2] text #390681908030a217
  %4 constant i4[5] packed #eb5d658bb22f286b
  %5 arena f32[N,floordiv(N,2)] y
  %6 alias of %5 f32[N*floordiv(N,2)] y2
  %7 alias of %6 f32[1,N*floordiv(N,2)] y3
  %8 arena i64[2] shape = [N,4]
  %9 dynamic i64[2,found:0] found
  %10 boxed seq(f32[*]) list
  %11 arena f32[N] z
  %12 dynamic f32[N] sum
  %13 dynamic f32[*] scans
  %14 constant f32[1,3] w again #7977fbb9ac817d62
  require N == 2*M: Concat of x and m
  step 0 /conv: reference/conv(%0, %1, -) -> (%5) op=conv tactic=conv_reference {{pads=[1,1]}} from Conv_0, Relu_1
  step 1 /nonzero: reference/nonzero(%7) -> (%9) cut op=nonzero
  step 2 /sequence_construct: reference/sequence_construct(%0, %3, %8) -> (%10) op=sequence_construct
  step 3 if: branch(%2, %0) -> (%11)
    plan neg(%0)
      %0 input f32[N] x
      %1 arena f32[N] y
      step 0 /neg: reference/neg(%0) -> (%1) op=neg
      return %1 as y
    plan abs(%0)
      %0 input f32[N] x
      %1 arena f32[N] y
      step 0 /abs: reference/abs(%0) -> (%1) op=abs
      return %1 as y
  step 4 loop: loop(-, %2, %11, %1) -> (%12, %13) carried=1
    plan body(%0, %1, %2, %3)
      %0 input i64[] i
      %1 input bool[] keep
      %2 input f32[N] sum
      %3 input f32[3] w
      %4 arena f32[N] next
      step 0 /add: reference/add(%2, %3) -> (%4) op=add
      return %1 as keep, %4 as next, %4 as scan
  return %7 as y, %9 as found, %10 as list, %12 as sum, %14 as w
)");
}

TEST(PlanText, differs_where_a_weight_differs) {
  Plan changed = testing::sample_plan();
  changed.slots[1].constant = Tensor::from<float>({3}, {1, 2, 4});
  EXPECT_NE(to_text(changed), to_text(testing::sample_plan()));
  EXPECT_EQ(to_text(testing::sample_plan()), to_text(testing::sample_plan()));
}

TEST(PlanText, keeps_a_name_with_line_ends_on_its_line) {
  Plan plan;
  plan.name = "a\nplan b\x01";
  EXPECT_EQ(to_text(plan), "plan a\\nplan b\\x01()\n  return\n");
}

TEST(PlanText, tells_long_parameters_apart_by_their_end) {
  Plan plan = testing::sample_plan();
  plan.steps[0].parameters = std::string(100000, 'x') + "a";
  const std::string one = to_text(plan);
  plan.steps[0].parameters.back() = 'b';
  EXPECT_NE(one, to_text(plan));
  EXPECT_LT(one.size(), 10000u);
}

}  // namespace
}  // namespace strop
