// SPDX-License-Identifier: Apache-2.0
// y = x, and then y[indices[i..., :]..., s...] = updates[i..., s...], or joined with it, in the
// order that scatter_reduction.hpp states: the last axis of the indices holds tuples, each naming a
// slice.
#include "ops/scatter_nd.hpp"

#include "ops/scatter_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const auto& attributes = context.attributes<ScatterNdAttributes>();
  check_reduction(context, attributes.reduction);
  const auto tuple = tuple_size(context, 0);
  const SymShape* x = context.shape(0);
  const SymShape* indices = context.shape(1);
  const SymShape* updates = context.shape(2);
  context.set_output(0, context.input(0));
  if (x == nullptr || !tuple || updates == nullptr) return;
  SymShape wanted(indices->begin(), indices->end() - 1);
  wanted.insert(wanted.end(), x->begin() + static_cast<std::ptrdiff_t>(*tuple), x->end());
  context.require_rank(2, static_cast<std::int64_t>(wanted.size()));
  for (std::size_t a = 0; a < wanted.size(); ++a) {
    context.require_equal(wanted[a], (*updates)[a], "the sizes of updates and of what they update");
  }
  if (x->size() == 1 && attributes.reduction == ScatterReduction::none)
    scatter_known_elements(context);
}

void reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  const Tensor& updates = context.input(2);
  const auto offsets = updates.size() > 0 ? tuple_offsets(context, x.shape(), context.input(1), 0)
                                          : std::vector<std::int64_t>{};
  const auto tuples = static_cast<std::int64_t>(offsets.size());
  const std::int64_t slice = tuples > 0 ? updates.size() / tuples : 0;
  scatter(x, updates, context.output(0), context.attributes<ScatterNdAttributes>().reduction,
          [&](auto* to, const auto* from, auto join) {
            // Each thread sees all tuples, in their order, and some columns of the slices.
            parallel_for(slice, 64 + 65536 / (1 + tuples),
                         [&](std::int64_t begin, std::int64_t end) {
                           for (std::int64_t t = 0; t < tuples; ++t) {
                             auto* row = to + offsets[static_cast<std::size_t>(t)];
                             const auto* update = from + t * slice;
                             for (std::int64_t i = begin; i < end; ++i) {
                               row[i] = join(row[i], update[i]);
                             }
                           }
                         });
          });
}

}  // namespace

const OpDef& op_scatter_nd() {
  static const OpDef def{
      .name = "scatter_nd",
      .summary = "x with updates of the slices that tuples of indices name",
      .attributes = &attribute_schema<ScatterNdAttributes>(),
      .inputs = {{.name = "x", .types = kAny, .same_as = 'T'},
                 {.name = "indices", .types = kIndices},
                 {.name = "updates", .types = kAny, .same_as = 'T'}},
      .outputs = {{.name = "y", .types = kAny, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
