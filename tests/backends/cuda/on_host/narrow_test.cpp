// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <limits>

#include "backends/cuda/on_host/tactic_check.hpp"
#include "base/float_types.hpp"

namespace strop::testing {
namespace {

// Numbers at and around what floats of 8 and 4 bits hold, both signs, and what they do not hold.
Tensor awkward_numbers() {
  std::vector<float> values = {std::numeric_limits<float>::infinity(),
                               std::numeric_limits<float>::quiet_NaN(),
                               std::numeric_limits<float>::max(), 1e-40f, 0.f};
  for (const DType dtype : {DType::f8e4m3fn, DType::f8e5m2, DType::f8e5m2fnuz, DType::f4e2m1}) {
    for (int bits = 0; bits < 1 << (bits_of(dtype) - 1); ++bits) {
      const float value = small_float_to_f32(dtype, static_cast<std::uint8_t>(bits));
      if (value - value != 0) continue;
      for (const float factor : {1.f, 1.03125f, 1.0625f, 1.125f, 1.25f, 1.5f})
        values.push_back(value * factor);
    }
  }
  for (std::size_t i = values.size(); i-- > 0;) values.push_back(-values[i]);
  return Tensor::from<float>({static_cast<std::int64_t>(values.size())}, values);
}

TEST(CudaNarrow, rounds_to_narrow_floats) {
  const Tensor numbers = awkward_numbers();
  const std::string type = "f32[" + std::to_string(numbers.size()) + "]";
  for (const char* to :
       {"f8e4m3fn, saturate=true", "f8e4m3fn, saturate=false", "f8e4m3fnuz, saturate=true",
        "f8e5m2, saturate=false", "f8e5m2fnuz, saturate=false", "f4e2m1"}) {
    check_cuda("graph main(%x: " + type + ") -> (%y) { %y = cast{to=" + to + "}(%x) }",
               {"narrow_cuda"}, {.inputs = {numbers}});
  }
}

TEST(CudaNarrow, casts_between_narrow_and_wide) {
  for (const char* from :
       {"f8e4m3fn", "f8e4m3fnuz", "f8e5m2", "f8e5m2fnuz", "f8e8m0", "f4e2m1", "i4", "u2"}) {
    check_cuda(std::string("graph main(%x: ") + from + "[N,7]) -> (%y) { %y = cast{to=f16}(%x) }",
               {"narrow_cuda"}, {.sizes = {{{"N", 3}}}});
  }
  for (const char* to : {"u4", "i2"}) {
    check_cuda(std::string("graph main(%x: f16[N,7]) -> (%y) { %y = cast{to=") + to + "}(%x) }",
               {"narrow_cuda"}, {.sizes = {{{"N", 3}}, {{"N", 0}}}});
    check_cuda(std::string("graph main(%x: i32[5,3]) -> (%y) { %y = cast{to=") + to + "}(%x) }",
               {"narrow_cuda"});
  }
  check_cuda("graph main(%x: u4[5,3]) -> (%y) { %y = cast{to=i2}(%x) }", {"narrow_cuda"});
}

TEST(CudaNarrow, quantizes_in_blocks_and_narrowly) {
  check_cuda(
      "graph main(%x: f32[3,10], %s: f32[3,3], %z: u8[3,3]) -> (%y) { %y = "
      "quantize_linear{to=u8, axis=1, block_size=4}(%x, %s, %z) }",
      {"narrow_cuda"});
  check_cuda(
      "graph main(%x: f32[3,10], %s: f32[3], %z: i4[3]) -> (%y) { %y = quantize_linear{to=i4, "
      "axis=0}(%x, %s, %z) }",
      {"narrow_cuda"});
  check_cuda(
      "graph main(%x: f16[3,10], %s: f16[]) -> (%y) { %y = quantize_linear{to=f8e5m2, "
      "saturate=false}(%x, %s) }",
      {"narrow_cuda"});
  check_cuda(
      "graph main(%x: f32[30], %s: f32[]) -> (%y) { %y = quantize_linear{to=u8, "
      "precision=f16}(%x, %s) }",
      {"narrow_cuda"});
  check_cuda(
      "graph main(%x: u4[3,10], %s: f32[2,10], %z: u4[2,10]) -> (%y) { %y = "
      "dequantize_linear{to=f32, axis=0, block_size=2}(%x, %s, %z) }",
      {"narrow_cuda"});
  check_cuda(
      "graph main(%x: f8e4m3fn[3,10], %s: f16[]) -> (%y) { %y = dequantize_linear{to=f16}(%x, %s) "
      "}",
      {"narrow_cuda"});
}

TEST(CudaPointwise, quantizes_a_vector_by_one_scale) {
  check_cuda(
      "graph main(%x: f32[30], %s: f32[], %z: u8[]) -> (%y) { %y = quantize_linear{to=u8, "
      "axis=1}(%x, %s, %z) }",
      {"pointwise_cuda"});
}

}  // namespace
}  // namespace strop::testing
