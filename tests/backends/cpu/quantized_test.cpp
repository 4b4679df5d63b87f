// SPDX-License-Identifier: Apache-2.0
// Integer kernels give the reference's bytes on every instruction set.
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "backends/cpu/isa.hpp"
#include "backends/cpu/tactic_check.hpp"
#include "base/float_types.hpp"
#include "ir/type.hpp"

namespace strop {
namespace {

using testing::check_tactics;
using testing::refusals;

Tensor bytes(DType dtype, const Shape& shape, unsigned seed) {
  Tensor out = Tensor::allocate(dtype, shape);
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> value(0, 255);
  for (std::int64_t i = 0; i < out.size(); ++i)
    out.mutable_data()[i] = static_cast<std::byte>(value(random));
  return out;
}

Tensor floats(std::int64_t count, float low, float high, unsigned seed) {
  Tensor out = Tensor::allocate(DType::f32, count == 0 ? Shape{} : Shape{count});
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> value(low, high);
  for (float& x : out.mutable_values<float>()) x = value(random);
  return out;
}

class CpuQuantized : public ::testing::TestWithParam<cpu::Isa> {
 protected:
  void SetUp() override {
    cpu::limit_isa(GetParam());
    if (cpu::isa() != GetParam()) GTEST_SKIP() << "this processor has no such instructions";
  }
  void TearDown() override { cpu::limit_isa(cpu::Isa::avx512_bf16); }

  // A convolution of bytes as it is, requantised, and requantised with a residual.
  static void convolution(const Shape& x, const Shape& w, const Shape& y,
                          const std::string& attributes, DType x_type = DType::u8) {
    const std::string name(to_string(x_type));
    const std::string operands =
        "%x: " + Type::tensor(x_type, to_symbolic(x)).to_string() +
        ", %const_w: " + Type::tensor(DType::i8, to_symbolic(w)).to_string() +
        ", %const_z: " + name + "[]";
    Tensor zero = Tensor::allocate(x_type, {});
    store_from_double(x_type, zero.mutable_data(), 0, x_type == DType::u8 ? 119 : -7);
    const Tensor weights = bytes(DType::i8, w, 2);
    const std::string conv = "conv_integer{" + attributes + "}(%x, %const_w, %const_z)";
    check_tactics("graph main(" + operands + ") -> (%y) { %y = " + conv + " }",
                  {"conv_cpu_s8@nhwc"},
                  {.inputs = {bytes(x_type, x, 1)}, .constants = {weights, zero}});
    const std::int64_t channels = w[0];
    const std::string factors = "%const_m: f32[" + std::to_string(channels) + "], %const_o: f32[" +
                                std::to_string(channels) + "]";
    // Sums of so many random bytes that most results lie within the range.
    std::int64_t depth = 1;
    for (std::size_t i = 1; i < w.size(); ++i) depth *= w[i];
    const float scale = 1.0f / (6000.0f * std::sqrt(static_cast<float>(depth)) * 3);
    const Tensor multiplier = floats(channels, 0.3f * scale, scale, 3);
    const Tensor offset = floats(channels, 0.3f, 0.7f, 4);
    for (const bool residual : {false, true}) {
      const std::string r =
          residual ? ", %r: " + Type::tensor(DType::u8, to_symbolic(y)).to_string() : "";
      const std::string all = operands + ", " + factors + r;
      const std::string body = all + ") -> (%y) { %a = " + conv +
                               " %y = requantize{low=-100, high=120" +
                               (residual ? ", residual_multiplier=0.001, residual_zero=128" : "") +
                               "}(%a, %const_m, %const_o" + (residual ? ", %r" : "") + ") } }";
      std::vector<Tensor> inputs = {bytes(x_type, x, 1)};
      if (residual) inputs.push_back(bytes(DType::u8, y, 5));
      check_tactics("graph main(" + all +
                        ") -> (%y) { %y = fused{kind=\"conv_integer+requantize\"}(%x, %const_w, "
                        "%const_z, %const_m, %const_o" +
                        (residual ? ", %r" : "") + ") body graph body(" + body,
                    {"conv_cpu_s8@nhwc"},
                    {.inputs = inputs, .constants = {weights, zero, multiplier, offset}});
    }
  }
};

TEST_P(CpuQuantized, convolutions) {
  convolution({1, 32, 9, 9}, {48, 32, 1, 1}, {1, 48, 9, 9}, "");
  convolution({2, 20, 7, 8}, {70, 20, 3, 3}, {2, 70, 7, 8}, "pads=[1, 1, 1, 1]");
  convolution({1, 3, 19, 21}, {33, 3, 7, 7}, {1, 33, 10, 11}, "strides=[2, 2], pads=[3, 3, 3, 3]");
  convolution({1, 3, 9, 9}, {5, 3, 3, 3}, {1, 5, 9, 9}, "pads=[1, 1, 1, 1]", DType::i8);
  convolution({1, 24, 9, 9}, {16, 12, 3, 3}, {1, 16, 7, 7}, "group=2", DType::i8);
  convolution({2, 9, 30}, {7, 9, 5}, {2, 7, 30}, "pads=[2, 2]");
}

TEST_P(CpuQuantized, tables_after_products) {
  const std::string operands =
      "%x: u8[1,9,7,7], %const_w: i8[70,9,3,3], %const_m: f32[70], %const_o: f32[], %const_t: "
      "u8[256]";
  const std::string body =
      ") -> (%y) { %a = conv_integer(%x, %const_w) %b = requantize{to=i8}(%a, %const_m, %const_o) "
      "%y = table_lookup(%b, %const_t) } }";
  check_tactics("graph main(" + operands +
                    ") -> (%y) { %y = fused{kind=\"conv\"}(%x, %const_w, %const_m, %const_o, "
                    "%const_t) body graph body(" +
                    operands + body,
                {"conv_cpu_s8@nhwc"},
                {.inputs = {bytes(DType::u8, {1, 9, 7, 7}, 1)},
                 .constants = {bytes(DType::i8, {70, 9, 3, 3}, 2), floats(70, 1e-6f, 1e-5f, 3),
                               Tensor::from<float>({}, {0.5f}), bytes(DType::u8, {256}, 4)}});
  const std::string matrices =
      "%x: i8[5,37], %const_w: i8[37,70], %const_m: f32[70], %const_o: f32[], %const_t: i8[256]";
  check_tactics("graph main(" + matrices +
                    ") -> (%y) { %y = fused{kind=\"matmul\"}(%x, %const_w, %const_m, %const_o, "
                    "%const_t) body graph body(" +
                    matrices +
                    ") -> (%y) { %a = matmul_integer(%x, %const_w) %b = requantize{low=0, "
                    "high=255, to=u8}(%a, %const_m, %const_o) %y = table_lookup(%b, %const_t) } }",
                {"matmul_cpu_s8"},
                {.inputs = {bytes(DType::i8, {5, 37}, 1)},
                 .constants = {bytes(DType::i8, {37, 70}, 2), floats(70, 1e-6f, 1e-5f, 3),
                               Tensor::from<float>({}, {0.5f}), bytes(DType::i8, {256}, 4)}});
}

TEST_P(CpuQuantized, depthwise_convolutions) {
  convolution({1, 64, 9, 9}, {64, 1, 3, 3}, {1, 64, 9, 9}, "group=64, pads=[1, 1, 1, 1]");
  convolution({2, 75, 9, 8}, {75, 1, 3, 3}, {2, 75, 5, 4},
              "group=75, strides=[2, 2], pads=[1, 1, 1, 1]", DType::i8);
  convolution({1, 130, 11, 11}, {130, 1, 5, 5}, {1, 130, 7, 7}, "group=130");
  convolution({1, 5, 12}, {5, 1, 2}, {1, 5, 11}, "group=5");
}

// As models quantised dynamically have it: the zero point of x is known when the model runs, that
// of the weights lets some of them be no signed byte, and floats leave.
TEST_P(CpuQuantized, floats_after_sums) {
  const auto scalar = [](std::uint8_t value) {
    Tensor out = Tensor::allocate(DType::u8, {});
    out.mutable_data()[0] = static_cast<std::byte>(value);
    return out;
  };
  const Tensor scale = Tensor::from<float>({}, {0.001f});
  for (const std::string attributes : {"", "pads=[1, 1, 1, 1], strides=[2, 2]"}) {
    for (const int channels : {9, 24}) {
      const std::string c = std::to_string(channels);
      const std::string operands = "%x: u8[2," + c + ",7,7], %const_w: u8[70," + c +
                                   ",3,3], %z: u8[], %const_z: u8[], %s: f32[], %const_b: "
                                   "f32[1,70,1,1]";
      check_tactics(
          "graph main(" + operands +
              ") -> (%y) { %y = fused{kind=\"conv\"}(%x, %const_w, %z, %const_z, %s, "
              "%const_b) body graph body(" +
              operands + ") -> (%y) { %a = conv_integer{" + attributes +
              "}(%x, %const_w, %z, %const_z) %f = cast{to=f32}(%a) %m = "
              "binary{function=\"mul\"}(%f, %s) %t = binary{function=\"add\"}(%m, %const_b) %y = "
              "unary{function=\"silu\"}(%t) } }",
          {"conv_cpu_s8@nhwc"},
          {.inputs = {bytes(DType::u8, {2, channels, 7, 7}, 1), scalar(77), scale},
           .constants = {bytes(DType::u8, {70, channels, 3, 3}, 2), scalar(150),
                         Tensor::from<float>({1, 70, 1, 1}, std::vector<float>(70, 0.25f))}});
    }
  }
  const std::string operands =
      "%x: u8[5,37], %const_w: u8[37,70], %z: u8[], %const_z: u8[], %const_s: f32[70], %r: "
      "f32[5,70]";
  for (const std::string chain :
       {"%y = cast{to=f32}(%a) ", "%f = cast{to=f32}(%a) %y = binary{function=\"add\"}(%f, %r) ",
        "%f = cast{to=f32}(%a) %m = binary{function=\"mul\"}(%f, %const_s) %t = "
        "binary{function=\"add\"}(%r, %m) %y = unary{function=\"relu\"}(%t) "}) {
    check_tactics(
        "graph main(" + operands +
            ") -> (%y) { %y = fused{kind=\"matmul\"}(%x, %const_w, %z, %const_z, "
            "%const_s, %r) body graph body(" +
            operands + ") -> (%y) { %a = matmul_integer(%x, %const_w, %z, %const_z) " + chain +
            "} }",
        {"matmul_cpu_s8"},
        {.inputs = {bytes(DType::u8, {5, 37}, 1), scalar(203),
                    Tensor::from<float>({5, 70}, std::vector<float>(350, 0.5f))},
         .constants = {bytes(DType::u8, {37, 70}, 2), scalar(99), floats(70, 1e-4f, 1e-3f, 3)}});
  }
}

TEST_P(CpuQuantized, sums_over_images) {
  for (const char* type : {"u8", "i8"}) {
    const std::string x = std::string("graph main(%x: ") + type;
    check_tactics(x + "[2,70,5,7]) -> (%y) { %y = cast{to=i32}(%x) }",
                  {"quantize_cpu", "quantize_cpu@nhwc"});
  }
  check_tactics(
      "graph main(%x: i32[2,300,5,7], %const_a: i64[2]) -> (%y) { %y = reduce(%x, %const_a) }",
      {"global_pool_cpu", "global_pool_cpu@nhwc"},
      {.constants = {Tensor::from<std::int64_t>({2}, {2, 3})}});
}

TEST_P(CpuQuantized, depthwise_windows_of_many_forms) {
  // Several narrow pixels side by side, the last of them beyond the line.
  convolution({2, 32, 5, 7}, {32, 1, 3, 3}, {2, 32, 5, 7}, "group=32, pads=[1, 1, 1, 1]");
  convolution({1, 16, 6, 9}, {16, 1, 5, 5}, {1, 16, 6, 9}, "group=16, pads=[2, 2, 2, 2]",
              DType::i8);
  convolution({1, 32, 6, 9}, {32, 1, 3, 3}, {1, 32, 3, 5},
              "group=32, strides=[2, 2], pads=[1, 1, 1, 1]");
  convolution({1, 64, 1, 1}, {64, 1, 3, 3}, {1, 64, 1, 1}, "group=64, pads=[1, 1, 1, 1]");
  convolution({1, 70, 9, 9}, {70, 1, 3, 3}, {1, 70, 9, 9},
              "group=70, dilations=[2, 2], pads=[2, 2, 2, 2]");
  convolution({1, 66, 8, 9}, {66, 1, 4, 3}, {1, 66, 7, 9}, "group=66, pads=[1, 1, 1, 1]");
  convolution({1, 66, 9, 5}, {66, 1, 7, 1}, {1, 66, 3, 5}, "group=66");
  convolution({1, 64, 12, 4}, {64, 1, 9, 2}, {1, 64, 4, 3}, "group=64");
}

TEST_P(CpuQuantized, requantised_sums_and_residuals) {
  for (const char* shape : {"[3,70]", "[1,5,4,3]"}) {
    const std::string s = shape;
    check_tactics(
        "graph main(%x: u8" + s + ", %const_m: f32[], %const_o: f32[], %r: i8" + s +
            ") -> (%y) { %y = requantize{x_zero=100, residual_multiplier=0.004, "
            "residual_zero=-3, low=3, high=250, to=u8}(%x, %const_m, %const_o, %r) }",
        {"requantize_cpu"},
        {.constants = {Tensor::from<float>({}, {0.003f}), Tensor::from<float>({}, {0.5f})}});
    check_tactics(
        "graph main(%x: i32" + s +
            ", %const_m: f32[], %const_o: f32[]) -> (%y) { %y = requantize(%x, %const_m, "
            "%const_o) }",
        {"requantize_cpu"},
        {.constants = {Tensor::from<float>({}, {0.01f}), Tensor::from<float>({}, {0.5f})}});
  }
  check_tactics(
      "graph main(%x: i32[2,70,3], %const_m: f32[70], %const_o: f32[70]) -> (%y) { %y = "
      "requantize(%x, %const_m, %const_o) }",
      {"requantize_cpu@nhwc"},
      {.constants = {floats(70, 0.001f, 0.03f, 1), floats(70, 0.1f, 0.9f, 2)}});
}

TEST_P(CpuQuantized, tables) {
  check_tactics(
      "graph main(%x: i8[2,3,5,7], %const_t: u8[256]) -> (%y) { %y = table_lookup(%x, %const_t) }",
      {"table_lookup_cpu", "table_lookup_cpu@nhwc"},
      {.inputs = {bytes(DType::i8, {2, 3, 5, 7}, 1)}, .constants = {bytes(DType::u8, {256}, 2)}});
}

TEST_P(CpuQuantized, quantisation_and_back) {
  Tensor x = floats(2 * 3 * 40, -30, 30, 1).reshaped({2, 3, 40});
  auto values = x.mutable_values<float>();
  values[0] = std::numeric_limits<float>::quiet_NaN();
  values[1] = std::numeric_limits<float>::infinity();
  values[2] = -std::numeric_limits<float>::infinity();
  values[3] = 0.25f;  // halves of a step
  values[4] = 0.75f;
  values[5] = -1.25f;
  values[6] = 1e30f;
  Tensor zero = Tensor::allocate(DType::u8, {});
  zero.mutable_data()[0] = std::byte{77};
  const Tensor half = Tensor::from<float>({}, {0.5f});
  check_tactics(
      "graph main(%x: f32[2,3,40], %const_s: f32[], %const_z: u8[]) -> (%y) { %y = "
      "quantize_linear{to=u8}(%x, %const_s, %const_z) }",
      {"quantize_cpu", "quantize_cpu@nhwc"}, {.inputs = {x}, .constants = {half, zero}});
  check_tactics(
      "graph main(%x: f32[2,3,40], %const_s: f32[]) -> (%y) { %y = quantize_linear{to=i8}(%x, "
      "%const_s) }",
      {"quantize_cpu", "quantize_cpu@nhwc"}, {.inputs = {x}, .constants = {half}});
  check_tactics(
      "graph main(%x: u8[2,3,40], %const_s: f32[], %const_z: u8[]) -> (%y) { %y = "
      "dequantize_linear(%x, %const_s, %const_z) }",
      {"quantize_cpu", "quantize_cpu@nhwc"},
      {.inputs = {bytes(DType::u8, {2, 3, 40}, 1)}, .constants = {half, zero}, .tolerance = 0});
  check_tactics(
      "graph main(%x: i32[2,3,40], %const_s: f32[]) -> (%y) { %y = dequantize_linear(%x, "
      "%const_s) }",
      {"quantize_cpu", "quantize_cpu@nhwc"}, {.constants = {half}, .tolerance = 0});
}

std::string name_of(const ::testing::TestParamInfo<cpu::Isa>& info) {
  static constexpr const char* names[] = {"generic", "avx2", "avx512", "avx512_vnni"};
  return names[static_cast<int>(info.param)];
}

TEST_P(CpuQuantized, ranges_and_products_that_only_running_knows) {
  for (const float low : {-3.0f, 0.5f, -9.0f}) {
    check_tactics(
        "graph main(%x: f32[3,7001]) -> (%y, %s, %z) { %y, %s, %z = dynamic_quantize_linear(%x) }",
        {"quantize_cpu"},
        {.inputs = {floats(3 * 7001, low, low + 5, 1).reshaped({3, 7001})}, .tolerance = 0});
  }
  check_tactics(
      "graph main(%x: f32[N]) -> (%y, %s, %z) { %y, %s, %z = dynamic_quantize_linear(%x) }",
      {"quantize_cpu"}, {.sizes = {{{"N", 0}}, {{"N", 1}}, {{"N", 40}}}, .tolerance = 0});
  for (const DType dtype : {DType::u8, DType::i8}) {
    const std::string t(to_string(dtype));
    check_tactics("graph main(%x: " + t + "[2,5,37], %const_w: i8[37,70], %z: " + t +
                      "[]) -> (%y) { %y = matmul_integer(%x, %const_w, %z) }",
                  {"matmul_cpu_s8"},
                  {.inputs = {bytes(dtype, {2, 5, 37}, 1), bytes(dtype, {}, 9)},
                   .constants = {bytes(DType::i8, {37, 70}, 2)}});
  }
  check_tactics("graph main(%x: i32[2,300]) -> (%y) { %y = cast{to=f32}(%x) }", {"quantize_cpu"},
                {.tolerance = 0});
}

INSTANTIATE_TEST_SUITE_P(Isas, CpuQuantized,
                         ::testing::Values(cpu::Isa::generic, cpu::Isa::avx2, cpu::Isa::avx512,
                                           cpu::Isa::avx512_vnni),
                         name_of);

}  // namespace
}  // namespace strop
