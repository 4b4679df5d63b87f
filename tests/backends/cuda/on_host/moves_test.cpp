// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "backends/cuda/on_host/tactic_check.hpp"

namespace strop::testing {
namespace {

const std::vector<SymbolValues> kBatches = {{{"N", 1}}, {{"N", 3}}, {{"N", 0}}};

TEST(CudaTranspose, goes_through_tiles_or_not) {
  check_cuda("graph main(%x: f32[N,20,33]) -> (%y) { %y = transpose{perm=[0, 2, 1]}(%x) }",
             {"transpose_cuda"}, {.sizes = kBatches});
  check_cuda("graph main(%x: f16[2,3,70,65]) -> (%y) { %y = transpose{perm=[0, 3, 2, 1]}(%x) }",
             {"transpose_cuda"});
  check_cuda("graph main(%x: u8[4,5,6,16]) -> (%y) { %y = transpose{perm=[2, 0, 1, 3]}(%x) }",
             {"transpose_cuda"});
}

// A batch of `groups` times `size` channels, each as large as `rest` says, as "5,6".
std::string shuffle(const std::string& type, int groups, int size, const std::string& rest) {
  const auto axes = static_cast<int>(1 + std::ranges::count(rest, ','));
  const std::string joined = std::to_string(groups * size) + ", " + rest;
  const std::string x = type + "[N," + joined + "]";
  std::string swap = "0, 2, 1";
  for (int axis = 0; axis < axes; ++axis) swap += ", " + std::to_string(axis + 3);
  return "graph main(%x: " + x + ") -> (%y) { %y = fused{kind=\"channel_shuffle\"}(%x) body " +
         "graph body(%x: " + x + ") -> (%y) { const %s = i64[" + std::to_string(axes + 3) +
         "]{0, " + std::to_string(groups) + ", " + std::to_string(size) + ", " + rest +
         "} const %j = i64[" + std::to_string(axes + 2) + "]{0, " + joined +
         "} %a = reshape(%x, %s) %b = transpose{perm=[" + swap + "]}(%a) %y = reshape(%b, %j) } }";
}

TEST(CudaTranspose, shuffles_groups_of_channels_in_any_layout) {
  const CudaCheck check{.sizes = kBatches};
  const std::vector<std::string> wanted{"transpose_cuda", "transpose_cuda@nhwc"};
  check_cuda(shuffle("f32", 4, 28, "5, 6"), wanted, check);
  check_cuda(shuffle("f16", 2, 24, "5, 3"), wanted, check);
  check_cuda(shuffle("u8", 3, 5, "7"), wanted, check);
}

TEST(CudaConcat, joins_and_cuts_in_any_layout) {
  check_cuda(
      "graph main(%a: f16[N,8,3,4], %b: f16[N,5,3,4]) -> (%y) { %y = concat{axis=1}(%a, %b) }",
      {"concat_cuda", "concat_cuda@nhwc"}, {.sizes = kBatches});
  check_cuda(
      "graph main(%x: f32[2,9,5], %const_s: i64[2]) -> (%a, %b) { %a, %b = split{axis=1}(%x, "
      "%const_s) }",
      {"concat_cuda"}, {.constants = {Tensor::from<std::int64_t>({2}, {4, 5})}});
}

TEST(CudaSlice, cuts_repeats_and_expands) {
  const auto list = [](std::vector<std::int64_t> values) {
    return Tensor::from<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
  };
  check_cuda(
      "graph main(%x: f32[N,9,8], %const_s: i64[2], %const_e: i64[2], %const_a: i64[2], %const_t: "
      "i64[2]) -> (%y) { %y = slice(%x, %const_s, %const_e, %const_a, %const_t) }",
      {"slice_cuda", "slice_cuda@nhwc"},
      {.sizes = kBatches,
       .constants = {list({7, 0}), list({-100, 6}), list({1, 2}), list({-2, 1})}});
  check_cuda("graph main(%x: f32[3,1,5], %const_s: i64[3]) -> (%y) { %y = expand(%x, %const_s) }",
             {"slice_cuda"}, {.constants = {list({3, 4, 5})}});
  check_cuda("graph main(%x: i32[2,3], %const_s: i64[2]) -> (%y) { %y = tile(%x, %const_s) }",
             {"slice_cuda"}, {.constants = {list({2, 3})}});
}

TEST(CudaGather, takes_rows_by_index) {
  check_cuda("graph main(%x: f16[7,16], %i: i64[2,3]) -> (%y) { %y = gather{axis=0}(%x, %i) }",
             {"gather_cuda"},
             {.inputs = {Tensor::zeros(DType::f16, {7, 16}),
                         Tensor::from<std::int64_t>({2, 3}, {0, 6, -1, 3, 2, -7})}});
  check_cuda(
      "graph main(%x: f32[3,7,5], %const_i: i32[2]) -> (%y) { %y = gather{axis=1}(%x, %const_i) }",
      {"gather_cuda"}, {.constants = {Tensor::from<std::int32_t>({2}, {4, -2})}});
}

TEST(CudaRange, counts_in_constant_steps) {
  const auto numbers = [](auto start, auto limit, auto delta) {
    return std::vector{Tensor::scalar(start), Tensor::scalar(limit), Tensor::scalar(delta)};
  };
  const auto check = [](const std::string& type, std::vector<Tensor> constants,
                        const std::vector<std::string>& candidates) {
    check_cuda("graph main(%const_start: " + type + "[], %const_limit: " + type +
                   "[], %const_delta: " + type +
                   "[]) -> (%y) { %y = range(%const_start, %const_limit, %const_delta) }",
               candidates, {.constants = std::move(constants)});
  };
  check("i64", numbers(std::int64_t{-7}, std::int64_t{1000}, std::int64_t{3}), {"range_cuda"});
  check("i64", numbers(std::int64_t{1} << 60, std::int64_t{0}, -(std::int64_t{1} << 57)),
        {"range_cuda"});
  check("i32", numbers(std::int32_t{5}, std::int32_t{-5}, std::int32_t{-2}), {"range_cuda"});
  check("i32", numbers(std::int32_t{5}, std::int32_t{5}, std::int32_t{1}), {"range_cuda"});
  check("f32", numbers(0.0f, 5.0f, 1.0f), {});
}

}  // namespace
}  // namespace strop::testing
