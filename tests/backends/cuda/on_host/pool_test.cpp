// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "backends/cuda/on_host/tactic_check.hpp"

namespace strop::testing {
namespace {

const std::vector<SymbolValues> kBatches = {{{"N", 1}}, {{"N", 2}}, {{"N", 0}}};

TEST(CudaPool, pools_in_both_layouts) {
  check_cuda(
      "graph main(%x: f16[N,16,9,8]) -> (%y) { %y = pool{kernel=[3, 3], strides=[2, 2], pads=[1, "
      "1, 1, 1]}(%x) }",
      {"pool_cuda", "pool_cuda@nhwc"}, {.sizes = kBatches});
  check_cuda(
      "graph main(%x: f32[2,6,7,8]) -> (%y) { %y = pool{function=\"average\", kernel=[3, 2], "
      "strides=[2, 1], pads=[1, 0, 1, 1], count_include_pad=true, ceil_mode=true}(%x) }",
      {"pool_cuda", "pool_cuda@nhwc"});
  check_cuda(
      "graph main(%x: f32[1,2,9]) -> (%y) { %y = pool{function=\"lp\", kernel=[3], "
      "auto_pad=\"same_upper\", strides=[2]}(%x) }",
      {"pool_cuda"});
  for (const char* type : {"i8", "u8"})
    check_cuda(std::string("graph main(%x: ") + type +
                   "[2,32,7,6]) -> (%y) { %y = pool{kernel=[3, 3], strides=[2, 2], pads=[1, 1, 1, "
                   "1]}(%x) }",
               {"pool_cuda", "pool_cuda@nhwc"});
  check_cuda(
      "graph main(%x: i8[2,3,4,4]) -> (%y, %i) { %y, %i = pool{kernel=[2, 2], strides=[1, 2], "
      "dilations=[2, 1]}(%x) }",
      {"pool_cuda"});
}

}  // namespace
}  // namespace strop::testing
