// SPDX-License-Identifier: Apache-2.0
// Kernels of convolutions that are no implicit GEMM, run on the processor: windows, strides, pads
// and sizes that fill no tile.
#include <gtest/gtest.h>

#include <limits>

#include "backends/cuda/on_host/tactic_check.hpp"
#include "base/float_types.hpp"

namespace strop::testing {
namespace {

std::string conv(const std::string& x, const std::string& w, const std::string& attributes,
                 const std::string& bias_type = "") {
  const std::string type = bias_type.empty() ? w.substr(0, w.find('[')) : bias_type;
  const std::string bias = type + w.substr(w.find('['), w.find(',') - w.find('[')) + "]";
  return "graph main(%x: " + x + ", %const_w: " + w + ", %const_b: " + bias +
         ") -> (%y) { %y = conv{" + attributes + "}(%x, %const_w, %const_b) }";
}

const std::vector<SymbolValues> kBatches = {{{"N", 2}}};

TEST(CudaStem, computes_what_the_reference_computes) {
  const CudaCheck all{.sizes = kBatches, .only = "conv_stem"};
  const CudaCheck check{.sizes = kBatches, .only = "conv_stem/2x4@plain"};
  check_cuda(conv("f16[N,3,21,40]", "f16[64,3,7,7]", "strides=[2, 2], pads=[3, 3, 3, 3]"),
             {"conv_stem/2x4@plain>nhwc", "conv_stem/2x4@nhwc"}, all);
  check_cuda(conv("bf16[N,3,18,30]", "bf16[24,3,3,3]", "strides=[2, 2], pads=[0, 0, 1, 1]"),
             {"conv_stem/2x4@plain>nhwc"}, check);
  check_cuda(conv("f16[N,4,19,17]", "f16[12,4,3,3]", "strides=[1, 1], pads=[1, 1, 1, 1]"),
             {"conv_stem/2x4@plain>nhwc"}, check);
  check_cuda(conv("f16[N,3,16,16]", "f16[96,3,4,4]", "strides=[4, 4]"),
             {"conv_stem/2x4@plain>nhwc"}, check);
  check_cuda(conv("f16[N,2,23,26]", "f16[16,2,3,5]",
                  "strides=[3, 3], pads=[2, 1, 2, 1], dilations=[2, 1]"),
             {"conv_stem/2x4@plain>nhwc"}, check);
  check_cuda(conv("f16[N,3,18,30]", "f16[24,3,3,3]", "strides=[2, 2], pads=[0, 0, 1, 1]", "f32"),
             {"conv_stem/2x4@plain>nhwc"}, check);
}

TEST(CudaStem, keeps_an_infinity_within_its_windows) {
  Tensor x = Tensor::zeros(DType::f16, {1, 1, 20, 36});
  for (const std::int64_t at : {7, 36 * 9 + 16, 36 * 12 + 31})
    store_from_double(DType::f16, x.mutable_data(), at, std::numeric_limits<double>::infinity());
  for (const std::string attributes :
       {"strides=[2, 2], pads=[1, 1, 1, 1]", "strides=[2, 2], pads=[0, 0, 1, 1]"})
    check_cuda(conv("f16[1,1,20,36]", "f16[16,1,3,3]", attributes), {"conv_stem/2x4@plain>nhwc"},
               {.inputs = {x}, .only = "conv_stem/2x4@plain"});
}

TEST(CudaStem, takes_open_sizes_and_operands_of_the_epilogue) {
  check_cuda(
      "graph main(%x: f16[N,3,H,W], %r: f16[N,32,floordiv(H - 1, 2) + 1,floordiv(W - 1, 2) + 1], "
      "%const_w: f16[32,3,3,3], %const_b: f16[32]) -> (%y) { %y = "
      "fused{kind=\"conv+add+relu\"}(%x, %const_w, %const_b, %r) body graph body(%x: "
      "f16[N,3,H,W], %w: f16[32,3,3,3], %b: f16[32], %r: f16[N,32,floordiv(H - 1, 2) + "
      "1,floordiv(W - 1, 2) + 1]) -> (%y) { %a = conv{strides=[2, 2], pads=[1, 1, 1, 1]}(%x, %w, "
      "%b) %s = binary{function=\"add\"}(%a, %r) %y = unary{function=\"relu\"}(%s) } }",
      {"conv_stem/2x4@plain>nhwc"},
      {.sizes = {{{"N", 2}, {"H", 9}, {"W", 35}},
                 {{"N", 1}, {"H", 1}, {"W", 1}},
                 {{"N", 0}, {"H", 5}, {"W", 4}}},
       .only = "conv_stem/1x4"});
}

TEST(CudaDepthwise, computes_what_the_reference_computes) {
  const CudaCheck all{.sizes = kBatches, .only = "conv_depthwise"};
  const CudaCheck check{.sizes = kBatches, .only = "conv_depthwise/4x"};
  check_cuda(conv("f16[N,12,9,10]", "f16[12,1,3,3]", "pads=[1, 1, 1, 1], group=12"),
             {"conv_depthwise/4x7x2@nhwc", "conv_depthwise/2x7x4@nhwc", "conv_depthwise/4@nhwc"},
             all);
  check_cuda(conv("bf16[N,6,17,11]", "bf16[6,1,5,5]", "strides=[2, 2], pads=[2, 2, 1, 1], group=6"),
             {"conv_depthwise/4x7x2@nhwc", "conv_depthwise/4x4x2@nhwc"}, check);
  check_cuda(conv("f16[N,4,9,9]", "f16[4,1,7,7]", "pads=[3, 3, 3, 3], group=4"),
             {"conv_depthwise/4x4x2@nhwc"}, check);
  check_cuda(conv("f16[N,4,9,9]", "f16[4,1,3,3]", "pads=[1, 1, 1, 1], group=4", "f32"),
             {"conv_depthwise/4x7x2@nhwc"}, check);
  check_cuda(conv("f16[N,7,9,9]", "f16[7,1,3,3]",
                  "pads=[2, 2, 2, 2], dilations=[2, 2], strides=[2, 2], group=7"),
             {"conv_depthwise/4@nhwc"}, {.sizes = kBatches, .only = "conv_depthwise/1"});
}

}  // namespace
}  // namespace strop::testing
