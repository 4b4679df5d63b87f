// SPDX-License-Identifier: Apache-2.0
// cast, quantize_linear and dequantize_linear of what pointwise_cuda does not take: floats of 8 and
// 4 bits, integers that share a byte, scales for blocks, quotients of 16 bits. One thread for each
// byte of elements that share one, else for each element.
#include <fmt/format.h>

#include "backends/cuda/codegen/narrow_source.hpp"
#include "backends/cuda/codegen/scalar_source.hpp"
#include "ops/cast.hpp"
#include "ops/chunk.hpp"
#include "ops/dequantize_linear.hpp"
#include "ops/quantize_linear.hpp"

namespace strop::cuda {
const Tactic& tactic_narrow_cuda();
namespace {

bool is_wide(const Problem& problem) {
  for (std::size_t i = 0; i < problem.node->inputs.size(); ++i) {
    if (problem.has_input(i) && !has_element(problem.input_type(i).dtype)) return false;
  }
  if (!has_element(problem.output_type(0).dtype)) return false;
  if (problem.is(op_quantize_linear())) {
    const auto& attributes = problem.attributes<QuantizeLinearAttributes>();
    return attributes.block_size == 0 && attributes.precision == DType::f32;
  }
  return !problem.is(op_dequantize_linear()) ||
         problem.attributes<DequantizeLinearAttributes>().block_size == 0;
}

Acceptance accepts(const Problem& problem) {
  if (is_wide(problem)) return Acceptance::refuse("pointwise_cuda takes such elements");
  for (std::size_t i = 0; i < problem.node->inputs.size(); ++i) {
    if (!problem.has_input(i)) continue;
    const Type& type = problem.input_type(i);
    if (!has_narrow_load(type.dtype))
      return Acceptance::refuse("there are no kernels for " + std::string(to_string(type.dtype)));
    if (!type.shape) return Acceptance::refuse("the rank of an input is not known");
  }
  const DType result = problem.output_type(0).dtype;
  if (!has_narrow_load(result) || result == DType::f8e8m0)
    return Acceptance::refuse("there are no kernels for " + std::string(to_string(result)));
  return Acceptance::accept();
}

std::string as_float(DType dtype, const std::string& x) {
  return compute_kind(dtype) == ComputeKind::f32
             ? x
             : fmt::format("double_to_float_odd(static_cast<double>({}))", x);
}

class Source {
 public:
  Source(const Problem& problem, const LaunchShapes& shapes)
      : problem_(problem),
        shapes_(shapes),
        writer_(problem, shapes, "narrow"),
        from_(problem.input_type(0).dtype),
        to_(problem.output_type(0).dtype) {}

  LaunchStep step() {
    writer_.use("wide_functions");
    writer_.output(0, narrow_pointer(to_));
    const std::string x = load(0, "i");
    const std::string value = problem_.is(op_cast())              ? x
                              : problem_.is(op_quantize_linear()) ? quantized(x)
                                                                  : dequantized(x);
    const Dim count = product(shapes_.input(0));
    LaunchStep out;
    if (has_element(to_)) {
      writer_.finish_items(out,
                           fmt::format("  const I i = index;\n{}  y0[index] = narrow<{}>({});\n",
                                       text_, element_type(to_), value),
                           count);
      return out;
    }
    const bool floating = is_floating(to_);
    const bool rounds = problem_.is(op_cast()) && floating;
    const std::string bits =
        narrow_bits(writer_, to_, rounds ? as_float(from_, value) : value, saturates());
    const int per_byte = narrow_per_byte(to_);
    const std::string body = fmt::format(
        "  unsigned all = 0;\n  for (I k = 0; k < {per_byte}; ++k) {{\n"
        "  const I i = index * {per_byte} + k;\n  if (i >= {count}) break;\n{text}"
        "  all |= ({bits}) << (k * {width});\n  }}\n"
        "  y0[index] = static_cast<unsigned char>(all);\n",
        fmt::arg("per_byte", per_byte), fmt::arg("count", writer_.number(count)),
        fmt::arg("text", text_), fmt::arg("bits", bits), fmt::arg("width", bits_of(to_)));
    writer_.finish_items(out, body, ceildiv(count, Dim(per_byte)));
    return out;
  }

 private:
  std::string load(std::size_t i, const std::string& index) {
    const DType dtype = problem_.input_type(i).dtype;
    return narrow_load(writer_, dtype, writer_.input(i, narrow_pointer(dtype)), index);
  }

  bool saturates() const {
    if (problem_.is(op_cast())) return problem_.attributes<CastAttributes>().saturate;
    return problem_.attributes<QuantizeLinearAttributes>().saturate;
  }

  // Defines `at`, the place of the element's scale.
  void find_scale(std::int64_t axis, std::int64_t block) {
    const SymShape& x = shapes_.input(0);
    const SymShape& scale = shapes_.input(1);
    if (block == 0 && (scale.empty() || scale[0].is(1))) {
      text_ += "  const I at = 0;\n";
      return;
    }
    const auto place =
        static_cast<std::size_t>(normalize_axis(axis, static_cast<std::int64_t>(x.size())));
    Dim inner(1);
    for (std::size_t a = place + 1; a < x.size(); ++a) inner = inner * x[a];
    const std::string step = writer_.number(inner), size = writer_.number(x[place]);
    if (block == 0) {
      text_ += fmt::format("  const I at = {} == 1 ? 0 : i / {} % {};\n", writer_.number(scale[0]),
                           step, size);
      return;
    }
    text_ +=
        fmt::format("  const I at = (i / {0} / {1} * {2} + i / {0} % {1} / {3}) * {0} + i % {0};\n",
                    step, size, writer_.number(scale[place]), writer_.number(Dim(block)));
  }

  std::string quantized(const std::string& x) {
    const auto& attributes = problem_.attributes<QuantizeLinearAttributes>();
    find_scale(attributes.axis, attributes.block_size);
    text_ += fmt::format("  const float x = static_cast<float>({});\n", x);
    text_ += fmt::format("  const float scale = static_cast<float>({});\n", load(1, "at"));
    text_ += fmt::format("  const float zero = {};\n",
                         problem_.has_input(2) ? "static_cast<float>(" + load(2, "at") + ")" : "0");
    std::string ratio = "x / scale";
    if (attributes.precision != DType::f32) {
      const auto rounded = [&](const std::string& value) {
        return rounded_source(attributes.precision, value);
      };
      ratio = rounded(rounded("x") + " / " + rounded("scale"));
    }
    text_ += fmt::format("  const float ratio = {};\n", ratio);
    if (is_floating(to_)) return "ratio + zero";
    return fmt::format(
        "quantized<{}>(ratio, 1.f, zero, static_cast<float>({}), static_cast<float>({}))",
        compute_type(to_), lowest_literal(to_), highest_literal(to_));
  }

  std::string dequantized(const std::string& x) {
    const auto& attributes = problem_.attributes<DequantizeLinearAttributes>();
    find_scale(attributes.axis, attributes.block_size);
    return fmt::format("static_cast<float>(static_cast<double>({}) - {}) * static_cast<float>({})",
                       x,
                       problem_.has_input(2) ? "static_cast<double>(" + load(2, "at") + ")" : "0.0",
                       load(1, "at"));
  }

  const Problem& problem_;
  const LaunchShapes& shapes_;
  KernelWriter writer_;
  DType from_, to_;
  std::string text_;  // before the value of element `i`
};

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  return to_choice(problem, Source(problem, shapes).step());
}

}  // namespace

const Tactic& tactic_narrow_cuda() {
  static const Tactic tactic{.name = "narrow_cuda",
                             .backend = "cuda",
                             .ops = {op_cast, op_quantize_linear, op_dequantize_linear},
                             .accepts = accepts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
