// SPDX-License-Identifier: Apache-2.0
// q = clamp(rint(x / s) + z, qmin, qmax), done in FP32 as: divide, clamp to [qmin - z, qmax - z],
// round half to even, add z; NaN gives z. These are the exact bytes that every backend must give.
// Into FP8 and FP4: x / s + z rounded once. With a 16-bit precision x, s and x / s are rounded to
// it first.
#include "ops/quantize_linear.hpp"

#include <array>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"
#include "ops/quantize_parameters.hpp"

namespace strop {
namespace {

constexpr DTypeSet kPrecisions{DType::f32, DType::f16, DType::bf16};

void infer(InferContext& context) {
  const auto& attributes = context.attributes<QuantizeLinearAttributes>();
  context.require(kQuantized.contains(attributes.to), ErrorCode::bad_type,
                  "cannot quantise to " + std::string(to_string(attributes.to)));
  context.require(kPrecisions.contains(attributes.precision), ErrorCode::bad_type,
                  "the quotient is computed in f32, f16 or bf16, not in " +
                      std::string(to_string(attributes.precision)));
  if (context.has_input(2)) {
    context.require(context.dtype(2) == attributes.to, ErrorCode::bad_type,
                    "the zero point is " + std::string(to_string(context.dtype(2))) +
                        ", the result " + std::string(to_string(attributes.to)));
  }
  check_quantize_parameters(context, attributes.axis, attributes.block_size);
  Type type = context.input(0);
  type.dtype = attributes.to;
  context.set_output(0, std::move(type));
}

float rounded_to(DType precision, float value) {
  return precision == DType::f16 ? static_cast<float>(float16(value))
                                 : static_cast<float>(bfloat16(value));
}

// x / s in a 16-bit type. FP32 has more than twice its digits, so rounding twice is rounding once.
float narrow_quotient(DType precision, float x, float s) {
  return rounded_to(precision, rounded_to(precision, x) / rounded_to(precision, s));
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<QuantizeLinearAttributes>();
  const Tensor& x = context.input(0);
  const Tensor& scale = context.input(1);
  Tensor& y = context.output(0);
  std::vector<float> scale_copy, zeros;
  const float* scales = load_all<float>(scale, scale_copy);
  const bool integer = is_integer(y.dtype());
  clear_padding(y);
  if (context.has_input(2)) {
    zeros.resize(static_cast<std::size_t>(scale.size()));
    for (std::int64_t i = 0; i < scale.size(); ++i) {
      zeros[static_cast<std::size_t>(i)] =
          static_cast<float>(load_as_double(y.dtype(), context.input(2).data(), i));
    }
  }
  const int bits = bits_of(y.dtype());
  const bool is_signed = dtype_info(y.dtype()).kind == DTypeKind::signed_int;
  const float lowest = is_signed ? -static_cast<float>(1 << (bits - 1)) : 0.0f;
  const float highest = static_cast<float>((1 << (is_signed ? bits - 1 : bits)) - 1);
  const bool narrow = attributes.precision != DType::f32;
  const bool unsaturated = kFloat8s.contains(y.dtype()) && !attributes.saturate;
  parallel_for(x.size(), 16 * kChunk, [&](std::int64_t begin, std::int64_t end) {
    QuantizeIndex index(x.shape(), scale.shape(), attributes.axis, attributes.block_size, begin);
    std::array<float, kChunk> in, out;
    for (std::int64_t i = begin; i < end; i += kChunk) {
      const std::int64_t count = std::min(kChunk, end - i);
      const float* from = load_chunk<float>(x, i, count, in.data());
      for (std::int64_t k = 0; k < count; ++k) {
        const std::int64_t at = index.next();
        const float ratio = narrow ? narrow_quotient(attributes.precision, from[k], scales[at])
                                   : from[k] / scales[at];
        const float zero = zeros.empty() ? 0.0f : zeros[static_cast<std::size_t>(at)];
        // The sum also keeps FP8 and FP4 from -0.
        out[static_cast<std::size_t>(k)] =
            integer ? quantize_to_integer(ratio, zero, lowest, highest) : ratio + zero;
      }
      if (unsaturated) {
        for (std::int64_t k = 0; k < count; ++k) {
          y.mutable_data()[i + k] = static_cast<std::byte>(
              f32_to_small_float(y.dtype(), out[static_cast<std::size_t>(k)], false));
        }
      } else {
        store_chunk<float>(y, i, count, out.data());
      }
    }
  });
}

}  // namespace

const OpDef& op_quantize_linear() {
  static const OpDef def{
      .name = "quantize_linear",
      .summary = "q = clamp(round(x / scale) + zero_point), rounded half to even",
      .attributes = &attribute_schema<QuantizeLinearAttributes>(),
      .inputs = {{.name = "x", .types = kFloats | DTypeSet{DType::i32}},
                 {.name = "scale", .types = kFloats | DTypeSet{DType::i32, DType::f8e8m0}},
                 {.name = "zero_point", .types = kQuantized, .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kQuantized}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
