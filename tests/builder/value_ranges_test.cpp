// SPDX-License-Identifier: Apache-2.0
#include "builder/value_ranges.hpp"

#include <gtest/gtest.h>

#include "builder/targets.hpp"
#include "ir/text.hpp"
#include "ops/op_list.hpp"

namespace strop {
namespace {

ValueRanges measure(std::string_view text, const BuildConfig& config = {}) {
  const Graph graph = parse_graph(text, [](std::string_view name) { return find_op(name); });
  return measure_value_ranges(graph, config);
}

TEST(ValueRanges, every_value_is_measured_views_and_pooled_ones_too) {
  const ValueRanges ranges = measure(R"(graph main(%x: f32[N,1,4,4]) -> (%y) {
    const %k = f32[]{100000}
    %a = unary{function="exp"}(%x)
    %b = binary{function="mul"}(%a, %k)
    %c = pool{function="average", kernel=[4, 4]}(%b)
    const %shape = i64[2]{0, 1}
    %d = reshape(%c, %shape)
    %e = unary{function="neg"}(%d)
    %y = unary{function="sign"}(%e)
  })");
  EXPECT_EQ(ranges.note, "");
  for (const char* name : {"x", "a", "b", "c", "d", "e", "y"})
    EXPECT_TRUE(ranges.of.contains(name)) << name;
  EXPECT_GT(ranges.of.at("b").highest, 1e5);
  EXPECT_LT(ranges.of.at("b").highest, 2.72e5);
  EXPECT_EQ(ranges.of.at("c").highest, ranges.of.at("d").highest);
  EXPECT_EQ(ranges.of.at("e").lowest, -ranges.of.at("c").highest);
  EXPECT_EQ(ranges.of.at("y").lowest, -1);
}

TEST(ValueRanges, infinity_and_nan_do_not_count) {
  const ValueRanges ranges = measure(R"(graph main(%x: f32[4]) -> (%y) {
    const %k = f32[4]{inf, -inf, nan, 3}
    %a = unary{function="abs"}(%x)
    %y = binary{function="max"}(%a, %k)
  })");
  EXPECT_EQ(ranges.of.at("y").highest, 3);
}

TEST(ValueRanges, one_sample_of_an_open_batch_is_enough) {
  BuildConfig config;
  config.shapes = {{"x", {1 << 20, 1 << 10}}};  // 4 GiB
  const ValueRanges ranges = measure(R"(graph main(%x: f32[N,M]) -> (%y) {
    %y = unary{function="neg"}(%x)
  })",
                                     config);
  EXPECT_TRUE(ranges.of.contains("y"));
}

// Of `main`, with BATCH as each of the batches.
void expect_same_ranges(std::string text, int batch) {
  const auto with = [&](int size) {
    std::string out = text;
    for (std::size_t at = 0; (at = out.find("BATCH", at)) != std::string::npos;)
      out.replace(at, 5, std::to_string(size));
    return measure(out);
  };
  const ValueRanges one = with(1), many = with(batch);
  EXPECT_EQ(many.note, "");
  for (const auto& [name, range] : one.of) {
    ASSERT_TRUE(many.of.contains(name)) << name;
    EXPECT_EQ(many.of.at(name).lowest, range.lowest) << name;
    EXPECT_EQ(many.of.at(name).highest, range.highest) << name;
  }
}

TEST(ValueRanges, one_sample_of_a_fixed_batch_is_enough) {
  expect_same_ranges(R"(graph main(%x: f32[BATCH,3,4,4]) -> (%y) {
    %a = unary{function="exp"}(%x)
    %p = pool{function="average", kernel=[4, 4]}(%a)
    %y = reshape{flatten_axis=1}(%p)
  })",
                     16);
  BuildConfig config;
  config.shapes = {{"x", {1 << 20, 1 << 10}}};  // 4 GiB
  const ValueRanges ranges = measure(R"(graph main(%x: f32[1048576,1024]) -> (%y) {
    %y = unary{function="neg"}(%x)
  })",
                                     config);
  EXPECT_TRUE(ranges.of.contains("y"));
}

TEST(ValueRanges, one_sample_is_enough_where_constants_hold_the_batch) {
  expect_same_ranges(R"(graph main(%x: f32[BATCH,4,6]) -> (%y) {
    const %token = f32[1,1,6]{1, 2, 3, 4, 5, 6}
    const %many = i64[3]{BATCH, 1, 1}
    const %shape = i64[4]{BATCH, 5, -1, 3}
    %tokens = expand(%token, %many)
    %all = concat{axis=1}(%tokens, %x)
    %heads = reshape(%all, %shape)
    %turned = transpose{perm=[0, 2, 1, 3]}(%heads)
    %y = unary{function="exp"}(%turned)
  })",
                     8);
}

TEST(ValueRanges, all_samples_are_measured_where_they_are_mixed) {
  const ValueRanges ranges = measure(R"(graph main(%x: f32[64,2]) -> (%y) {
    const %axes = i64[1]{0}
    %a = unary{function="exp"}(%x)
    %y = reduce{function="sum"}(%a, %axes)
  })");
  EXPECT_GT(ranges.of.at("y").highest, 32);
}

TEST(ValueRanges, all_samples_are_measured_where_one_cannot_be_run) {
  // The first sample looks up what belongs to the last.
  const ValueRanges ranges = measure(R"(graph main(%x: f32[4,1]) -> (%y) {
    const %index = i64[4]{3, 2, 1, 0}
    %a = gather{axis=0}(%x, %index)
    %y = unary{function="exp"}(%a)
  })");
  EXPECT_EQ(ranges.note, "");
  EXPECT_TRUE(ranges.of.contains("y"));
}

TEST(ValueRanges, a_graph_that_cannot_be_run_gives_the_reason) {
  const ValueRanges ranges = measure(R"(graph main(%x: f32[N,4], %c: f32[1000,4]) -> (%y) {
    %two = concat{axis=0}(%x, %x, %x)
    %y = binary{function="add"}(%two, %c)
  })");
  EXPECT_TRUE(ranges.of.empty());
  EXPECT_NE(ranges.note.find("--shapes"), std::string::npos) << ranges.note;
}

TEST(ValueRanges, graphs_with_branches_are_measured_outside_of_them) {
  const ValueRanges ranges = measure(R"(graph main(%x: f32[4], %c: bool[]) -> (%y) {
    %a = unary{function="abs"}(%x)
    %b = if_else(%c, %a)
      then graph then(%a: f32[4]) -> (%f) { %e = unary{function="exp"}(%a) %f = unary{function="abs"}(%e) }
      else graph else(%a: f32[4]) -> (%a) { }
    %y = unary{function="neg"}(%b)
  })");
  EXPECT_EQ(ranges.note, "");
  EXPECT_TRUE(ranges.of.contains("a") && ranges.of.contains("b") && ranges.of.contains("y"));
}

TEST(Precision, fp16_is_for_gpus) {
  BuildConfig config;
  config.precision = "fp16";
  for (const char* device : {"cpu", "reference", "auto"}) {
    config.device = device;
    try {
      check_config(config);
      FAIL() << device;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::bad_option);
      EXPECT_NE(error.message().find("for GPUs"), std::string::npos) << error.message();
    }
  }
  config.device = "cuda:sm_90";
  check_config(config);
  EXPECT_EQ(storage_type(config), DType::f16);
  EXPECT_EQ(operand_type(config), DType::f32);
}

TEST(Precision, bf16_is_of_operands_on_the_cpu_and_of_all_values_on_a_gpu) {
  BuildConfig config;
  config.precision = "bf16";
  EXPECT_EQ(operand_type(config), DType::bf16);
  EXPECT_EQ(storage_type(config), DType::f32);
  config.device = "cuda";
  EXPECT_EQ(operand_type(config), DType::f32);
  EXPECT_EQ(storage_type(config), DType::bf16);
}

}  // namespace
}  // namespace strop
