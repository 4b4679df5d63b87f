// SPDX-License-Identifier: Apache-2.0
// y = (x - z) * s: the difference is exact, the product is rounded to FP32 and from there to
// narrower results.
#include "ops/dequantize_linear.hpp"

#include <array>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"
#include "ops/quantize_parameters.hpp"

namespace strop {
namespace {

constexpr DTypeSet kTypes = kQuantized | DTypeSet{DType::i32};

void infer(InferContext& context) {
  const auto& attributes = context.attributes<DequantizeLinearAttributes>();
  context.require(kFloats.contains(attributes.to), ErrorCode::bad_type,
                  "cannot dequantise to " + std::string(to_string(attributes.to)));
  check_quantize_parameters(context, attributes.axis, attributes.block_size);
  Type type = context.input(0);
  type.dtype = attributes.to;
  context.set_output(0, std::move(type));
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<DequantizeLinearAttributes>();
  const Tensor& x = context.input(0);
  const Tensor& scale = context.input(1);
  Tensor& y = context.output(0);
  std::vector<float> scale_copy;
  const float* scales = load_all<float>(scale, scale_copy);
  // Differences of any quantised type are exact in double.
  std::vector<double> zeros(static_cast<std::size_t>(scale.size()), 0.0);
  for (std::int64_t i = 0; context.has_input(2) && i < scale.size(); ++i) {
    zeros[static_cast<std::size_t>(i)] =
        load_as_double(context.input(2).dtype(), context.input(2).data(), i);
  }
  parallel_for(x.size(), 16 * kChunk, [&](std::int64_t begin, std::int64_t end) {
    QuantizeIndex index(x.shape(), scale.shape(), attributes.axis, attributes.block_size, begin);
    std::array<double, kChunk> in;
    std::array<float, kChunk> out;
    for (std::int64_t i = begin; i < end; i += kChunk) {
      const std::int64_t count = std::min(kChunk, end - i);
      const double* from = load_chunk<double>(x, i, count, in.data());
      for (std::int64_t k = 0; k < count; ++k) {
        const auto at = static_cast<std::size_t>(index.next());
        out[static_cast<std::size_t>(k)] = static_cast<float>(from[k] - zeros[at]) * scales[at];
      }
      store_chunk<float>(y, i, count, out.data());
    }
  });
}

}  // namespace

const OpDef& op_dequantize_linear() {
  static const OpDef def{
      .name = "dequantize_linear",
      .summary = "y = (x - zero_point) * scale",
      .attributes = &attribute_schema<DequantizeLinearAttributes>(),
      .inputs =
          {{.name = "x", .types = kTypes, .same_as = 'Q'},
           {.name = "scale", .types = kFloats | DTypeSet{DType::f8e8m0}},
           {.name = "zero_point", .types = kTypes, .same_as = 'Q', .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kFloats}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
