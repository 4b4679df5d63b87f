// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/isa.hpp"
#include "backends/cpu/onednn_library.hpp"
#include "backends/cpu/tactic_check.hpp"

namespace strop {
namespace {

using testing::check_tactics;
using testing::refusals;

class CpuConv : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!cpu::onednn_available()) GTEST_SKIP() << cpu::onednn_description();
  }
  void check(const std::string& head, const std::string& attributes, bool bias = false,
             const std::vector<SymbolValues>& sizes = {}) {
    check_tactics("graph main(" + head + ") -> (%y) { %y = conv" +
                      (attributes.empty() ? "" : "{" + attributes + "}") +
                      (bias ? "(%x, %const_w, %b) }" : "(%x, %const_w) }"),
                  {"conv_onednn/blocked", "conv_onednn/plain"}, {.sizes = sizes});
  }
};

TEST_F(CpuConv, agrees_in_one_to_three_dimensions) {
  check("%x: f32[2,3,17], %const_w: f32[5,3,4]", "strides=[2], pads=[1, 2]");
  check("%x: f32[2,3,11,13], %const_w: f32[16,3,3,3], %b: f32[16]", "pads=[1, 1, 1, 1]", true);
  check("%x: f32[1,2,5,6,7], %const_w: f32[4,2,2,3,2]", "strides=[1, 2, 1]");
}

TEST_F(CpuConv, agrees_for_groups_depthwise_and_dilations) {
  check("%x: f32[1,8,9,9], %const_w: f32[12,4,3,3]", "group=2, pads=[1, 1, 1, 1]");
  check("%x: f32[1,24,9,9], %const_w: f32[24,1,3,3], %b: f32[24]",
        "group=24, strides=[2, 2], pads=[1, 1, 1, 1]", true);
  check("%x: f32[1,6,9,9], %const_w: f32[12,1,3,3]", "group=6");
  check("%x: f32[1,4,15,15], %const_w: f32[4,4,3,3]", "dilations=[3, 2], pads=[3, 0, 1, 2]");
}

TEST_F(CpuConv, agrees_where_pads_are_uneven_derived_or_not_reached) {
  check("%x: f32[1,3,10,10], %const_w: f32[8,3,3,3]", "strides=[2, 2], pads=[0, 1, 2, 0]");
  // The last row and column are never read: oneDNN sees a negative padding.
  check("%x: f32[1,3,10,12], %const_w: f32[8,3,3,3]", "strides=[4, 4]");
  check("%x: f32[1,3,10,11], %const_w: f32[8,3,1,1]", "strides=[2, 3]");
  for (const char* auto_pad : {"same_upper", "same_lower", "valid"}) {
    check("%x: f32[1,3,10,11], %const_w: f32[8,3,4,3]",
          "strides=[2, 2], auto_pad=\"" + std::string(auto_pad) + "\"");
  }
  // Narrower than its stride: a window of "same" has no padding at all.
  check("%x: f32[1,3,10,11], %const_w: f32[8,3,1,1]", "strides=[3, 3], auto_pad=\"same_upper\"");
}

TEST_F(CpuConv, agrees_at_sizes_that_change_and_on_empty_tensors) {
  check("%x: f32[N,3,H,W], %const_w: f32[16,3,3,3], %b: f32[16]",
        "strides=[2, 2], pads=[1, 1, 1, 1]", true,
        {{{"N", 1}, {"H", 9}, {"W", 12}},
         {{"N", 0}, {"H", 9}, {"W", 12}},
         {{"N", 3}, {"H", 20}, {"W", 5}}});
  check_tactics(
      "graph main(%x: f32[1,0,4,4], %w: f32[2,0,3,3], %b: f32[2]) -> (%y) "
      "{ %y = conv(%x, %w, %b) }",
      {});
}

TEST_F(CpuConv, agrees_where_weights_are_computed) {
  check_tactics("graph main(%x: f32[2,4,9,9], %w: f32[16,4,3,3]) -> (%y) { %y = conv(%x, %w) }",
                {"conv_onednn/blocked", "conv_onednn/plain"});
}

TEST_F(CpuConv, gives_equal_bytes_on_any_thread_count_where_there_is_work_for_many) {
  check("%x: f32[1,64,28,28], %const_w: f32[64,64,3,3]", "pads=[1, 1, 1, 1]");
  check("%x: f32[1,512,2,2], %const_w: f32[64,512,1,1]", "");
}

TEST_F(CpuConv, agrees_with_every_epilogue) {
  const auto fused = [](const std::string& operands, const std::string& types,
                        const std::string& chain) {
    check_tactics("graph main(%x: f32[2,3,6,6], %const_w: f32[8,3,3,3]" + types +
                      ") -> (%y) { %y = fused{kind=\"conv\"}(%x, %const_w" + operands +
                      ") body graph body(%x: f32[2,3,6,6], %const_w: f32[8,3,3,3]" + types +
                      ") -> (%y) { %a = conv(%x, %const_w) " + chain + " } }",
                  {"conv_onednn/blocked", "conv_onednn/plain"});
  };
  for (const char* function :
       {"relu", "sigmoid", "tanh", "gelu", "gelu_tanh", "abs", "exp", "leaky_relu\", alpha=\"0.1",
        "elu\", alpha=\"0.7", "silu\", alpha=\"1.5", "hard_sigmoid", "hard_swish"}) {
    std::string text = function;
    if (text.find("alpha=\"") != std::string::npos) {
      text.erase(text.find("alpha=\"") + 6, 1);
    } else {
      text += "\"";
      if (text.starts_with("hard")) text += ", alpha=0.2, beta=0.5";
    }
    fused("", "", "%y = unary{function=\"" + text + "}(%a)");
  }
  for (const char* shape :
       {"2,8,4,4", "1,8,1,1", "8,1,1", "2,1,4,4", "2,8,1,1", "1,1,4,4", "4", ""}) {
    const std::string type = ", %r: f32[" + std::string(shape) + "]";
    fused(", %r", type, "%y = binary(%a, %r)");
    fused(", %r", type, "%b = binary{function=\"mul\"}(%r, %a) %y = unary(%b)");
  }
  fused(", %r, %s", ", %r: f32[2,8,4,4], %s: f32[8,1,1]",
        "%b = binary(%r, %a) %c = binary{function=\"sub\"}(%b, %s) %y = unary(%c)");
  const std::string head =
      "%x: f32[2,3,6,6], %const_l: f32[], %const_h: f32[], %const_w: f32[8,3,3,3]";
  check_tactics(
      "graph main(" + head +
          ") -> (%y) { %y = fused{kind=\"conv\"}(%x, %const_l, %const_h, "
          "%const_w) body graph body(" +
          head +
          ") -> (%y) { %a = conv(%x, %const_w) "
          "%y = clip(%a, %const_l, %const_h) } }",
      {"conv_cpu@nhwc", "conv_onednn/blocked", "conv_onednn/plain"},
      {.constants = {Tensor::from<float>({}, {-0.5f}), Tensor::from<float>({}, {0.75f})}});
}

TEST_F(CpuConv, own_kernel_agrees_for_few_and_many_channels_and_panels_cut_short) {
  const auto own = [&](const std::string& head, const std::string& attributes) {
    check_tactics(
        "graph main(" + head + ") -> (%y) { %y = conv{" + attributes + "}(%x, %const_w, %b) }",
        {"conv_cpu@nhwc"});
  };
  // Lines of the window as one run, with and without padding to copy.
  own("%x: f32[2,3,19,21], %const_w: f32[70,3,7,7], %b: f32[70]",
      "strides=[2, 2], pads=[3, 3, 3, 3]");
  own("%x: f32[1,1,12,30], %const_w: f32[5,1,3,5], %b: f32[5]", "strides=[1, 3]");
  own("%x: f32[2,2,40], %const_w: f32[33,2,9], %b: f32[33]", "pads=[4, 4]");
  // A sum that is cut within its taps, and one cut within its channels.
  own("%x: f32[1,96,7,7], %const_w: f32[65,96,3,3], %b: f32[65]", "pads=[1, 1, 1, 1]");
  own("%x: f32[1,1100,3,3], %const_w: f32[17,1100,1,1], %b: f32[17]", "strides=[1, 1]");
  own("%x: f32[3,20,5,5], %const_w: f32[130,10,3,3], %b: f32[130]", "group=2, dilations=[1, 2]");
}

TEST_F(CpuConv, winograd_agrees_at_borders_in_blocks_and_with_epilogues) {
  const std::vector<std::string> both = {"conv_winograd/f4@nhwc", "conv_winograd/f2@nhwc"};
  const auto winograd = [&](const std::string& head, const std::string& attributes,
                            const std::vector<SymbolValues>& sizes = {}) {
    check_tactics(
        "graph main(" + head + ") -> (%y) { %y = conv{" + attributes + "}(%x, %const_w, %b) }",
        both, {.sizes = sizes, .tolerance = 2e-5});
  };
  // More tiles than a block has, and threads that share one block.
  winograd("%x: f32[N,64,H,W], %const_w: f32[64,64,3,3], %b: f32[64]", "pads=[1, 1, 1, 1]",
           {{{"N", 1}, {"H", 45}, {"W", 46}},
            {{"N", 0}, {"H", 9}, {"W", 12}},
            {{"N", 1}, {"H", 2}, {"W", 2}},
            {{"N", 3}, {"H", 20}, {"W", 5}}});
  for (const cpu::Isa isa : {cpu::Isa::generic, cpu::Isa::avx2, cpu::Isa::avx512_vnni}) {
    cpu::limit_isa(isa);
    // Tiles that reach over one or more edges, several panels, sums in slices.
    winograd("%x: f32[2,16,9,11], %const_w: f32[70,16,3,3], %b: f32[70]", "pads=[1, 1, 1, 1]");
    winograd("%x: f32[1,19,3,3], %const_w: f32[16,19,3,3], %b: f32[16]", "pads=[0, 0, 0, 0]");
    winograd("%x: f32[1,1100,5,4], %const_w: f32[17,1100,3,3], %b: f32[17]", "pads=[2, 0, 1, 2]");
    winograd("%x: f32[1,24,7,8], %const_w: f32[40,24,3,3], %b: f32[40]", "auto_pad=\"same_upper\"");
    const std::string operands =
        "%x: f32[1,32,10,9], %const_w: f32[33,32,3,3], %b: f32[33], %r: f32[1,33,10,9]";
    check_tactics(
        "graph main(" + operands +
            ") -> (%y) { %y = fused{kind=\"conv\"}(%x, %const_w, %b, %r) body graph body(" +
            operands +
            ") -> (%y) { %a = conv{pads=[1, 1, 1, 1]}(%x, %const_w, %b) %c = binary(%a, %r) "
            "%d = unary(%c) %y = unary{function=\"silu\", alpha=1.5}(%d) } }",
        both, {.tolerance = 2e-5});
  }
  cpu::limit_isa(cpu::Isa::avx512_bf16);
}

TEST_F(CpuConv, expansion_and_depthwise_agree_in_one_step) {
  const auto pair = [](const std::string& x, const std::string& expand, const std::string& window,
                       const std::string& y, const std::string& attributes,
                       const std::vector<SymbolValues>& sizes = {}) {
    const std::string channels = window.substr(0, window.find(','));
    const std::string operands = "%x: f32[" + x + "], %const_e: f32[" + expand + "], %f: f32[" +
                                 channels + "], %const_w: f32[" + window + "], %b: f32[" +
                                 channels + "], %r: f32[" + y + "]";
    check_tactics("graph main(" + operands +
                      ") -> (%y) { %y = fused{kind=\"conv\"}(%x, %const_e, %f, %const_w, %b, %r) "
                      "body graph body(" +
                      operands +
                      ") -> (%y) { %p = conv(%x, %const_e, %f) %q = unary{function=\"silu\", "
                      "alpha=1}(%p) %s = conv{" +
                      attributes + ", group=" + channels +
                      "}(%q, %const_w, %b) %t = binary(%s, %r) %u = unary(%t) %y = "
                      "unary{function=\"sigmoid\"}(%u) } }",
                  {"conv_expand_depthwise@nhwc"}, {.sizes = sizes});
  };
  for (const cpu::Isa isa : {cpu::Isa::generic, cpu::Isa::avx2, cpu::Isa::avx512_vnni}) {
    cpu::limit_isa(isa);
    pair("N,5,H,W", "70,5,1,1", "70,1,3,3", "N,70,H,W", "pads=[1, 1, 1, 1]",
         {{{"N", 1}, {"H", 9}, {"W", 11}},
          {{"N", 0}, {"H", 9}, {"W", 11}},
          {{"N", 2}, {"H", 1}, {"W", 1}},
          {{"N", 2}, {"H", 40}, {"W", 6}}});
    pair("1,19,12,13", "48,19,1,1", "48,1,5,5", "1,48,6,7", "strides=[2, 2], pads=[2, 2, 2, 2]");
    pair("2,3,9,10", "24,3,1,1", "24,1,2,3", "2,24,3,3", "strides=[3, 4], pads=[0, 1, 0, 0]");
  }
}

TEST_F(CpuConv, winograd_refuses_other_windows_and_few_channels) {
  EXPECT_NE(refusals("graph main(%x: f32[1,16,9,9], %const_w: f32[16,16,3,3]) -> (%y) { %y = "
                     "conv{strides=[2, 1]}(%x, %const_w) }")
                .find("conv_winograd: its window is not 3 x 3 with stride 1"),
            std::string::npos);
  EXPECT_NE(refusals("graph main(%x: f32[1,3,9,9], %const_w: f32[16,3,3,3]) -> (%y) { %y = "
                     "conv(%x, %const_w) }")
                .find("conv_winograd: it has too few channels"),
            std::string::npos);
}

TEST_F(CpuConv, refuses_what_onednn_lacks_with_the_reason) {
  const std::string reasons =
      refusals("graph main(%x: f64[1,3,4,4], %w: f64[2,3,3,3]) -> (%y) { %y = conv(%x, %w) }");
  EXPECT_NE(reasons.find("conv_onednn: input 0 is f64, this tactic is for f32"), std::string::npos)
      << reasons;
}

}  // namespace
}  // namespace strop
