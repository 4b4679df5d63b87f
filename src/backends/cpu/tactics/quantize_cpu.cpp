// SPDX-License-Identifier: Apache-2.0
// quantize_linear and dequantize_linear of one constant scale between f32 and bytes (int32 too
// where it is read), and casts from bytes, in any layout.
#include <bit>
#include <cmath>

#include "backends/cpu/parameters.hpp"
#include "base/float_types.hpp"
#include "ops/cast.hpp"
#include "ops/dequantize_linear.hpp"
#include "ops/dynamic_quantize_linear.hpp"
#include "ops/quantize_linear.hpp"
#include "tactic/layout_support.hpp"

namespace strop::cpu {
const Tactic& tactic_quantize_cpu();
namespace {

bool is_byte(DType dtype) { return dtype == DType::i8 || dtype == DType::u8; }

std::int64_t zero_of(const Problem& problem) {
  if (!problem.has_input(2)) return 0;
  const Tensor& zero = *problem.constant(2);
  return static_cast<std::int64_t>(load_as_double(zero.dtype(), zero.data(), 0));
}

Acceptance accepts(const Problem& problem) {
  if (problem.is(op_dynamic_quantize_linear())) return Acceptance::accept();
  const DType x = problem.input_type(0).dtype, y = problem.output_type(0).dtype;
  if (problem.is(op_cast()) && is_byte(x) && y == DType::i32) return Acceptance::accept();
  const bool quantizes = problem.is(op_quantize_linear());
  if (quantizes ? x != DType::f32 || !is_byte(y)
                : y != DType::f32 || (!is_byte(x) && x != DType::i32)) {
    return Acceptance::refuse("it goes between f32 and bytes");
  }
  if (problem.is(op_cast())) return Acceptance::accept();
  const Tensor* scale = problem.constant(1);
  if (scale == nullptr || scale->size() != 1 || scale->dtype() != DType::f32)
    return Acceptance::refuse("it takes one constant scale");
  if (!std::isfinite(scale->values<float>()[0])) return Acceptance::refuse("its scale is infinite");
  if (problem.has_input(2) &&
      (problem.constant(2) == nullptr || problem.constant(2)->size() != 1)) {
    return Acceptance::refuse("it takes one constant zero point");
  }
  if (x == DType::i32 && zero_of(problem) != 0) return Acceptance::refuse("int32 has a zero point");
  if (quantizes && problem.attributes<QuantizeLinearAttributes>().precision != DType::f32)
    return Acceptance::refuse("it divides in f32");
  return Acceptance::accept();
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  if (problem.is(op_dynamic_quantize_linear())) {
    std::vector<OperandLayouts> out = any_layout(problem, 1);
    for (OperandLayouts& each : out) {
      if (!each.is_plain()) each.outputs = {Layout::channels_last, Layout::plain, Layout::plain};
    }
    return out;
  }
  return any_layout(problem, 1);
}

KernelChoice lower(const Problem& problem, std::string_view) {
  if (problem.is(op_dynamic_quantize_linear())) return {"dynamic_quantize", ""};
  Parameters parameters;
  if (problem.is(op_cast()) && problem.output_type(0).dtype == DType::i32) return {"widen", ""};
  if (problem.is(op_cast())) {
    parameters.set("scale", static_cast<std::int64_t>(std::bit_cast<std::uint32_t>(1.0f)));
    parameters.set("zero", std::int64_t{0});
    return {"dequantize", parameters.text()};
  }
  parameters.set("scale", static_cast<std::int64_t>(std::bit_cast<std::uint32_t>(
                              problem.constant(1)->values<float>()[0])));
  parameters.set("zero", zero_of(problem));
  return {problem.is(op_quantize_linear()) ? "quantize" : "dequantize", parameters.text()};
}

}  // namespace

const Tactic& tactic_quantize_cpu() {
  static const Tactic tactic{
      .name = "quantize_cpu",
      .backend = "cpu",
      .ops = {op_quantize_linear, op_dequantize_linear, op_cast, op_dynamic_quantize_linear},
      .accepts = accepts,
      .layouts = layouts,
      .lower = lower};
  return tactic;
}

}  // namespace strop::cpu
