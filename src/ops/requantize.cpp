// SPDX-License-Identifier: Apache-2.0
// See requantize.hpp for the formula, which is a contract between backends.
#include "ops/requantize.hpp"

#include <array>
#include <cmath>

#include "base/exact_fma.hpp"
#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {
namespace {

constexpr DTypeSet kBytes{DType::i8, DType::u8};

void check_factor(InferContext& context, std::size_t input, const char* what) {
  const SymShape* factor = context.shape(input);
  if (factor == nullptr) return;
  context.require(factor->size() <= 1, ErrorCode::bad_shape,
                  std::string(what) + " has more than one axis");
  if (factor->empty() || (*factor)[0].is(1) || context.shape(0) == nullptr) return;
  const SymShape& x = *context.shape(0);
  const std::int64_t axis = normalize_axis(context.attributes<RequantizeAttributes>().axis,
                                           static_cast<std::int64_t>(x.size()));
  context.require_equal((*factor)[0], x[static_cast<std::size_t>(axis)],
                        std::string("the size of ") + what + " and of x along the axis");
}

void infer(InferContext& context) {
  const auto& attributes = context.attributes<RequantizeAttributes>();
  const std::int64_t lowest = attributes.to == DType::i8 ? -128 : 0;
  context.require(kBytes.contains(attributes.to), ErrorCode::bad_type,
                  "cannot requantise to " + std::string(to_string(attributes.to)));
  context.require(lowest <= attributes.low && attributes.low < attributes.high &&
                      attributes.high <= lowest + 255,
                  ErrorCode::bad_attribute,
                  "the bounds " + std::to_string(attributes.low) + " to " +
                      std::to_string(attributes.high) + " are none of " +
                      std::string(to_string(attributes.to)));
  const auto is_byte = [](std::int64_t zero) { return zero >= -128 && zero <= 255; };
  context.require(is_byte(attributes.x_zero) && is_byte(attributes.residual_zero),
                  ErrorCode::bad_attribute, "a zero point is no byte");
  context.require(std::isfinite(attributes.residual_multiplier), ErrorCode::bad_attribute,
                  "residual_multiplier is not finite");
  context.require(context.dtype(0) != DType::i32 || attributes.x_zero == 0,
                  ErrorCode::bad_attribute, "a sum has no zero point");
  check_factor(context, 1, "multiplier");
  check_factor(context, 2, "offset");
  if (context.has_input(3) && context.shape(0) != nullptr && context.shape(3) != nullptr) {
    const SymShape &x = *context.shape(0), &r = *context.shape(3);
    context.require(x.size() == r.size(), ErrorCode::bad_shape,
                    "x and its residual have different ranks");
    for (std::size_t i = 0; i < x.size(); ++i)
      context.require_equal(x[i], r[i], "sizes of x and its residual");
  }
  Type type = context.input(0);
  type.dtype = attributes.to;
  context.set_output(0, std::move(type));
}

template <class T>
std::int64_t load(const Tensor& tensor, std::int64_t i) {
  return tensor.values<T>()[static_cast<std::size_t>(i)];
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<RequantizeAttributes>();
  const Tensor& x = context.input(0);
  const Tensor* residual = context.has_input(3) ? &context.input(3) : nullptr;
  const float* multiplier = context.input(1).values<float>().data();
  const float* offset = context.input(2).values<float>().data();
  const bool single_m = context.input(1).size() == 1, single_c = context.input(2).size() == 1;
  Tensor& y = context.output(0);
  if (x.size() == 0) return;
  const AxisSplit split(x.shape(),
                        single_m && single_c ? 0 : normalize_axis(attributes.axis, x.rank()));
  const auto residual_multiplier = static_cast<float>(attributes.residual_multiplier);
  const auto range = static_cast<float>(attributes.high - attributes.low);
  parallel_for(x.size(), 16 * kChunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t channel = i / split.inner % split.size;
      const std::int64_t sum = x.dtype() == DType::i32  ? load<std::int32_t>(x, i)
                               : x.dtype() == DType::i8 ? load<std::int8_t>(x, i)
                                                        : load<std::uint8_t>(x, i);
      float t = exact_fma(static_cast<float>(sum - attributes.x_zero),
                          multiplier[single_m ? 0 : channel], offset[single_c ? 0 : channel]);
      if (residual != nullptr) {
        const std::int64_t r = residual->dtype() == DType::i8 ? load<std::int8_t>(*residual, i)
                                                              : load<std::uint8_t>(*residual, i);
        t = exact_fma(static_cast<float>(r - attributes.residual_zero), residual_multiplier, t);
      }
      const std::int64_t q = attributes.low + requantize_step(t, range);
      if (attributes.to == DType::i8) {
        y.mutable_values<std::int8_t>()[static_cast<std::size_t>(i)] = static_cast<std::int8_t>(q);
      } else {
        y.mutable_values<std::uint8_t>()[static_cast<std::size_t>(i)] =
            static_cast<std::uint8_t>(q);
      }
    }
  });
}

}  // namespace

std::int32_t requantize_step(float t, float range) {
  // NaN, which finite factors never make, counts as 0.
  const float bounded = t > 0.0f ? (t < 1.0f ? t : 1.0f) : 0.0f;
  return std::bit_cast<std::int32_t>(exact_fma(bounded, range, 12582912.0f)) & 0xff;
}

const OpDef& op_requantize() {
  static const OpDef def{
      .name = "requantize",
      .summary =
          "y = low + round(clamp((x - x_zero) * multiplier + offset + (residual - "
          "residual_zero) * residual_multiplier, 0, 1) * (high - low)), to the bit",
      .attributes = &attribute_schema<RequantizeAttributes>(),
      .inputs = {{.name = "x", .types = kBytes | DTypeSet{DType::i32}},
                 {.name = "multiplier", .types = {DType::f32}},
                 {.name = "offset", .types = {DType::f32}},
                 {.name = "residual", .types = kBytes, .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kBytes}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
