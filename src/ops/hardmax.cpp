// SPDX-License-Identifier: Apache-2.0
// hardmax(x)_i = 1 at the first largest element along one axis, 0 elsewhere. NaN is never the
// largest.
#include "ops/hardmax.hpp"

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/dispatch.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const Type& x = context.input(0);
  if (x.shape) normalize_axis(context.attributes<HardmaxAttributes>().axis, x.rank());
  context.set_output(0, x);
}

void reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  const AxisSplit split(x.shape(),
                        normalize_axis(context.attributes<HardmaxAttributes>().axis, x.rank()));
  if (split.size == 0) return;
  dispatch_float(x.dtype(), [&]<class T>() {
    using Compute = ComputeType<T>;
    const T* in = x.values<T>().data();
    T* out = y.mutable_values<T>().data();
    const std::int64_t grain = 1 + 4096 / split.size;
    parallel_for(split.outer * split.inner, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const std::int64_t base = row / split.inner * split.size * split.inner + row % split.inner;
        std::int64_t largest = 0;
        for (std::int64_t i = 0; i < split.size; ++i) {
          out[base + i * split.inner] = static_cast<T>(Compute(0));
          const auto value = static_cast<Compute>(in[base + i * split.inner]);
          const auto best = static_cast<Compute>(in[base + largest * split.inner]);
          if (value > best || best != best) largest = i;
        }
        out[base + largest * split.inner] = static_cast<T>(Compute(1));
      }
    });
  });
}

}  // namespace

const OpDef& op_hardmax() {
  static const OpDef def{
      .name = "hardmax",
      .summary = "1 at the first largest element along one axis, 0 elsewhere",
      .attributes = &attribute_schema<HardmaxAttributes>(),
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
