// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "backends/cuda/on_host/tactic_check.hpp"

namespace strop::testing {
namespace {

TEST(CudaResize, resizes_in_both_layouts) {
  const Tensor twice = Tensor::from<float>({4}, {1, 1, 2, 2});
  check_cuda(
      "graph main(%x: f16[N,8,3,H], %const_r: f32[0], %const_s: f32[4]) -> (%y) { %y = "
      "resize{coordinates=\"asymmetric\", nearest=\"floor\"}(%x, %const_r, %const_s) }",
      {"resize_cuda", "resize_cuda@nhwc"},
      {.sizes = {{{"N", 2}, {"H", 5}}, {{"N", 0}, {"H", 1}}},
       .constants = {Tensor::zeros(DType::f32, {0}), twice}});
  for (const char* mode : {"linear", "cubic"}) {
    check_cuda(std::string("graph main(%x: f32[2,4,5,6], %const_r: f32[0], %const_e: f32[0], "
                           "%const_s: i64[4]) -> (%y) { %y = resize{mode=\"") +
                   mode + "\"}(%x, %const_r, %const_e, %const_s) }",
               {"resize_cuda", "resize_cuda@nhwc"},
               {.constants = {Tensor::zeros(DType::f32, {0}), Tensor::zeros(DType::f32, {0}),
                              Tensor::from<std::int64_t>({4}, {2, 4, 7, 4})}});
  }
}

TEST(CudaResize, copies_bytes_in_both_layouts) {
  for (const char* x : {"u8[N,32,5,4]", "i8[2,24,3,H]", "u8[2,3,5,6]"}) {
    check_cuda(
        std::string("graph main(%x: ") + x +
            ", %const_r: f32[0], %const_s: f32[4]) -> (%y) { %y = "
            "resize{coordinates=\"asymmetric\", nearest=\"floor\"}(%x, %const_r, %const_s) }",
        {"resize_cuda", "resize_cuda@nhwc"},
        {.sizes = {{{"N", 2}, {"H", 5}}, {{"N", 1}, {"H", 1}}},
         .constants = {Tensor::zeros(DType::f32, {0}), Tensor::from<float>({4}, {1, 1, 2, 2})}});
  }
}

}  // namespace
}  // namespace strop::testing
