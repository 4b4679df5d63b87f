// SPDX-License-Identifier: Apache-2.0
// What the builder's self-check lets pass and what it names.
#include "builder/self_check.hpp"

#include <gtest/gtest.h>

#include <span>
#include <string>

#include "ir/text.hpp"
#include "ir/text_scanner.hpp"
#include "lower/lower.hpp"
#include "ops/op_list.hpp"

namespace strop::cpu {
std::span<const Tactic* const> cpu_tactics();
}

namespace strop {
namespace {

Graph parse(const std::string& text) {
  return parse_graph(text, [](std::string_view name) { return find_op(name); });
}

LowerOptions on_cpu() {
  LowerOptions options;
  options.tactics = cpu::cpu_tactics();
  return options;
}

// The check of an engine made of `engine` as one of `model`.
SelfCheckReport check(const std::string& model, const std::string& engine) {
  const Graph graph = parse(model), other = parse(engine);
  LowerReport report;
  const Plan plan = lower(other, on_cpu(), report);
  BuildConfig config;
  config.verify = Verify::always;
  return check_engine(graph, plan, on_cpu(), SymbolValues{}, config);
}

std::string refusal_of(const std::string& model, const std::string& engine) {
  try {
    check(model, engine);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::self_check_failed);
    return error.message();
  }
  ADD_FAILURE() << "the check let it pass";
  return {};
}

// The last bits of an exponential decide what the sine is: two right engines differ.
constexpr const char* kUnstable = R"(graph main(%x: f32[4,5000]) -> (%y) {
  const %m = f32[]{10000000}
  %a = unary{function="exp"}(%x)
  %b = binary{function="mul"}(%a, %m)
  %c = unary{function="sin"}(%b)
  )";

TEST(SelfCheck, lets_steps_differ_that_follow_from_the_last_bit_of_a_float) {
  const std::string model = std::string(kUnstable) + R"(
    const %s = f32[]{0.01}
    %y = quantize_linear{to=i8}(%c, %s)
  })";
  const SelfCheckReport report = check(model, model);
  EXPECT_TRUE(report.done);
  ASSERT_EQ(report.outputs.size(), 1u);
  const bool differs = report.outputs[0].largest_relative > 0;
  EXPECT_EQ(report.note.find("every step agrees") != std::string::npos, differs) << report.note;
}

TEST(SelfCheck, refuses_a_wrong_step_among_quantised_ones) {
  const std::string model = std::string(kUnstable) + R"(
    const %s = f32[]{0.01}
    %y = quantize_linear{to=i8}(%c, %s)
  })";
  std::string wrong = model;
  wrong.replace(wrong.find("0.01"), 4, "0.02");
  EXPECT_NE(refusal_of(model, wrong).find("another output when the values between them are kept"),
            std::string::npos);
}

TEST(SelfCheck, refuses_another_result_of_floats) {
  const std::string model = "graph main(%x: f32[40]) -> (%y) { %y = unary{function=\"exp\"}(%x) }";
  const std::string wrong = "graph main(%x: f32[40]) -> (%y) { %y = unary{function=\"tanh\"}(%x) }";
  EXPECT_TRUE(check(model, model).done);
  EXPECT_NE(refusal_of(model, wrong).find("output y"), std::string::npos);
}

}  // namespace
}  // namespace strop
