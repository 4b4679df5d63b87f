// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "backends/cuda/on_host/tactic_check.hpp"

namespace strop::testing {
namespace {

TEST(CudaAttention, attends_on_tensor_cores) {
  check_cuda(
      "graph main(%q: f16[1,2,70,64], %k: f16[1,2,130,64], %v: f16[1,2,130,64], %b: "
      "f16[1,1,1,130]) -> (%y) { %y = attention{scale=0.125}(%q, %k, %v, %b) }",
      {"attention_cuda"}, {.only = "attention_cuda"});
  check_cuda(
      "graph main(%q: f16[N,4,L,24], %k: f16[N,2,L,24], %v: f16[N,2,L,24]) -> (%y) { %y = "
      "attention{scale=0.2, right=0}(%q, %k, %v) }",
      {"attention_cuda"},
      {.sizes = {{{"N", 1}, {"L", 33}}, {{"N", 2}, {"L", 5}}}, .only = "attention_cuda"});
  check_cuda(
      "graph main(%q: f16[1,1,64,128], %k: f16[1,1,64,128], %v: f16[1,1,64,128], %m: bool[64,64]) "
      "-> (%y) { %y = attention{scale=0.1}(%q, %k, %v, %m) }",
      {"attention_cuda"}, {.only = "attention_cuda"});
  check_cuda(
      "graph main(%q: bf16[1,1,64,96], %k: bf16[1,1,64,96], %v: bf16[1,1,64,96]) -> (%y) { %y = "
      "attention{scale=0.1}(%q, %k, %v) }",
      {"attention_cuda"}, {.on_host = false, .only = "attention_cuda"});
}

TEST(CudaAttention, knows_lengths_and_starts) {
  const std::vector<Tensor> given = {Tensor::from<std::int64_t>({2}, {9, 3}),
                                     Tensor::from<std::int64_t>({2}, {4, -2})};
  for (const char* type : {"f16", "f32"}) {
    const std::string t = type;
    check_cuda("graph main(%q: " + t + "[2,2,5,16], %k: " + t + "[2,1,9,16], %v: " + t +
                   "[2,1,9,16], %const_l: i64[2], %const_s: i64[2]) -> (%y) { %y = "
                   "attention{scale=0.25, right=0, softcap=2}(%q, %k, %v, _, %const_l, %const_s) }",
               {"attention_cuda"}, {.constants = given, .only = "attention_cuda"});
  }
}

TEST(CudaAttention, attends_in_f32) {
  check_cuda(
      "graph main(%q: f32[1,4,7,20], %k: f32[1,2,40,20], %v: f32[1,2,40,33], %b: f32[4,1,40]) -> "
      "(%y) { %y = attention{scale=0.25, left=9, right=20}(%q, %k, %v, %b) }",
      {"attention_cuda"}, {.only = "attention_cuda"});
}

}  // namespace
}  // namespace strop::testing
