// SPDX-License-Identifier: Apache-2.0
#include "passes/pass_check.hpp"
#include "passes/passes.hpp"

namespace strop {
namespace {

using testing::check_pass;
using testing::check_unchanged;

TEST(InlineConstantBranch, takes_the_branch_that_the_condition_names) {
  const std::string branches = R"(
      then graph then(%c: f32[N]) -> (%a) { %a = unary{function="neg"}(%c) }
      else graph else(%c: f32[N]) -> (%b) {
        const %two = f32[]{2}
        %b = binary{function="mul"}(%c, %two)
      }
    })";
  EXPECT_EQ(check_pass(inline_constant_branch(),
                       R"(graph main(%x: f32[N]) -> (%y) {
                         const %yes = bool[]{1}
                         %y = if_else(%yes, %x))" +
                           branches,
                       R"(graph main(%x: f32[N]) -> (%y) { %y = unary{function="neg"}(%x) })"),
            1);
  check_pass(inline_constant_branch(),
             R"(graph main(%x: f32[N]) -> (%y) {
               const %no = bool[1]{0}
               %y = if_else(%no, %x))" +
                 branches,
             R"(graph main(%x: f32[N]) -> (%y) {
               const %two = f32[]{2}
               %y = binary{function="mul"}(%x, %two)
             })");
}

TEST(InlineConstantBranch, goes_on_within_the_branch) {
  EXPECT_EQ(check_pass(inline_constant_branch(),
                       R"(graph main(%x: f32[N]) -> (%z) {
                         const %yes = bool[]{1}
                         %y = if_else(%yes, %x)
                           then graph then(%c: f32[N]) -> (%a) {
                             const %no = bool[]{0}
                             %a = if_else(%no, %c)
                               then graph t(%d: f32[N]) -> (%d) { }
                               else graph e(%d: f32[N]) -> (%f) { %f = unary{function="exp"}(%d) }
                           }
                           else graph else(%c: f32[N]) -> (%c) { }
                         %z = unary{function="neg"}(%y)
                       })",
                       R"(graph main(%x: f32[N]) -> (%z) {
                         %y = unary{function="exp"}(%x)
                         %z = unary{function="neg"}(%y)
                       })"),
            2);
}

TEST(InlineConstantBranch, looks_into_bodies) {
  check_pass(inline_constant_branch(),
             R"(graph main(%x: f32[N], %c: bool[]) -> (%y) {
               %y = if_else(%c, %x)
                 then graph then(%d: f32[N]) -> (%a) {
                   const %yes = bool[]{1}
                   %a = if_else(%yes, %d)
                     then graph t(%e: f32[N]) -> (%f) { %f = unary{function="exp"}(%e) }
                     else graph e(%e: f32[N]) -> (%e) { }
                 }
                 else graph else(%d: f32[N]) -> (%d) { }
             })",
             R"(graph main(%x: f32[N], %c: bool[]) -> (%y) {
               %y = if_else(%c, %x)
                 then graph then(%d: f32[N]) -> (%a) { %a = unary{function="exp"}(%d) }
                 else graph else(%d: f32[N]) -> (%d) { }
             })");
}

TEST(InlineConstantBranch, a_branch_may_give_constants_and_what_it_captures) {
  check_pass(inline_constant_branch(),
             R"(graph main(%x: f32[N]) -> (%y, %z) {
               const %no = bool[]{0}
               %y, %z = if_else(%no, %x)
                 then graph then(%c: f32[N]) -> (%c, %c) { }
                 else graph else(%c: f32[N]) -> (%k, %c) { const %k = f32[2]{1, 2} }
             })",
             R"(graph main(%x: f32[N]) -> (%y, %x "z") { const %y = f32[2]{1, 2} })");
}

TEST(InlineConstantBranch, sizes_of_the_branch_become_those_outside) {
  check_pass(inline_constant_branch(),
             R"(graph main(%x: f32[N,M]) -> (%y) {
               const %yes = bool[]{1}
               %t = transpose{perm=[1, 0]}(%x)
               %y = if_else(%yes, %t)
                 then graph then(%c: f32[A,B]) -> (%s) { %s = dims{values=[A, 2*B]}() }
                 else graph else(%c: f32[A,B]) -> (%s) { %s = shape(%c) }
             })",
             R"(graph main(%x: f32[N,M]) -> (%y) { %y = dims{values=[M, 2*N]}() })");
}

TEST(InlineConstantBranch, leaves_what_is_not_known) {
  check_unchanged(inline_constant_branch(),
                  R"(graph main(%x: f32[N], %c: bool[]) -> (%y) {
                    %y: f32[N] = if_else(%c, %x)
                      then graph then(%d: f32[N]) -> (%d) { }
                      else graph else(%d: f32[N]) -> (%a) { %a: f32[N] = unary(%d) }
                  })");
}

TEST(InlineConstantBranch, leaves_sizes_that_only_a_node_finds_out) {
  check_unchanged(inline_constant_branch(),
                  R"(graph main(%x: f32[N]) -> (%y) {
                    const %yes = bool[]{1}
                    %n: i64[1,#0.0] = non_zero(%x)
                    %y = if_else(%yes, %n)
                      then graph then(%c: i64[1,#0.0]) -> (%s) { %s = dims{values=[1, #0.0]}() }
                      else graph else(%c: i64[1,#0.0]) -> (%s) { %s = shape(%c) }
                  })");
}

}  // namespace
}  // namespace strop
