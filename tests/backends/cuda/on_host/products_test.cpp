// SPDX-License-Identifier: Apache-2.0
// Exact products of bytes: the same bytes as the reference, over the whole range of both operands.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "backends/cuda/on_host/tactic_check.hpp"
#include "base/dtype.hpp"

namespace strop::testing {
namespace {

Tensor any_bytes(DType type, const Shape& shape, std::uint32_t seed) {
  Tensor out = Tensor::allocate(type, shape);
  for (std::int64_t i = 0; i < out.size(); ++i) {
    seed = seed * 1664525u + 1013904223u;
    out.mutable_data()[i] = static_cast<std::byte>(seed >> 24);
  }
  return out;
}

Tensor floats_around(std::int64_t count, float middle, std::uint32_t seed) {
  Tensor out = Tensor::allocate(DType::f32, {count});
  for (float& value : out.mutable_values<float>()) {
    seed = seed * 1664525u + 1013904223u;
    value = middle * (0.5f + static_cast<float>(seed >> 16) / 65536.f);
  }
  return out;
}

Tensor byte(DType type, int value) {
  Tensor out = Tensor::allocate(type, {});
  out.mutable_data()[0] = static_cast<std::byte>(value);
  return out;
}

// The graph of one fused node: `x` and `operands` as they are declared, and the body's text.
std::string fused(const std::string& operands, const std::string& names, const std::string& body) {
  std::string plain = operands;
  for (std::size_t at = plain.find("const_"); at != std::string::npos;
       at = plain.find("const_", at))
    plain.erase(at, 6);
  return fmt::format(
      "graph main({}) -> (%y) {{ %y = fused{{kind=\"k\"}}({}) body graph body({}) -> (%y) {{ {} }} "
      "}}",
      operands, names, plain, body);
}

// x [2,C,height,width] by w [F,C/group,kernel,kernel], padded on every side.
struct ConvCase {
  DType x = DType::u8;
  int channels = 16, filters = 24, group = 1;
  int zero = 0;
  bool residual = false, table = false;
  int low = 0, high = 255;
  std::string more{};  // attributes
  int out_height = 7, out_width = 6;
  int height = 7, width = 6, kernel = 3, pad = 1;
  int added = 0;  // other bytes afterwards, as operand 1 (first) or 2
  std::string only{};
};

void check_conv(const ConvCase& c, const std::vector<std::string>& candidates) {
  const std::string_view x = to_string(c.x);
  const Shape w{c.filters, c.channels / c.group, c.kernel, c.kernel};
  std::string operands = fmt::format(
      "%x: {}[2,{},{},{}], %const_w: i8[{},{},{},{}], %const_z: {}[], %const_m: f32[{}], %const_o: "
      "f32[{}]",
      x, c.channels, c.height, c.width, w[0], w[1], c.kernel, c.kernel, x, c.filters, c.filters);
  std::string names = "%x, %const_w, %const_z, %const_m, %const_o";
  std::string body =
      fmt::format("%a = conv_integer{{pads=[{0}, {0}, {0}, {0}], group={1}{2}}}(%x, %w, %z) ",
                  c.pad, c.group, c.more);
  const float most = static_cast<float>(w[1] * c.kernel * c.kernel);
  CudaCheck check{.inputs = {any_bytes(c.x, {2, c.channels, c.height, c.width}, 7)},
                  .constants = {any_bytes(DType::i8, w, 5), byte(c.x, c.zero),
                                floats_around(c.filters, 1e-4f / std::sqrt(most), 3),
                                floats_around(c.filters, 0.5f, 4)},
                  .tolerance = 0,
                  .only = c.only};
  const std::string bounds =
      fmt::format("low={}, high={}, to={}", c.low, c.high, c.low < 0 ? "i8" : "u8");
  const std::string to = c.table ? "t" : c.added != 0 ? "b" : "y";
  const Shape y{2, c.filters, c.out_height, c.out_width};
  if (c.added != 0) {
    operands +=
        fmt::format(", %const_f: f32[], %const_s: f32[1], %r: u8[2,{},{},{}]", y[1], y[2], y[3]);
    names += ", %const_f, %const_s, %r";
    body += fmt::format("%{} = requantize{{{}}}(%a, %m, %o) ", c.table ? "t" : "b", bounds);
    if (c.table) body += "%b = table_lookup(%t, %table) ";
    body += fmt::format(
        "%y = requantize{{x_zero=7, residual_zero=-11, "
        "residual_multiplier=-0.0031, low=-127, high=120}}({}, %f, %s, {}) ",
        c.added == 1 ? "%r" : "%b", c.added == 1 ? "%b" : "%r");
    check.inputs.push_back(any_bytes(DType::u8, y, 11));
    check.constants.push_back(Tensor::scalar(0.0042f));
    check.constants.push_back(floats_around(1, 0.4f, 6));
  } else if (c.residual) {
    operands += fmt::format(", %r: i8[2,{},{},{}]", c.filters, c.out_height, c.out_width);
    names += ", %r";
    body += fmt::format(
        "%{} = requantize{{{}, residual_multiplier=0.002, residual_zero=-3}}(%a, %m, %o, %r) ", to,
        bounds);
    check.inputs.push_back(any_bytes(DType::i8, y, 11));
  } else {
    body += fmt::format("%{} = requantize{{{}}}(%a, %m, %o) ", to, bounds);
  }
  if (c.table) {
    operands += ", %const_t: u8[256]";
    names += ", %const_t";
    if (c.added == 0) body += "%y = table_lookup(%t, %table)";
    check.constants.push_back(any_bytes(DType::u8, {256}, 13));
    body.replace(body.find("%table"), 6, "%t_");
    operands.replace(operands.find("%const_t:"), 9, "%const_t_:");
    names.replace(names.find("%const_t"), 8, "%const_t_");
  }
  check_cuda(fused(operands, names, body), candidates, check);
}

TEST(CudaByteConv, takes_whole_chunks_of_channels) {
  check_conv({}, {"conv_mma_s8/32x32x64_16x32_s4@nhwc"});
}

TEST(CudaByteConv, pads_with_the_zero_point) {
  check_conv({.zero = 131, .residual = true, .high = 254}, {"conv_mma_s8/32x32x64_16x32_s4@nhwc"});
  check_conv({.x = DType::i8, .channels = 4, .filters = 36, .zero = -128, .low = -127, .high = 127},
             {"conv_mma_s8/32x32x64_16x32_s4@nhwc"});
}

TEST(CudaByteConv, adds_other_bytes_to_its_own) {
  const std::string only = "conv_mma_s8/32x32";
  check_conv({.zero = 131, .high = 254, .added = 1, .only = only},
             {"conv_mma_s8/32x32x64_16x32_s4@nhwc"});
  check_conv({.x = DType::i8,
              .channels = 6,
              .filters = 10,
              .low = -127,
              .high = 127,
              .added = 2,
              .only = only},
             {"conv_mma_s8/32x32x64_16x32_s4@nhwc"});
  check_conv({.channels = 80, .filters = 32, .zero = 9, .added = 2, .only = only},
             {"conv_mma_s8/32x32x64_16x32_s4_k3@nhwc"});
  for (const int added : {1, 2}) {
    check_conv({.zero = 131, .table = true, .low = -101, .high = 120, .added = added, .only = only},
               {"conv_mma_s8/32x32x64_16x32_s4@nhwc"});
  }
  check_conv({.channels = 32,
              .filters = 32,
              .group = 32,
              .zero = 128,
              .table = true,
              .added = 2,
              .only = "conv_depthwise_s8/2x4x4"},
             {"conv_depthwise_s8/2x4x4@nhwc"});
  check_conv({.channels = 32,
              .filters = 32,
              .group = 32,
              .zero = 128,
              .added = 1,
              .only = "conv_depthwise_s8/2@"},
             {"conv_depthwise_s8/2@nhwc"});
}

TEST(CudaByteConv, takes_few_channels_and_odd_filters) {
  check_conv({.channels = 3, .filters = 9, .zero = 114, .table = true},
             {"conv_mma_s8/32x32x64_16x32_s4@nhwc"});
  check_conv({.channels = 6,
              .filters = 10,
              .zero = 3,
              .residual = true,
              .low = -128,
              .high = 90,
              .more = ", strides=[2, 1], dilations=[1, 2]",
              .out_height = 4,
              .out_width = 4},
             {"conv_mma_s8/32x32x64_16x32_s4@nhwc"});
}

TEST(CudaByteConv, takes_groups) {
  check_conv({.x = DType::i8, .channels = 16, .filters = 12, .group = 2, .zero = 5},
             {"conv_mma_s8/32x32x64_16x32_s4@nhwc"});
}

TEST(CudaByteConv, splits_the_sums) {
  check_conv({.channels = 80, .filters = 32, .zero = 9}, {"conv_mma_s8/32x32x64_16x32_s4_k3@nhwc"});
}

TEST(CudaByteStem, takes_every_stride_and_layout) {
  const std::string even = ", strides=[2, 2]";
  check_conv({.channels = 3,
              .filters = 64,
              .zero = 114,
              .more = even,
              .out_height = 11,
              .out_width = 24,
              .height = 21,
              .width = 48,
              .kernel = 7,
              .pad = 3,
              .only = "conv_stem_s8/4x4"},
             {"conv_stem_s8/4x4@plain>nhwc", "conv_stem_s8/4x4@nhwc"});
  check_conv({.x = DType::i8,
              .channels = 3,
              .filters = 24,
              .zero = -7,
              .low = -128,
              .high = 127,
              .more = even,
              .out_height = 10,
              .out_width = 20,
              .height = 19,
              .width = 39,
              .added = 2,
              .only = "conv_stem_s8/2x4"},
             {"conv_stem_s8/2x4@plain>nhwc"});
  check_conv({.channels = 1,
              .filters = 12,
              .out_height = 18,
              .out_width = 20,
              .height = 18,
              .width = 20,
              .only = "conv_stem_s8/1x4"},
             {"conv_stem_s8/1x4@plain>nhwc"});
  check_conv({.channels = 4,
              .filters = 9,
              .zero = 3,
              .table = true,
              .more = ", strides=[4, 4]",
              .out_height = 4,
              .out_width = 8,
              .height = 16,
              .width = 30,
              .kernel = 4,
              .pad = 0,
              .only = "conv_stem_s8/2x4"},
             {"conv_stem_s8/2x4@plain>nhwc"});
}

TEST(CudaByteDepthwise, of_a_few_pixels_takes_any_channels) {
  const std::string only = "conv_depthwise_s8/2@";
  check_conv({.channels = 13, .filters = 13, .group = 13, .zero = 128, .table = true},
             {"conv_depthwise_s8/1@nhwc", "conv_depthwise_s8/4@nhwc"});
  check_conv({.x = DType::i8,
              .channels = 6,
              .filters = 6,
              .group = 6,
              .zero = 2,
              .residual = true,
              .low = -100,
              .high = 127,
              .only = only},
             {"conv_depthwise_s8/2@nhwc"});
  check_conv({.channels = 8,
              .filters = 8,
              .group = 8,
              .zero = 3,
              .more = ", dilations=[2, 2]",
              .pad = 2,
              .only = only},
             {"conv_depthwise_s8/2@nhwc"});
}

TEST(CudaByteDepthwise, of_rows_takes_every_part_of_an_image) {
  check_conv({.channels = 24,
              .filters = 24,
              .group = 24,
              .zero = 131,
              .table = true,
              .only = "conv_depthwise_s8"},
             {"conv_depthwise_s8/4x7x4@nhwc", "conv_depthwise_s8/2x7x4@nhwc",
              "conv_depthwise_s8/7x7x4@nhwc", "conv_depthwise_s8/4x4x4@nhwc",
              "conv_depthwise_s8/2x4x4@nhwc", "conv_depthwise_s8/2x2x4@nhwc",
              "conv_depthwise_s8/1x1x4@nhwc", "conv_depthwise_s8/2@nhwc"});
  for (const std::string config : {"4x7x4", "2x4x4", "1x1x4"}) {
    check_conv({.x = DType::i8,
                .channels = 40,
                .filters = 40,
                .group = 40,
                .zero = -128,
                .low = -127,
                .high = 127,
                .more = ", strides=[2, 2]",
                .out_height = 9,
                .out_width = 10,
                .height = 18,
                .width = 19,
                .kernel = 5,
                .pad = 2,
                .only = "conv_depthwise_s8/" + config},
               {"conv_depthwise_s8/" + config + "@nhwc"});
  }
  check_conv({.channels = 72,
              .filters = 72,
              .group = 72,
              .zero = 77,
              .table = true,
              .high = 6,
              .out_height = 8,
              .out_width = 14,
              .height = 8,
              .width = 14,
              .kernel = 5,
              .pad = 2,
              .only = "conv_depthwise_s8/7x7x4"},
             {"conv_depthwise_s8/7x7x4@nhwc"});
  check_conv({.channels = 8,
              .filters = 8,
              .group = 8,
              .more = ", strides=[1, 2]",
              .out_height = 9,
              .out_width = 5,
              .height = 9,
              .width = 9,
              .kernel = 7,
              .pad = 3,
              .only = "conv_depthwise_s8/2x4x4"},
             {"conv_depthwise_s8/2x4x4@nhwc"});
  check_conv({.channels = 4,
              .filters = 4,
              .group = 4,
              .zero = 255,
              .more = ", strides=[3, 3]",
              .out_height = 4,
              .out_width = 3,
              .height = 12,
              .width = 9,
              .kernel = 2,
              .pad = 0,
              .only = "conv_depthwise_s8/4x4x4"},
             {"conv_depthwise_s8/4x4x4@nhwc"});
}

TEST(CudaByteDepthwise, of_rows_takes_residuals) {
  const std::string only = "conv_depthwise_s8/2x4x4";
  check_conv({.x = DType::i8,
              .channels = 12,
              .filters = 12,
              .group = 12,
              .zero = 2,
              .residual = true,
              .low = -101,
              .high = 127,
              .only = only},
             {only + "@nhwc"});
  check_conv({.channels = 32,
              .filters = 32,
              .group = 32,
              .zero = 128,
              .residual = true,
              .table = true,
              .only = only},
             {only + "@nhwc"});
  for (const int added : {1, 2})
    check_conv(
        {.channels = 16, .filters = 16, .group = 16, .zero = 9, .added = added, .only = only},
        {only + "@nhwc"});
}

TEST(CudaByteDepthwise, of_rows_takes_open_sizes) {
  check_cuda(fused("%x: u8[N,20,H,W], %const_w: i8[20,1,3,3], %const_z: u8[], %const_m: f32[1], "
                   "%const_o: f32[20]",
                   "%x, %const_w, %const_z, %const_m, %const_o",
                   "%a = conv_integer{pads=[1, 1, 1, 1], group=20}(%x, %w, %z) %y = "
                   "requantize{low=0, high=255, to=u8}(%a, %m, %o)"),
             {"conv_depthwise_s8/4x7x4@nhwc"},
             {.sizes = {{{"N", 3}, {"H", 9}, {"W", 6}},
                        {{"N", 1}, {"H", 1}, {"W", 1}},
                        {{"N", 0}, {"H", 5}, {"W", 4}}},
              .constants = {any_bytes(DType::i8, {20, 1, 3, 3}, 5), byte(DType::u8, 200),
                            Tensor::from<float>({1}, {3e-5f}), floats_around(20, 0.5f, 4)},
              .tolerance = 0,
              .only = "conv_depthwise_s8/4x7x4"});
}

TEST(CudaByteMean, is_that_of_the_reference) {
  const Tensor axes = Tensor::from<std::int64_t>({2}, {-1, 2});
  const std::string requantize = "%y = requantize{low=-127, high=126}(%s, %m, %o)";
  for (const int channels : {32, 6}) {
    check_cuda(fused(fmt::format("%x: u8[N,{},5,3], %const_z: i32[], %const_a: i64[2], %const_m: "
                                 "f32[], %const_o: f32[1]",
                                 channels),
                     "%x, %const_z, %const_a, %const_m, %const_o",
                     "%w = cast{to=i32}(%x) %c = binary{function=\"sub\"}(%w, %z) %s = "
                     "reduce{function=\"sum\"}(%c, %a) " +
                         requantize),
               {"mean_s8/128x8@nhwc>plain", "mean_s8/128x4@nhwc", "mean_s8/512x2@nhwc"},
               {.sizes = {{{"N", 9}}, {{"N", 0}}},
                .constants = {Tensor::scalar<std::int32_t>(77), axes, Tensor::scalar(0.0003f),
                              floats_around(1, 0.4f, 3)},
                .tolerance = 0});
  }
  check_cuda(fused("%x: i8[2,48,700], %const_a: i64[1], %const_m: f32[], %const_o: f32[]",
                   "%x, %const_a, %const_m, %const_o",
                   "%w = cast{to=i32}(%x) %s = reduce{function=\"sum\", keep_dims=false}(%w, %a) " +
                       requantize),
             {"mean_s8/128x8@nhwc>plain", "mean_s8/256x4@nhwc>plain"},
             {.inputs = {any_bytes(DType::i8, {2, 48, 700}, 5)},
              .constants = {Tensor::from<std::int64_t>({1}, {2}), Tensor::scalar(0.00009f),
                            Tensor::scalar(0.5f)},
              .tolerance = 0});
}

TEST(CudaByteProducts, give_sums) {
  check_cuda(
      "graph main(%x: u8[3,5,48], %const_w: i8[48,33], %const_z: u8[]) -> (%y) { %y = "
      "matmul_integer(%x, %const_w, %const_z) }",
      {"matmul_mma_s8/32x32x64_16x32_s4"},
      {.inputs = {any_bytes(DType::u8, {3, 5, 48}, 1)},
       .constants = {any_bytes(DType::i8, {48, 33}, 2), byte(DType::u8, 200)},
       .tolerance = 0});
  check_cuda(
      "graph main(%x: i8[N,40], %const_w: i8[40,32]) -> (%y) { %y = "
      "matmul_integer(%x, %const_w) }",
      {"matmul_mma_s8/32x32x64_16x32_s4"}, {.sizes = {{{"N", 0}}, {{"N", 3}}}, .tolerance = 0});
}

TEST(CudaByteProducts, take_weights_that_are_no_signed_bytes) {
  check_cuda(
      "graph main(%x: u8[7,37], %const_w: u8[37,33], %const_z: u8[], %const_v: u8[]) -> (%y) { %y "
      "= matmul_integer(%x, %const_w, %const_z, %const_v) }",
      {"matmul_mma_s8/32x32x64_16x32_s4"},
      {.inputs = {any_bytes(DType::u8, {7, 37}, 1)},
       .constants = {any_bytes(DType::u8, {37, 33}, 2), byte(DType::u8, 200), byte(DType::u8, 3)},
       .tolerance = 0});
}

TEST(CudaByteProducts, become_floats_with_factors_that_only_running_tells) {
  check_cuda(
      fused("%x: u8[5,32], %const_w: i8[32,32], %z: u8[], %s: f32[], %const_b: f32[32]",
            "%x, %const_w, %z, %s, %const_b",
            "%a = matmul_integer(%x, %w, %z) %f = cast{to=f32}(%a) %g = binary{function=\"mul\"}"
            "(%f, %s) %h = binary{function=\"add\"}(%g, %b) %y = unary{function=\"relu\"}(%h)"),
      {"matmul_mma_s8/32x32x64_16x32_s4"},
      {.inputs = {any_bytes(DType::u8, {5, 32}, 1), byte(DType::u8, 77), Tensor::scalar(0.0021f)},
       .constants = {any_bytes(DType::i8, {32, 32}, 2)}});
}

}  // namespace
}  // namespace strop::testing
