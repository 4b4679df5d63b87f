// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "backends/cpu/isa.hpp"
#include "backends/cpu/kernels/simd/functions_f32.hpp"
#include "backends/cpu/tactic_check.hpp"

namespace strop {
namespace {

using testing::check_tactics;
using testing::refusals;

// Values that functions treat specially, and ordinary ones around them.
Tensor corner_values() {
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> values = {
      0.0f,  -0.0f,  1.0f,   -1.0f,   infinity, -infinity, std::numeric_limits<float>::quiet_NaN(),
      88.7f, -87.3f, 100.0f, -110.0f, 1e-30f,   3e38f,     -3e38f};
  for (int i = -25; i < 25; ++i) values.push_back(static_cast<float>(i) * 0.37f);
  return Tensor::from<float>({static_cast<std::int64_t>(values.size())}, values);
}

TEST(CpuPointwise, agrees_for_every_unary_function_also_at_its_corners) {
  for (const char* function : {"relu", "leaky_relu", "elu", "sigmoid", "hard_sigmoid", "hard_swish",
                               "silu", "gelu", "gelu_tanh", "exp", "log", "sqrt", "reciprocal",
                               "erf", "neg", "abs", "floor", "ceil", "tanh"}) {
    const std::string text = "{function=\"" + std::string(function) + "\", alpha=0.3, beta=0.4}";
    check_tactics("graph main(%x: f32[64]) -> (%y) { %y = unary" + text + "(%x) }",
                  {"pointwise_cpu"}, {.inputs = {corner_values()}, .tolerance = 1e-6});
    check_tactics("graph main(%x: f32[N,3,H]) -> (%y) { %y = unary" + text + "(%x) }",
                  {"pointwise_cpu"},
                  {.sizes = {{{"N", 2}, {"H", 5}}, {{"N", 0}, {"H", 5}}, {{"N", 7}, {"H", 9001}}},
                   .tolerance = 1e-6});
  }
}

// The largest error of `run` between -12 and 12, in units in the last place of the exact result.
double worst_error(cpu::RunFunction run, double (*exact)(double)) {
  double worst = 0;
  std::vector<float> x(1001), y;
  for (int block = -400; block < 400; ++block) {
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = (static_cast<float>(block) + static_cast<float>(i) * 1e-3f) * 0.03f;
    y = x;
    run(y.data(), nullptr, static_cast<std::int64_t>(y.size()), 1, 0);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double wanted = exact(static_cast<double>(x[i]));
      const float size = std::fabs(static_cast<float>(wanted));
      const double unit =
          static_cast<double>(std::nextafter(size, INFINITY)) - static_cast<double>(size);
      const double error = std::fabs(static_cast<double>(y[i]) - wanted) / unit;
      if (!(error <= worst)) worst = error;
    }
  }
  return worst;
}

TEST(CpuPointwise, stays_within_units_in_the_last_place_of_the_exact_functions) {
  struct Exact {
    const char* name;
    double (*function)(double);
  };
  for (const Exact& exact : {Exact{"exp", [](double x) { return std::exp(x); }},
                             Exact{"erf", [](double x) { return std::erf(x); }},
                             Exact{"tanh", [](double x) { return std::tanh(x); }},
                             Exact{"sigmoid", [](double x) { return 1 / (1 + std::exp(-x)); }}}) {
    SCOPED_TRACE(exact.name);
    const EpilogueStep step{.kind = EpilogueStep::unary, .function = exact.name};
    EXPECT_LE(worst_error(cpu::find_run_function(step), exact.function), 2);
    for (const cpu::Isa isa : {cpu::Isa::generic, cpu::Isa::avx2, cpu::Isa::avx512}) {
      cpu::limit_isa(isa);
      EXPECT_LE(worst_error(cpu::find_fast_function(step), exact.function), 2)
          << static_cast<int>(isa);
    }
    cpu::limit_isa(cpu::Isa::avx512_bf16);
  }
}

TEST(CpuPointwise, agrees_for_every_binary_function_and_broadcast) {
  for (const char* function : {"add", "sub", "mul", "div", "min", "max", "pow", "prelu"}) {
    const std::string node = "{function=\"" + std::string(function) + "\"}(%a, %b) }";
    for (const auto& [a, b] :
         std::vector<std::pair<const char*, const char*>>{{"2,3,4", "2,3,4"},
                                                          {"2,3,4", "4"},
                                                          {"2,3,4", "3,1"},
                                                          {"2,3,4", ""},
                                                          {"2,1,4", "3,1"},
                                                          {"1", "1"},
                                                          {"", ""},
                                                          {"2,3,1,5", "2,1,4,1"}}) {
      check_tactics(std::string("graph main(%a: f32[") + a + "], %b: f32[" + b +
                        "]) -> (%y) { %y = binary" + node,
                    {"pointwise_cpu"}, {.tolerance = 1e-6});
    }
  }
  for (const char* function : {"add", "sub", "mul", "div", "min", "max"}) {
    const std::string node = "{function=\"" + std::string(function) + "\"}(%a, %b) }";
    check_tactics("graph main(%a: f32[4], %b: f32[2,3,4]) -> (%y) { %y = binary" + node,
                  {"pointwise_cpu"}, {.tolerance = 1e-6});
  }
}

TEST(CpuPointwise, squares_like_any_power) {
  for (const float exponent : {2.0f, 3.0f, 0.5f}) {
    check_tactics(
        "graph main(%x: f32[64], %const_e: f32[]) -> (%y) { %y = binary{function=\"pow\"}(%x, "
        "%const_e) }",
        {"pointwise_cpu"},
        {.inputs = {corner_values()}, .constants = {Tensor::from<float>({}, {exponent})}});
  }
}

TEST(CpuPointwise, agrees_where_sizes_that_change_decide_what_is_broadcast) {
  check_tactics("graph main(%a: f32[N,3,H,1], %b: f32[N,1,H,W]) -> (%y) { %y = binary(%a, %b) }",
                {"pointwise_cpu"},
                {.sizes = {{{"N", 2}, {"H", 4}, {"W", 5}},
                           {{"N", 1}, {"H", 1}, {"W", 1}},
                           {{"N", 1}, {"H", 40}, {"W", 3000}}}});
}

TEST(CpuPointwise, agrees_for_chains_and_clips) {
  const std::string head =
      "%x: f32[2,3,50], %r: f32[3,1], %s: f32[2,3,50], %const_l: f32[], %const_h: f32[]";
  check_tactics("graph main(" + head +
                    ") -> (%y) { %y = fused{kind=\"chain\"}(%x, %r, %s, %const_l, %const_h) "
                    "body graph body(" +
                    head +
                    ") -> (%y) { %a = binary{function=\"mul\"}(%x, %r) "
                    "%b = binary{function=\"sub\"}(%s, %a) %c = unary{function=\"silu\"}(%b) "
                    "%y = clip(%c, %const_l, %const_h) } }",
                {"pointwise_cpu"},
                {.constants = {Tensor::from<float>({}, {-0.1f}), Tensor::from<float>({}, {0.2f})}});
  check_tactics("graph main(%x: f32[64], %const_l: f32[]) -> (%y) { %y = clip(%x, %const_l) }",
                {"pointwise_cpu"}, {.inputs = {corner_values()}});
  check_tactics(
      "graph main(%x: f32[64], %const_l: f32[], %const_h: f32[]) -> (%y) "
      "{ %y = clip(%x, %const_l, %const_h) }",
      {"pointwise_cpu"},
      {.inputs = {corner_values()},
       .constants = {Tensor::from<float>({}, {-1.0f}), Tensor::from<float>({}, {6.0f})}});
}

TEST(CpuPointwise, refuses_what_it_has_no_function_for) {
  EXPECT_EQ(refusals("graph main(%x: f32[3]) -> (%y) { %y = unary{function=\"sin\"}(%x) }"),
            "pointwise_cpu: there is no kernel for sin");
  EXPECT_EQ(refusals("graph main(%x: i32[3]) -> (%y) { %y = unary{function=\"abs\"}(%x) }"),
            "pointwise_cpu: input 0 is i32, this tactic is for f32");
}

}  // namespace
}  // namespace strop
