// SPDX-License-Identifier: Apache-2.0
// Loops over runs of contiguous elements (the channels of a pixel, a row), for each instruction
// set.
#pragma once

#include <cstdint>

namespace strop::cpu {

struct ChannelRuns {
  // to[i] = max(to[i], x[i]); NaN where either is. Bytes in their own order.
  void (*max_f32)(float* to, const float* x, std::int64_t n);
  void (*max_bf16)(std::uint16_t* to, const std::uint16_t* x, std::int64_t n);
  void (*max_i8)(std::int8_t* to, const std::int8_t* x, std::int64_t n);
  void (*max_u8)(std::uint8_t* to, const std::uint8_t* x, std::int64_t n);
  void (*add_f32)(float* to, const float* x, std::int64_t n);
  void (*add_i32)(std::int32_t* to, const std::int32_t* x, std::int64_t n);  // modulo 2^32
  std::int32_t (*sum_i32)(const std::int32_t* x, std::int64_t n);            // likewise
  void (*widen_i8)(std::int32_t* to, const std::int8_t* x, std::int64_t n);
  void (*widen_u8)(std::int32_t* to, const std::uint8_t* x, std::int64_t n);
  void (*scale_f32)(float* to, float factor, std::int64_t n);
  // to[i] = a[i] * weight_a + b[i] * weight_b
  void (*blend_f32)(float* to, const float* a, float weight_a, const float* b, float weight_b,
                    std::int64_t n);
  float (*sum_f32)(const float* x, std::int64_t n);  // in one order for every n
  // Widens [low, high] to hold x; NaN takes no part.
  void (*range_f32)(const float* x, std::int64_t n, float& low, float& high);
  // quantize_linear of one scale: clamp(round(x / scale) + zero) as bytes of either sign.
  void (*quantize)(std::uint8_t* to, const float* x, float scale, std::int32_t zero,
                   std::int32_t low, std::int32_t high, std::int64_t n);
  // (q - zero) * scale
  void (*dequantize_i8)(float* to, const std::int8_t* q, float scale, std::int32_t zero,
                        std::int64_t n);
  void (*dequantize_u8)(float* to, const std::uint8_t* q, float scale, std::int32_t zero,
                        std::int64_t n);
  void (*dequantize_i32)(float* to, const std::int32_t* q, float scale, std::int32_t zero,
                         std::int64_t n);
};

// Of this processor (isa.hpp).
const ChannelRuns& channel_runs();

}  // namespace strop::cpu
