// SPDX-License-Identifier: Apache-2.0
#include "passes/round_weights.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "base/float_types.hpp"
#include "passes/pass_check.hpp"

namespace strop {
namespace {

Tensor made_up(const Shape& shape) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> number(-1, 1);
  Tensor out = Tensor::allocate(DType::f32, shape);
  for (float& x : out.mutable_values<float>()) x = number(random);
  return out;
}

double at(const Tensor& tensor, std::int64_t i) {
  return load_as_double(tensor.dtype(), tensor.data(), i);
}

double sum_of_errors(const Tensor& got, const Tensor& exact, const Sums& sums, std::int64_t outer,
                     std::int64_t inner) {
  double out = 0;
  for (std::int64_t k = 0; k < sums.depth; ++k) {
    const std::int64_t i = (outer * sums.depth + k) * sums.inner + inner;
    out += at(got, i) - at(exact, i);
  }
  return out;
}

TEST(RoundWeights, keeps_the_sum_of_every_filter) {
  const Tensor exact = made_up({6, 10, 7});
  for (const DType half : {DType::f16, DType::bf16}) {
    const double step = half == DType::f16 ? 0x1p-11 : 0x1p-8;  // below 1
    for (const Sums& sums : {Sums{6, 70, 1}, Sums{6, 10, 7}, Sums{1, 6, 70}, Sums{60, 7, 1}}) {
      const Tensor got = rounded_with_sums(exact, half, sums);
      double worst = 0;
      for (std::int64_t i = 0; i < sums.outer * sums.inner; ++i)
        worst = std::max(worst,
                         std::abs(sum_of_errors(got, exact, sums, i / sums.inner, i % sums.inner)));
      EXPECT_LE(worst, step / 2) << sums.depth;  // nearest: a step or two
      for (std::int64_t i = 0; i < exact.size(); ++i)
        EXPECT_LE(std::abs(at(got, i) - at(exact, i)), step) << i;
    }
  }
}

TEST(RoundWeights, moves_only_what_lies_nearest_to_the_middle) {
  const float step = 0x1p-10f;  // of f16 from 1 to 2
  const Tensor exact = Tensor::from<float>(
      {1, 4}, {1 + 0.4f * step, 1 + 0.45f * step, 1 + 0.1f * step, 1 + 0.05f * step});
  const Tensor got = rounded_with_sums(exact, DType::f16, {1, 4, 1});
  EXPECT_EQ(at(got, 1), 1 + static_cast<double>(step));
  for (const std::int64_t i : {0, 2, 3}) EXPECT_EQ(at(got, i), 1);
}

TEST(RoundWeights, leaves_numbers_alone_that_have_no_other_side) {
  const float inf = std::numeric_limits<float>::infinity();
  const Tensor exact = Tensor::from<float>(
      {4, 3}, {0, 0.5f, -0.25f, inf, 0.1f, 0.2f, 1e-9f, -1e-9f, 1e-9f, 65504, 65510, 65500});
  const Tensor got = rounded_with_sums(exact, DType::f16, {4, 3, 1});
  const Tensor nearest = rounded(exact, DType::f16, std::numeric_limits<float>::lowest());
  for (std::int64_t i = 0; i < 9; ++i) EXPECT_EQ(at(got, i), at(nearest, i)) << i;
  for (std::int64_t i = 9; i < 12; ++i) EXPECT_TRUE(std::isfinite(at(got, i))) << i;
}

TEST(RoundWeights, finds_what_an_operator_sums_over) {
  const auto sums = [](const std::string& node, const std::string& w, std::size_t input = 1) {
    const Graph graph = testing::parse_test_graph(
        "graph main(%x: f32[6,6,6]) -> (%y) {\nconst %w = " + w + "\n%y = " + node + "\n}");
    return sums_over(graph, graph.node(graph.order().front()), input);
  };
  const std::string w = "f32[2,3,2]{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}";
  EXPECT_EQ(sums("conv{group=2}(%x, %w)", w), (Sums{2, 6, 1}));
  EXPECT_EQ(
      sums("conv_transpose{group=2}(%x, %w)", "f32[6,1,2]{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}"),
      (Sums{2, 3, 2}));
  EXPECT_EQ(sums("matmul(%x, %w)", "f32[6,2]{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}"),
            (Sums{1, 6, 2}));
  EXPECT_EQ(sums("matmul(%w, %x)", "f32[2,6]{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}", 0),
            (Sums{2, 6, 1}));
  EXPECT_EQ(sums("binary(%x, %w)", "f32[1]{1}"), Sums{});
}

}  // namespace
}  // namespace strop
