// SPDX-License-Identifier: Apache-2.0
#include "ops/transpose.hpp"

#include "ir/evaluate.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

std::vector<std::size_t> axes_of(const TransposeAttributes& attributes, std::size_t rank) {
  std::vector<std::size_t> axes;
  for (std::size_t i = 0; i < rank; ++i) {
    axes.push_back(attributes.perm.empty() ? rank - 1 - i
                                           : static_cast<std::size_t>(attributes.perm[i]));
  }
  return axes;
}

void infer(InferContext& context) {
  const auto& perm = context.attributes<TransposeAttributes>().perm;
  std::vector<bool> seen(perm.size(), false);
  for (const std::int64_t axis : perm) {
    const bool fits = axis >= 0 && axis < static_cast<std::int64_t>(perm.size()) &&
                      !seen[static_cast<std::size_t>(axis)];
    context.require(fits, ErrorCode::bad_attribute,
                    "perm " + to_string(Shape(perm)) + " is not a permutation of its axes");
    seen[static_cast<std::size_t>(axis)] = true;
  }
  const SymShape* x = context.shape(0);
  if (x == nullptr) {
    if (perm.empty()) {
      return context.set_output(0, Type::tensor_of_unknown_rank(context.dtype(0)));
    }
    return context.set_output(0, context.dtype(0), context.fresh_shape(perm.size()));
  }
  if (!perm.empty()) context.require_rank(0, static_cast<std::int64_t>(perm.size()));
  SymShape shape;
  for (const std::size_t axis : axes_of(context.attributes<TransposeAttributes>(), x->size())) {
    shape.push_back((*x)[axis]);
  }
  context.set_output(0, context.dtype(0), std::move(shape));
  if (x->size() > 1) return;
  if (auto elements = context.elements(0)) context.set_elements(0, std::move(*elements));
}

void reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  std::vector<AxisMap> of_x = identity_axes(x.shape());
  std::vector<AxisMap> axes;
  for (const std::size_t axis : axes_of(context.attributes<TransposeAttributes>(), of_x.size())) {
    axes.push_back(of_x[axis]);
  }
  move_elements(x, context.output(0), std::move(axes));
}

}  // namespace

const OpDef& op_transpose() {
  static const OpDef def{
      .name = "transpose",
      .summary = "the axes in another order: y.shape[i] = x.shape[perm[i]]",
      .attributes = &attribute_schema<TransposeAttributes>(),
      .inputs = {{.name = "x", .types = kAny, .same_as = 'T'}},
      .outputs = {{.name = "y", .types = kAny, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.moves_only = true},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
