// SPDX-License-Identifier: Apache-2.0
#include "ops/attention.hpp"

#include <cstring>

#include "base/parallel.hpp"
#include "ops/run_op.hpp"

namespace strop {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

Tensor i64s(const std::vector<std::int64_t>& values) {
  return Tensor::from<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
}

Tensor bools(Shape shape, const std::vector<int>& values) {
  Tensor out = Tensor::allocate(DType::boolean, std::move(shape));
  for (std::size_t i = 0; i < values.size(); ++i) out.mutable_values<bool>()[i] = values[i] != 0;
  return out;
}

Tensor run(const std::vector<Tensor>& inputs, const AttentionAttributes& attributes = {}) {
  return run_op(op_attention(), attributes, inputs);
}

// Queries of 0: a query averages the values of the keys that it sees.
const Tensor kZeros = Tensor::zeros(DType::f32, {1, 1, 4, 1});
const Tensor kValues = floats({1, 1, 4, 1}, {1, 2, 3, 6});

TEST(Attention, weighs_values_by_the_softmax_of_the_products) {
  // Products 0 and ln 3 times the scale: weights 1/4 and 3/4.
  const Tensor q = floats({1, 1, 1, 2}, {1, 2}), k = floats({1, 1, 2, 2}, {2, -1, 1, 1});
  const Tensor v = floats({1, 1, 2, 3}, {0, 4, 8, 4, 0, 8});
  const double scale = std::log(3.0) / 3;
  expect_near(run({q, k, v}, {.scale = scale}), {1, 1, 1, 3}, {3, 1, 8});
}

TEST(Attention, each_batch_and_head_by_itself) {
  const Tensor q = Tensor::zeros(DType::f32, {2, 2, 1, 1});
  const Tensor k = Tensor::zeros(DType::f32, {2, 2, 2, 1});
  expect_near(run({q, k, ramp({2, 2, 2, 1})}), {2, 2, 1, 1}, {0.5, 2.5, 4.5, 6.5});
}

TEST(Attention, neighbouring_heads_share_keys_and_values) {
  const Tensor q = Tensor::zeros(DType::f32, {1, 4, 1, 1});
  const Tensor k = Tensor::zeros(DType::f32, {1, 2, 1, 1}), v = floats({1, 2, 1, 1}, {5, 7});
  expect_near(run({q, k, v}), {1, 4, 1, 1}, {5, 5, 7, 7});
}

TEST(Attention, a_bias_is_added_and_a_mask_hides) {
  const Tensor q = floats({1, 1, 1, 1}, {0}), k = floats({1, 1, 2, 1}, {1, 1});
  const Tensor v = floats({1, 1, 2, 1}, {1, 5});
  expect_near(run({q, k, v, floats({2}, {0, std::log(3.0f)})}), {1, 1, 1, 1}, {4});
  expect_near(run({q, k, v, floats({1, 1}, {7})}), {1, 1, 1, 1}, {3});
  expect_near(run({q, k, v, floats({}, {-kInfinity})}), {1, 1, 1, 1}, {0});
  expect_near(run({q, k, v, floats({1, 1, 1, 2}, {-kInfinity, 0})}), {1, 1, 1, 1}, {5});
  expect_near(run({q, k, v, bools({1, 2}, {1, 0})}), {1, 1, 1, 1}, {1});
  expect_near(run({q, k, v, bools({2}, {0, 0})}), {1, 1, 1, 1}, {0});
}

TEST(Attention, masks_broadcast_over_batches_heads_and_queries) {
  const Tensor q = Tensor::zeros(DType::f32, {2, 2, 2, 1});
  const Tensor k = Tensor::zeros(DType::f32, {2, 2, 2, 1});
  const Tensor v = floats({2, 2, 2, 1}, {1, 3, 1, 3, 1, 3, 1, 3});
  // By batch, by head, by query.
  expect_near(run({q, k, v, bools({2, 1, 1, 2}, {1, 0, 0, 1})}), {2, 2, 2, 1},
              {1, 1, 1, 1, 3, 3, 3, 3});
  expect_near(run({q, k, v, bools({2, 1, 2}, {1, 0, 0, 1})}), {2, 2, 2, 1},
              {1, 1, 3, 3, 1, 1, 3, 3});
  expect_near(run({q, k, v, bools({2, 2}, {1, 0, 0, 1})}), {2, 2, 2, 1}, {1, 3, 1, 3, 1, 3, 1, 3});
  expect_near(run({q, k, v, bools({2, 1}, {1, 0})}), {2, 2, 2, 1}, {2, 0, 2, 0, 2, 0, 2, 0});
}

TEST(Attention, causal_queries_see_no_later_keys) {
  expect_near(run({kZeros, kZeros, kValues}, {.right = 0}), {1, 1, 4, 1}, {1, 1.5, 2, 3});
  // Two queries after two earlier keys.
  const Tensor q = Tensor::zeros(DType::f32, {1, 1, 2, 1});
  expect_near(run({q, kZeros, kValues, Tensor{}, Tensor{}, i64s({2})}, {.right = 0}), {1, 1, 2, 1},
              {2, 3});
  // A position before all keys sees none.
  expect_near(run({q, kZeros, kValues, Tensor{}, Tensor{}, i64s({-1})}, {.right = 0}), {1, 1, 2, 1},
              {0, 1});
}

TEST(Attention, windows_reach_to_both_sides) {
  expect_near(run({kZeros, kZeros, kValues}, {.left = 1, .right = 0}), {1, 1, 4, 1},
              {1, 1.5, 2.5, 4.5});
  expect_near(run({kZeros, kZeros, kValues}, {.left = 0, .right = 1}), {1, 1, 4, 1},
              {1.5, 2.5, 4.5, 6});
  expect_near(run({kZeros, kZeros, kValues}, {.left = 1}), {1, 1, 4, 1}, {3, 3, 11.0 / 3, 4.5});
  constexpr std::int64_t huge = std::numeric_limits<std::int64_t>::max();
  expect_near(run({kZeros, kZeros, kValues}, {.left = huge, .right = huge}), {1, 1, 4, 1},
              {3, 3, 3, 3});
}

TEST(Attention, lengths_end_the_keys_of_each_batch) {
  const Tensor q = Tensor::zeros(DType::f32, {3, 1, 1, 1});
  Tensor k = Tensor::zeros(DType::f32, {3, 1, 2, 1}), v = ramp({3, 1, 2, 1});
  // What lies behind the end is not read.
  k.mutable_values<float>()[3] = NAN;
  v.mutable_values<float>()[3] = NAN;
  expect_near(run({q, k, v, Tensor{}, i64s({2, 1, 0})}), {3, 1, 1, 1}, {0.5, 2, 0});
  expect_near(run({q, k, v, Tensor{}, Tensor::from<std::int32_t>({1}, {1})}), {3, 1, 1, 1},
              {0, 2, 4});
}

TEST(Attention, a_sink_takes_weight_from_the_keys) {
  const Tensor q = Tensor::zeros(DType::f32, {1, 3, 1, 1}),
               k = Tensor::zeros(DType::f32, {1, 1, 2, 1});
  const Tensor v = floats({1, 1, 2, 1}, {4, 8}), no;
  // Two keys with weight 1 each; the sinks weigh 1, 2 and nothing.
  const Tensor sink = floats({3}, {0, std::log(2.0f), -kInfinity});
  expect_near(run({q, k, v, no, no, no, sink}), {1, 3, 1, 1}, {4, 3, 6});
  expect_near(run({q, k, v, bools({2}, {0, 0}), no, no, sink}), {1, 3, 1, 1}, {0, 0, 0});
  expect_near(run({q, k, v, no, no, no, floats({3}, {1000, 0, 0})}), {1, 3, 1, 1}, {0, 4, 4});
}

TEST(Attention, softcap_comes_before_the_bias) {
  const Tensor q = floats({1, 1, 1, 1}, {100}), k = floats({1, 1, 2, 1}, {1, -1});
  const Tensor v = floats({1, 1, 2, 1}, {0, 1});
  // tanh(+-100) is +-1.
  expect_near(run({q, k, v}, {.softcap = 0.5}), {1, 1, 1, 1}, {1 / (1 + std::exp(1.0))});
  expect_near(run({q, k, v, bools({2}, {0, 1})}, {.softcap = 0.5}), {1, 1, 1, 1}, {1});
}

TEST(Attention, shows_its_scores) {
  const Tensor q = floats({1, 1, 2, 1}, {1, 2}), k = floats({1, 1, 2, 1}, {1, 3});
  const Tensor v = floats({1, 1, 2, 1}, {0, 1}), bias = floats({2}, {0, 10});
  const auto scores = [&](AttentionStage stage) {
    const AttentionAttributes attributes{.scale = 2, .softcap = 4, .right = 0, .stage = stage};
    return run_op_many(op_attention(), attributes, {q, k, v, bias}, 2)[1];
  };
  const auto capped = [](double x) { return 4 * std::tanh(x / 4); };
  expect_near(scores(AttentionStage::products), {1, 1, 2, 2}, {2, 6, 4, 12});
  expect_near(scores(AttentionStage::capped), {1, 1, 2, 2},
              {capped(2), capped(6), capped(4), capped(12)});
  expect_near(scores(AttentionStage::biased), {1, 1, 2, 2},
              {capped(2), -INFINITY, capped(4), capped(12) + 10});
  const double odds = std::exp(capped(12) + 10 - capped(4));
  expect_near(scores(AttentionStage::probabilities), {1, 1, 2, 2},
              {1, 0, 1 / (1 + odds), odds / (1 + odds)});
}

TEST(Attention, large_and_special_scores) {
  const Tensor q = floats({1, 1, 1, 1}, {1000}), v = floats({1, 1, 2, 1}, {1, 2});
  expect_near(run({q, floats({1, 1, 2, 1}, {1, 2}), v}), {1, 1, 1, 1}, {2});
  EXPECT_TRUE(std::isnan(run({q, floats({1, 1, 2, 1}, {1, NAN}), v}).values<float>()[0]));
  EXPECT_TRUE(std::isnan(run({q, floats({1, 1, 2, 1}, {NAN, NAN}), v}).values<float>()[0]));
  // A hidden key may hold anything.
  expect_near(run({q, floats({1, 1, 2, 1}, {1, NAN}), v, bools({2}, {1, 0})}), {1, 1, 1, 1}, {1});
}

TEST(Attention, weights_that_are_no_numbers_count_as_zeros_where_that_is_wanted) {
  const Tensor q = floats({1, 1, 2, 1}, {1, INFINITY}), k = floats({1, 1, 2, 1}, {1, 1});
  const Tensor v = floats({1, 1, 2, 1}, {1, kInfinity});
  const AttentionAttributes attributes{.zero_nan = true};
  // The first query's weights are fine, its values not; of the second it is the other way round.
  const Tensor y = run({q, k, v}, attributes);
  EXPECT_EQ(y.values<float>()[0], kInfinity);
  EXPECT_EQ(y.values<float>()[1], 0);
  expect_near(run({q, floats({1, 1, 2, 1}, {0, 0}), floats({1, 1, 2, 1}, {1, 3})}, attributes),
              {1, 1, 2, 1}, {2, 0});
}

TEST(Attention, sixteen_bit_scores_are_in_float) {
  // 300 * 300 does not fit into FP16.
  const Tensor big = Tensor::from<float16>({1, 1, 1, 1}, {float16(300.0f)});
  const Tensor k = Tensor::from<float16>({1, 1, 2, 1}, {float16(300.0f), float16(-300.0f)});
  const Tensor v = Tensor::from<float16>({1, 1, 2, 1}, {float16(1.0f), float16(2.0f)});
  const Tensor y = run({big, k, v});
  EXPECT_EQ(y.dtype(), DType::f16);
  expect_near(y, {1, 1, 1, 1}, {1});
  const Tensor wide = Tensor::from<double>({1, 1, 1, 1}, {1});
  EXPECT_EQ(run({wide, wide, wide}).dtype(), DType::f64);
}

TEST(Attention, equals_softmax_of_products_whatever_the_threads) {
  // 37 queries are three blocks; two heads of q for one of k.
  const std::int64_t heads = 4, queries = 37, keys = 29, size = 6, width = 5;
  const auto waves = [](Shape shape, float step) {
    Tensor out = ramp(std::move(shape));
    for (float& x : out.mutable_values<float>()) x = std::sin(step * x);
    return out;
  };
  const Tensor q = waves({2, heads, queries, size}, 0.7f), k = waves({2, 2, keys, size}, 1.3f),
               v = waves({2, 2, keys, width}, 2.1f), bias = waves({heads, queries, keys}, 0.3f);
  const Tensor y = run({q, k, v, bias}, {.scale = 0.4});
  std::vector<double> wanted;
  for (std::int64_t row = 0; row < 2 * heads * queries; ++row) {
    const std::int64_t matrix = row / queries, head = matrix % heads;
    const std::int64_t shared = matrix / heads * 2 + head / 2;
    std::vector<double> weights;
    double sum = 0;
    for (std::int64_t j = 0; j < keys; ++j) {
      double score = 0;
      for (std::int64_t d = 0; d < size; ++d) {
        score += doubles_of(q)[static_cast<std::size_t>(row * size + d)] *
                 doubles_of(k)[static_cast<std::size_t>((shared * keys + j) * size + d)];
      }
      const auto at = static_cast<std::size_t>(row % (heads * queries) * keys + j);
      weights.push_back(std::exp(0.4 * score + static_cast<double>(bias.values<float>()[at])));
      sum += weights.back();
    }
    for (std::int64_t m = 0; m < width; ++m) {
      double value = 0;
      for (std::int64_t j = 0; j < keys; ++j) {
        const auto at = static_cast<std::size_t>((shared * keys + j) * width + m);
        value +=
            weights[static_cast<std::size_t>(j)] / sum * static_cast<double>(v.values<float>()[at]);
      }
      wanted.push_back(value);
    }
  }
  expect_near(y, {2, heads, queries, width}, wanted);
  for (const int threads : {1, 3}) {
    set_thread_count(threads);
    EXPECT_TRUE(run({q, k, v, bias}, {.scale = 0.4}).identical(y)) << threads << " threads";
  }
  set_thread_count(0);
}

TEST(Attention, empty_tensors_are_legal) {
  EXPECT_EQ(run({ramp({1, 1, 0, 2}), ramp({1, 1, 3, 2}), ramp({1, 1, 3, 2})}).shape(),
            (Shape{1, 1, 0, 2}));
  expect_near(run({ramp({1, 1, 1, 2}), ramp({1, 1, 0, 2}), ramp({1, 1, 0, 2})}), {1, 1, 1, 2},
              {0, 0});
  // Without a size, all products are 0.
  expect_near(run({ramp({1, 1, 1, 0}), ramp({1, 1, 2, 0}), ramp({1, 1, 2, 1})}), {1, 1, 1, 1},
              {0.5});
  EXPECT_EQ(run({ramp({0, 2, 1, 2}), ramp({0, 1, 1, 2}), ramp({0, 1, 1, 2})}).size(), 0);
  EXPECT_EQ(run({ramp({1, 0, 1, 2}), ramp({1, 0, 1, 2}), ramp({1, 0, 1, 2})}).size(), 0);
  const std::int64_t huge = std::int64_t{1} << 60;
  EXPECT_EQ(run({ramp({1, 1, huge, 0}), ramp({1, 1, huge, 0}), ramp({1, 1, huge, 0})}).size(), 0);
}

TEST(Attention, refuses_what_does_not_fit) {
  const auto refuse = [](const std::vector<Tensor>& inputs,
                         const AttentionAttributes& attributes = {}) {
    return error_of(op_attention(), attributes, inputs, 2);
  };
  const Tensor q = ramp({2, 4, 3, 2}), k = ramp({2, 2, 5, 2}), v = ramp({2, 2, 5, 7}), no;
  EXPECT_EQ(refuse({q, k, v}), ErrorCode::ok);
  EXPECT_EQ(refuse({ramp({2, 3, 3, 2}), k, v}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({q, ramp({2, 0, 5, 2}), ramp({2, 0, 5, 7})}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({q, ramp({2, 2, 5, 3}), v}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({q, k, ramp({2, 2, 4, 7})}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({q, k, ramp({2, 4, 5, 7})}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({ramp({2, 3, 8}), k, v}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({q, k, v, ramp({3, 4})}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({q, k, v, ramp({1, 1, 1, 3, 5})}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({q, k, v, i64s({0, 0, 0, 0, 0})}), ErrorCode::bad_type);
  EXPECT_EQ(refuse({q, k, v, Tensor::zeros(DType::f64, {5})}), ErrorCode::bad_type);
  EXPECT_EQ(refuse({q, k, v, no, i64s({1, 2, 3})}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({q, k, v, no, i64s({1, 6})}), ErrorCode::bad_value);
  EXPECT_EQ(refuse({q, k, v, no, i64s({-1, 1})}), ErrorCode::bad_value);
  EXPECT_EQ(refuse({q, k, v, no, no, i64s({6})}), ErrorCode::bad_value);
  EXPECT_EQ(refuse({q, k, v, no, no, i64s({std::numeric_limits<std::int64_t>::min()})}),
            ErrorCode::bad_value);
  EXPECT_EQ(refuse({q, k, v, no, no, no, ramp({2})}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({q, k, v}, {.left = -2}), ErrorCode::bad_attribute);
  EXPECT_EQ(refuse({q, k, v}, {.softcap = -1}), ErrorCode::bad_attribute);
  EXPECT_EQ(refuse({q, k, Tensor::zeros(DType::f64, {2, 2, 5, 7})}), ErrorCode::bad_type);
}

TEST(Attention, shapes_may_be_open) {
  const auto out = infer_op(op_attention(), {AttentionAttributes{}},
                            {"f16[N,32,L,64]", "f16[N,8,P+L,64]", "f16[N,8,P+L,128]",
                             "bool[N,1,L,S]", "i64[N]", "i64[1]"},
                            2);
  EXPECT_EQ(out[0].type.to_string(), "f16[N,32,L,128]");
  EXPECT_EQ(out[1].type.shape->at(2).to_string(), "L");
  EXPECT_EQ(infer_op(op_attention(), {AttentionAttributes{}}, {"f32[*]", "f32[*]", "f32[*]"})[0]
                .type.rank(),
            4);
}

}  // namespace
}  // namespace strop
