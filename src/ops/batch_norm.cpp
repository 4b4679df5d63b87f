// SPDX-License-Identifier: Apache-2.0
// Batch normalisation with given statistics:
// y = (x - mean) / sqrt(variance + epsilon) * scale + bias, per channel (axis 1).
#include "ops/batch_norm.hpp"

#include <array>
#include <cmath>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const SymShape* x = context.shape(0);
  for (std::size_t i = 1; i < 5; ++i) {
    context.require_rank(i, 1);
    if (x == nullptr || context.shape(i) == nullptr) continue;
    context.require(!x->empty(), ErrorCode::bad_shape, "a scalar has no channels");
    const Dim channels = x->size() > 1 ? (*x)[1] : Dim(1);
    context.require_equal(
        (*context.shape(i))[0], channels,
        "channels of x and the size of " + std::string(context.op().inputs[i].name));
  }
  context.set_output(0, context.input(0));
}

template <class C>
void normalize(double epsilon, const KernelContext& context, const Tensor& x, Tensor& y) {
  std::array<std::vector<C>, 4> copies;
  std::array<const C*, 4> parameters;
  for (std::size_t i = 0; i < 4; ++i) {
    parameters[i] = load_all<C>(context.input(i + 1), copies[i]);
  }
  const auto [scale, bias, mean, variance] = parameters;
  const std::int64_t channels = x.rank() > 1 ? x.dim(1) : 1;
  if (x.size() == 0) return;
  const std::int64_t planes = x.rank() > 1 ? x.dim(0) * channels : 1;
  const std::int64_t plane = x.size() / planes;
  parallel_for(planes, 1 + 16 * kChunk / plane, [&](std::int64_t begin, std::int64_t end) {
    std::array<C, kChunk> in, out;
    for (std::int64_t p = begin; p < end; ++p) {
      const std::int64_t c = p % channels;
      const C factor = scale[c] / std::sqrt(variance[c] + static_cast<C>(epsilon));
      for (std::int64_t i = 0; i < plane; i += kChunk) {
        const std::int64_t count = std::min(kChunk, plane - i);
        const C* from = load_chunk<C>(x, p * plane + i, count, in.data());
        C* to = result_chunk<C>(y, p * plane + i, out.data());
        for (std::int64_t k = 0; k < count; ++k) to[k] = (from[k] - mean[c]) * factor + bias[c];
        store_chunk<C>(y, p * plane + i, count, to);
      }
    }
  });
}

void reference(KernelContext& context) {
  const double epsilon = context.attributes<BatchNormAttributes>().epsilon;
  const Tensor& x = context.input(0);
  if (x.dtype() == DType::f64) {
    normalize<double>(epsilon, context, x, context.output(0));
  } else {
    normalize<float>(epsilon, context, x, context.output(0));
  }
}

}  // namespace

const OpDef& op_batch_norm() {
  static const OpDef def{
      .name = "batch_norm",
      .summary = "y = (x - mean) / sqrt(variance + epsilon) * scale + bias, per channel",
      .attributes = &attribute_schema<BatchNormAttributes>(),
      .inputs = {{.name = "x", .types = kFloats, .same_as = 'T'},
                 {.name = "scale", .types = kFloats, .same_as = 'S'},
                 {.name = "bias", .types = kFloats, .same_as = 'S'},
                 {.name = "mean", .types = kFloats, .same_as = 'M'},
                 {.name = "variance", .types = kFloats, .same_as = 'M'}},
      .outputs = {{.name = "y", .types = kFloats, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
