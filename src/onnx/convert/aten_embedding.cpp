// SPDX-License-Identifier: Apache-2.0
// embedding and embedding_bag of PyTorch: rows of a table, and sums, means or maxima of bags of
// them. What concerns gradients (padding_idx of embedding, scale_grad_by_freq, sparse) changes no
// value.
#include <algorithm>
#include <limits>

#include "onnx/convert/arithmetic_support.hpp"
#include "onnx/convert/aten_support.hpp"
#include "ops/scatter_nd.hpp"

namespace strop::onnx {
namespace {

using B = BinaryFunction;
using R = ReduceFunction;

void embedding(ConvertContext& c) {
  AtenCall a(c, {{"", "weight indices padding_idx scale_grad_by_freq sparse"}});
  c.set_output(0, gathered(c, a.tensor("weight"), a.tensor("indices"), 0));
}

struct Bags {
  ValueId rows;    // [L, D], wide
  ValueId weight;  // [L, 1], wide: factor of each row; none: 1
  ValueId counts;  // [L, 1], wide: 0 for rows that do not count; none: all do
  ValueId bag;     // i64[L, 1]
  ValueId number;  // i64[1]
};

// Bag b holds the entries from offsets[b] on: of entry j it is the number of offsets <= j, less 1.
// The first offset must be 0, as PyTorch demands; an entry before it is out of range when it runs.
Bags by_offsets(ConvertContext& c, AtenCall& a, ValueId indices) {
  Bags bags;
  ValueId offsets = a.sizes("offsets");
  if (a.boolean("include_last_offset", false))
    offsets = sliced(c, offsets, 0, integers(c, {0}), integers(c, {-1}));
  bags.number = size_along(c, offsets, 0);
  if (const auto known = c.constant_integers(offsets)) {
    if (known->empty() || known->front() != 0 || !std::is_sorted(known->begin(), known->end()))
      a.malformed("offsets must begin with 0 and not decrease");
  }
  const ValueId entries = unsqueezed(c, counted(c, size_along(c, indices, 0)), {1});
  const ValueId begun = binary(c, B::greater_or_equal, entries, unsqueezed(c, offsets, {0}));
  const ValueId count = reduced(c, R::sum, cast_to(c, begun, DType::i64), {1}, true);
  // Nothing wraps around: -1 becomes a bag that is not there.
  const ValueId before = binary(c, B::sub, count, scalar(c, DType::i64, 1));
  bags.bag = chosen(c, binary(c, B::equal, count, scalar(c, DType::i64, 0)), bags.number, before);
  return bags;
}

// Each row of the matrix of indices is a bag.
Bags by_rows(ConvertContext& c, ValueId indices) {
  Bags bags;
  bags.number = size_along(c, indices, 0);
  const ValueId rows = unsqueezed(c, counted(c, bags.number), {1});
  bags.bag = reshaped(c, expanded(c, rows, shape_of(c, indices)), {-1, 1});
  return bags;
}

void embedding_bag(ConvertContext& c) {
  AtenCall a(c, {{"",
                  "weight indices offsets scale_grad_by_freq mode sparse per_sample_weights "
                  "include_last_offset"},
                 {"padding_idx",
                  "weight indices offsets scale_grad_by_freq mode sparse per_sample_weights "
                  "include_last_offset padding_idx"}});
  const ValueId weight = a.tensor("weight"), given = a.tensor("indices");
  const std::int64_t mode = a.integer("mode", 0), padding = a.integer("padding_idx", -1);
  if (mode < 0 || mode > 2) a.malformed("mode must be 0 (sum), 1 (mean) or 2 (max)");
  const DType dtype = c.type(weight).dtype, wide = wide_type(dtype);
  if (!kFloats.contains(dtype)) a.malformed("the table must be of floating-point numbers");
  const std::int64_t rank = c.rank(given);
  if (rank != 1 && rank != 2) a.malformed("indices must be a vector or a matrix");

  const ValueId indices = rank == 1 ? given : reshaped(c, given, {-1});
  Bags bags = rank == 1 ? by_offsets(c, a, indices) : by_rows(c, given);
  bags.rows = cast_to(c, gathered(c, weight, indices, 0), wide);
  if (a.given("per_sample_weights")) {
    if (mode != 0) a.malformed("per_sample_weights is for sums");
    bags.weight = reshaped(c, cast_to(c, a.tensor("per_sample_weights"), wide), {-1, 1});
    bags.rows = binary(c, B::mul, bags.rows, bags.weight);
  }
  const double lowest = -std::numeric_limits<double>::infinity();
  const ValueId nothing = scalar(c, wide, mode == 2 ? lowest : 0);
  if (padding >= 0) {
    const ValueId is_padding = unsqueezed(
        c, binary(c, B::equal, cast_to(c, indices, DType::i64), integers(c, {padding})), {1});
    bags.rows = chosen(c, is_padding, nothing, bags.rows);
    bags.counts = cast_to(c, unary(c, {UnaryFunction::logical_not}, is_padding), wide);
  } else {
    bags.counts = expanded(c, scalar(c, wide, 1), shape_of(c, bags.bag));
  }

  // Joins rows [L, n] into their bags [number, n].
  const auto join = [&](ValueId rows, ValueId initial, ScatterReduction how) {
    const ValueId shape = concatenated(c, {bags.number, size_along(c, rows, 1)}, 0);
    return c.emit(op_scatter_nd(), ScatterNdAttributes{how},
                  {expanded(c, initial, shape), bags.bag, rows});
  };
  const bool largest = mode == 2;
  ValueId y = join(bags.rows, nothing, largest ? ScatterReduction::max : ScatterReduction::add);
  if (mode != 0) {  // the mean and the maximum of nothing are 0
    const ValueId zero = scalar(c, wide, 0);
    const ValueId count = join(bags.counts, zero, ScatterReduction::add);
    y = largest ? chosen(c, binary(c, B::equal, count, zero), zero, y)
                : binary(c, B::div, y, binary(c, B::max, count, scalar(c, wide, 1)));
  }
  c.set_output(0, cast_to(c, y, dtype));
}

}  // namespace

void register_aten_embedding(ConverterTable& table) {
  table.add(kAtenDomain, "embedding", 1, embedding);
  table.add(kAtenDomain, "embedding_bag", 1, embedding_bag);
  table.add(kAtenDomain, "_embedding_bag", 1, embedding_bag);
}

}  // namespace strop::onnx
