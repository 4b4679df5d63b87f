// SPDX-License-Identifier: Apache-2.0
// Stems and depthwise convolutions on a GPU, compared with the reference: sizes that fill no tile.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>

#include "backends/cuda/gpu.hpp"
#include "backends/cuda/products/gpu_check.hpp"

namespace strop {
namespace {

void check(std::string_view tactic, DType type, const Shape& filters, const std::string& x,
           const std::string& attributes, const std::vector<SymbolValues>& sizes,
           std::optional<DType> bias = {}) {
  const std::string name(to_string(type)), w = name + to_string(filters);
  const std::string b = std::string(to_string(bias.value_or(type))) + to_string(Shape{filters[0]});
  testing::check_on_gpu(
      tactic,
      "graph main(%x: " + name + x + ") -> (%y) {\nconst %w: " + w + " = @0\nconst %b: " + b +
          " = @1\n%y = fused{kind=\"conv+relu\"}(%x, %w, %b) body graph "
          "body(%x: " +
          name + x + ", %w: " + w + ", %b: " + b + ") -> (%y) { %a = conv{" + attributes +
          "}(%x, %w, %b) %y = unary{function=\"relu\"}(%a) } }",
      {random_tensor(type, filters, 7), random_tensor(bias.value_or(type), {filters[0]}, 8)},
      sizes);
}

TEST(conv_on_gpu, stems_give_what_the_reference_gives) {
  STROP_SKIP_WITHOUT_GPU();
  for (const DType type : {DType::f16, DType::bf16}) {
    check("conv_stem", type, {64, 3, 7, 7}, "[N,3,75,120]", "strides=[2, 2], pads=[3, 3, 3, 3]",
          {{{"N", 2}}, {{"N", 40}}});
    check("conv_stem", type, {24, 3, 3, 3}, "[N,3,H,W]", "strides=[2, 2], pads=[0, 0, 1, 1]",
          {{{"N", 3}, {"H", 41}, {"W", 67}}, {{"N", 1}, {"H", 3}, {"W", 2}}});
    check("conv_stem", type, {48, 1, 6, 6}, "[N,1,44,38]", "strides=[2, 2], pads=[2, 2, 2, 2]",
          {{{"N", 2}}});
    check("conv_stem", type, {12, 4, 3, 3}, "[N,4,19,33]", "pads=[1, 1, 1, 1]", {{{"N", 2}}},
          DType::f32);
  }
}

TEST(conv_on_gpu, depthwise_gives_what_the_reference_gives) {
  STROP_SKIP_WITHOUT_GPU();
  for (const DType type : {DType::f16, DType::bf16}) {
    check("conv_depthwise", type, {24, 1, 3, 3}, "[N,24,H,W]", "pads=[1, 1, 1, 1], group=24",
          {{{"N", 2}, {"H", 15}, {"W", 18}}, {{"N", 1}, {"H", 1}, {"W", 1}}});
    check("conv_depthwise", type, {40, 1, 5, 5}, "[N,40,29,30]",
          "strides=[2, 2], pads=[2, 2, 2, 2], group=40", {{{"N", 2}}});
    check("conv_depthwise", type, {6, 1, 7, 7}, "[N,6,14,14]", "pads=[3, 3, 3, 3], group=6",
          {{{"N", 2}}}, DType::f32);
  }
}

// u8[N,C,size,size], padded so that a window's middle is in it, requantised and looked up.
void check_bytes(std::int64_t channels, std::int64_t kernel, std::int64_t stride,
                 std::int64_t size) {
  const std::string c = std::to_string(channels), k = std::to_string(kernel);
  const std::string s = std::to_string(stride), pad = std::to_string(kernel / 2);
  const std::string x =
      "%x: u8[N," + c + "," + std::to_string(size) + "," + std::to_string(size) + "]";
  const std::string w = "i8[" + c + ",1," + k + "," + k + "]", f = "f32[" + c + "]";
  const Tensor zero = random_tensor(DType::u8, {}, 3);
  Tensor multipliers = Tensor::allocate(DType::f32, {channels});
  std::ranges::fill(multipliers.mutable_values<float>(), 2e-5f);
  Tensor offsets = Tensor::allocate(DType::f32, {channels});
  std::ranges::fill(offsets.mutable_values<float>(), 0.4f);
  testing::check_on_gpu(
      "conv_depthwise_s8",
      "graph main(" + x + ") -> (%y) {\nconst %w: " + w + " = @0\nconst %z: u8[] = @1\nconst %m: " +
          f + " = @2\nconst %o: " + f + " = @3\nconst %t: u8[256] = @4\n" +
          "%y = fused{kind=\"k\"}(%x, %w, %z, %m, %o, %t) body graph body(" + x + ", %w: " + w +
          ", %z: u8[], %m: " + f + ", %o: " + f +
          ", %t: u8[256]) -> (%y) { %a = conv_integer{pads=[" + pad + ", " + pad + ", " + pad +
          ", " + pad + "], strides=[" + s + ", " + s + "], group=" + c +
          "}(%x, %w, %z) %b = requantize{low=0, high=255, to=u8}(%a, %m, %o) %y = "
          "table_lookup(%b, %t) } }",
      {random_tensor(DType::i8, {channels, 1, kernel, kernel}, 7), zero, multipliers, offsets,
       random_tensor(DType::u8, {256}, 8)},
      {{{"N", 1}}, {{"N", 5}}});
}

TEST(conv_on_gpu, depthwise_of_bytes_gives_what_the_reference_gives) {
  STROP_SKIP_WITHOUT_GPU();
  check_bytes(64, 3, 2, 28);
  check_bytes(40, 5, 1, 13);
  check_bytes(72, 5, 2, 15);
  check_bytes(13, 3, 1, 9);
}

}  // namespace
}  // namespace strop
