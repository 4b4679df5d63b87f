// SPDX-License-Identifier: Apache-2.0
// Quantisation of a whole tensor to u8 by its own range, which is widened to hold 0. In FP32:
// scale = (max - min) / 255, zero_point = rint(clamp(-min / scale, 0, 255)), then as
// quantize_linear. Where all elements are 0 (or there are none) the scale is 1. NaN takes no part
// in the range, and becomes the zero point.
#include "ops/dynamic_quantize_linear.hpp"

#include <array>
#include <cmath>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"
#include "ops/quantize_parameters.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  Type type = context.input(0);
  type.dtype = DType::u8;
  context.set_output(0, std::move(type));
  context.set_output(1, DType::f32, {});
  context.set_output(2, DType::u8, {});
}

struct Range {
  float low = 0, high = 0;
};

// Minima and maxima do not depend on their order; a pair per part of the tensor.
Range range_of(const float* x, std::int64_t size) {
  constexpr std::int64_t kPart = 256 * kChunk;
  std::vector<Range> parts(static_cast<std::size_t>((size + kPart - 1) / kPart));
  parallel_for(
      static_cast<std::int64_t>(parts.size()), 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t part = begin; part < end; ++part) {
          Range range;
          for (std::int64_t i = part * kPart; i < std::min(size, (part + 1) * kPart); ++i) {
            range.low = x[i] < range.low ? x[i] : range.low;
            range.high = x[i] > range.high ? x[i] : range.high;
          }
          parts[static_cast<std::size_t>(part)] = range;
        }
      });
  Range whole;
  for (const Range& part : parts) {
    whole.low = std::min(whole.low, part.low);
    whole.high = std::max(whole.high, part.high);
  }
  return whole;
}

void reference(KernelContext& context) {
  const auto x = context.input(0).values<float>();
  const auto [low, high] = range_of(x.data(), context.input(0).size());
  const float scale = low == high ? 1.0f : (high - low) / 255.0f;
  const float exact_zero = -low / scale;
  // An infinite range gives NaN here.
  const float zero =
      std::isnan(exact_zero) ? 0.0f : round_half_even(std::min(std::max(exact_zero, 0.0f), 255.0f));
  context.output(1).mutable_values<float>()[0] = scale;
  context.output(2).mutable_values<std::uint8_t>()[0] = static_cast<std::uint8_t>(zero);
  std::uint8_t* y = context.output(0).mutable_values<std::uint8_t>().data();
  parallel_for(context.input(0).size(), 16 * kChunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const float q = quantize_to_integer(x[static_cast<std::size_t>(i)] / scale, zero, 0, 255);
      y[i] = static_cast<std::uint8_t>(q);
    }
  });
}

}  // namespace

const OpDef& op_dynamic_quantize_linear() {
  static const OpDef def{
      .name = "dynamic_quantize_linear",
      .summary =
          "quantize_linear to u8 with scale (max(x, 0) - min(x, 0)) / 255 and the zero "
          "point that belongs to it",
      .inputs = {{.name = "x", .types = {DType::f32}}},
      .outputs = {{.name = "y", .types = {DType::u8}},
                  {.name = "scale", .types = {DType::f32}},
                  {.name = "zero_point", .types = {DType::u8}}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
