// SPDX-License-Identifier: Apache-2.0
// Kernels that move or combine whole runs of elements: concat, cuts, resize, global pooling.
#include <string>

#include "backends/cpu/isa.hpp"
#include "backends/cpu/tactic_check.hpp"

namespace strop {
namespace {

using testing::check_tactics;
using testing::refusals;

TEST(CpuConcat, joins_along_any_axis_in_any_layout) {
  for (const char* axis : {"0", "1", "3", "-2"}) {
    const std::string a = axis;
    const std::string one = a == "0"   ? "[3,3,4,5]"
                            : a == "1" ? "[2,6,4,5]"
                            : a == "3" ? "[2,3,4,1]"
                                       : "[2,3,7,5]";
    for (const char* dtype : {"f32", "u8", "i64"}) {
      check_tactics("graph main(%x: " + std::string(dtype) + "[2,3,4,5], %w: " + dtype + one +
                        ", %v: " + dtype + "[2,3,4,5]) -> (%y) { %y = concat{axis=" + a +
                        "}(%x, %w, %v) }",
                    {"concat_cpu", "concat_cpu@nhwc"});
    }
  }
  check_tactics(
      "graph main(%x: f32[N,3,H], %w: f32[N,1,H]) -> (%y) { %y = concat{axis=1}(%x, %w) }",
      {"concat_cpu", "concat_cpu@nhwc"},
      {.sizes = {{{"N", 1}, {"H", 5}}, {{"N", 0}, {"H", 5}}, {{"N", 3}, {"H", 70}}}});
  EXPECT_NE(refusals("graph main(%x: i4[2,4], %w: i4[2,4]) -> (%y) { %y = concat{axis=1}(%x, %w) }")
                .find("concat_cpu: its elements are not whole bytes"),
            std::string::npos);
}

TEST(CpuCut, splits_and_slices_in_any_layout) {
  check_tactics(
      "graph main(%x: f32[2,7,4,5], %const_s: i64[3]) -> (%a, %b, %c) { %a, %b, %c = "
      "split{axis=1}(%x, %const_s) }",
      {"cut_cpu", "cut_cpu@nhwc"}, {.constants = {Tensor::from<std::int64_t>({3}, {2, 0, 5})}});
  const auto slice = [](std::int64_t start, std::int64_t end, std::int64_t axis) {
    check_tactics(
        "graph main(%x: u8[2,7,4,5], %const_s: i64[1], %const_e: i64[1], %const_a: i64[1]) -> (%y) "
        "{ %y = slice(%x, %const_s, %const_e, %const_a) }",
        {"cut_cpu", "cut_cpu@nhwc"},
        {.constants = {Tensor::from<std::int64_t>({1}, {start}),
                       Tensor::from<std::int64_t>({1}, {end}),
                       Tensor::from<std::int64_t>({1}, {axis})}});
  };
  slice(1, 3, 1);
  slice(-2, 100, 1);
  slice(-100, 2, 2);
  slice(3, 3, 3);
  slice(1, 2, 0);
}

TEST(CpuShuffle, agrees_in_any_layout_and_for_elements_of_any_size) {
  for (const char* dtype : {"f32", "u8", "f16", "i64"}) {
    for (const char* groups : {"2, 3", "3, 2", "6, 1"}) {
      const std::string x = "%x: " + std::string(dtype) + "[N,6,4,5]";
      check_tactics("graph main(" + x +
                        ") -> (%y) { %y = fused{kind=\"channel_shuffle\"}(%x) body graph body(" +
                        x + ") -> (%y) { const %s = i64[5]{0, " + groups +
                        ", 4, 5} const %t = i64[4]{0, 6, 4, 5} %a = reshape(%x, %s) "
                        "%b = transpose{perm=[0, 2, 1, 3, 4]}(%a) %y = reshape(%b, %t) } }",
                    {"shuffle_cpu", "shuffle_cpu@nhwc"},
                    {.sizes = {{{"N", 2}}, {{"N", 0}}, {{"N", 5}}}});
    }
  }
}

TEST(CpuTranspose, takes_any_order_of_axes) {
  const auto check = [](const std::string& shape, const std::string& perm,
                        const std::vector<SymbolValues>& sizes) {
    for (const char* dtype : {"f32", "u8", "f16", "i64"}) {
      check_tactics("graph main(%x: " + std::string(dtype) + shape +
                        ") -> (%y) { %y = transpose{perm=" + perm + "}(%x) }",
                    {"transpose_cpu"}, {.sizes = sizes});
    }
  };
  const std::vector<SymbolValues> sizes = {{{"A", 1}, {"B", 5}, {"C", 40}},
                                           {{"A", 3}, {"B", 16}, {"C", 67}},
                                           {{"A", 2}, {"B", 1}, {"C", 3}},
                                           {{"A", 2}, {"B", 0}, {"C", 3}}};
  check("[A,B,C]", "[0, 2, 1]", sizes);
  check("[A,B,C]", "[2, 1, 0]", sizes);
  check("[A,B,C]", "[1, 0, 2]", sizes);
  check("[A,B,C]", "[0, 1, 2]", sizes);
  check("[A,B,C]", "[1, 2, 0]", sizes);
  check("[A,3,B,C,2]", "[0, 1, 3, 4, 2]", sizes);  // a head of a detector
  check("[A,B,3,C]", "[0, 2, 1, 3]", sizes);       // heads of attention
  check("[A,2,B,C]", "[0, 2, 1, 3]", sizes);       // shuffled channels
  check("[A,C,2,B,2]", "[3, 1, 4, 0, 2]", sizes);
  check("[C,B,2]", "[1, 0, 2]", sizes);  // runs of two are elements
  check("[B]", "[0]", sizes);
  check_tactics("graph main(%x: f32[]) -> (%y) { %y = transpose(%x) }", {"transpose_cpu"});
  check_tactics("graph main(%x: f32[3,70,33]) -> (%y) { %y = transpose(%x) }", {"transpose_cpu"});
}

TEST(CpuTranspose, each_instruction_set) {
  for (const cpu::Isa isa : {cpu::Isa::generic, cpu::Isa::avx2}) {
    cpu::limit_isa(isa);
    check_tactics("graph main(%x: f32[2,70,33]) -> (%y) { %y = transpose{perm=[0, 2, 1]}(%x) }",
                  {"transpose_cpu"});
  }
  cpu::limit_isa(cpu::Isa::avx512_bf16);
}

TEST(CpuResize, repeats_elements_of_axes_of_any_size) {
  for (const char* attributes :
       {"coordinates=\"asymmetric\", nearest=\"floor\"", "coordinates=\"half_pixel\""}) {
    check_tactics(
        std::string("graph main(%x: f32[N,5,H,W], %const_r: f32[0], %const_s: f32[4]) -> "
                    "(%y) { %y = resize{") +
            attributes + "}(%x, %const_r, %const_s) }",
        {"resize_cpu@nhwc"},
        {.sizes = {{{"N", 1}, {"H", 3}, {"W", 4}},
                   {{"N", 2}, {"H", 1}, {"W", 70}},
                   {{"N", 1}, {"H", 0}, {"W", 2}}},
         .constants = {Tensor::allocate(DType::f32, {0}), Tensor::from<float>({4}, {1, 1, 2, 3})}});
  }
  // The nearest element depends on more than how often each is repeated.
  check_tactics(
      "graph main(%x: f32[N,5,H,W], %const_r: f32[0], %const_s: f32[4]) -> (%y) { %y = "
      "resize{coordinates=\"asymmetric\", nearest=\"ceil\"}(%x, %const_r, %const_s) }",
      {},
      {.sizes = {{{"N", 1}, {"H", 3}, {"W", 4}}},
       .constants = {Tensor::allocate(DType::f32, {0}), Tensor::from<float>({4}, {1, 1, 2, 3})}});
}

TEST(CpuResize, agrees_for_nearest_and_linear) {
  for (const char* mode : {"nearest", "linear"}) {
    for (const char* coordinates :
         {"half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"}) {
      const std::string attributes =
          "{mode=\"" + std::string(mode) + "\", coordinates=\"" + coordinates + "\"}";
      check_tactics(
          "graph main(%x: f32[N,19,5,6], %const_r: f32[0], %const_s: f32[4]) -> (%y) { %y = "
          "resize" +
              attributes + "(%x, %const_r, %const_s) }",
          {"resize_cpu@nhwc"},
          {.sizes = {{{"N", 2}}, {{"N", 1}}},
           .constants = {Tensor::allocate(DType::f32, {0}),
                         Tensor::from<float>({4}, {1, 1, 2, 1.5f})}});
    }
  }
  for (const char* dtype : {"u8", "i8"}) {
    check_tactics(std::string("graph main(%x: ") + dtype +
                      "[1,3,4,4], %const_r: f32[0], %const_s: f32[4]) -> (%y) { %y = "
                      "resize(%x, %const_r, %const_s) }",
                  {"resize_cpu@nhwc"},
                  {.constants = {Tensor::allocate(DType::f32, {0}),
                                 Tensor::from<float>({4}, {1, 1, 2, 0.5f})}});
  }
}

TEST(CpuGlobalPool, agrees_in_both_layouts) {
  for (const char* function : {"mean", "sum"}) {
    check_tactics(
        "graph main(%x: f32[N,300,7,9], %const_a: i64[2]) -> (%y) { %y = "
        "reduce{function=\"" +
            std::string(function) + "\"}(%x, %const_a) }",
        {"global_pool_cpu", "global_pool_cpu@nhwc"},
        {.sizes = {{{"N", 1}}, {{"N", 3}}},
         .constants = {Tensor::from<std::int64_t>({2}, {-1, 2})}});
  }
  EXPECT_NE(
      refusals("graph main(%x: f32[2,3,4]) -> (%y) { %y = reduce(%x) }").find("global_pool_cpu"),
      std::string::npos);
}

TEST(CpuPoolChannels, agrees_for_bytes_and_means) {
  for (const char* dtype : {"u8", "i8"}) {
    check_tactics("graph main(%x: " + std::string(dtype) +
                      "[2,70,9,9]) -> (%y) { %y = "
                      "pool{kernel=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]}(%x) }",
                  {"pool_cpu@nhwc"});
  }
  check_tactics(
      "graph main(%x: f32[2,70,9,9]) -> (%y) { %y = pool{function=\"average\", "
      "kernel=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1], count_include_pad=true}(%x) }",
      {"pool_cpu@nhwc"});
}

}  // namespace
}  // namespace strop
