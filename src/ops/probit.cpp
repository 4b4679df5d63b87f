// SPDX-License-Identifier: Apache-2.0
// The inverse of the normal distribution as ai.onnx.ml means it: through Winitzki's formula for the
// inverse error function ("A handy approximation for the error function and its inverse", 2008),
// which is 0.2 % off at most. 0 and 1 give infinities, what lies outside of them NaN.
#include "ops/probit.hpp"

#include <array>
#include <cmath>
#include <numbers>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {
namespace {

double probit(double p) {
  constexpr double kA = 0.147;
  const double x = 2 * p - 1;
  const double log = std::log((1 - x) * (1 + x));
  const double half = 2 / (std::numbers::pi * kA) + 0.5 * log;
  const double magnitude = std::sqrt(std::sqrt(half * half - log / kA) - half);
  return std::copysign(std::numbers::sqrt2 * magnitude, x);
}

void infer(InferContext& context) { context.set_output(0, context.input(0)); }

void reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  parallel_for(x.size(), kChunk, [&](std::int64_t begin, std::int64_t end) {
    std::array<double, kChunk> from, to;
    for (std::int64_t i = begin; i < end; i += kChunk) {
      const std::int64_t count = std::min(kChunk, end - i);
      const double* in = load_chunk<double>(x, i, count, from.data());
      for (std::int64_t k = 0; k < count; ++k) to[static_cast<std::size_t>(k)] = probit(in[k]);
      store_chunk<double>(y, i, count, to.data());
    }
  });
}

}  // namespace

const OpDef& op_probit() {
  static const OpDef def{
      .name = "probit",
      .summary = "sqrt(2) * erfinv(2 x - 1), approximately, element by element",
      .inputs = {{.name = "x", .types = kFloats, .same_as = 'T'}},
      .outputs = {{.name = "y", .types = kFloats, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.pointwise = true},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
