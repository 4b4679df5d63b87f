// SPDX-License-Identifier: Apache-2.0
// Slices compare element by element in row-major order. Equal are -0 and 0, and NaN and NaN, which
// is greater than every number; of equal slices y holds the one that comes first in x. Complex
// numbers compare by their real part and then the imaginary one, strings by their bytes.
#include "ops/unique.hpp"

#include <algorithm>
#include <numeric>

#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const auto& attributes = context.attributes<UniqueAttributes>();
  const SymShape* x = context.shape(0);
  const DType dtype = context.dtype(0);
  const Dim count = context.fresh_dim();
  context.set_output(1, DType::i64, {count});
  context.set_output(3, DType::i64, {count});
  if (x == nullptr) {
    context.set_output(
        0, attributes.axis ? Type::tensor_of_unknown_rank(dtype) : Type::tensor(dtype, {count}));
    return context.set_output(2, DType::i64, {context.fresh_dim()});
  }
  if (!attributes.axis) {
    context.set_output(0, dtype, {count});
    return context.set_output(2, DType::i64, {product(*x)});
  }
  const auto axis = static_cast<std::size_t>(
      normalize_axis(*attributes.axis, static_cast<std::int64_t>(x->size())));
  SymShape y = *x;
  y[axis] = count;
  context.set_output(0, dtype, std::move(y));
  context.set_output(2, DType::i64, {(*x)[axis]});
}

// x as a matrix with one row a slice.
Tensor slices_of(const Tensor& x, const AxisSplit& split) {
  const Shape matrix = {split.size, split.outer * split.inner};
  if (split.outer == 1) return x.reshaped(matrix);
  Tensor rows = Tensor::allocate(x.dtype(), matrix);
  move_elements(x, rows,
                {{.size = split.size, .step = split.inner},
                 {.size = split.outer, .step = split.size * split.inner},
                 {.size = split.inner, .step = 1}});
  return rows;
}

template <class C>
int compare(const C& a, const C& b) {
  if constexpr (std::is_floating_point_v<C>) {
    if (a != a || b != b) return (a != a) - (b != b);
  }
  return a < b ? -1 : b < a ? 1 : 0;
}

// Groups of equal rows, numbered as y has them.
struct Groups {
  std::vector<std::int64_t> first;    // row of each group that comes first
  std::vector<std::int64_t> counts;   // rows of each group
  std::vector<std::int64_t> inverse;  // group of each row
};

template <class C>
Groups group_rows(const C* rows, std::int64_t count, std::int64_t width, bool sorted) {
  const auto compare_rows = [&](std::int64_t a, std::int64_t b) {
    for (std::int64_t i = 0; i < width; ++i) {
      const int order = compare(rows[a * width + i], rows[b * width + i]);
      if (order != 0) return order;
    }
    return 0;
  };
  std::vector<std::int64_t> order = offset_table(count);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    const int rows_order = compare_rows(a, b);
    return rows_order != 0 ? rows_order < 0 : a < b;
  });
  Groups groups;
  groups.inverse = offset_table(count);
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || compare_rows(order[i - 1], order[i]) != 0) {
      groups.first.push_back(order[i]);
      groups.counts.push_back(0);
    }
    ++groups.counts.back();
    groups.inverse[static_cast<std::size_t>(order[i])] =
        static_cast<std::int64_t>(groups.first.size()) - 1;
  }
  if (sorted) return groups;
  // Renumbered in the order of their first rows.
  std::vector<std::int64_t> by_first(groups.first.size()), number(groups.first.size());
  std::iota(by_first.begin(), by_first.end(), 0);
  const auto at = [](auto& values, std::int64_t i) -> auto& {
    return values[static_cast<std::size_t>(i)];
  };
  std::ranges::sort(by_first, {}, [&](std::int64_t group) { return at(groups.first, group); });
  Groups out = groups;
  for (std::size_t i = 0; i < by_first.size(); ++i) {
    at(number, by_first[i]) = static_cast<std::int64_t>(i);
    out.first[i] = at(groups.first, by_first[i]);
    out.counts[i] = at(groups.counts, by_first[i]);
  }
  for (std::int64_t& group : out.inverse) group = at(number, group);
  return out;
}

Groups group_slices(const Tensor& slices, bool sorted) {
  const std::int64_t count = slices.dim(0), width = slices.dim(1);
  if (slices.dtype() == DType::string) {
    return group_rows(slices.values<std::string>().data(), count, width, sorted);
  }
  if (kComplex.contains(slices.dtype())) {
    Tensor parts = slices;
    parts = Tensor::wrap(slices.dtype() == DType::c64 ? DType::f32 : DType::f64, {count, width * 2},
                         parts.mutable_data(), nullptr);
    return group_slices(parts, sorted);
  }
  Groups groups;
  dispatch_compute(compute_kind(slices.dtype()), [&]<class C>() {
    std::vector<C> copy;
    groups = group_rows(load_all<C>(slices, copy), count, width, sorted);
  });
  return groups;
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<UniqueAttributes>();
  const Tensor x =
      attributes.axis ? context.input(0) : context.input(0).reshaped({context.input(0).size()});
  const std::int64_t axis = attributes.axis ? normalize_axis(*attributes.axis, x.rank()) : 0;
  Groups groups;
  Shape shape = x.shape();
  if (x.size() > 0) {
    groups = group_slices(slices_of(x, AxisSplit(x.shape(), axis)), attributes.sorted);
  } else if (x.dim(axis) > 0) {  // slices without elements are all equal
    groups = {{0}, {x.dim(axis)}, offset_table(x.dim(axis))};
  }
  shape[static_cast<std::size_t>(axis)] = static_cast<std::int64_t>(groups.first.size());
  Tensor& y = context.allocate(0, x.dtype(), shape);
  if (y.size() > 0) {
    const AxisSplit split(x.shape(), axis);
    AxisMap chosen{.size = shape[static_cast<std::size_t>(axis)], .table = groups.first};
    for (std::int64_t& row : chosen.table) row *= split.inner;
    move_elements(x, y,
                  {{.size = split.outer, .step = split.size * split.inner},
                   std::move(chosen),
                   {.size = split.inner, .step = 1}});
  }
  const auto deliver = [&](std::size_t i, const std::vector<std::int64_t>& values) {
    if (!context.has_output(i)) return;
    Tensor& out = context.allocate(i, DType::i64, {static_cast<std::int64_t>(values.size())});
    std::ranges::copy(values, out.mutable_values<std::int64_t>().begin());
  };
  deliver(1, groups.first);
  deliver(2, groups.inverse);
  deliver(3, groups.counts);
}

}  // namespace

const OpDef& op_unique() {
  static constexpr DTypeSet kTypes = kNumbers | kBool | kComplex | DTypeSet{DType::string};
  static constexpr DTypeSet kCounts{DType::i64};
  static const OpDef def{
      .name = "unique",
      .summary =
          "the different elements of x, or slices along an axis, where they are and how often",
      .attributes = &attribute_schema<UniqueAttributes>(),
      .inputs = {{.name = "x", .types = kTypes, .same_as = 'T'}},
      .outputs = {{.name = "y", .types = kTypes, .same_as = 'T'},
                  {.name = "first", .types = kCounts, .arity = Operand::optional},
                  {.name = "inverse", .types = kCounts, .arity = Operand::optional},
                  {.name = "counts", .types = kCounts, .arity = Operand::optional}},
      .subgraphs = {},
      .traits = {.data_dependent = true},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
