// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>

#include "backends/cuda/on_host/tactic_check.hpp"
#include "ops/row_sums.hpp"
#include "ops/run_op.hpp"

namespace strop::testing {
namespace {

const std::vector<SymbolValues> kBatches = {{{"N", 1}}, {{"N", 3}}, {{"N", 0}}};

TEST(CudaSoftmax, goes_along_any_axis) {
  check_cuda("graph main(%x: f16[N,128]) -> (%y) { %y = softmax(%x) }", {"softmax_cuda"},
             {.sizes = kBatches});
  check_cuda("graph main(%x: f32[2,1500]) -> (%y) { %y = softmax{log=true}(%x) }",
             {"softmax_cuda"});
  check_cuda("graph main(%x: f32[N,5,4,3]) -> (%y) { %y = softmax{axis=1}(%x) }",
             {"softmax_cuda", "softmax_cuda@nhwc"}, {.sizes = kBatches});
  check_cuda("graph main(%x: f32[3,N]) -> (%y) { %y = softmax(%x) }", {"softmax_cuda"},
             {.sizes = {{{"N", 7}}, {{"N", 600}}}});
}

TEST(CudaNorm, normalises_rows) {
  check_cuda(
      "graph main(%x: f16[N,96], %s: f16[96], %b: f16[96]) -> (%y) { %y = layer_norm(%x, %s, %b) }",
      {"layer_norm_cuda"}, {.sizes = kBatches});
  check_cuda(
      "graph main(%x: f32[4,1030], %s: f32[1030]) -> (%y, %m, %d) { %y, %m, %d = "
      "layer_norm{centred=false}(%x, %s) }",
      {"layer_norm_cuda"});
  check_cuda(
      "graph main(%x: f32[N,6,4,4], %s: f32[6], %b: f32[6]) -> (%y) { %y = "
      "group_norm{groups=3}(%x, %s, %b) }",
      {"layer_norm_cuda"}, {.sizes = kBatches});
}

TEST(CudaNorm, sums_blocks_of_rows) {
  check_cuda("graph main(%x: f16[N,3,128]) -> (%y) { %y = row_sums{block=64}(%x) }",
             {"row_sums_cuda"}, {.sizes = kBatches});
  check_cuda("graph main(%x: f32[5,N]) -> (%y) { %y = row_sums{block=16}(%x) }", {"row_sums_cuda"},
             {.sizes = {{{"N", 7}}, {{"N", 130}}}});
}

TEST(CudaNorm, normalises_rows_by_sums) {
  check_cuda(
      "graph main(%x: f16[N,3,96], %t: f32[N,3,2,2], %s: f16[96], %b: f16[96]) -> (%y) { %y = "
      "normalize_by_sums{epsilon=0.05}(%x, %t, %s, %b) }",
      {"normalize_by_sums_cuda"}, {.sizes = kBatches});
  check_cuda(
      "graph main(%x: f32[4,1030], %t: f32[4,70,2]) -> (%y) { %y = "
      "normalize_by_sums{epsilon=0.05}(%x, %t) }",
      {"normalize_by_sums_cuda"});
}

TEST(CudaNorm, leaves_factors_whose_size_nobody_checked) {
  check_cuda(
      "graph main(%x: f32[2,8], %t: f32[2,1,2], %s: f32[*]) -> (%y) { %y = normalize_by_sums(%x, "
      "%t, %s) }",
      {});
  check_cuda(
      "graph main(%x: f32[2,8], %t: f32[2,1,2], %b: f32[*]) -> (%y) { %y = normalize_by_sums(%x, "
      "%t, _, %b) }",
      {});
}

TEST(CudaNorm, normalises_rows_whose_mean_is_far_larger_than_their_deviation) {
  Tensor x = Tensor::allocate(DType::f32, {3, 200});
  for (std::int64_t i = 0; i < x.size(); ++i)
    store_from_double(DType::f32, x.mutable_data(), i,
                      40 + 0.1 * std::sin(static_cast<double>(i * i % 97)));
  const Tensor sums = run_op(op_row_sums(), RowSumsAttributes{}, {x});
  check_cuda(
      "graph main(%x: f32[N,200], %t: f32[N,B,2]) -> (%y) { %y = "
      "normalize_by_sums{epsilon=1e-12}(%x, %t) }",
      {"normalize_by_sums_cuda"}, {.sizes = {{{"N", 3}, {"B", sums.dim(1)}}}, .inputs = {x, sums}});
}

TEST(CudaReduce, reduces_columns_side_by_side) {
  const auto axes = [](std::vector<std::int64_t> values) {
    return Tensor::from<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
  };
  check_cuda(
      "graph main(%x: f16[N,24,9,7], %const_a: i64[2]) -> (%y) { %y = "
      "reduce{function=\"mean\"}(%x, %const_a) }",
      {"reduce_cuda", "reduce_cuda@nhwc"}, {.sizes = kBatches, .constants = {axes({2, 3})}});
  check_cuda(
      "graph main(%x: f32[300,20], %const_a: i64[1]) -> (%y) { %y = "
      "reduce{function=\"l2\", keep_dims=false}(%x, %const_a) }",
      {"reduce_cuda"}, {.constants = {axes({0})}});
  check_cuda(
      "graph main(%x: u8[2,64,48], %const_a: i64[1]) -> (%y) { %y = "
      "reduce{function=\"max\"}(%x, %const_a) }",
      {"reduce_cuda"}, {.constants = {axes({1})}});
}

TEST(CudaReduce, reduces_any_axes) {
  const auto axes = [](std::vector<std::int64_t> values) {
    return Tensor::from<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
  };
  for (const char* function :
       {"sum", "mean", "max", "min", "prod", "l1", "l2", "log_sum_exp", "sum_square"}) {
    check_cuda(
        std::string(
            "graph main(%x: f32[N,6,4,5], %const_a: i64[2]) -> (%y) { %y = reduce{function=\"") +
            function + "\"}(%x, %const_a) }",
        {"reduce_cuda", "reduce_cuda@nhwc"}, {.sizes = {{{"N", 2}}}, .constants = {axes({2, 3})}});
  }
  check_cuda(
      "graph main(%x: i32[3,4,5], %const_a: i64[2]) -> (%y) { %y = reduce{function=\"mean\", "
      "keep_dims=false}(%x, %const_a) }",
      {"reduce_cuda"}, {.constants = {axes({0, -1})}});
  check_cuda("graph main(%x: f16[3,70,40]) -> (%y) { %y = reduce{function=\"max\"}(%x) }",
             {"reduce_cuda"});
}

}  // namespace
}  // namespace strop::testing
