// SPDX-License-Identifier: Apache-2.0
// Products of f32 on Hopper's tensor cores without a GPU: how weights are split and packed, and
// that kernels compile without spilled registers.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "backends/cuda/codegen/implicit_gemm_sm90.hpp"
#include "backends/cuda/codegen/nvrtc.hpp"
#include "backends/cuda/products/joined_conv.hpp"
#include "builder/plan_execution.hpp"

namespace strop {
namespace {

using cuda::sm90::GemmConfig;
using cuda::sm90::ImplicitGemm;

ImplicitGemm product(std::int64_t channels, std::int64_t columns) {
  ImplicitGemm gemm;
  gemm.element = DType::f32;
  gemm.channels = channels;
  gemm.columns = columns;
  gemm.rows = Dim::symbol("i0d0");
  return gemm;
}

TEST(wgmma_f32, weights_are_the_sum_of_two_short_numbers) {
  for (const std::int64_t channels : {48, 250}) {  // blocks of 64 bytes, and of 128
    const ImplicitGemm gemm = product(channels, 40);
    const Tensor weights = random_tensor(DType::f32, {channels, 40}, 3);
    const Tensor packed =
        pack_weights(gemm, *cuda::sm90::parse_gemm_config("co64x32"), weights, {1, 0, 40});
    ASSERT_EQ(packed.dtype(), DType::f32);
    const std::int64_t elements = channels == 48 ? 16 : 32;  // of a block
    ASSERT_EQ(packed.shape(), (Shape{64, 1, channels == 48 ? 2 * 48 : 2 * 256}));
    const auto values = packed.values<float>();
    std::vector<double> sums;  // of the parts of each weight
    for (std::int64_t at = 0; at < packed.size(); at += 2 * elements) {
      for (std::int64_t i = at; i < at + elements; ++i) {
        const float high = values[static_cast<std::size_t>(i)];
        const float low = values[static_cast<std::size_t>(i + elements)];
        EXPECT_EQ(std::bit_cast<std::uint32_t>(high) & 0x1fffu, 0u);
        EXPECT_EQ(std::bit_cast<std::uint32_t>(low) & 0x1fffu, 0u);
        if (high != 0) sums.push_back(double{high} + low);
      }
    }
    std::vector<double> expected(weights.values<float>().begin(), weights.values<float>().end());
    ASSERT_EQ(sums.size(), expected.size());
    std::ranges::sort(sums);
    std::ranges::sort(expected);
    for (std::size_t i = 0; i < sums.size(); ++i)
      ASSERT_NEAR(sums[i], expected[i], std::abs(expected[i]) * 0x1p-23);
  }
}

TEST(wgmma_f32, the_largest_weights_have_finite_parts) {
  const float largest = std::numeric_limits<float>::max();
  Tensor weights = Tensor::from<float>({16, 1}, std::vector<float>(16, -largest));
  const Tensor packed =
      pack_weights(product(16, 1), *cuda::sm90::parse_gemm_config("co64x32"), weights, {1, 0, 1});
  double sum = 0;
  for (const float part : packed.values<float>()) sum += part;
  EXPECT_NEAR(sum / 16, -largest, double{largest} * 0x1p-21);
}

// A sum of K on its own and shared, tensors beside each other, blocks of 64 bytes and of 128.
TEST(wgmma_f32, every_form_compiles_without_spills) {
  if (cuda::nvrtc_version().empty()) GTEST_SKIP() << cuda::nvrtc_description();
  for (const std::vector<std::int64_t>& pieces :
       {std::vector<std::int64_t>{96, 160}, {64, 112, 80}}) {
    ImplicitGemm gemm = product(256, 384);
    gemm.pieces = pieces;
    gemm.epilogue = testing::joined_epilogue(pieces.size() == 2);
    for (const std::string& text : testing::forms_of_wgmma_f32()) {
      const GemmConfig config = *cuda::sm90::parse_gemm_config(text);
      ASSERT_TRUE(fits(gemm, config)) << text;
      EXPECT_EQ(cuda::compile(source(gemm, config), 90).spill_bytes, 0) << text;
    }
  }
}

TEST(wgmma_f32, every_candidate_compiles_without_spills) {
  if (cuda::nvrtc_version().empty()) GTEST_SKIP() << cuda::nvrtc_description();
  std::set<std::string> seen;
  for (const std::int64_t rows : {64, 300, 6304, 100000}) {
    const ImplicitGemm gemm = product(768, 2304);
    for (const GemmConfig& config : cuda::sm90::candidate_configs(gemm, rows, 132)) {
      if (!seen.insert(to_text(config)).second) continue;
      EXPECT_EQ(cuda::compile(source(gemm, config), 90).spill_bytes, 0) << to_text(config);
    }
  }
}

}  // namespace
}  // namespace strop
