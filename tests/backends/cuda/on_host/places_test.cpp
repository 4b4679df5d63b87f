// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "backends/cuda/on_host/tactic_check.hpp"

namespace strop::testing {
namespace {

Tensor list(std::vector<std::int64_t> values) {
  return Tensor::from<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
}

TEST(CudaPlace, pads_in_every_mode) {
  for (const char* mode : {"constant", "edge", "reflect", "wrap"}) {
    check_cuda(
        std::string("graph main(%x: f16[N,4,5], %const_p: i64[6]) -> (%y) { %y = pad{mode=\"") +
            mode + "\"}(%x, %const_p) }",
        {"place_cuda"}, {.sizes = {{{"N", 2}}}, .constants = {list({0, 2, -1, 0, 1, 3})}});
  }
}

TEST(CudaPlace, reads_by_indices) {
  check_cuda(
      "graph main(%x: f32[3,4], %const_i: i64[2,4]) -> (%y) { %y = gather_elements{axis=0}(%x, "
      "%const_i) }",
      {"place_cuda"},
      {.constants = {Tensor::from<std::int64_t>({2, 4}, {0, 2, -1, 1, -3, 0, 1, 2})}});
  check_cuda(
      "graph main(%x: i8[2,3,4], %const_i: i64[2,2,1]) -> (%y) { %y = gather_nd{batch_dims=1}(%x, "
      "%const_i) }",
      {"place_cuda"}, {.constants = {Tensor::from<std::int64_t>({2, 2, 1}, {0, 2, -1, 1})}});
  check_cuda("graph main(%x: f32[2,4,5]) -> (%y) { %y = trilu{upper=false}(%x) }", {"place_cuda"});
  check_cuda(
      "graph main(%const_i: i64[3], %const_d: i64[], %v: f32[2]) -> (%y) { %y = "
      "one_hot{axis=0}(%const_i, %const_d, %v) }",
      {"place_cuda"}, {.constants = {list({1, -1, 7}), Tensor::scalar<std::int64_t>(4)}});
}

TEST(CudaLines, goes_along_an_axis) {
  check_cuda("graph main(%x: f32[3,70]) -> (%y) { %y = arg_reduce{axis=1}(%x) }", {"lines_cuda"});
  check_cuda(
      "graph main(%x: i8[N,7,5]) -> (%y) { %y = arg_reduce{axis=1, largest=false, "
      "select_last=true, keep_dims=false}(%x) }",
      {"lines_cuda"}, {.sizes = {{{"N", 2}}, {{"N", 0}}}});
  check_cuda("graph main(%x: f16[3,7]) -> (%y) { %y = hardmax(%x) }", {"lines_cuda"});
  check_cuda(
      "graph main(%x: f32[3,7,2], %const_a: i64[]) -> (%y) { %y = cumulative{exclusive=true, "
      "reverse=true}(%x, %const_a) }",
      {"lines_cuda"}, {.constants = {Tensor::scalar<std::int64_t>(1)}});
  check_cuda("graph main(%x: f32[2,7,3,3]) -> (%y) { %y = lrn{size=5}(%x) }", {"lines_cuda"});
  check_cuda(
      "graph main(%x: f16[2,8,3,3], %s: f32[8], %b: f32[8], %m: f32[8], %const_v: f32[8]) -> (%y) "
      "{ %y = batch_norm(%x, %s, %b, %m, %const_v) }",
      {"pointwise_cuda", "pointwise_cuda@nhwc"},
      {.constants = {Tensor::from<float>({8}, {1, 2, 3, 4, .5f, .25f, .1f, 1})}});
}

}  // namespace
}  // namespace strop::testing
