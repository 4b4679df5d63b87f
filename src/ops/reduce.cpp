// SPDX-License-Identifier: Apache-2.0
// One number for all elements along some axes. Sums are in float for the 16-bit floats; integers
// wrap. Without elements: 0 for sums, 1 for a product, NaN for a mean, the type's lowest value for
// a maximum, its highest for a minimum.
#include "ops/reduce.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {
namespace {

using R = ReduceFunction;

// Which axes of x are reduced. Throws bad_attribute for one that x does not have.
std::vector<bool> reduced_axes(const std::vector<std::int64_t>& axes, std::int64_t rank,
                               bool noop_with_empty_axes) {
  std::vector<bool> out(static_cast<std::size_t>(rank), axes.empty() && !noop_with_empty_axes);
  for (std::int64_t axis : axes) {
    if (rank == 0 && (axis == 0 || axis == -1)) continue;  // exporters write it of scalars
    out[static_cast<std::size_t>(normalize_axis(axis, rank))] = true;
  }
  return out;
}

void propagate_elements(InferContext& context, const ReduceAttributes& attributes, DType dtype) {
  const auto elements = context.elements(0);
  if (!elements || dtype != DType::i64 || context.shape(0)->size() != 1) return;
  if (attributes.function != R::prod && attributes.function != R::sum) return;
  const bool prod = attributes.function == R::prod;
  Dim total(prod ? 1 : 0);
  try {
    for (const Dim& dim : *elements) total = prod ? total * dim : total + dim;
  } catch (const Error&) {  // the kernel wraps; sizes do not
    return;
  }
  context.set_elements(0, {total});
}

void infer(InferContext& context) {
  const auto& attributes = context.attributes<ReduceAttributes>();
  const DType dtype = context.dtype(0);
  const bool extreme = attributes.function == R::max || attributes.function == R::min;
  context.require(extreme || (bits_of(dtype) >= 8 && dtype != DType::boolean), ErrorCode::bad_type,
                  "only a maximum or minimum takes bool");
  std::optional<std::vector<std::int64_t>> axes = std::vector<std::int64_t>{};
  if (context.has_input(1)) {
    axes = context.integers(1);
    context.require_rank(1, 1);
  }
  const SymShape* x = context.shape(0);
  if (x == nullptr) {
    const bool scalar =
        axes && axes->empty() && !attributes.noop_with_empty_axes && !attributes.keep_dims;
    return context.set_output(
        0, scalar ? Type::tensor(dtype, {}) : Type::tensor_of_unknown_rank(dtype));
  }
  if (!axes) {
    if (attributes.keep_dims) return context.set_output(0, dtype, context.fresh_shape(x->size()));
    const SymShape* count = context.shape(1);
    if (count != nullptr && (*count)[0].is_constant() && (*count)[0].value() > 0 &&
        (*count)[0].value() <= static_cast<std::int64_t>(x->size())) {
      return context.set_output(
          0, dtype, context.fresh_shape(x->size() - static_cast<std::size_t>((*count)[0].value())));
    }
    return context.set_output(0, Type::tensor_of_unknown_rank(dtype));
  }
  const auto reduced =
      reduced_axes(*axes, static_cast<std::int64_t>(x->size()), attributes.noop_with_empty_axes);
  SymShape y;
  for (std::size_t i = 0; i < x->size(); ++i) {
    if (!reduced[i]) {
      y.push_back((*x)[i]);
    } else if (attributes.keep_dims) {
      y.emplace_back(1);
    }
  }
  if (x->size() == 1 && reduced[0]) propagate_elements(context, attributes, dtype);
  context.set_output(0, dtype, std::move(y));
}

// Neighbouring axes of one kind merged: [kept, reduced, kept, ...] sizes.
struct Walk {
  std::vector<std::int64_t> kept, kept_strides, reduced, reduced_strides;
  std::int64_t kept_count = 1, reduced_count = 1;

  Walk(const Shape& shape, const std::vector<bool>& is_reduced) {
    std::int64_t stride = 1;
    int last = -1;
    for (std::size_t i = shape.size(); i-- > 0;) {
      auto& sizes = is_reduced[i] ? reduced : kept;
      auto& strides = is_reduced[i] ? reduced_strides : kept_strides;
      (is_reduced[i] ? reduced_count : kept_count) *= shape[i];
      if (last == static_cast<int>(is_reduced[i])) {
        sizes.back() *= shape[i];
      } else {
        sizes.push_back(shape[i]);
        strides.push_back(stride);
      }
      last = is_reduced[i];
      stride *= shape[i];
    }
    if (reduced.empty()) reduced = {1}, reduced_strides = {1};
  }
};

// Distance in x of the element `index` of the given axes, innermost first.
std::int64_t offset_of(std::int64_t index, const std::vector<std::int64_t>& sizes,
                       const std::vector<std::int64_t>& strides) {
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    offset += index % sizes[i] * strides[i];
    index /= sizes[i];
  }
  return offset;
}

// Calls visit for each reduced element of the output whose kept offset is `base`, in order.
template <class C, class F>
void visit(const C* x, const Walk& walk, F&& f) {
  const std::int64_t inner = walk.reduced[0], step = walk.reduced_strides[0];
  for (std::int64_t i = 0; i < walk.reduced_count; i += inner) {
    const C* from = x + offset_of(i, walk.reduced, walk.reduced_strides);
    for (std::int64_t k = 0; k < inner; ++k) f(from[k * step]);
  }
}

template <class C>
C wrapped_sum(C a, C b) {
  if constexpr (std::is_floating_point_v<C>) return a + b;
  return static_cast<C>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
template <class C>
C wrapped_product(C a, C b) {
  if constexpr (std::is_floating_point_v<C>) return a * b;
  return static_cast<C>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}
// abs without overflow
template <class C>
C magnitude(C a) {
  if constexpr (std::is_floating_point_v<C>) return std::abs(a);
  return a < 0 ? static_cast<C>(0 - static_cast<std::uint64_t>(a)) : a;
}
// A real function of an integer sum goes through double and is truncated.
template <class C, class F>
C real(C a, F f) {
  if constexpr (std::is_floating_point_v<C>) return f(a);
  return convert_number<C>(f(static_cast<double>(a)));
}

template <class C>
C extreme(const C* x, const Walk& walk, bool largest, C start) {
  C best = start;
  visit(x, walk, [&](C v) {
    if (largest ? v > best : v < best) best = v;
    if (v != v) best = v;  // and nothing is greater or less than NaN
  });
  return best;
}

// Sums of floats are double: a million terms added one after the other in FP32 lose five digits.
template <class C>
C reduce_one(R function, const C* x, const Walk& walk, C start) {
  using S = std::conditional_t<std::is_floating_point_v<C>, double, C>;
  switch (function) {
    case R::max:
    case R::min:
      return extreme(x, walk, function == R::max, start);
    case R::prod: {
      C product = 1;
      visit(x, walk, [&](C v) { product = wrapped_product(product, v); });
      return product;
    }
    case R::log_sum_exp: {
      double largest = -std::numeric_limits<double>::infinity();
      visit(x, walk, [&](C v) { largest = std::max(largest, static_cast<double>(v)); });
      if (std::isinf(largest)) largest = 0;  // nothing to subtract
      double sum = 0;
      visit(x, walk, [&](C v) { sum += std::exp(static_cast<double>(v) - largest); });
      return convert_number<C>(largest + std::log(sum));
    }
    default:
      break;
  }
  S sum = 0;
  const bool square = function == R::l2 || function == R::sum_square;
  if (square) {
    visit(x, walk, [&](S v) { sum = wrapped_sum(sum, wrapped_product(v, v)); });
  } else if (function == R::l1) {
    visit(x, walk, [&](S v) { sum = wrapped_sum(sum, magnitude(v)); });
  } else {
    visit(x, walk, [&](S v) { sum = wrapped_sum(sum, v); });
  }
  switch (function) {
    case R::mean:
      if (!std::is_floating_point_v<C> && walk.reduced_count == 0) return 0;
      return static_cast<C>(sum / static_cast<S>(walk.reduced_count));
    case R::l2:
      return static_cast<C>(real(sum, [](auto v) { return std::sqrt(v); }));
    case R::log_sum:
      return static_cast<C>(real(sum, [](auto v) { return std::log(v); }));
    default:
      return static_cast<C>(sum);
  }
}

// Where a maximum or minimum starts: the far end of the element type, not of the compute type.
template <class C>
C start_of(DType dtype, bool largest) {
  if constexpr (std::is_floating_point_v<C>) {
    return largest ? -std::numeric_limits<C>::infinity() : std::numeric_limits<C>::infinity();
  } else {
    const int bits = dtype == DType::boolean ? 1 : bits_of(dtype);
    const C lowest =
        std::is_signed_v<C> ? static_cast<C>(~std::uint64_t{0} << (bits - 1)) : static_cast<C>(0);
    return largest
               ? lowest
               : static_cast<C>(std::is_signed_v<C> ? ~lowest : ~std::uint64_t{0} >> (64 - bits));
  }
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<ReduceAttributes>();
  const Tensor& x = context.input(0);
  const auto axes = context.has_input(1) ? context.input(1).to_i64() : std::vector<std::int64_t>{};
  const auto reduced = reduced_axes(axes, x.rank(), attributes.noop_with_empty_axes);
  Shape shape;
  for (std::size_t i = 0; i < x.shape().size(); ++i) {
    if (!reduced[i] || attributes.keep_dims) shape.push_back(reduced[i] ? 1 : x.shape()[i]);
  }
  Tensor& y = context.allocate(0, x.dtype(), shape);
  const Walk walk(x.shape(), reduced);
  dispatch_compute(compute_kind(x.dtype()), [&]<class C>() {
    std::vector<C> copy;
    const C* in = load_all<C>(x, copy);
    const C start = start_of<C>(x.dtype(), attributes.function == R::max);
    parallel_for(
        y.size(), kChunk / std::clamp<std::int64_t>(walk.reduced_count / 64, 1, kChunk / 8),
        [&](std::int64_t begin, std::int64_t end) {
          std::array<C, kChunk> out;
          for (std::int64_t i = begin; i < end; i += kChunk) {
            const std::int64_t count = std::min(kChunk, end - i);
            for (std::int64_t k = 0; k < count; ++k) {
              out[static_cast<std::size_t>(k)] =
                  reduce_one(attributes.function,
                             in + offset_of(i + k, walk.kept, walk.kept_strides), walk, start);
            }
            store_chunk<C>(y, i, count, out.data());
          }
        });
  });
}

}  // namespace

const OpDef& op_reduce() {
  static const OpDef def{
      .name = "reduce",
      .summary = "one number for all elements along some axes: sum, mean, maximum, ...",
      .attributes = &attribute_schema<ReduceAttributes>(),
      .inputs = {{.name = "x", .types = kNumbers | kBool},
                 {.name = "axes", .types = {DType::i64}, .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kNumbers | kBool}},
      .subgraphs = {},
      .traits = {.parameter_inputs = 1u << 1},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
