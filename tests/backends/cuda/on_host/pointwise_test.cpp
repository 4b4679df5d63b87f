// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "backends/cuda/on_host/tactic_check.hpp"

namespace strop::testing {
namespace {

const std::vector<SymbolValues> kBatches = {{{"N", 1}}, {{"N", 3}}, {{"N", 0}}};

TEST(CudaPointwise, takes_every_kind_of_number) {
  for (const char* type : {"f32", "f16", "bf16", "f64", "i8", "i32", "i64"}) {
    check_cuda(std::string("graph main(%x: ") + type +
                   "[5,7]) -> (%y) { %y = unary{function=\"abs\"}(%x) }",
               {"pointwise_cuda"});
  }
  check_cuda("graph main(%x: f16[N,8,4,6]) -> (%y) { %y = unary{function=\"gelu\"}(%x) }",
             {"pointwise_cuda", "pointwise_cuda@nhwc"}, {.sizes = kBatches});
}

TEST(CudaPointwise, broadcasts) {
  check_cuda(
      "graph main(%x: f32[N,8,4,6], %b: f32[1,8,1,1]) -> (%y) { %y = binary{function=\"mul\"}(%x, "
      "%b) }",
      {"pointwise_cuda", "pointwise_cuda@nhwc"}, {.sizes = kBatches});
  check_cuda(
      "graph main(%x: f16[2,N,8], %b: f16[8]) -> (%y) { %y = binary{function=\"add\"}(%x, %b) }",
      {"pointwise_cuda"}, {.sizes = kBatches});
  check_cuda(
      "graph main(%x: i64[N,1,5], %b: i64[3,1]) -> (%y) { %y = binary{function=\"less\"}(%x, %b) }",
      {"pointwise_cuda"}, {.sizes = kBatches});
  check_cuda(
      "graph main(%x: f32[N,M], %b: f32[A,B]) -> (%y) { %y = binary{function=\"sub\"}(%x, %b) }",
      {"pointwise_cuda"},
      {.sizes = {{{"N", 3}, {"M", 4}, {"A", 1}, {"B", 4}},
                 {{"N", 1}, {"M", 5}, {"A", 2}, {"B", 1}}}});
}

TEST(CudaPointwise, selects_and_casts) {
  check_cuda(
      "graph main(%c: bool[3,1], %a: f16[3,5], %b: f16[5]) -> (%y) { %y = select(%c, %a, %b) }",
      {"pointwise_cuda"});
  check_cuda("graph main(%x: f32[33]) -> (%y) { %y = cast{to=i8}(%x) }", {"pointwise_cuda"});
  check_cuda("graph main(%x: u8[33]) -> (%y) { %y = cast{to=f16}(%x) }", {"pointwise_cuda"});
}

}  // namespace
}  // namespace strop::testing
