// SPDX-License-Identifier: Apache-2.0
#include "builder/one_sample.hpp"

#include <gtest/gtest.h>

#include <map>

#include "ir/text.hpp"
#include "ir/verify.hpp"
#include "ops/op_list.hpp"

namespace strop {
namespace {

Graph parse(std::string_view text) {
  return parse_graph(text, [](std::string_view name) { return find_op(name); });
}

// Types of all values by name; none when there is no graph of one sample.
std::map<std::string, std::string> types_of_one(std::string_view text) {
  const std::optional<Graph> one = one_sample_of(parse(text));
  std::map<std::string, std::string> types;
  if (!one) return types;
  verify(*one);
  for (const ValueId id : one->inputs())
    types.emplace(one->value(id).name, one->value(id).type.to_string());
  for (const NodeId id : one->order()) {
    for (const ValueId output : one->node(id).outputs)
      types.emplace(one->value(output).name, one->value(output).type.to_string());
  }
  return types;
}

bool has_one(std::string_view text) { return one_sample_of(parse(text)).has_value(); }

TEST(OneSample, the_leading_dimension_becomes_one_through_all_values) {
  const auto types = types_of_one(R"(graph main(%x: f32[8,2,5,5]) -> (%y) {
    const %w = f32[3,2,1,1]{1, 2, 3, 4, 5, 6}
    %a = conv{strides=[1, 1], dilations=[1, 1], pads=[0, 0, 0, 0]}(%x, %w)
    %b = unary{function="relu"}(%a)
    %y = reshape{flatten_axis=1}(%b)
  })");
  EXPECT_EQ(types.at("x"), "f32[1,2,5,5]");
  EXPECT_EQ(types.at("b"), "f32[1,3,5,5]");
  EXPECT_EQ(types.at("y"), "f32[1,75]");
}

TEST(OneSample, exact_products_of_bytes_keep_samples_apart) {
  const auto types = types_of_one(R"(graph main(%x: i8[8,2,5,5]) -> (%y) {
    const %w = i8[3,2,1,1]{1, 2, 3, 4, 5, 6}
    const %multiplier = f32[3]{0.01, 0.02, 0.03}
    const %offset = f32[1]{0.5}
    %a = conv_integer{strides=[1, 1], dilations=[1, 1], pads=[0, 0, 0, 0]}(%x, %w)
    %y = requantize{axis=1}(%a, %multiplier, %offset)
  })");
  EXPECT_EQ(types.at("a"), "i32[1,3,5,5]");
  EXPECT_EQ(types.at("y"), "i8[1,3,5,5]");
}

TEST(OneSample, a_batch_behind_what_it_was_merged_with_is_found_again) {
  const std::string merged = R"(graph main(%x: f32[4,128,8]) -> (%y) {
    const %flat = i64[2]{512, 8}
    const %apart = i64[3]{128, 4, 8}
    %t = transpose{perm=[1, 0, 2]}(%x)
    %f = reshape(%t, %flat)
    %n = unary{function="neg"}(%f)
    %s = reshape(%n, %apart)
)";
  const auto types = types_of_one(merged + "%y = unary{function=\"neg\"}(%s) }");
  EXPECT_EQ(types.at("n"), "f32[128,8]");
  EXPECT_EQ(types.at("y"), "f32[128,1,8]");
  EXPECT_FALSE(
      has_one(merged + "const %axes = i64[1]{1}\n%y = reduce{function=\"mean\"}(%s, %axes) }"));
}

TEST(OneSample, factors_that_differ_between_samples_are_no_indices) {
  EXPECT_FALSE(has_one(R"(graph main(%x: i64[4,3,2]) -> (%y) {
    const %k = i64[4,1,1]{0, 1, 2, 60000}
    %y = binary{function="mul"}(%x, %k)
  })"));
  EXPECT_FALSE(has_one(R"(graph main(%x: f32[4,3]) -> (%y) {
    %t = transpose{perm=[1, 0]}(%x)
    %y = softmax{axis=-1}(%t)
  })"));
}

// "of, of, ..." so many times
std::string repeated(std::string_view of, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += (i > 0 ? ", " : "") + std::string(of);
  return out;
}

TEST(OneSample, sizes_that_hold_the_batch_follow) {
  // Four heads, as many as samples.
  const auto types = types_of_one(R"(graph main(%x: f32[4,6,64]) -> (%y) {
    const %split = i64[4]{4, 6, -1, 16}
    const %rows = i64[2]{24, 64}
    const %again = i64[3]{4, 6, 64}
    %heads = reshape(%x, %split)
    %turned = transpose{perm=[0, 2, 1, 3]}(%heads)
    %flat = reshape(%x, %rows)
    %back = reshape(%turned, %rows)
    %sum = binary(%flat, %back)
    %y = reshape(%sum, %again)
  })");
  EXPECT_EQ(types.at("heads"), "f32[1,6,4,16]");
  EXPECT_EQ(types.at("turned"), "f32[1,4,6,16]");
  EXPECT_EQ(types.at("flat"), "f32[6,64]");
  EXPECT_EQ(types.at("sum"), "f32[6,64]");
  EXPECT_EQ(types.at("y"), "f32[1,6,64]");
}

TEST(OneSample, a_batch_in_the_middle_is_followed) {
  const auto types = types_of_one(R"(graph main(%x: f32[4,6,8]) -> (%y) {
    const %heads = i64[3]{6, 16, 2}
    const %rows = i64[2]{24, 8}
    %first = transpose{perm=[1, 0, 2]}(%x)
    %split = reshape(%first, %heads)
    %p = softmax{axis=0}(%split)
    %flat = reshape(%first, %rows)
    %y = unary{function="neg"}(%flat)
  })");
  EXPECT_EQ(types.at("first"), "f32[6,1,8]");
  EXPECT_EQ(types.at("split"), "f32[6,4,2]");
  EXPECT_EQ(types.at("y"), "f32[6,8]");
}

TEST(OneSample, open_dimensions_stay_open) {
  const auto types = types_of_one(R"(graph main(%x: f32[4,S,8]) -> (%y) {
    const %rows = i64[2]{-1, 8}
    %flat = reshape(%x, %rows)
    %y = unary{function="neg"}(%flat)
  })");
  EXPECT_EQ(types.at("x"), "f32[1,S,8]");
  EXPECT_EQ(types.at("y"), "f32[S,8]");
}

TEST(OneSample, constants_that_are_the_same_for_each_sample_become_one) {
  const std::string mask = "const %mask = f32[4,1,2]{" + repeated("0.5, -1", 4) + "}\n";
  const std::string graph = R"(
    const %token = f32[1,1,2]{3, 4}
    const %many = i64[3]{4, 1, 1}
    const %index = i64[4,3]{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
    %tokens = expand(%token, %many)
    %longer = concat{axis=1}(%tokens, %x)
    %masked = binary{function="mul"}(%mask, %longer)
    %flat = reshape{flatten_axis=2}(%masked)
    %y = gather{axis=0}(%flat, %index)
  })";
  const auto types = types_of_one("graph main(%x: f32[4,2,2]) -> (%y) {" + mask + graph);
  EXPECT_EQ(types.at("longer"), "f32[1,3,2]");
  EXPECT_EQ(types.at("masked"), "f32[1,3,2]");
  EXPECT_EQ(types.at("y"), "f32[1,3,2]");
  const std::string other = "const %mask = f32[4,1,2]{" + repeated("0.5, -1", 3) + ", 9, -1}\n";
  EXPECT_FALSE(has_one("graph main(%x: f32[4,2,2]) -> (%y) {" + other + graph));
}

TEST(OneSample, inputs_without_the_batch_stay) {
  const auto types = types_of_one(R"(graph main(%x: f32[4,6], %w: f32[1,6], %s: f32[]) -> (%y) {
    %a = binary(%x, %w)
    %b = binary(%w, %s)
    %y = binary(%a, %b)
  })");
  EXPECT_EQ(types.at("w"), "f32[1,6]");
  EXPECT_EQ(types.at("b"), "f32[1,6]");
  EXPECT_EQ(types.at("y"), "f32[1,6]");
}

TEST(OneSample, sizes_computed_from_the_batch_are_followed) {
  const auto types = types_of_one(R"(graph main(%x: f32[4,6]) -> (%y) {
    const %w = f32[1]{2}
    %size = shape(%x)
    %all = expand(%w, %size)
    %y = binary(%x, %w)
  })");
  EXPECT_TRUE(types.empty());  // "all" is no sample's, and has another size
}

TEST(OneSample, there_is_none_of_what_mixes_samples) {
  for (const char* graph : {
           "graph main(%x: f32[4,6]) -> (%y) { const %axes = i64[1]{0} "
           "%y = reduce{function=\"sum\"}(%x, %axes) }",
           "graph main(%x: f32[4,6]) -> (%y) { %y = softmax{axis=0}(%x) }",
           "graph main(%x: f32[4,6]) -> (%y) { const %axis = i64[]{0} %y = cumulative(%x, %axis) }",
           "graph main(%x: f32[4,6]) -> (%y) { const %i = i64[4]{3, 2, 1, 0} const %k = "
           "f32[4,1]{1, "
           "2, 3, 4} %r = gather{axis=0}(%x, %i) %y = binary(%r, %k) }",
           "graph main(%x: f32[4,6]) -> (%y) { %t = transpose{perm=[1, 0]}(%x) "
           "%y = matmul(%t, %x) }",
           "graph main(%x: f32[4,6]) -> (%y) { %t = transpose{perm=[1, 0]}(%x) "
           "%y = matmul(%x, %t) }",
           // A picture without a batch.
           "graph main(%x: f32[3,8,8]) -> (%y) { const %axes = i64[1]{0} "
           "%u = unsqueeze(%x, %axes) %y = pool{function=\"average\", kernel=[8, 8]}(%u) }",
       })
    EXPECT_FALSE(has_one(graph)) << graph;
}

TEST(OneSample, there_is_none_without_a_batch_in_common) {
  EXPECT_FALSE(has_one("graph main(%x: f32[1,6]) -> (%y) { %y = unary{function=\"neg\"}(%x) }"));
  EXPECT_FALSE(has_one("graph main(%x: f32[N,6]) -> (%y) { %y = unary{function=\"neg\"}(%x) }"));
  EXPECT_FALSE(has_one("graph main(%x: f32[6]) -> (%y) { %y = unary{function=\"neg\"}(%x) }"));
  EXPECT_FALSE(
      has_one("graph main(%x: f32[4,6], %z: f32[2,6]) -> (%y) { %y = concat{axis=0}(%x, %z) }"));
}

}  // namespace
}  // namespace strop
