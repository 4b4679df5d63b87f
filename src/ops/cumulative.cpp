// SPDX-License-Identifier: Apache-2.0
// y[i] = x[0] + ... + x[i] along one axis, or the product. Element after element from the start of
// the axis, in float for the 16-bit floats; integers wrap.
#include "ops/cumulative.hpp"

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {
namespace {

template <class C>
C join(CumulativeFunction function, C a, C b) {
  using Wrapping = typename std::conditional_t<std::is_integral_v<C>, std::make_unsigned<C>,
                                               std::type_identity<C>>::type;
  const auto x = static_cast<Wrapping>(a), y = static_cast<Wrapping>(b);
  return static_cast<C>(function == CumulativeFunction::sum ? x + y : x * y);
}

void elements_known(InferContext& context, const CumulativeAttributes& attributes) {
  const auto elements = context.elements(0);
  if (!elements || context.dtype(0) != DType::i64) return;
  const bool sum = attributes.function == CumulativeFunction::sum;
  std::vector<Dim> out = *elements;
  Dim total(sum ? 0 : 1);
  try {
    for (std::size_t i = 0; i < out.size(); ++i) {
      Dim& element = out[attributes.reverse ? out.size() - 1 - i : i];
      const Dim before = total;
      total = sum ? total + element : total * element;
      element = attributes.exclusive ? before : total;
    }
  } catch (const Error&) {  // the kernel wraps; sizes do not
    return;
  }
  context.set_elements(0, std::move(out));
}

void infer(InferContext& context) {
  if (const SymShape* size = context.shape(1)) {
    context.require_equal(product(*size), Dim(1), "the size of axis and 1");
  }
  context.set_output(0, context.input(0));
  const SymShape* x = context.shape(0);
  if (x == nullptr) return;
  context.require(!x->empty(), ErrorCode::bad_shape, "a scalar has no axis");
  if (const auto axis = context.integers(1); axis && axis->size() == 1) {
    normalize_axis(axis->front(), static_cast<std::int64_t>(x->size()));
  }
  if (x->size() == 1) elements_known(context, context.attributes<CumulativeAttributes>());
}

// Columns [begin, end) of one [size, inner] block.
template <class C>
void accumulate(const CumulativeAttributes& attributes, const C* in, C* out, const AxisSplit& split,
                std::int64_t begin, std::int64_t end) {
  std::array<C, kChunk> totals;
  totals.fill(attributes.function == CumulativeFunction::sum ? C(0) : C(1));
  for (std::int64_t i = 0; i < split.size; ++i) {
    const std::int64_t row = (attributes.reverse ? split.size - 1 - i : i) * split.inner + begin;
    for (std::int64_t k = 0; k < end - begin; ++k) {
      C& total = totals[static_cast<std::size_t>(k)];
      const C before = total;
      total = join(attributes.function, total, in[row + k]);
      out[row + k] = attributes.exclusive ? before : total;
    }
  }
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<CumulativeAttributes>();
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  const std::int64_t axis = normalize_axis(context.input(1).to_i64().front(), x.rank());
  if (y.size() == 0) return;
  const AxisSplit split(x.shape(), axis);
  const std::int64_t blocks = (split.inner + kChunk - 1) / kChunk;  // of columns
  dispatch_compute(compute_kind(x.dtype()), [&]<class C>() {
    std::vector<C> copy, wide;
    const C* in = load_all<C>(x, copy);
    const bool in_place = y.dtype() == DTypeOf<C>::value;
    if (!in_place) wide.resize(static_cast<std::size_t>(y.size()));
    C* out = in_place ? y.mutable_values<C>().data() : wide.data();
    parallel_for(split.outer * blocks, 1 + 16384 / (split.size * std::min(split.inner, kChunk)),
                 [&](std::int64_t first, std::int64_t last) {
                   for (std::int64_t block = first; block < last; ++block) {
                     const std::int64_t offset = block / blocks * split.size * split.inner;
                     const std::int64_t begin = block % blocks * kChunk;
                     accumulate(attributes, in + offset, out + offset, split, begin,
                                std::min(begin + kChunk, split.inner));
                   }
                 });
    if (in_place) return;
    parallel_for(y.size(), 16 * kChunk, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; i += kChunk) {
        store_chunk<C>(y, i, std::min(kChunk, end - i), out + i);
      }
    });
  });
}

}  // namespace

const OpDef& op_cumulative() {
  static const OpDef def{
      .name = "cumulative",
      .summary = "the sum or product of all elements up to each one along an axis",
      .attributes = &attribute_schema<CumulativeAttributes>(),
      .inputs = {{.name = "x", .types = kNumbers, .same_as = 'T'},
                 {.name = "axis", .types = kIndices}},
      .outputs = {{.name = "y", .types = kNumbers, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.parameter_inputs = 1u << 1},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
