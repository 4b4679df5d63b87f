// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "backends/cuda/on_host/tactic_check.hpp"

namespace strop::testing {
namespace {

TEST(CudaConvPlain, takes_weights_that_are_no_constants) {
  check_cuda(
      "graph main(%x: f32[N,4,7,6], %w: f32[6,2,3,2], %b: f32[6]) -> (%y) { %y = "
      "conv{strides=[2,1], dilations=[1,2], pads=[1,0,2,1], group=2}(%x, %w, %b) }",
      {"conv_plain"}, {.sizes = {{{"N", 2}}, {{"N", 0}}}});
  for (const char* pad : {"same_upper", "same_lower"}) {
    check_cuda(std::string("graph main(%x: f16[2,3,H], %w: f16[4,3,4]) -> (%y) { %y = "
                           "conv{strides=[2], auto_pad=\"") +
                   pad + "\"}(%x, %w) }",
               {"conv_plain"}, {.sizes = {{{"H", 9}}, {{"H", 2}}}});
  }
}

TEST(CudaConvPlain, takes_a_bias_in_f32_beside_f16) {
  check_cuda(
      "graph main(%x: f16[1,2,6], %w: f16[3,2,3], %b: f32[3]) -> (%y) { %y = conv(%x, %w, %b) }",
      {"conv_plain"});
}

TEST(CudaConvPlain, transposes) {
  check_cuda(
      "graph main(%x: f32[N,4,3,5], %w: f32[4,2,3,2], %b: f32[4]) -> (%y) { %y = "
      "conv_transpose{strides=[2,3], dilations=[1,2], pads=[1,0,2,1], output_padding=[1,0], "
      "group=2}(%x, %w, %b) }",
      {"conv_plain"}, {.sizes = {{{"N", 2}}}});
  check_cuda(
      "graph main(%x: f16[2,3,H], %w: f16[3,2,4]) -> (%y) { %y = conv_transpose{strides=[3], "
      "auto_pad=\"same_upper\"}(%x, %w) }",
      {"conv_plain"}, {.sizes = {{{"H", 5}}}});
  check_cuda(
      "graph main(%x: f64[1,2,3,3,2], %w: f64[2,2,2,2,2]) -> (%y) { %y = "
      "conv_transpose{strides=[2,2,2], output_shape=[5,7,4]}(%x, %w) }",
      {"conv_plain"});
}

}  // namespace
}  // namespace strop::testing
