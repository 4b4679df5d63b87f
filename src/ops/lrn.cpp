// SPDX-License-Identifier: Apache-2.0
// Local response normalisation (AlexNet, section 3.3):
// y[c] = x[c] / (bias + alpha / size * sum of x[i]^2)^beta, over i from c - floor((size-1)/2) to
// c + ceil((size-1)/2).
#include "ops/lrn.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const auto& attributes = context.attributes<LrnAttributes>();
  context.require(attributes.size >= 1, ErrorCode::bad_attribute,
                  "size is " + std::to_string(attributes.size) + "; it must be at least 1");
  const SymShape* x = context.shape(0);
  context.require(x == nullptr || x->size() >= 2, ErrorCode::bad_shape, "needs a channel axis");
  context.set_output(0, context.input(0));
}

template <class C>
void normalize(const LrnAttributes& attributes, const Tensor& x, Tensor& y) {
  std::vector<C> copy;
  const C* in = load_all<C>(x, copy);
  const AxisSplit split(x.shape(), 1);
  const std::int64_t before = std::min((attributes.size - 1) / 2, split.size);
  const std::int64_t after = std::min(attributes.size / 2, split.size);
  const C scale = static_cast<C>(attributes.alpha / static_cast<double>(attributes.size));
  parallel_for(split.outer * split.size, 1, [&](std::int64_t begin, std::int64_t end) {
    std::array<C, kChunk> sums;
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t c = row % split.size;
      const C* image = in + row / split.size * split.size * split.inner;
      const std::int64_t last = std::min(split.size - 1, c + after);
      for (std::int64_t i = 0; i < split.inner; i += kChunk) {
        const std::int64_t count = std::min(kChunk, split.inner - i);
        sums.fill(0);
        for (std::int64_t k = std::max<std::int64_t>(0, c - before); k <= last; ++k) {
          const C* from = image + k * split.inner + i;
          for (std::int64_t j = 0; j < count; ++j) {
            sums[static_cast<std::size_t>(j)] += from[j] * from[j];
          }
        }
        for (std::int64_t j = 0; j < count; ++j) {
          C& sum = sums[static_cast<std::size_t>(j)];
          sum = image[c * split.inner + i + j] /
                std::pow(static_cast<C>(attributes.bias) + scale * sum,
                         static_cast<C>(attributes.beta));
        }
        store_chunk<C>(y, row * split.inner + i, count, sums.data());
      }
    }
  });
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<LrnAttributes>();
  const Tensor& x = context.input(0);
  if (x.dtype() == DType::f64) {
    normalize<double>(attributes, x, context.output(0));
  } else {
    normalize<float>(attributes, x, context.output(0));
  }
}

}  // namespace

const OpDef& op_lrn() {
  static const OpDef def{
      .name = "lrn",
      .summary = "y = x / (bias + alpha * mean square over neighbouring channels)^beta",
      .attributes = &attribute_schema<LrnAttributes>(),
      .inputs = {{.name = "x", .types = kFloats, .same_as = 'T'}},
      .outputs = {{.name = "y", .types = kFloats, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
