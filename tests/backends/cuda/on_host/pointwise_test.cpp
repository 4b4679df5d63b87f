// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "backends/cuda/on_host/tactic_check.hpp"

namespace strop::testing {
namespace {

const std::vector<SymbolValues> kBatches = {{{"N", 1}}, {{"N", 3}}, {{"N", 0}}};

TEST(CudaPointwise, takes_every_kind_of_number) {
  for (const char* type : {"f32", "f16", "bf16", "f64", "i8", "i32", "i64"}) {
    check_cuda(std::string("graph main(%x: ") + type +
                   "[5,7]) -> (%y) { %y = unary{function=\"abs\"}(%x) }",
               {"pointwise_cuda"});
  }
  check_cuda("graph main(%x: f16[N,8,4,6]) -> (%y) { %y = unary{function=\"gelu\"}(%x) }",
             {"pointwise_cuda", "pointwise_cuda@nhwc"}, {.sizes = kBatches});
}

// All halves of at most that size.
Tensor halves_up_to(std::uint16_t largest) {
  const std::int64_t count = largest + 1;
  Tensor out = Tensor::allocate(DType::f16, {2, count});
  auto* bits = reinterpret_cast<std::uint16_t*>(out.mutable_data());
  for (std::int64_t i = 0; i < count; ++i) {
    bits[i] = static_cast<std::uint16_t>(i);
    bits[count + i] = static_cast<std::uint16_t>(0x8000 | i);
  }
  return out;
}

// Functions of which there is a faster version. Errors count by the largest result, so small
// numbers are looked at alone, too: no error is above a unit in the last place.
TEST(CudaPointwise, halves_lose_nothing_to_faster_functions) {
  constexpr std::uint16_t kHalf = 0x3800, kThree = 0x4200, kEleven = 0x4980;
  for (const char* function : {"gelu", "gelu_tanh", "silu", "sigmoid", "exp"}) {
    for (const std::uint16_t largest : {kHalf, kThree, kEleven}) {
      const Tensor x = halves_up_to(largest);
      SCOPED_TRACE(fmt::format("{} up to {:x}", function, largest));
      check_cuda(
          fmt::format("graph main(%x: f16[2,{}]) -> (%y) {{ %y = unary{{function=\"{}\"}}(%x) }}",
                      x.shape()[1], function),
          {"pointwise_cuda"}, {.inputs = {x}, .tolerance = 0x1p-10});
    }
  }
}

TEST(CudaPointwise, broadcasts) {
  check_cuda(
      "graph main(%x: f32[N,8,4,6], %b: f32[1,8,1,1]) -> (%y) { %y = binary{function=\"mul\"}(%x, "
      "%b) }",
      {"pointwise_cuda", "pointwise_cuda@nhwc"}, {.sizes = kBatches});
  check_cuda(
      "graph main(%x: f16[2,N,8], %b: f16[8]) -> (%y) { %y = binary{function=\"add\"}(%x, %b) }",
      {"pointwise_cuda"}, {.sizes = kBatches});
  check_cuda(
      "graph main(%x: i64[N,1,5], %b: i64[3,1]) -> (%y) { %y = binary{function=\"less\"}(%x, %b) }",
      {"pointwise_cuda"}, {.sizes = kBatches});
  check_cuda(
      "graph main(%x: f32[N,M], %b: f32[A,B]) -> (%y) { %y = binary{function=\"sub\"}(%x, %b) }",
      {"pointwise_cuda"},
      {.sizes = {{{"N", 3}, {"M", 4}, {"A", 1}, {"B", 4}},
                 {{"N", 1}, {"M", 5}, {"A", 2}, {"B", 1}}}});
}

TEST(CudaPointwise, selects_and_casts) {
  check_cuda(
      "graph main(%c: bool[3,1], %a: f16[3,5], %b: f16[5]) -> (%y) { %y = select(%c, %a, %b) }",
      {"pointwise_cuda"});
  check_cuda("graph main(%x: f32[33]) -> (%y) { %y = cast{to=i8}(%x) }", {"pointwise_cuda"});
  check_cuda("graph main(%x: u8[33]) -> (%y) { %y = cast{to=f16}(%x) }", {"pointwise_cuda"});
}

}  // namespace
}  // namespace strop::testing
