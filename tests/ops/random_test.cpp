// SPDX-License-Identifier: Apache-2.0
#include "ops/random.hpp"

#include <algorithm>
#include <numeric>
#include <set>

#include "base/os/entropy.hpp"
#include "base/parallel.hpp"
#include "ops/multinomial.hpp"
#include "ops/philox.hpp"
#include "ops/run_op.hpp"

namespace strop {
namespace {

constexpr auto kNormal = RandomDistribution::normal;

Tensor draw(const RandomAttributes& attributes, const std::vector<std::int64_t>& shape) {
  return run_op(op_random(), attributes,
                {Tensor::from<std::int64_t>({static_cast<std::int64_t>(shape.size())}, shape)});
}

ErrorCode refused(const RandomAttributes& attributes, const std::vector<std::int64_t>& shape) {
  return error_of(op_random(), attributes,
                  {Tensor::from<std::int64_t>({static_cast<std::int64_t>(shape.size())}, shape)});
}

// The known answers that come with the authors' own implementation.
TEST(Philox, gives_the_known_answers) {
  EXPECT_EQ(philox_4x32_10({0, 0, 0, 0}, {0, 0}),
            (PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox_4x32_10({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(
      philox_4x32_10({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
      (PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
  EXPECT_EQ(PhiloxStream(0).block(0)[0], 0x6627e8d5u);
  EXPECT_EQ(unit_float(~0u), 1 - 0x1p-24f);
  EXPECT_EQ(unit_double(~0u, ~0u), 1 - 0x1p-53);
}

TEST(Random, takes_words_of_the_stream_in_order) {
  const Tensor y = draw({.seed = 0}, {5});
  const PhiloxBlock first = PhiloxStream(0).block(0);
  expect_near(y, {5},
              {unit_float(first[0]), unit_float(first[1]), unit_float(first[2]),
               unit_float(first[3]), unit_float(PhiloxStream(0).block(1)[0])},
              0);
  const Tensor wide = draw({.dtype = DType::f64, .low = -2, .high = 6, .seed = 0}, {2});
  EXPECT_EQ(wide.values<double>()[1], -2 + 8 * unit_double(first[2], first[3]));
  const Tensor normal = draw(
      {.distribution = kNormal, .dtype = DType::f64, .mean = 1, .deviation = 3, .seed = 0}, {1});
  const double v = 1 - unit_double(first[0], first[1]), u = unit_double(first[2], first[3]);
  EXPECT_NEAR(normal.values<double>()[0],
              1 + 3 * std::sqrt(-2 * std::log(v)) * std::cos(2 * std::numbers::pi * u), 1e-12);
}

TEST(Random, repeats_itself_with_a_seed_for_any_number_of_threads) {
  for (const auto distribution : {RandomDistribution::uniform, kNormal}) {
    for (const DType dtype : {DType::f32, DType::f64, DType::f16, DType::bf16}) {
      const RandomAttributes attributes{.distribution = distribution, .dtype = dtype, .seed = 7};
      set_thread_count(1);
      const Tensor one = draw(attributes, {3, 4001});
      set_thread_count(4);
      const Tensor four = draw(attributes, {3, 4001});
      set_thread_count(0);
      EXPECT_TRUE(one.identical(four)) << to_string(dtype);
      RandomAttributes other = attributes;
      other.seed = 8;
      EXPECT_FALSE(one.identical(draw(other, {3, 4001}))) << to_string(dtype);
    }
  }
}

TEST(Random, differs_from_run_to_run_without_a_seed) {
  EXPECT_FALSE(draw({}, {16}).identical(draw({}, {16})));
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(os::fresh_entropy());
  EXPECT_EQ(seen.size(), 1000u);
}

TEST(Random, follows_its_distribution) {
  constexpr std::int64_t kCount = 200'000;
  const Tensor uniform = draw({.low = 2, .high = 4, .seed = 3}, {kCount});
  const auto values = uniform.values<float>();
  const auto [least, most] = std::ranges::minmax(values);
  EXPECT_GE(least, 2);
  EXPECT_LT(least, 2.001f);
  EXPECT_LT(most, 4);
  EXPECT_GT(most, 3.999f);
  EXPECT_NEAR(std::accumulate(values.begin(), values.end(), 0.0) / kCount, 3, 0.006);

  const Tensor normal =
      draw({.distribution = kNormal, .dtype = DType::f64, .mean = -1, .deviation = 2, .seed = 3},
           {kCount});
  double sum = 0, squares = 0, fourth = 0;
  std::int64_t within = 0;
  for (const double x : normal.values<double>()) {
    const double z = (x + 1) / 2;
    sum += z, squares += z * z, fourth += z * z * z * z;
    within += std::abs(z) < 1;
  }
  EXPECT_NEAR(sum / kCount, 0, 0.01);
  EXPECT_NEAR(squares / kCount, 1, 0.02);
  EXPECT_NEAR(fourth / kCount, 3, 0.15);
  EXPECT_NEAR(static_cast<double>(within) / kCount, 0.6827, 0.005);
}

TEST(Random, keeps_its_shape_and_refuses_what_has_no_meaning) {
  EXPECT_EQ(draw({}, {}).shape(), Shape{});
  EXPECT_EQ(draw({}, {0, 3}).shape(), (Shape{0, 3}));
  EXPECT_EQ(draw({.low = 5, .high = 5}, {1}).values<float>()[0], 5);
  EXPECT_EQ(refused({}, {-1}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({.dtype = DType::i32}, {1}), ErrorCode::bad_type);
  EXPECT_EQ(refused({.low = 2, .high = 1}, {1}), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.high = INFINITY}, {1}), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.distribution = kNormal, .deviation = -1}, {1}), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.distribution = kNormal, .mean = NAN}, {1}), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({}, {std::int64_t{1} << 40, std::int64_t{1} << 40}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({}, {std::int64_t{1} << 40}), ErrorCode::limit_exceeded);
  EXPECT_EQ(infer_op(op_random(), RandomAttributes{}, {"i64[2]"}, 1, {{Dim::symbol("N"), 3}})[0]
                .type.to_string(),
            "f32[N,3]");
  EXPECT_EQ(infer_op(op_random(), RandomAttributes{}, {"i64[N]"})[0].type.to_string(), "f32[*]");
}

TEST(Multinomial, draws_classes_by_their_probability) {
  constexpr std::int64_t kCount = 100'000;
  // 1/8, 1/2, 0, 3/8 of each row, under two scales.
  const float none = -INFINITY;
  const Tensor logits =
      floats({2, 4}, {std::log(1.0f), std::log(4.0f), none, std::log(3.0f), std::log(1e-20f),
                      std::log(4e-20f), none, std::log(3e-20f)});
  const Tensor y =
      run_op(op_multinomial(), MultinomialAttributes{.samples = kCount, .seed = 1}, {logits});
  EXPECT_EQ(y.shape(), (Shape{2, kCount}));
  for (std::int64_t row = 0; row < 2; ++row) {
    std::array<double, 4> counts{};
    for (std::int64_t i = 0; i < kCount; ++i) {
      ++counts.at(static_cast<std::size_t>(
          y.values<std::int32_t>()[static_cast<std::size_t>(row * kCount + i)]));
    }
    EXPECT_NEAR(counts[0] / kCount, 0.125, 0.005);
    EXPECT_NEAR(counts[1] / kCount, 0.5, 0.005);
    EXPECT_EQ(counts[2], 0);
    EXPECT_NEAR(counts[3] / kCount, 0.375, 0.005);
  }
  const MultinomialAttributes seeded{.samples = 64, .dtype = DType::i64, .seed = 5};
  EXPECT_TRUE(run_op(op_multinomial(), seeded, {logits})
                  .identical(run_op(op_multinomial(), seeded, {logits})));
  const MultinomialAttributes open{.samples = 64};
  EXPECT_FALSE(
      run_op(op_multinomial(), open, {logits}).identical(run_op(op_multinomial(), open, {logits})));
}

TEST(Multinomial, refuses_rows_without_a_class) {
  const auto code = [](const Tensor& logits, std::int64_t samples = 1, DType dtype = DType::i32) {
    return error_of(op_multinomial(), MultinomialAttributes{.samples = samples, .dtype = dtype},
                    {logits});
  };
  EXPECT_EQ(code(floats({1, 2}, {0, NAN})), ErrorCode::bad_value);
  EXPECT_EQ(code(floats({1, 2}, {-INFINITY, -INFINITY})), ErrorCode::bad_value);
  EXPECT_EQ(code(floats({1, 2}, {0, INFINITY})), ErrorCode::bad_value);
  EXPECT_EQ(code(floats({1, 0}, {})), ErrorCode::bad_shape);
  EXPECT_EQ(code(floats({0, 0}, {})), ErrorCode::ok);
  EXPECT_EQ(code(floats({2}, {0, 0})), ErrorCode::bad_shape);
  EXPECT_EQ(code(floats({1, 2}, {0, 0}), 0), ErrorCode::bad_attribute);
  EXPECT_EQ(code(floats({1, 2}, {0, 0}), 1, DType::f32), ErrorCode::bad_type);
  EXPECT_EQ(code(floats({1, 2}, {0, 0}), std::int64_t{1} << 62), ErrorCode::bad_shape);
}

}  // namespace
}  // namespace strop
