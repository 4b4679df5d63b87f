// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/isa.hpp"
#include "backends/cpu/tactic_check.hpp"

namespace strop {
namespace {

using testing::check_tactics;
using testing::refusals;

// 2-D, by the weights' shape and attributes; rows and columns of x.
void check(const std::string& weights, const std::string& attributes, int channels, int outputs,
           bool bias, std::int64_t rows = 5, std::int64_t columns = 7) {
  const std::string text = "graph main(%x: f32[N," + std::to_string(channels) +
                           ",H,W], %const_w: f32" + weights +
                           (bias ? ", %const_b: f32[" + std::to_string(outputs) + "]" : "") +
                           ") -> (%y) { %y = conv_transpose{" + attributes + "}(%x, %const_w" +
                           (bias ? ", %const_b" : "") + ") }";
  check_tactics(text, {"conv_transpose_cpu@nhwc"},
                {.sizes = {{{"N", 1}, {"H", rows}, {"W", columns}},
                           {{"N", 2}, {"H", rows + 3}, {"W", columns + 10}},
                           {{"N", 0}, {"H", 3}, {"W", 3}}}});
}

TEST(CpuConvTranspose, windows_side_by_side) {
  check("[24,24,2,2]", "strides=[2, 2]", 24, 24, true);
  check("[24,1,2,2]", "strides=[2, 2]", 24, 1, true);
  check("[5,33,3,3]", "strides=[3, 3]", 5, 33, false);
  check("[3,70,2,4]", "strides=[2, 4]", 3, 70, true);
}

TEST(CpuConvTranspose, windows_that_overlap_or_leave_gaps) {
  check("[8,17,3,3]", "strides=[2, 2], pads=[1, 1, 1, 1]", 8, 17, true);
  check("[8,16,3,3]", "strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]", 8, 16, false);
  check("[4,6,4,4]", "strides=[2, 2], pads=[1, 1, 1, 1]", 4, 6, true);
  check("[4,6,3,3]", "", 4, 6, true);
  check("[4,6,1,1]", "strides=[2, 3]", 4, 6, true);
  check("[4,6,2,3]", "strides=[3, 2], dilations=[2, 3]", 4, 6, true);
  check("[4,6,5,5]", "strides=[2, 1], pads=[4, 0, 1, 3]", 4, 6, true);
}

TEST(CpuConvTranspose, sizes_that_are_asked_for) {
  check("[4,6,3,3]", "strides=[2, 2], auto_pad=\"same_upper\"", 4, 6, true);
  check("[4,6,3,3]", "strides=[2, 2], auto_pad=\"same_lower\"", 4, 6, true);
  check("[4,6,3,3]", "strides=[2, 2], auto_pad=\"valid\"", 4, 6, true);
  check_tactics(
      "graph main(%x: f32[1,4,5,5], %const_w: f32[4,6,3,3]) -> (%y) { %y = "
      "conv_transpose{strides=[2, 2], output_shape=[10, 12]}(%x, %const_w) }",
      {"conv_transpose_cpu@nhwc"});
}

TEST(CpuConvTranspose, one_axis_and_epilogues) {
  check_tactics(
      "graph main(%x: f32[2,9,L], %const_w: f32[9,5,4]) -> (%y) { %y = "
      "conv_transpose{strides=[2], pads=[1, 1]}(%x, %const_w) }",
      {"conv_transpose_cpu@nhwc"}, {.sizes = {{{"L", 1}}, {{"L", 40}}}});
  check_tactics(
      "graph main(%x: f32[1,4,6,6], %const_w: f32[4,8,2,2], %const_b: f32[8], %r: f32[1,8,12,12])"
      " -> (%y) { %y = fused{kind=\"conv_transpose+add+silu\"}(%x, %const_w, %const_b, %r) body "
      "graph body(%x: f32[1,4,6,6], %w: f32[4,8,2,2], %b: f32[8], %r: f32[1,8,12,12]) -> (%y) { "
      "%c = conv_transpose{strides=[2, 2]}(%x, %w, %b) %s = binary(%c, %r) "
      "%y = unary{function=\"silu\"}(%s) } }",
      {"conv_transpose_cpu@nhwc"});
}

TEST(CpuConvTranspose, each_instruction_set) {
  for (const cpu::Isa isa : {cpu::Isa::generic, cpu::Isa::avx2, cpu::Isa::avx512}) {
    SCOPED_TRACE(static_cast<int>(isa));
    cpu::limit_isa(isa);
    check("[24,24,2,2]", "strides=[2, 2]", 24, 24, true);
    check("[8,17,3,3]", "strides=[2, 2], pads=[1, 1, 1, 1]", 8, 17, true);
  }
  cpu::limit_isa(cpu::Isa::avx512_bf16);
}

TEST(CpuConvTranspose, refuses_groups_and_weights_that_change) {
  EXPECT_EQ(refusals("graph main(%x: f32[1,4,5,5], %const_w: f32[4,3,3,3]) -> (%y) { %y = "
                     "conv_transpose{group=2}(%x, %const_w) }"),
            "conv_transpose_cpu: it has groups");
  EXPECT_EQ(refusals("graph main(%x: f32[1,4,5,5], %w: f32[4,3,3,3]) -> (%y) { %y = "
                     "conv_transpose(%x, %w) }"),
            "conv_transpose_cpu: its weights are not constant, or empty");
}

}  // namespace
}  // namespace strop
