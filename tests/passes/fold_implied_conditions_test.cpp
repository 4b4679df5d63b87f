// SPDX-License-Identifier: Apache-2.0
#include "passes/pass_check.hpp"
#include "passes/passes.hpp"

namespace strop {
namespace {

using testing::check_pass;
using testing::check_unchanged;

// Squeezes axis 2 of x if its size is 1, as exporters write it; then comes `rest`.
std::string squeeze_if_one(const std::string& rest, const std::string& then_body = R"(
                 const %last = i64[1]{-1}
                 %t = squeeze(%c, %last))") {
  return R"(graph main(%x: f32[N,4,K]) -> (%y) {
               const %one = i64[1]{1}
               %size = dims{values=[K]}()
               %is_one = binary{function="equal"}(%size, %one)
               %s = if_else(%is_one, %x)
               then graph then(%c: f32[N,4,K]) -> (%t) {)" +
         then_body + R"(
               }
               else graph else(%c: f32[N,4,K]) -> (%c) { }
)" + rest +
         "}";
}

constexpr const char* kProduct = R"(
               const %w = f32[4,2]{1, 2, 3, 4, 5, 6, 7, 8}
               %y = gemm(%s, %w))";

TEST(FoldImpliedConditions, knows_a_rank_that_an_operator_asks_for) {
  EXPECT_EQ(check_pass(fold_implied_conditions(), squeeze_if_one(kProduct),
                       R"(graph main(%x: f32[N,4,K]) -> (%y) {
                         const %w = f32[4,2]{1, 2, 3, 4, 5, 6, 7, 8}
                         const %is_one = bool[1]{1}
                         %s = if_else(%is_one, %x)
                         then graph then(%c: f32[N,4,K]) -> (%t) {
                           const %last = i64[1]{-1}
                           %t = squeeze(%c, %last)
                         }
                         else graph else(%c: f32[N,4,K]) -> (%c) { }
                         %y = gemm(%s, %w)
                       })",
                       {.symbols = {{"K", 1}}}),
            1);
}

TEST(FoldImpliedConditions, follows_conditions_about_ranks) {
  // The second branch is taken where the first was not, and then gives rank 4.
  const std::string before = squeeze_if_one(R"(
               const %two = i64[]{2}
               const %w = f32[4,2]{1, 2, 3, 4, 5, 6, 7, 8}
               %shape = shape(%s)
               %rank = size(%shape)
               %is_two = binary{function="equal"}(%rank, %two)
               %u = if_else(%is_two, %s)
               then graph then(%d: f32[*]) -> (%d) { }
               else graph else(%d: f32[*]) -> (%e) {
                 const %first = i64[1]{0}
                 %e = unsqueeze(%d, %first)
               }
               %y = gemm(%u, %w)
)");
  Graph graph = testing::parse_test_graph(before);
  const Pass pass = fold_implied_conditions();
  EXPECT_EQ(run_passes(graph, {&pass, 1}, Target{})[0].rewrites, 1);
  const Pass after[] = {inline_constant_branch(), fold_shape_arithmetic(), fold_constants(),
                        inline_constant_branch()};
  run_passes(graph, after, Target{});
  EXPECT_EQ(to_text(graph).find("if_else"), std::string::npos) << to_text(graph);
  testing::expect_same_results(testing::parse_test_graph(before), graph, {.symbols = {{"K", 1}}});
  // What was an error still is one.
  EXPECT_THROW(testing::expect_same_results(graph, graph, {.symbols = {{"K", 2}}}), Error);
}

TEST(FoldImpliedConditions, leaves_what_is_possible_either_way) {
  check_unchanged(fold_implied_conditions(), squeeze_if_one("%y = unary{function=\"neg\"}(%s)"),
                  {.symbols = {{"K", 1}}});
}

TEST(FoldImpliedConditions, leaves_a_branch_that_does_not_require_the_condition) {
  check_unchanged(fold_implied_conditions(), squeeze_if_one(kProduct, R"(
                 const %flat = i64[2]{-1, 4}
                 %t = reshape(%c, %flat))"),
                  {.symbols = {{"K", 1}}});
}

TEST(FoldImpliedConditions, leaves_conditions_about_data) {
  check_unchanged(fold_implied_conditions(), R"(graph main(%x: f32[N,4,1], %n: i64[]) -> (%y) {
                    const %zero = i64[]{0}
                    const %w = f32[4,2]{1, 2, 3, 4, 5, 6, 7, 8}
                    %flag = binary{function="less"}(%n, %zero)
                    %s = if_else(%flag, %x)
                    then graph then(%c: f32[N,4,1]) -> (%c) { }
                    else graph else(%c: f32[N,4,1]) -> (%t) {
                      const %last = i64[1]{-1}
                      %t = squeeze(%c, %last)
                    }
                    %y = gemm(%s, %w)
                  })");
}

TEST(FoldImpliedConditions, draws_no_conclusion_from_an_axis_that_is_not_there) {
  // Without the condition the softmax has no axis 3.
  check_unchanged(fold_implied_conditions(), squeeze_if_one("%y = softmax{axis=3}(%s)\n", R"(
                    const %sizes = i64[4]{0, 4, 1, 1}
                    %t = reshape(%c, %sizes))"),
                  {.symbols = {{"K", 1}}});
}

}  // namespace
}  // namespace strop
