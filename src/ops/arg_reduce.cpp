// SPDX-License-Identifier: Apache-2.0
// Index of the largest or smallest element along one axis. NaN counts as the extreme, as in NumPy.
#include "ops/arg_reduce.hpp"

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const auto& attributes = context.attributes<ArgReduceAttributes>();
  const SymShape* x = context.shape(0);
  if (x == nullptr) return context.set_output(0, Type::tensor_of_unknown_rank(DType::i64));
  const auto axis = normalize_axis(attributes.axis, static_cast<std::int64_t>(x->size()));
  SymShape y = *x;
  const auto at = y.begin() + axis;
  context.require(!at->is(0), ErrorCode::bad_shape, "an axis of size 0 has no extreme element");
  if (attributes.keep_dims) {
    *at = Dim(1);
  } else {
    y.erase(at);
  }
  context.set_output(0, DType::i64, std::move(y));
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<ArgReduceAttributes>();
  const Tensor& x = context.input(0);
  const AxisSplit split(x.shape(), normalize_axis(attributes.axis, x.rank()));
  std::int64_t* out = context.output(0).mutable_values<std::int64_t>().data();
  dispatch_compute(compute_kind(x.dtype()), [&]<class C>() {
    std::vector<C> copy;
    const C* in = load_all<C>(x, copy);
    parallel_for(split.outer * split.inner, 1 + 4096 / (1 + split.size),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row) {
                     const C* from =
                         in + row / split.inner * split.size * split.inner + row % split.inner;
                     std::int64_t best = 0;
                     for (std::int64_t i = 1; i < split.size; ++i) {
                       const C v = from[i * split.inner], b = from[best * split.inner];
                       const bool better = attributes.largest ? v > b : v < b;
                       const bool equal = v == b || (v != v && b != b);
                       if (better || (v != v && b == b) || (equal && attributes.select_last)) {
                         best = i;
                       }
                     }
                     out[row] = best;
                   }
                 });
  });
}

}  // namespace

const OpDef& op_arg_reduce() {
  static const OpDef def{
      .name = "arg_reduce",
      .summary = "index of the largest or smallest element along one axis",
      .attributes = &attribute_schema<ArgReduceAttributes>(),
      .inputs = {{.name = "x", .types = kNumbers}},
      .outputs = {{.name = "indices", .types = {DType::i64}}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
