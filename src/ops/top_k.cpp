// SPDX-License-Identifier: Apache-2.0
// Of equal elements the one with the lower index comes first, -0 and 0 being equal. NaN counts as
// greater than every number, as in NumPy's sort: first among the largest, last among the smallest.
#include "ops/top_k.hpp"

#include <algorithm>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  if (const SymShape* count = context.shape(1)) {
    context.require(count->size() <= 1, ErrorCode::bad_shape,
                    "k must be a number or a vector of one");
    context.require_equal(product(*count), Dim(1), "the size of k and 1");
  }
  const auto known = context.elements(1);
  const Dim k = known && known->size() == 1 ? known->front() : context.fresh_dim();
  context.require(!k.is_constant() || k.value() >= 0, ErrorCode::bad_value,
                  "k is " + k.to_string() + "; it must not be negative");
  const SymShape* x = context.shape(0);
  if (x == nullptr) {
    context.set_output(0, Type::tensor_of_unknown_rank(context.dtype(0)));
    return context.set_output(1, Type::tensor_of_unknown_rank(DType::i64));
  }
  const auto axis = static_cast<std::size_t>(normalize_axis(
      context.attributes<TopKAttributes>().axis, static_cast<std::int64_t>(x->size())));
  SymShape y = *x;
  context.require(
      !k.is_constant() || !y[axis].is_constant() || k.value() <= y[axis].value(),
      ErrorCode::bad_value,
      "k is " + k.to_string() + ", but the axis has only " + y[axis].to_string() + " elements");
  y[axis] = k;
  context.set_output(0, context.dtype(0), y);
  context.set_output(1, DType::i64, std::move(y));
}

template <class C>
struct Entry {
  C value;
  std::int64_t index;
};

// A total order: which of two entries is returned first.
template <class C>
struct Before {
  bool largest;
  bool operator()(const Entry<C>& a, const Entry<C>& b) const {
    const bool a_is_nan = a.value != a.value, b_is_nan = b.value != b.value;
    if (a_is_nan != b_is_nan) return largest == a_is_nan;
    if (a.value < b.value) return !largest;
    if (a.value > b.value) return largest;
    return a.index < b.index;
  }
};

// The first k of `size` elements in order. Candidates gather in `best`; when there are 2k of them
// the worse half goes, which costs a constant per element, so k may be anything.
template <class C>
void select(const C* row, std::int64_t stride, std::int64_t size, std::int64_t k,
            const Before<C>& before, std::vector<Entry<C>>& best) {
  best.clear();
  const auto middle = static_cast<std::ptrdiff_t>(k);
  bool halved = false;
  Entry<C> worst{};
  for (std::int64_t i = 0; i < size; ++i) {
    const Entry<C> entry{row[i * stride], i};
    if (halved && !before(entry, worst)) continue;
    best.push_back(entry);
    if (static_cast<std::int64_t>(best.size()) / 2 < k) continue;
    std::nth_element(best.begin(), best.begin() + (middle - 1), best.end(), before);
    best.resize(static_cast<std::size_t>(k));
    worst = best.back();
    halved = true;
  }
  std::nth_element(best.begin(), best.begin() + (middle - 1), best.end(), before);
  best.resize(static_cast<std::size_t>(k));
  std::sort(best.begin(), best.end(), before);
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<TopKAttributes>();
  const Tensor& x = context.input(0);
  Tensor& values = context.output(0);
  if (values.size() == 0) return;
  const std::int64_t axis = normalize_axis(attributes.axis, x.rank());
  const AxisSplit split(x.shape(), axis);
  const std::int64_t k = values.dim(axis);
  Tensor indices =
      context.has_output(1) ? context.output(1) : Tensor::allocate(DType::i64, values.shape());
  std::int64_t* out = indices.mutable_values<std::int64_t>().data();
  const auto row_starts = [&](std::int64_t row, std::int64_t length) {
    return row / split.inner * length * split.inner + row % split.inner;
  };
  dispatch_compute(compute_kind(x.dtype()), [&]<class C>() {
    std::vector<C> copy;
    const C* in = load_all<C>(x, copy);
    const Before<C> before{attributes.largest};
    parallel_for(split.outer * split.inner, 1 + 4096 / split.size,
                 [&](std::int64_t begin, std::int64_t end) {
                   std::vector<Entry<C>> best;
                   for (std::int64_t row = begin; row < end; ++row) {
                     select(in + row_starts(row, split.size), split.inner, split.size, k, before,
                            best);
                     std::int64_t* to = out + row_starts(row, k);
                     for (std::int64_t i = 0; i < k; ++i) {
                       to[i * split.inner] = best[static_cast<std::size_t>(i)].index;
                     }
                   }
                 });
  });
  dispatch_width(bits_of(x.dtype()), [&]<class T>() {
    const T* from = reinterpret_cast<const T*>(x.data());
    T* to = reinterpret_cast<T*>(values.mutable_data());
    parallel_for(values.size(), 16384, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t row = i / (k * split.inner) * split.size;
        to[i] = from[(row + out[i]) * split.inner + i % split.inner];
      }
    });
  });
}

}  // namespace

const OpDef& op_top_k() {
  static const OpDef def{
      .name = "top_k",
      .summary = "the k largest or smallest elements along one axis, and their indices",
      .attributes = &attribute_schema<TopKAttributes>(),
      .inputs = {{.name = "x", .types = kNumbers, .same_as = 'T'},
                 {.name = "k", .types = {DType::i64}}},
      .outputs = {{.name = "values", .types = kNumbers, .same_as = 'T'},
                  {.name = "indices", .types = {DType::i64}, .arity = Operand::optional}},
      .subgraphs = {},
      .traits = {.parameter_inputs = 1u << 1},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
