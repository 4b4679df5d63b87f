// SPDX-License-Identifier: Apache-2.0
// softmax(x)_i = exp(x_i - max) / sum_j exp(x_j - max), and its logarithm. Computed in
// double and rounded once, so that a kernel that sums in another order gives the same bits; the
// maximum is subtracted first, so no exponential overflows.
#include "ops/softmax.hpp"

#include <algorithm>
#include <cmath>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/dispatch.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const auto& attributes = context.attributes<SoftmaxAttributes>();
  const Type& x = context.input(0);
  if (x.shape) normalize_axis(attributes.axis, x.rank());
  context.set_output(0, x);
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<SoftmaxAttributes>();
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  const std::int64_t axis = normalize_axis(attributes.axis, x.rank());
  const AxisSplit split(x.shape(), axis);  // x viewed as [outer, size, inner]
  dispatch_float(x.dtype(), [&]<class T>() {
    using Compute = double;
    using Narrow = ComputeType<T>;  // what T converts from and to
    const T* in = x.values<T>().data();
    T* out = y.mutable_values<T>().data();
    parallel_for(split.outer * split.inner, 1 + 4096 / (1 + split.size),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row) {
                     const std::int64_t base =
                         row / split.inner * split.size * split.inner + row % split.inner;
                     const auto load = [&](std::int64_t i) {
                       return static_cast<Compute>(static_cast<Narrow>(in[base + i * split.inner]));
                     };
                     Compute largest = -std::numeric_limits<Compute>::infinity();
                     for (std::int64_t i = 0; i < split.size; ++i) {
                       largest = std::max(largest, load(i));
                     }
                     Compute sum = 0;
                     for (std::int64_t i = 0; i < split.size; ++i) {
                       sum += std::exp(load(i) - largest);
                     }
                     const Compute log_sum = std::log(sum);
                     for (std::int64_t i = 0; i < split.size; ++i) {
                       const Compute shifted = load(i) - largest;
                       const Compute result =
                           attributes.log ? shifted - log_sum : std::exp(shifted) / sum;
                       out[base + i * split.inner] = static_cast<T>(static_cast<Narrow>(result));
                     }
                   }
                 });
  });
}

}  // namespace

const OpDef& op_softmax() {
  static const OpDef def{
      .name = "softmax",
      .summary = "exp(x) / sum(exp(x)) along one axis, or its logarithm",
      .attributes = &attribute_schema<SoftmaxAttributes>(),
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
