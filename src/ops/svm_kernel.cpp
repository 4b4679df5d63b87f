// SPDX-License-Identifier: Apache-2.0
// The likeness of each row of x to each support vector. Sums are in double.
#include "ops/svm_kernel.hpp"

#include <cmath>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  context.require_rank(0, 2);
  context.require_rank(1, 2);
  const SymShape x = context.shape(0) != nullptr ? *context.shape(0) : context.fresh_shape(2);
  const SymShape v = context.shape(1) != nullptr ? *context.shape(1) : context.fresh_shape(2);
  context.require_equal(x[1], v[1], "features of x and of the support vectors");
  context.set_output(0, context.dtype(0), {x[0], v[0]});
}

double likeness(const SvmKernelAttributes& attributes, const float* x, const float* v,
                std::int64_t features) {
  double sum = 0;
  if (attributes.kernel == SvmKernel::rbf) {
    for (std::int64_t i = 0; i < features; ++i) {
      const double difference = static_cast<double>(x[i]) - static_cast<double>(v[i]);
      sum += difference * difference;
    }
    return std::exp(-attributes.gamma * sum);
  }
  for (std::int64_t i = 0; i < features; ++i) {
    sum += static_cast<double>(x[i]) * static_cast<double>(v[i]);
  }
  if (attributes.kernel == SvmKernel::linear) return sum;
  sum = attributes.gamma * sum + attributes.coef0;
  return attributes.kernel == SvmKernel::poly ? std::pow(sum, attributes.degree) : std::tanh(sum);
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<SvmKernelAttributes>();
  const Tensor& x = context.input(0);
  const Tensor& v = context.input(1);
  const float* rows = x.values<float>().data();
  const float* vectors = v.values<float>().data();
  float* out = context.output(0).mutable_values<float>().data();
  const std::int64_t features = x.dim(1), count = v.dim(0);
  parallel_for(x.dim(0) * count, 1 + 4096 / (1 + features),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) {
                   out[i] = static_cast<float>(likeness(attributes, rows + i / count * features,
                                                        vectors + i % count * features, features));
                 }
               });
}

}  // namespace

const OpDef& op_svm_kernel() {
  static const OpDef def{
      .name = "svm_kernel",
      .summary = "y[n, k] = kernel(row n of x, support vector k)",
      .attributes = &attribute_schema<SvmKernelAttributes>(),
      .inputs = {{.name = "x", .types = {DType::f32}}, {.name = "vectors", .types = {DType::f32}}},
      .outputs = {{.name = "y", .types = {DType::f32}}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
