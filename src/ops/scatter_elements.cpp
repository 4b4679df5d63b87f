// SPDX-License-Identifier: Apache-2.0
// y = x, and then with axis 1 of three: y[i, indices[i, j, k], k] = updates[i, j, k], or joined
// with it, in the order that scatter_reduction.hpp states.
#include "ops/scatter_elements.hpp"

#include "ops/scatter_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const auto& attributes = context.attributes<ScatterElementsAttributes>();
  check_reduction(context, attributes.reduction);
  check_indices_along_axis(context, attributes.axis);
  const SymShape* indices = context.shape(1);
  const SymShape* updates = context.shape(2);
  if (indices != nullptr && updates != nullptr) {
    context.require_rank(2, static_cast<std::int64_t>(indices->size()));
    for (std::size_t a = 0; a < indices->size(); ++a) {
      context.require_equal((*indices)[a], (*updates)[a], "the sizes of indices and updates");
    }
  }
  context.set_output(0, context.input(0));
  const SymShape* x = context.shape(0);
  if (x != nullptr && x->size() == 1 && attributes.reduction == ScatterReduction::none) {
    scatter_known_elements(context);
  }
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<ScatterElementsAttributes>();
  const Tensor& x = context.input(0);
  const std::int64_t axis = normalize_axis(attributes.axis, x.rank());
  scatter(x, context.input(2), context.output(0), attributes.reduction,
          [&](auto* to, const auto* updates, auto join) {
            for_each_index_along_axis(
                context, x.shape(), context.input(1), axis,
                [&](std::int64_t i, std::int64_t at) { to[at] = join(to[at], updates[i]); });
          });
}

}  // namespace

const OpDef& op_scatter_elements() {
  static const OpDef def{
      .name = "scatter_elements",
      .summary = "x with updates at the places that the indices name along one axis",
      .attributes = &attribute_schema<ScatterElementsAttributes>(),
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
