// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "backends/cuda/on_host/tactic_check.hpp"

namespace strop::testing {
namespace {

TEST(CudaScatter, joins_elements_in_order) {
  const Tensor indices = Tensor::from<std::int64_t>({2, 3}, {0, -1, 0, 0, 2, 1});
  for (const char* type : {"f32", "i8"}) {
    for (const char* reduction : {"none", "add", "mul", "min", "max"}) {
      check_cuda(std::string("graph main(%x: ") + type + "[3,4], %const_i: i64[2,3], %u: " + type +
                     "[2,3]) -> (%y) { %y = scatter_elements{axis=0, reduction=\"" + reduction +
                     "\"}(%x, %const_i, %u) }",
                 {"scatter_cuda"}, {.constants = {indices}});
    }
  }
}

TEST(CudaScatter, joins_slices_in_order) {
  const Tensor indices = Tensor::from<std::int64_t>({3, 1}, {1, -1, 1});
  for (const char* reduction : {"none", "add", "max"}) {
    check_cuda(std::string("graph main(%x: f32[4,N], %const_i: i64[3,1], %u: f32[3,N]) -> (%y) { "
                           "%y = scatter_nd{reduction=\"") +
                   reduction + "\"}(%x, %const_i, %u) }",
               {"scatter_cuda"}, {.sizes = {{{"N", 5}}, {{"N", 0}}}, .constants = {indices}});
  }
}

TEST(CudaRotary, turns_pairs) {
  check_cuda(
      "graph main(%x: f32[2,3,N,10], %c: f32[2,N,4], %s: f32[2,N,4]) -> (%y) { %y = "
      "rotary_embedding(%x, %c, %s) }",
      {"rotary_cuda"}, {.sizes = {{{"N", 5}}}});
  check_cuda(
      "graph main(%x: f16[2,N,3,8], %c: f16[1,N,4], %s: f16[1,N,4]) -> (%y) { %y = "
      "rotary_embedding{sequence_axis=1, interleaved=true}(%x, %c, %s) }",
      {"rotary_cuda"}, {.sizes = {{{"N", 5}}}});
}

}  // namespace
}  // namespace strop::testing
