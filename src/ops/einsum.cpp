// SPDX-License-Identifier: Apache-2.0
// Einstein sums. Sizes of 1 broadcast; a letter twice in one operand is its diagonal.
//
// Order and cost. First each operand sums the indices that nothing else has. Then operands are
// contracted two at a time, beginning with the first: of the next 32 the one whose product with it
// has fewest elements (the earlier one among equals) is multiplied in, and the indices that neither
// the result nor an operand still to come has are summed. A step of that costs as many
// multiply-adds as the product of all its indices' sizes, and memory for its product, which is
// refused past RunLimits::tensor_bytes. Sums and products are in float for f16 and bf16, which are
// rounded once at the end; integers wrap.
#include "ops/einsum.hpp"

#include <algorithm>
#include <array>
#include <deque>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"
#include "ops/einsum_support.hpp"
#include "ops/move_elements_support.hpp"
#include "ops/product.hpp"

namespace strop {
namespace {

using Indices = std::vector<std::int64_t>;

bool contains(const Indices& indices, std::int64_t index) {
  return std::ranges::find(indices, index) != indices.end();
}

// Axes behind the ellipsis; nothing when no operand of known rank has one.
std::optional<std::size_t> ellipsis_axes(const InferContext& context,
                                         const EinsumEquation& equation) {
  std::optional<std::size_t> axes;
  for (std::size_t i = 0; i < equation.operands.size(); ++i) {
    const EinsumTerm& term = equation.operands[i];
    const SymShape* shape = context.shape(i);
    if (shape == nullptr) continue;
    const std::string which = "operand " + std::to_string(i);
    context.require(
        term.ellipsis ? shape->size() >= term.letters() : shape->size() == term.letters(),
        ErrorCode::bad_shape,
        which + " is " + context.input(i).to_string() + ", and its term has " +
            std::to_string(term.letters()) + " letters");
    if (!term.ellipsis) continue;
    const std::size_t own = shape->size() - term.letters();
    context.require(!axes || *axes == own, ErrorCode::bad_shape,
                    "the ellipsis of " + which + " stands for " + std::to_string(own) +
                        " axes, that of an operand before for " + std::to_string(axes.value_or(0)));
    axes = own;
  }
  return axes;
}

// The size of an index that has these sizes in two operands.
Dim joined(const InferContext& context, std::int64_t index, const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant() && !(a == b) && !a.is(1) && !b.is(1)) {
    context.fail(ErrorCode::bad_shape, "index " + einsum_index_name(index) + " has size " +
                                           a.to_string() + " in one operand and " + b.to_string() +
                                           " in another");
  }
  return Dim::apply(DimFunction::broadcast, a, b);
}

void infer(InferContext& context) {
  const EinsumEquation equation = parse_einsum(context.attributes<EinsumAttributes>().equation);
  context.require(equation.operands.size() == context.input_count(), ErrorCode::bad_attribute,
                  "the equation has " + std::to_string(equation.operands.size()) +
                      " operands, and there are " + std::to_string(context.input_count()));
  for (std::size_t i = 0; i < context.input_count(); ++i) {
    context.require(context.has_input(i), ErrorCode::model_malformed,
                    "operand " + std::to_string(i) + " is missing");
  }
  const DType dtype = context.dtype(0);
  const bool any_ellipsis = std::ranges::any_of(equation.operands, &EinsumTerm::ellipsis);
  const auto known_axes = ellipsis_axes(context, equation);
  const bool open = any_ellipsis && !known_axes;
  if (open && equation.result.ellipsis) {
    return context.set_output(0, Type::tensor_of_unknown_rank(dtype));
  }
  const std::size_t axes = known_axes.value_or(0);
  const std::size_t count = static_cast<std::size_t>(kEinsumLetters) + axes;
  SymShape sizes(count, Dim(1));
  std::vector<bool> open_size(count, false);  // an operand of unknown rank has the index
  for (std::size_t i = 0; i < equation.operands.size(); ++i) {
    const Indices indices = equation.operands[i].indices(axes);
    const SymShape* shape = context.shape(i);
    std::vector<bool> seen(count, false);
    for (std::size_t a = 0; a < indices.size(); ++a) {
      const auto index = static_cast<std::size_t>(indices[a]);
      if (shape == nullptr) {
        open_size[index] = true;
      } else if (seen[index]) {
        const auto first = std::ranges::find(indices, indices[a]) - indices.begin();
        context.require_equal(
            (*shape)[static_cast<std::size_t>(first)], (*shape)[a],
            "sizes of index " + einsum_index_name(indices[a]) + " within an operand");
      } else {
        sizes[index] = joined(context, indices[a], sizes[index], (*shape)[a]);
        seen[index] = true;
      }
    }
  }
  SymShape y;
  for (const std::int64_t at : equation.result.indices(axes)) {
    const auto index = static_cast<std::size_t>(at);
    const bool settled = sizes[index].is_constant() && !sizes[index].is(1);
    y.push_back(open_size[index] && !settled ? context.fresh_dim() : sizes[index]);
  }
  context.set_output(0, dtype, std::move(y));
}

// An operand or an intermediate product: contiguous, one axis for each index, none of size 1.
struct Factor {
  Tensor values;
  Indices indices;
};

// The product of sizes, for choosing; never overflows.
double elements(const Factor& a, const Factor& b, const auto& is_kept) {
  double product = 1;
  for (std::size_t i = 0; i < a.indices.size(); ++i) {
    if (is_kept(a.indices[i])) product *= static_cast<double>(a.values.shape()[i]);
  }
  for (std::size_t i = 0; i < b.indices.size(); ++i) {
    if (is_kept(b.indices[i]) && !contains(a.indices, b.indices[i])) {
      product *= static_cast<double>(b.values.shape()[i]);
    }
  }
  return product;
}

template <class C>
class Contraction {
 public:
  Contraction(const KernelContext& context, const EinsumEquation& equation, std::size_t axes)
      : context_(context), result_(equation.result.indices(axes)) {
    uses_.resize(static_cast<std::size_t>(kEinsumLetters) + axes);
    for (const std::int64_t index : result_) ++use(index);
    for (std::size_t i = 0; i < equation.operands.size(); ++i) {
      factors_.push_back(diagonal(context.input(i), equation.operands[i].indices(axes)));
      for (const std::int64_t index : factors_.back().indices) ++use(index);
    }
  }

  void run(Tensor& y) {
    for (Factor& factor : factors_) {
      for (const std::int64_t index : factor.indices) --use(index);
      factor = sum_over_others(factor);
      for (const std::int64_t index : factor.indices) ++use(index);
    }
    Factor product = take(0);
    while (!factors_.empty()) product = multiply(product, take(cheapest_with(product)));
    const Tensor ordered = arranged(product, result_);
    for (std::int64_t i = 0; i < y.size(); i += kChunk) {
      store_chunk<C>(y, i, std::min(kChunk, y.size() - i), ordered.values<C>().data() + i);
    }
  }

 private:
  int& use(std::int64_t index) { return uses_[static_cast<std::size_t>(index)]; }

  Factor take(std::size_t i) {
    Factor out = std::move(factors_[i]);
    factors_.erase(factors_.begin() + static_cast<std::ptrdiff_t>(i));
    for (const std::int64_t index : out.indices) --use(index);
    return out;
  }

  Tensor allocate(const Shape& shape) const {
    const std::int64_t limit = context_.limits().tensor_bytes;
    if (limit != 0 && byte_size(DTypeOf<C>::value, shape) > limit) {
      throw Error(ErrorCode::limit_exceeded, "operator einsum",
                  "an intermediate product would have shape " + to_string(shape),
                  "split the equation into several with smaller products");
    }
    return Tensor::allocate(DTypeOf<C>::value, shape);
  }

  // Elements with equal positions along axes of one index; axes of size 1 fall away.
  Factor diagonal(const Tensor& x, const Indices& indices) const {
    Factor out;
    Shape shape;
    std::vector<AxisMap> axes;
    const Shape strides = contiguous_strides(x.shape());
    for (std::size_t a = 0; a < indices.size(); ++a) {
      const std::int64_t size = x.shape()[a];
      if (size == 1) continue;
      const auto at = std::ranges::find(out.indices, indices[a]);
      if (at == out.indices.end()) {
        out.indices.push_back(indices[a]);
        shape.push_back(size);
        axes.push_back({.size = size, .step = strides[a]});
      } else {
        axes[static_cast<std::size_t>(at - out.indices.begin())].step += strides[a];
      }
    }
    Tensor moved = x;
    if (element_count(shape) != x.size()) {
      moved = Tensor::allocate(x.dtype(), shape);
      move_elements(x, moved, std::move(axes));
    }
    out.values = allocate(shape);
    C* to = out.values.template mutable_values<C>().data();
    for (std::int64_t i = 0; i < moved.size(); i += kChunk) {
      const std::int64_t count = std::min(kChunk, moved.size() - i);
      const C* from = load_chunk<C>(moved, i, count, to + i);
      if (from != to + i) std::copy_n(from, count, to + i);
    }
    return out;
  }

  // A factor with its axes in this order; indices it does not have are axes of size 1.
  Tensor arranged(const Factor& factor, const Indices& order) const {
    if (order == factor.indices) return factor.values;
    std::vector<AxisMap> axes;
    Shape shape;
    const Shape strides = contiguous_strides(factor.values.shape());
    for (const std::int64_t index : order) {
      const auto at = std::ranges::find(factor.indices, index);
      const auto axis = static_cast<std::size_t>(at - factor.indices.begin());
      const bool has = at != factor.indices.end();
      shape.push_back(has ? factor.values.shape()[axis] : 1);
      axes.push_back({.size = shape.back(), .step = has ? strides[axis] : 0});
    }
    Tensor out = allocate(shape);
    move_elements(factor.values, out, std::move(axes));
    return out;
  }

  static std::int64_t size_of(const Factor& factor, std::int64_t index) {
    const auto at = std::ranges::find(factor.indices, index) - factor.indices.begin();
    return factor.values.shape()[static_cast<std::size_t>(at)];
  }

  // Without the indices that nothing else uses.
  Factor sum_over_others(const Factor& factor) {
    Indices kept, summed;
    for (const std::int64_t index : factor.indices) {
      (use(index) > 0 ? kept : summed).push_back(index);
    }
    if (summed.empty()) return factor;
    Shape shape;
    for (const std::int64_t index : kept) shape.push_back(size_of(factor, index));
    std::int64_t depth = 1;
    for (const std::int64_t index : summed) depth *= size_of(factor, index);
    Indices order = kept;
    order.insert(order.end(), summed.begin(), summed.end());
    const Tensor from = arranged(factor, order);
    Factor out{allocate(shape), kept};
    const C* in = from.values<C>().data();
    C* sums = out.values.template mutable_values<C>().data();
    using Sum = typename std::conditional_t<std::is_integral_v<C>, std::make_unsigned<C>,
                                            std::type_identity<C>>::type;
    parallel_for(out.values.size(), 1 + 16384 / (depth + 1),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     Sum sum = 0;
                     for (std::int64_t k = 0; k < depth; ++k) {
                       sum += static_cast<Sum>(in[i * depth + k]);
                     }
                     sums[i] = static_cast<C>(sum);
                   }
                 });
    return out;
  }

  std::size_t cheapest_with(const Factor& product) {
    constexpr std::size_t kAhead = 32;
    std::size_t best = 0;
    double best_size = 0;
    for (std::size_t i = 0; i < std::min(kAhead, factors_.size()); ++i) {
      // An index stays when something other than these two uses it.
      const double size = elements(product, factors_[i], [&](std::int64_t index) {
        return use(index) > (contains(factors_[i].indices, index) ? 1 : 0);
      });
      if (i > 0 && size >= best_size) continue;
      best = i;
      best_size = size;
    }
    return best;
  }

  // As matrix products: [shared and kept, rows, summed] x [shared and kept, summed, columns].
  Factor multiply(const Factor& a, const Factor& b) {
    context_.check_deadline();
    Indices batch, summed, rows, columns;
    for (const std::int64_t index : a.indices) {
      const bool kept = use(index) > 0;
      if (!contains(b.indices, index)) {
        rows.push_back(index);
      } else {
        (kept ? batch : summed).push_back(index);
      }
    }
    for (const std::int64_t index : b.indices) {
      if (!contains(a.indices, index)) columns.push_back(index);
    }
    const auto joined = [](std::initializer_list<const Indices*> parts) {
      Indices out;
      for (const Indices* part : parts) out.insert(out.end(), part->begin(), part->end());
      return out;
    };
    Factor out;
    out.indices = joined({&batch, &rows, &columns});
    Shape shape;
    for (const std::int64_t index : out.indices) {
      shape.push_back(size_of(contains(a.indices, index) ? a : b, index));
    }
    const auto count = [](const Factor& factor, const Indices& indices) {
      std::int64_t product = 1;
      for (const std::int64_t index : indices) product *= size_of(factor, index);
      return product;
    };
    out.values = allocate(shape);
    const Tensor left = arranged(a, joined({&batch, &rows, &summed}));
    const Tensor right = arranged(b, joined({&batch, &summed, &columns}));
    product_of(left, right, out.values, count(a, batch), count(a, rows), count(a, summed),
               count(b, columns));
    return out;
  }

  void product_of(const Tensor& left, const Tensor& right, Tensor& out, std::int64_t batches,
                  std::int64_t rows, std::int64_t depth, std::int64_t columns) const {
    if (out.size() == 0) return;
    constexpr std::int64_t kRows = 64, kColumns = 512;
    const C* a = left.values<C>().data();
    const C* b = right.values<C>().data();
    C* c = out.mutable_values<C>().data();
    const std::int64_t down = (rows + kRows - 1) / kRows;
    const std::int64_t across = (columns + kColumns - 1) / kColumns;
    const std::int64_t work = std::min(rows, kRows) * std::min(columns, kColumns) * (depth + 1);
    parallel_for(batches * down * across, 1 + 16384 / work,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t task = begin; task < end; ++task) {
                     const std::int64_t column = task % across * kColumns;
                     const std::int64_t row = task / across % down * kRows;
                     const std::int64_t batch = task / across / down;
                     const std::int64_t height = std::min(kRows, rows - row);
                     const std::int64_t width = std::min(kColumns, columns - column);
                     C* to = c + (batch * rows + row) * columns + column;
                     for (std::int64_t i = 0; i < height; ++i) {
                       std::fill_n(to + i * columns, width, C(0));
                     }
                     accumulate_product(a + (batch * rows + row) * depth, depth,
                                        b + batch * depth * columns + column, columns, to, columns,
                                        height, width, depth);
                   }
                 });
  }

  const KernelContext& context_;
  Indices result_;
  std::deque<Factor> factors_;  // not multiplied in yet
  std::vector<int> uses_;       // of each index, by the result and by factors_
};

void reference(KernelContext& context) {
  const EinsumEquation equation = parse_einsum(context.attributes<EinsumAttributes>().equation);
  std::size_t axes = 0;
  for (std::size_t i = 0; i < equation.operands.size(); ++i) {
    const EinsumTerm& term = equation.operands[i];
    if (term.ellipsis) axes = context.input(i).shape().size() - term.letters();
  }
  dispatch_compute(compute_kind(context.input(0).dtype()), [&]<class C>() {
    Contraction<C>(context, equation, axes).run(context.output(0));
  });
}

}  // namespace

const OpDef& op_einsum() {
  static const OpDef def{
      .name = "einsum",
      .summary = "y[result indices] = sum over all other indices of the product of the operands",
      .attributes = &attribute_schema<EinsumAttributes>(),
      .inputs =
          {{.name = "operands", .types = kNumbers, .same_as = 'T', .arity = Operand::variadic}},
      .outputs = {{.name = "y", .types = kNumbers, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
