// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "backends/cuda/on_host/tactic_check.hpp"

namespace strop::testing {
namespace {

TEST(CudaNllLoss, reduces_in_every_way) {
  const Tensor classes = Tensor::from<std::int64_t>({2, 3}, {0, 4, -1, 2, 3, 1});
  for (const char* reduction : {"none", "sum", "mean"}) {
    const std::string attributes = std::string("reduction=\"") + reduction + "\"";
    check_cuda(
        "graph main(%x: f32[2,5,3], %const_c: i64[2,3], %w: f32[5]) -> (%y) { %y = nll_loss{" +
            attributes + ", ignore_index=-1}(%x, %const_c, %w) }",
        {"nll_loss_cuda"}, {.constants = {classes}});
    check_cuda(
        "graph main(%x: f16[N,5], %const_c: i32[4]) -> (%y) { %y = nll_loss{" + attributes +
            "}(%x, %const_c) }",
        {"nll_loss_cuda"},
        {.sizes = {{{"N", 4}}}, .constants = {Tensor::from<std::int32_t>({4}, {0, 4, 3, 1})}});
  }
}

}  // namespace
}  // namespace strop::testing
