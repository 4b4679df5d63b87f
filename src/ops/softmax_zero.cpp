// SPDX-License-Identifier: Apache-2.0
// The softmax of ai.onnx.ml that leaves out classes without a score: what lies within 1e-7 of 0
// adds nothing to the sum, and becomes 0 but for rounding. Without any score all become 0.5.
#include "ops/softmax_zero.hpp"

#include <algorithm>
#include <cmath>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/dispatch.hpp"

namespace strop {
namespace {

constexpr double kNoScore = 1e-7;

void infer(InferContext& context) {
  const SymShape* x = context.shape(0);
  context.require(x == nullptr || !x->empty(), ErrorCode::bad_shape, "x has no axis");
  context.set_output(0, context.input(0));
}

// Accumulates in double.
template <class T>
void row(const T* x, T* y, std::int64_t size) {
  using C = ComputeType<T>;
  double largest = -std::numeric_limits<double>::infinity();
  for (std::int64_t i = 0; i < size; ++i) {
    largest = std::max(largest, static_cast<double>(static_cast<C>(x[i])));
  }
  const auto part = [&](std::int64_t i, bool& counts) {
    const auto value = static_cast<double>(static_cast<C>(x[i]));
    counts = !(std::abs(value) <= kNoScore);
    return counts ? std::exp(value - largest) : value * std::exp(-largest);
  };
  double sum = 0;
  bool any = false, counts = false;
  for (std::int64_t i = 0; i < size; ++i) {
    const double value = part(i, counts);
    if (counts) sum += value;
    any = any || counts;
  }
  for (std::int64_t i = 0; i < size; ++i) {
    y[i] = static_cast<T>(static_cast<C>(any ? part(i, counts) / sum : 0.5));
  }
}

void reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  if (x.size() == 0) return;
  const std::int64_t size = x.shape().back();
  dispatch_float(x.dtype(), [&]<class T>() {
    const T* in = x.values<T>().data();
    T* out = y.mutable_values<T>().data();
    parallel_for(x.size() / size, 1 + 4096 / size, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) row(in + r * size, out + r * size, size);
    });
  });
}

}  // namespace

const OpDef& op_softmax_zero() {
  static const OpDef def{
      .name = "softmax_zero",
      .summary = "softmax along the last axis of the elements other than 0",
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
