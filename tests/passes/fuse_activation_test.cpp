// SPDX-License-Identifier: Apache-2.0
#include "passes/passes.hpp"

#include "passes/pass_check.hpp"

namespace strop {
namespace {

using testing::check_pass;
using testing::check_unchanged;

const std::string kStart = R"(graph main(%x: f32[N,40]) -> (%y) {
  const %zero = f32[]{0}
  const %half = f32[]{0.5}
  const %one = f32[1]{1}
  const %three = f32[]{3}
  const %six = f32[]{6}
  const %sixth = f32[]{0.16666667}
  const %root = f32[]{1.4142135}
  const %factor = f32[]{0.7978846}
  const %cubic = f32[]{0.044715}
)";

void expect_fused(const std::string& chain, const std::string& function) {
  EXPECT_GE(check_pass(
                fuse_activation(), kStart + chain + "}",
                "graph main(%x: f32[N,40]) -> (%y) { %y = unary{function=\"" + function + "}(%x) }",
                {.tolerance = 1e-5}),
            1)
      << chain;
}

TEST(FuseActivation, recognises_hard_sigmoid_and_hard_swish) {
  const std::string ramp = "%a = binary(%x, %three) %b = clip(%a, %zero, %six)\n";
  const std::string by_division = "\", alpha=0.16666666666666666, beta=0.5";
  expect_fused(ramp + "%y = binary{function=\"div\"}(%b, %six)", "hard_sigmoid" + by_division);
  expect_fused(ramp + "%y = binary{function=\"mul\"}(%sixth, %b)", "hard_sigmoid" + by_division);
  expect_fused(ramp + R"(%c = binary{function="mul"}(%x, %b)
                         %y = binary{function="div"}(%c, %six))",
               "hard_swish" + by_division);
  expect_fused(ramp + R"(%c = binary{function="div"}(%b, %six)
                         %y = binary{function="mul"}(%c, %x))",
               "hard_swish" + by_division);
  expect_fused(ramp + R"(%c = binary{function="div"}(%x, %six)
                         %y = binary{function="mul"}(%c, %b))",
               "hard_swish" + by_division);
  expect_fused(R"(%a = unary{function="hard_sigmoid", alpha=0.2, beta=0.5}(%x)
                  %y = binary{function="mul"}(%x, %a))",
               "hard_swish\", alpha=0.2, beta=0.5");
}

TEST(FuseActivation, recognises_silu_mish_and_gelu) {
  expect_fused(R"(%a = unary{function="sigmoid"}(%x) %y = binary{function="mul"}(%a, %x))",
               "silu\"");
  expect_fused(R"(%a = unary{function="softplus"}(%x) %b = unary{function="tanh"}(%a)
                  %y = binary{function="mul"}(%x, %b))",
               "mish\"");
  const std::string erf = R"(%a = binary{function="div"}(%x, %root) %b = unary{function="erf"}(%a)
                             %c = binary(%b, %one)
)";
  expect_fused(erf + R"(%d = binary{function="mul"}(%x, %c)
                        %y = binary{function="mul"}(%d, %half))",
               "gelu\"");
  expect_fused(erf + R"(%d = binary{function="mul"}(%x, %half)
                        %y = binary{function="mul"}(%d, %c))",
               "gelu\"");
  expect_fused(erf + R"(%d = binary{function="mul"}(%half, %c)
                        %y = binary{function="mul"}(%x, %d))",
               "gelu\"");
}

TEST(FuseActivation, recognises_gelu_by_the_hyperbolic_tangent) {
  const std::string end = R"(%t = unary{function="tanh"}(%i) %g = binary(%t, %one)
                             %h = binary{function="mul"}(%x, %half)
                             %y = binary{function="mul"}(%h, %g))";
  const std::string by_power = R"(%a = binary{function="pow"}(%x, %three))";
  const std::string by_products = R"(%s = binary{function="mul"}(%x, %x)
                                     %a = binary{function="mul"}(%x, %s))";
  for (const std::string& cube : {by_power, by_products}) {
    expect_fused(cube + R"(%b = binary{function="mul"}(%a, %cubic) %c = binary(%x, %b)
                           %i = binary{function="mul"}(%c, %factor))" +
                     end,
                 "gelu_tanh\"");
  }
  expect_fused(R"(%a = binary{function="mul"}(%x, %factor) %b = binary{function="mul"}(%x, %cubic)
                  %c = binary{function="mul"}(%b, %x) %d = binary(%c, %one)
                  %i = binary{function="mul"}(%a, %d))" +
                   end,
               "gelu_tanh\"");
  expect_fused(R"(%a = binary{function="mul"}(%x, %x) %b = binary{function="mul"}(%a, %cubic)
                  %c = binary(%one, %b) %d = binary{function="mul"}(%x, %c)
                  %i = binary{function="mul"}(%d, %factor))" +
                   end,
               "gelu_tanh\"");
}

TEST(FuseActivation, leaves_chains_that_mean_something_else) {
  check_unchanged(fuse_activation(), kStart + R"(
    %a = binary{function="mul"}(%x, %x)
    %b = binary{function="mul"}(%a, %cubic)
    %c = binary(%x, %b)
    %i = binary{function="mul"}(%c, %factor)
    %t = unary{function="tanh"}(%i)
    %g = binary(%t, %one)
    %h = binary{function="mul"}(%x, %half)
    %y = binary{function="mul"}(%h, %g)
  })");
  check_unchanged(fuse_activation(), R"(graph main(%x: f32[N,4], %u: f32[N,4]) -> (%y) {
    %a = unary{function="sigmoid"}(%u)
    %y = binary{function="mul"}(%a, %x)
  })");
  check_unchanged(fuse_activation(), R"(graph main(%x: f32[N,4]) -> (%y) {
    const %zero = f32[]{0}
    const %three = f32[]{3}
    const %six = f32[]{6}
    const %five = f32[]{5}
    %a = binary(%x, %three)
    %b = clip(%a, %zero, %six)
    %y = binary{function="div"}(%b, %five)
  })");
  check_unchanged(fuse_activation(), R"(graph main(%x: f32[N,4]) -> (%y) {
    %a = unary{function="sigmoid"}(%x)
    %y = binary{function="mul"}(%a, %x)
  })",
                  {.target = {.precise = true}});
}

}  // namespace
}  // namespace strop
