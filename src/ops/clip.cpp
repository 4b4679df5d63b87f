// SPDX-License-Identifier: Apache-2.0
// y = min(max(x, low), high): where low > high, high wins. NaN stays.
#include "ops/clip.hpp"

#include <array>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  for (std::size_t i = 1; i <= 2; ++i) {
    const SymShape* bound = context.has_input(i) ? context.shape(i) : nullptr;
    // Exporters also write bounds of shape [1].
    context.require(
        bound == nullptr || bound->empty() || (bound->size() == 1 && !(*bound)[0].is(0)),
        ErrorCode::bad_shape, "a bound must be a scalar");
    if (bound != nullptr && bound->size() == 1) {
      context.require_equal((*bound)[0], 1, "the size of a bound, and one");
    }
  }
  context.set_output(0, context.input(0));
}

template <class C>
void clip(const Tensor& x, const Tensor* low, const Tensor* high, Tensor& y) {
  C lower = 0, upper = 0;
  if (low != nullptr) lower = *load_chunk<C>(*low, 0, 1, &lower);
  if (high != nullptr) upper = *load_chunk<C>(*high, 0, 1, &upper);
  parallel_for(x.size(), 64 * kChunk, [&](std::int64_t begin, std::int64_t end) {
    std::array<C, kChunk> in, out;
    for (std::int64_t i = begin; i < end; i += kChunk) {
      const std::int64_t count = std::min(kChunk, end - i);
      const C* from = load_chunk<C>(x, i, count, in.data());
      C* to = result_chunk<C>(y, i, out.data());
      std::copy_n(from, count, to);
      if (low != nullptr) {
        for (std::int64_t k = 0; k < count; ++k) to[k] = to[k] < lower ? lower : to[k];
      }
      if (high != nullptr) {
        for (std::int64_t k = 0; k < count; ++k) to[k] = to[k] > upper ? upper : to[k];
      }
      store_chunk<C>(y, i, count, to);
    }
  });
}

void reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  const Tensor* low = context.has_input(1) ? &context.input(1) : nullptr;
  const Tensor* high = context.has_input(2) ? &context.input(2) : nullptr;
  dispatch_compute(compute_kind(x.dtype()),
                   [&]<class C>() { clip<C>(x, low, high, context.output(0)); });
}

}  // namespace

const OpDef& op_clip() {
  static const OpDef def{
      .name = "clip",
      .summary = "y = min(max(x, low), high)",
      .inputs = {{.name = "x", .types = kNumbers, .same_as = 'T'},
                 {.name = "low", .types = kNumbers, .same_as = 'T', .arity = Operand::optional},
                 {.name = "high", .types = kNumbers, .same_as = 'T', .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kNumbers, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.pointwise = true},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
