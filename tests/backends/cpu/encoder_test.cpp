// SPDX-License-Identifier: Apache-2.0
// Kernels that encoders are made of: softmax, normalisation, attention.
#include <functional>
#include <limits>

#include "backends/cpu/isa.hpp"
#include "backends/cpu/tactic_check.hpp"

namespace strop {
namespace {

using testing::check_tactics;
using testing::refusals;
using testing::TacticCheck;

// Each instruction set that this processor has.
void for_each_isa(const std::function<void()>& body) {
  for (const cpu::Isa isa : {cpu::Isa::generic, cpu::Isa::avx2, cpu::Isa::avx512}) {
    SCOPED_TRACE(static_cast<int>(isa));
    cpu::limit_isa(isa);
    body();
  }
  cpu::limit_isa(cpu::Isa::avx512_bf16);
}

Tensor row_of(std::vector<float> values) {
  const auto size = static_cast<std::int64_t>(values.size());
  return Tensor::from<float>({size}, values);
}

TEST(CpuSoftmax, agrees_at_every_width_and_for_logarithms) {
  for_each_isa([] {
    for (const char* log : {"false", "true"}) {
      check_tactics(std::string("graph main(%x: f32[N,W]) -> (%y) { %y = softmax{axis=1, log=") +
                        log + "}(%x) }",
                    {"softmax_cpu"},
                    {.sizes = {{{"N", 3}, {"W", 1}},
                               {{"N", 2}, {"W", 7}},
                               {{"N", 2}, {"W", 64}},
                               {{"N", 300}, {"W", 133}},
                               {{"N", 0}, {"W", 5}},
                               {{"N", 2}, {"W", 0}}}});
    }
  });
}

TEST(CpuSoftmax, agrees_at_the_corners_of_the_exponential) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for_each_isa([&] {
    for (const Tensor& row :
         {row_of({3e38f, 1, -3e38f, 0}), row_of({-infinity, 1, 2, -infinity}),
          row_of({-infinity, -infinity}), row_of({infinity, 1}), row_of({nan, 1, 2}),
          row_of(std::vector<float>(40, -1000)), row_of({0, -87, -88, -100, -103, -104, -200})}) {
      check_tactics("graph main(%x: f32[N]) -> (%y) { %y = softmax{axis=0}(%x) }", {"softmax_cpu"},
                    {.sizes = {{{"N", row.size()}}}, .inputs = {row}, .tolerance = 1e-6});
    }
  });
}

// What a quantised model rounds to bytes must not depend on the kernel.
TEST(CpuRows, softmax_and_normalisation_give_the_bits_of_the_reference) {
  for_each_isa([] {
    check_tactics("graph main(%x: f32[64,133]) -> (%y) { %y = softmax{axis=1}(%x) }",
                  {"softmax_cpu"}, {.tolerance = 0});
    check_tactics(
        "graph main(%x: f32[64,768], %s: f32[768], %b: f32[768]) -> (%y) { %y = "
        "layer_norm{axis=1}(%x, %s, %b) }",
        {"layer_norm_cpu"}, {.tolerance = 0});
  });
}

TEST(CpuSoftmax, agrees_for_any_axis_and_layout) {
  for_each_isa([] {
    for (const char* attributes : {"axis=1", "axis=1, log=true", "axis=0", "axis=-2"}) {
      check_tactics(std::string("graph main(%x: f32[N,16,4,W]) -> (%y) { %y = softmax{") +
                        attributes + "}(%x) }",
                    {"softmax_cpu", "softmax_cpu@nhwc"},
                    {.sizes = {{{"N", 1}, {"W", 1}},
                               {{"N", 2}, {"W", 37}},
                               {{"N", 70}, {"W", 5}},
                               {{"N", 0}, {"W", 5}},
                               {{"N", 1}, {"W", 300}}},
                     .tolerance = 1e-6});
    }
  });
}

TEST(CpuLayerNorm, agrees_with_and_without_scale_bias_and_mean) {
  for_each_isa([] {
    for (const char* centred : {"true", "false"}) {
      const std::string attributes =
          std::string("layer_norm{axis=1, epsilon=0.001, centred=") + centred + "}";
      for (const char* operands : {"%x", "%x, %s", "%x, _, %b", "%x, %s, %b"}) {
        check_tactics("graph main(%x: f32[N,70], %s: f32[70], %b: f32[70]) -> (%y) { %y = " +
                          attributes + "(" + operands + ") }",
                      {"layer_norm_cpu"}, {.sizes = {{{"N", 300}}, {{"N", 1}}, {{"N", 0}}}});
      }
    }
    check_tactics(
        "graph main(%x: f32[N,3,5], %const_s: f32[3,5]) -> (%y) { %y = layer_norm{axis=1}(%x, "
        "%const_s) }",
        {"layer_norm_cpu"}, {.sizes = {{{"N", 4}}}});
    check_tactics("graph main(%x: f32[2,W]) -> (%y) { %y = layer_norm{axis=1}(%x) }",
                  {"layer_norm_cpu"}, {.sizes = {{{"W", 1}}, {{"W", 16}}, {{"W", 3000}}}});
  });
}

TEST(CpuLayerNorm, refuses_what_it_does_not_compute) {
  EXPECT_EQ(refusals("graph main(%x: f32[2,3]) -> (%y, %m) { %y, %m = layer_norm{axis=1}(%x) }"),
            "layer_norm_cpu: its statistics are wanted");
  EXPECT_EQ(refusals("graph main(%x: f32[2,3], %s: f32[1]) -> (%y) { %y = layer_norm(%x, %s) }"),
            "layer_norm_cpu: its scale or bias is broadcast");
}

std::string attention(const std::string& q, const std::string& k, const std::string& v,
                      const std::string& bias = {}, const std::string& attributes = {}) {
  return "graph main(%q: f32[" + q + "], %k: f32[" + k + "], %v: f32[" + v + "]" +
         (bias.empty() ? "" : ", %b: f32[" + bias + "]") + ") -> (%y) { %y = attention" +
         attributes + "(%q, %k, %v" + (bias.empty() ? "" : ", %b") + ") }";
}

TEST(CpuAttention, agrees_at_sizes_that_cut_tiles_and_blocks) {
  for_each_isa([] {
    check_tactics(attention("B,2,L,8", "B,2,M,8", "B,2,M,5", "", "{scale=0.3}"), {"attention_cpu"},
                  {.sizes = {{{"B", 2}, {"L", 3}, {"M", 7}},
                             {{"B", 1}, {"L", 50}, {"M", 64}},
                             {{"B", 1}, {"L", 25}, {"M", 700}},
                             {{"B", 1}, {"L", 1}, {"M", 1}},
                             {{"B", 0}, {"L", 4}, {"M", 4}},
                             {{"B", 1}, {"L", 4}, {"M", 0}}}});
    check_tactics(attention("1,2,30,64", "1,2,130,64", "1,2,130,64", "", "{scale=0.125}"),
                  {"attention_cpu"});
    check_tactics(attention("1,6,5,16", "1,2,40,16", "1,2,40,100"), {"attention_cpu"});
    check_tactics(attention("1,2,5,0", "1,2,9,0", "1,2,9,4"), {"attention_cpu"});
  });
}

TEST(CpuAttention, agrees_for_every_broadcast_of_the_bias) {
  for (const char* bias :
       {"2,3,30,300", "2,1,1,300", "1,3,30,300", "30,300", "300", "30,1", "1", "3,1,1"}) {
    check_tactics(attention("2,3,30,8", "2,3,300,8", "2,3,300,8", bias), {"attention_cpu"});
  }
}

TEST(CpuAttention, gives_zeros_where_no_key_is_seen) {
  const float hidden = -std::numeric_limits<float>::infinity();
  std::vector<float> bias(2 * 300, 0.0f);
  std::fill(bias.begin(), bias.begin() + 300, hidden);        // the first query sees none
  std::fill(bias.begin() + 300, bias.begin() + 580, hidden);  // the second the last ones
  std::vector<Tensor> inputs;
  for (const Shape& shape : {Shape{1, 1, 2, 4}, Shape{1, 1, 300, 4}, Shape{1, 1, 300, 4}}) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < element_count(shape); ++i)
      values.push_back(static_cast<float>(i % 17) * 0.1f - 0.5f);
    inputs.push_back(Tensor::from<float>(shape, values));
  }
  inputs.push_back(Tensor::from<float>({2, 300}, bias));
  for_each_isa([&] {
    check_tactics(attention("1,1,2,4", "1,1,300,4", "1,1,300,4", "2,300"), {"attention_cpu"},
                  {.inputs = inputs});
  });
}

TEST(CpuAttention, gives_zeros_for_weights_that_are_no_numbers) {
  std::vector<float> queries(3 * 4, 0.5f);
  queries[5] = std::numeric_limits<float>::quiet_NaN();
  queries[8] = std::numeric_limits<float>::infinity();
  const std::vector<Tensor> inputs = {
      Tensor::from<float>({1, 1, 3, 4}, queries),
      Tensor::from<float>({1, 1, 300, 4}, std::vector<float>(300 * 4, 0.25f)),
      Tensor::from<float>({1, 1, 300, 4}, std::vector<float>(300 * 4, 3.0f))};
  for_each_isa([&] {
    check_tactics(attention("1,1,3,4", "1,1,300,4", "1,1,300,4", "", "{zero_nan=true}"),
                  {"attention_cpu"}, {.inputs = inputs});
  });
}

TEST(CpuAttention, reads_heads_from_columns_and_writes_them_side_by_side) {
  const std::string body = R"(body graph body(%x: f32[B,L,24], %b: f32[B,1,1,L]) -> (%y) {
      const %s1 = i64[1]{8} const %e1 = i64[1]{16} const %a1 = i64[1]{2}
      const %h = i64[4]{0, 0, 2, 4} const %c = i64[4]{0, 0, 2, 12}
      const %s2 = i64[1]{5} const %e2 = i64[1]{9} const %a2 = i64[1]{3}
      const %m = i64[3]{0, 0, 8}
      %q1 = slice(%x, %s1, %e1, %a1) %q2 = reshape(%q1, %h) %q = transpose{perm=[0, 2, 1, 3]}(%q2)
      %k1 = reshape(%x, %c) %k2 = slice(%k1, %s2, %e2, %a2) %k = transpose{perm=[0, 2, 1, 3]}(%k2)
      %o = attention{scale=0.5}(%q, %k, %k, %b)
      %u = transpose{perm=[0, 2, 1, 3]}(%o) %y = reshape(%u, %m) } })";
  check_tactics(
      "graph main(%x: f32[B,L,24], %b: f32[B,1,1,L]) -> (%y) { %y = "
      "fused{kind=\"attention\"}(%x, %b) " +
          body,
      {"attention_cpu"},
      {.sizes = {{{"B", 2}, {"L", 40}}, {{"B", 1}, {"L", 1}}, {{"B", 0}, {"L", 3}}}});
}

TEST(CpuAttention, reads_and_writes_rows_that_come_first) {
  const std::string body = R"(body graph body(%x: f32[L,B,24]) -> (%y) {
      const %s1 = i64[1]{8} const %e1 = i64[1]{16} const %a1 = i64[1]{2}
      const %h = i64[4]{0, 0, 2, 4} const %m = i64[3]{0, 0, 8}
      %q1 = slice(%x, %s1, %e1, %a1) %q2 = reshape(%q1, %h) %q = transpose{perm=[1, 2, 0, 3]}(%q2)
      %o = attention{scale=0.5}(%q, %q, %q)
      %u = transpose{perm=[2, 0, 1, 3]}(%o) %y = reshape(%u, %m) } })";
  check_tactics("graph main(%x: f32[L,B,24]) -> (%y) { %y = fused{kind=\"attention\"}(%x) " + body,
                {"attention_cpu"},
                {.sizes = {{{"B", 3}, {"L", 40}}, {{"B", 1}, {"L", 1}}, {{"B", 0}, {"L", 3}}}});
}

TEST(CpuAttention, refuses_what_it_does_not_compute) {
  const auto reason = [](const std::string& attributes) {
    return refusals(attention("1,2,3,4", "1,2,3,4", "1,2,3,4", "", attributes));
  };
  EXPECT_EQ(reason("{right=0}"), "attention_cpu: it has no window of keys");
  EXPECT_EQ(reason("{softcap=2}"), "attention_cpu: it has no softcap");
  EXPECT_EQ(refusals(attention("1,2,3,4", "1,2,3,4", "1,2,3,D")),
            "attention_cpu: its values have D elements, not 1 to 256");
  EXPECT_EQ(refusals("graph main(%q: f16[1,2,3,4]) -> (%y) { %y = attention(%q, %q, %q) }"),
            "attention_cpu: input 0 is f16, this tactic is for f32");
}

}  // namespace
}  // namespace strop
