// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/requantize_source.hpp"

#include <fmt/format.h>

#include "backends/cuda/codegen/epilogue_source.hpp"
#include "tactic/fused_view.hpp"

namespace strop::cuda {
namespace {

constexpr int kRounder = 12582912;  // the first float whose ulp is 1, and half of it
constexpr int kByteBase = 8388608;  // that float, with a byte in its low bits

GemmAddition read_addition(const Problem& problem, const QuantizedView& view,
                           GemmRequantize& into) {
  const Node& node = *view.addition;
  const auto& attributes = node.as<RequantizeAttributes>();
  const auto factor = [&](std::size_t i) {
    return FusedView(problem).constant(node.inputs[i])->values<float>()[0];
  };
  const auto of_residual = static_cast<float>(attributes.residual_multiplier);
  GemmAddition out;
  out.last = view.addend_last;
  out.low = attributes.low;
  out.high = attributes.high;
  out.offset = factor(2);
  out.zero = out.last ? attributes.residual_zero : attributes.x_zero;
  out.multiplier = out.last ? of_residual : factor(1);
  out.signed_entries = view.table >= 0 &&
                       problem.input_type(static_cast<std::size_t>(view.table)).dtype == DType::i8;
  into.residual_zero = out.last ? attributes.x_zero : attributes.residual_zero;
  into.residual_multiplier = out.last ? factor(1) : of_residual;
  return out;
}

std::string addition_source(const GemmRequantize& requantize) {
  const GemmAddition add = requantize.addition.value_or(GemmAddition{});
  return fmt::format(
      "constexpr bool kAdds = {}, kAddsLast = {};\n"
      "constexpr float kByteRange = {}, kByteRounder = {}, kByteBias = {};\n"
      "constexpr float kByteMultiplier = {}, kByteOffset = {}, kEntryBias = {};\n"
      "constexpr int kByteLow = {};\nconstexpr bool kSignedEntries = {};\n",
      requantize.addition.has_value(), add.last,
      float_literal(static_cast<float>(requantize.high - requantize.low)),
      float_literal(static_cast<float>(kRounder)),
      float_literal(static_cast<float>(kRounder - requantize.low + add.zero)),
      float_literal(add.multiplier), float_literal(add.offset),
      float_literal(static_cast<float>(kByteBase + (add.signed_entries ? 128 : 0) + add.zero)),
      requantize.low, add.signed_entries);
}

}  // namespace

std::optional<GemmRequantize> read_requantize(const Problem& problem, const QuantizedView& view,
                                              std::string& refusal) {
  const auto& attributes = view.requantize->as<RequantizeAttributes>();
  GemmRequantize out;
  out.low = attributes.low;
  out.high = attributes.high;
  out.table = view.table >= 0;
  if (view.residual < 0) return out;
  const Type& residual = problem.input_type(static_cast<std::size_t>(view.residual));
  if (!residual.shape || residual.shape != problem.output_type(0).shape) {
    refusal = "its residual is broadcast";
    return std::nullopt;
  }
  out.residual = true;
  out.residual_type = residual.dtype;
  out.residual_zero = attributes.residual_zero;
  out.residual_multiplier = static_cast<float>(attributes.residual_multiplier);
  if (view.addition != nullptr) out.addition = read_addition(problem, view, out);
  return out;
}

std::string requantize_source(const GemmRequantize& requantize) {
  const std::int64_t low = requantize.addition ? requantize.addition->low : requantize.low;
  const std::int64_t high = requantize.addition ? requantize.addition->high : requantize.high;
  // An even bound may be part of the number whose ulp does the rounding; an odd one would move
  // where halves go.
  const bool even = low % 2 == 0;
  const bool is_signed = requantize.residual_type == DType::i8;
  const auto bias =
      static_cast<float>(kByteBase + (is_signed ? 128 : 0) + requantize.residual_zero);
  return fmt::format(
             "constexpr bool kCorrected = {}, kSignedTensor = {}, kTable = {};\n"
             "constexpr float kTensorBias = {}, kTensorMultiplier = {};\n"
             "constexpr float kRange = {}, kRounder = {};\nconstexpr int kAfter = {};\n",
             requantize.corrected, is_signed, requantize.table, float_literal(bias),
             float_literal(requantize.residual_multiplier),
             float_literal(static_cast<float>(high - low)),
             float_literal(static_cast<float>(kRounder + (even ? low : 0))), even ? 0 : low) +
         addition_source(requantize);
}

}  // namespace strop::cuda
