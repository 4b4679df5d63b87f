// SPDX-License-Identifier: Apache-2.0
#include "passes/passes.hpp"

#include "passes/pass_check.hpp"

namespace strop {
namespace {

using testing::check_pass;
using testing::check_unchanged;

TEST(FoldConstants, computes_a_chain_and_keeps_its_last_result) {
  EXPECT_EQ(check_pass(fold_constants(),
                       R"(graph main(%x: f32[2]) -> (%y) {
                         const %a = f32[2]{1, 2}
                         const %b = f32[2]{3, 4}
                         %c = binary{function="mul"}(%a, %b)
                         %d = unary{function="neg"}(%c)
                         %y = binary(%x, %d)
                       })",
                       R"(graph main(%x: f32[2]) -> (%y) {
                         const %d = f32[2]{-3, -8}
                         %y = binary(%x, %d)
                       })"),
            1);
}

TEST(FoldConstants, folds_an_output_and_all_outputs_of_a_node) {
  check_pass(fold_constants(),
             R"(graph main(%x: f32[2]) -> (%a "first", %s) {
               const %c = f32[4]{1, 2, 3, 4}
               %a, %b = split(%c)
               %s = binary(%b, %x)
             })",
             R"(graph main(%x: f32[2]) -> (%a "first", %s) {
               const %a = f32[2]{1, 2}
               const %b = f32[2]{3, 4}
               %s = binary(%b, %x)
             })");
}

TEST(FoldConstants, leaves_a_result_that_is_large_for_its_inputs) {
  // 20000 elements are more than 64 KiB and come from 8 bytes.
  check_unchanged(fold_constants(), R"(graph main(%x: f32[20000]) -> (%y) {
    const %size = i64[1]{20000}
    %c = fill{value=f32[1]{2}}(%size)
    %y = binary(%x, %c)
  })");
  Graph kept = testing::parse_test_graph(R"(graph main(%x: f32[10000]) -> (%y) {
    const %size = i64[1]{10000}
    %c = fill{value=f32[1]{2}}(%size)
    %y = binary(%x, %c)
  })");
  EXPECT_EQ(run_passes(kept, std::vector{fold_constants()}, {})[0].rewrites, 1);
}

constexpr std::string_view kFilledWeights = R"(graph main(%x: f32[2,200]) -> (%y) {
  const %size = i64[1]{40000}
  const %shape = i64[2]{200, 200}
  %c = fill{value=f32[1]{2}}(%size)
  %w = reshape(%c, %shape)
  %y = matmul(%x, %w)
})";

TEST(FoldConstants, keeps_large_results_that_become_weights) {
  const Graph before = testing::parse_test_graph(kFilledWeights);
  Graph graph = before.clone();
  const auto records = run_passes(graph, std::vector{fold_constants()}, {});
  EXPECT_EQ(records[0].rewrites, 1);
  EXPECT_EQ(graph.node_count(), 1u);
  testing::expect_same_results(before, graph, {});
}

TEST(FoldConstants, stops_at_the_limit_of_the_target_with_a_note) {
  Graph graph = testing::parse_test_graph(kFilledWeights);
  const auto records =
      run_passes(graph, std::vector{fold_constants()}, {.fold_bytes = 4 * 40000 - 1});
  EXPECT_EQ(records[0].rewrites, 0);
  ASSERT_EQ(records[0].notes.size(), 1u);
  EXPECT_NE(records[0].notes[0].find("left fill"), std::string::npos) << records[0].notes[0];
}

TEST(FoldConstants, shares_the_memory_of_views) {
  GraphBuilder builder;
  const Tensor weights = Tensor::zeros(DType::f32, {4, 4});
  const ValueId w = builder.constant(weights, "w");
  builder.add_output(
      builder.emit(*find_op("reshape"), Attributes::parse(*find_op("reshape")->attributes, ""),
                   {w, builder.integers({16})}),
      "y");
  Graph graph = builder.take();
  run_passes(graph, std::vector{fold_constants()}, {});
  EXPECT_EQ(graph.value(graph.outputs()[0]).constant.data(), weights.data());
}

TEST(FoldConstants, leaves_a_node_whose_kernel_refuses_its_inputs) {
  Graph graph = testing::parse_test_graph(R"(graph main() -> (%y) {
    const %x = f32[3]{1, 2, 3}
    const %i = i64[1]{7}
    %y = gather(%x, %i)
  })");
  const auto records = run_passes(graph, std::vector{fold_constants()}, {});
  EXPECT_EQ(records[0].rewrites, 0);
  ASSERT_EQ(records[0].notes.size(), 1u);
  EXPECT_NE(records[0].notes[0].find("left gather"), std::string::npos);
}

}  // namespace
}  // namespace strop
