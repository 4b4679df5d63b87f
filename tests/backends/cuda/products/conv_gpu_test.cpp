// SPDX-License-Identifier: Apache-2.0
// Stems and depthwise convolutions on a GPU, compared with the reference: sizes that fill no tile.
#include <gtest/gtest.h>

#include <optional>

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

}  // namespace
}  // namespace strop
