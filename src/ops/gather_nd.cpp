// SPDX-License-Identifier: Apache-2.0
// y[b..., i..., s...] = x[b..., indices[b..., i..., :]..., s...]: the last axis of the indices
// holds tuples, each naming a slice of x.
#include "ops/gather_nd.hpp"

#include "ops/indexing_support.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const std::int64_t batch_dims = context.attributes<GatherNdAttributes>().batch_dims;
  const auto tuple = tuple_size(context, batch_dims);
  const SymShape* x = context.shape(0);
  const SymShape* indices = context.shape(1);
  if (x == nullptr || !tuple) {
    return context.set_output(0, Type::tensor_of_unknown_rank(context.dtype(0)));
  }
  SymShape y(indices->begin(), indices->end() - 1);
  for (std::size_t a = 0; a < static_cast<std::size_t>(batch_dims); ++a) {
    y[a] = context.require_equal((*x)[a], y[a], "batch axes of x and of the indices");
  }
  y.insert(y.end(), x->begin() + batch_dims + static_cast<std::ptrdiff_t>(*tuple), x->end());
  const bool small = x->size() == 1 && y.size() <= 1;
  context.set_output(0, context.dtype(0), std::move(y));
  if (small) pick_known_elements(context);
}

void reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  const Tensor& indices = context.input(1);
  if (context.output(0).size() == 0) return;
  const std::int64_t batch_dims = context.attributes<GatherNdAttributes>().batch_dims;
  std::int64_t slice = 1;
  for (std::int64_t a = batch_dims + indices.shape().back(); a < x.rank(); ++a) slice *= x.dim(a);
  AxisMap tuples;
  tuples.table = tuple_offsets(context, x.shape(), indices, batch_dims);
  tuples.size = static_cast<std::int64_t>(tuples.table.size());
  move_elements(x, context.output(0), {std::move(tuples), {.size = slice, .step = 1}});
}

}  // namespace

const OpDef& op_gather_nd() {
  static const OpDef def{
      .name = "gather_nd",
      .summary = "the slices of x that tuples of indices name",
      .attributes = &attribute_schema<GatherNdAttributes>(),
      .inputs = {{.name = "x", .types = kAny, .same_as = 'T'},
                 {.name = "indices", .types = kIndices}},
      .outputs = {{.name = "y", .types = kAny, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.moves_only = true},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
