// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <limits>
#include <utility>
#include <vector>

#include "backends/cuda/on_host/tactic_check.hpp"

namespace strop::testing {
namespace {

Tensor k_of(std::int64_t k) { return Tensor::from<std::int64_t>({1}, {k}); }

TEST(CudaTopK, takes_the_first_along_any_axis) {
  const std::pair<const char*, const char*> kinds[] = {
      {"f32", "axis=1"}, {"f16", "axis=0, sorted=false"}, {"bf16", "axis=-1, largest=false"},
      {"i32", "axis=1"}, {"u8", "axis=0, largest=false"}, {"u32", "axis=1, largest=false"},
      {"i8", "axis=-1"},
  };
  for (const auto& [type, attributes] : kinds) {
    check_cuda("graph main(%x: " + std::string(type) +
                   "[9,N,7], %const_k: i64[1]) -> (%v, %i) { %v, %i = top_k{" + attributes +
                   "}(%x, %const_k) }",
               {"top_k_cuda"}, {.sizes = {{{"N", 13}}, {{"N", 7}}}, .constants = {k_of(7)}});
  }
}

// Equal numbers come in the order of their indices; NaN is the largest.
TEST(CudaTopK, orders_equal_numbers_and_none) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const Tensor x = Tensor::from<float>(
      {12}, {0.f, -0.f, kNan, 1.f, -kInf, 1.f, -kNan, kInf, 0.f, -1.f, 1e-45f, -1e-45f});
  for (const char* largest : {"true", "false"}) {
    for (const std::int64_t k : {1, 5, 12}) {
      check_cuda("graph main(%x: f32[12], %const_k: i64[1]) -> (%v, %i) { %v, %i = top_k{largest=" +
                     std::string(largest) + "}(%x, %const_k) }",
                 {"top_k_cuda"}, {.inputs = {x}, .constants = {k_of(k)}});
    }
  }
}

TEST(CudaTopK, many_of_many) {
  std::vector<float> numbers;
  for (int i = 0; i < 5000; ++i) numbers.push_back(static_cast<float>(i * 7919 % 1000));
  const Tensor x = Tensor::from<float>({1, 5000}, numbers);
  for (const std::int64_t k : {300, 1025, 4096}) {
    check_cuda(
        "graph main(%x: f32[1,5000], %const_k: i64[1]) -> (%v, %i) { %v, %i = top_k(%x, "
        "%const_k) }",
        {"top_k_cuda"}, {.inputs = {x}, .constants = {k_of(k)}});
  }
}

}  // namespace
}  // namespace strop::testing
