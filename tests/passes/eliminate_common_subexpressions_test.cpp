// SPDX-License-Identifier: Apache-2.0
#include "passes/passes.hpp"

#include "passes/pass_check.hpp"

namespace strop {
namespace {

using testing::check_pass;
using testing::check_unchanged;

TEST(EliminateCommonSubexpressions, merges_whole_branches) {
  EXPECT_EQ(check_pass(eliminate_common_subexpressions(),
                       R"(graph main(%x: f32[N,4]) -> (%y) {
                         const %c = f32[1]{2}
                         const %d = f32[1]{2}
                         %a1 = binary{function="mul"}(%x, %c)
                         %a2 = binary{function="mul"}(%d, %x)
                         %b1 = softmax(%a1)
                         %b2 = softmax(%a2)
                         %y = binary(%b1, %b2)
                       })",
                       R"(graph main(%x: f32[N,4]) -> (%y) {
                         const %c = f32[1]{2}
                         %a1 = binary{function="mul"}(%x, %c)
                         %b1 = softmax(%a1)
                         %y = binary(%b1, %b1)
                       })"),
            2);
}

TEST(EliminateCommonSubexpressions, keeps_what_differs_in_attributes_order_or_constants) {
  check_unchanged(eliminate_common_subexpressions(),
                  R"(graph main(%x: f32[4,4], %z: f32[4,4]) -> (%y) {
    const %c = f32[1]{2}
    const %d = f32[1]{3}
    %a = softmax(%x)
    %b = softmax{axis=0}(%x)
    %e = binary{function="sub"}(%a, %b)
    %f = binary{function="sub"}(%b, %a)
    %g = binary(%e, %c)
    %h = binary(%e, %d)
    %i = concat(%f, %g, %h)
    %j = concat(%f, %g)
    %y = concat(%i, %j)
  })");
}

TEST(EliminateCommonSubexpressions, keeps_outputs_of_the_graph_apart) {
  check_unchanged(eliminate_common_subexpressions(), R"(graph main(%x: f32[N]) -> (%a, %b) {
    %a = unary(%x)
    %b = unary(%x)
  })");
}

TEST(EliminateCommonSubexpressions, lets_an_output_stand_for_an_inner_value) {
  check_pass(eliminate_common_subexpressions(),
             R"(graph main(%x: f32[N]) -> (%b, %c) {
               %a = unary(%x)
               %b = unary(%x)
               %c = unary{function="neg"}(%a)
             })",
             R"(graph main(%x: f32[N]) -> (%a "b", %c) {
               %a = unary(%x)
               %c = unary{function="neg"}(%a)
             })");
}

}  // namespace
}  // namespace strop
