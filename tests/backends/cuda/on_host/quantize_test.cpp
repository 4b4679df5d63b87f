// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "backends/cuda/on_host/tactic_check.hpp"

namespace strop::testing {
namespace {

const std::vector<SymbolValues> kBatches = {{{"N", 1}}, {{"N", 3}}, {{"N", 0}}};

TEST(CudaQuantize, gives_the_bytes_of_the_reference) {
  check_cuda(
      "graph main(%x: f32[N,8,5,2], %const_s: f32[], %const_z: u8[]) -> (%y) { %y = "
      "quantize_linear{to=u8}(%x, %const_s, %const_z) }",
      {"pointwise_cuda", "pointwise_cuda@nhwc"},
      {.sizes = kBatches,
       .constants = {Tensor::scalar(0.013f), Tensor::scalar<std::uint8_t>(117)}});
  check_cuda(
      "graph main(%x: f16[3,8,5], %const_s: f32[8], %const_z: i8[8]) -> (%y) { %y = "
      "quantize_linear{to=i8}(%x, %const_s, %const_z) }",
      {"pointwise_cuda", "pointwise_cuda@nhwc"},
      {.constants = {Tensor::from<float>({8}, {.01f, .02f, .03f, .04f, .005f, .006f, 1, 2})}});
  check_cuda(
      "graph main(%x: u8[3,16], %const_s: f32[16], %const_z: u8[16]) -> (%y) { %y = "
      "dequantize_linear(%x, %const_s, %const_z) }",
      {"pointwise_cuda"});
  check_cuda(
      "graph main(%x: i32[N,8,3,3], %const_m: f32[8], %const_c: f32[8], %r: i8[N,8,3,3]) -> (%y) { "
      "%y = requantize{residual_multiplier=0.002, residual_zero=3}(%x, %const_m, %const_c, %r) }",
      {"pointwise_cuda", "pointwise_cuda@nhwc"},
      {.sizes = kBatches,
       .constants = {Tensor::from<float>({8}, {.01f, .02f, .03f, .04f, .005f, .006f, .1f, .2f}),
                     Tensor::from<float>({8}, {.5f, .2f, .3f, .4f, .1f, .6f, .1f, .2f})}});
  const std::string product =
      "%x: u8[N,8,3,3], %const_z: i32[], %g: i8[N,8,1,1], %const_m: f32[], %const_c: f32[]";
  check_cuda(
      "graph main(" + product +
          ") -> (%y) { %y = fused{kind=\"cast+sub+cast+mul+requantize\"}(%x, %const_z, %g, "
          "%const_m, %const_c) body graph body(" +
          product +
          ") -> (%y) { %w = cast{to=i32}(%x) %d = binary{function=\"sub\"}(%w, %const_z) %v = "
          "cast{to=i32}(%g) %p = binary{function=\"mul\"}(%d, %v) %y = "
          "requantize{low=0, high=255, to=u8}(%p, %const_m, %const_c) } }",
      {"pointwise_cuda", "pointwise_cuda@nhwc"},
      {.sizes = kBatches,
       .constants = {Tensor::scalar<std::int32_t>(101), Tensor::scalar<float>(.013f),
                     Tensor::scalar<float>(.25f)}});
  check_cuda(
      "graph main(%x: i8[5,33], %const_t: i8[256]) -> (%y) { %y = table_lookup(%x, %const_t) }",
      {"pointwise_cuda"});
}

}  // namespace
}  // namespace strop::testing

namespace strop::testing {
namespace {

TEST(CudaQuantize, finds_scales_when_it_runs) {
  check_cuda(
      "graph main(%x: f32[N,37]) -> (%y, %s, %z) { %y, %s, %z = dynamic_quantize_linear(%x) }",
      {"dynamic_quantize_cuda"}, {.sizes = {{{"N", 3}}, {{"N", 0}}}});
}

}  // namespace
}  // namespace strop::testing
