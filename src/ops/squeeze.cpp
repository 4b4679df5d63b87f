// SPDX-License-Identifier: Apache-2.0
// Without `axes` every axis of size 1 goes, which needs all sizes to be known.
#include "ops/squeeze.hpp"

#include <algorithm>

#include "ir/evaluate.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const DType dtype = context.dtype(0);
  const SymShape* x = context.shape(0);
  const auto axes = context.integers(1);
  if (x == nullptr || (context.has_input(1) && !axes)) {
    return context.set_output(0, Type::tensor_of_unknown_rank(dtype));
  }
  std::vector<bool> gone(x->size(), false);
  if (axes) {
    for (const std::int64_t given : *axes) {
      const auto axis =
          static_cast<std::size_t>(normalize_axis(given, static_cast<std::int64_t>(x->size())));
      context.require_equal((*x)[axis], Dim(1), "the size of a squeezed axis and 1");
      gone[axis] = true;
    }
  } else {
    for (std::size_t a = 0; a < x->size(); ++a) {
      if (!(*x)[a].is_constant()) {
        return context.set_output(0, Type::tensor_of_unknown_rank(dtype));
      }
      gone[a] = (*x)[a].is(1);
    }
  }
  SymShape shape;
  for (std::size_t a = 0; a < x->size(); ++a) {
    if (!gone[a]) shape.push_back((*x)[a]);
  }
  context.set_output(0, dtype, std::move(shape));
  if (auto elements = context.elements(0)) context.set_elements(0, std::move(*elements));
}

void reference(KernelContext& context) { copy_whole(context.input(0), context.output(0)); }

}  // namespace

const OpDef& op_squeeze() {
  static const OpDef def{
      .name = "squeeze",
      .summary = "x without some axes of size 1",
      .inputs = {{.name = "x", .types = kAny, .same_as = 'T'},
                 {.name = "axes", .types = kIndices, .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kAny, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.view = true, .moves_only = true, .parameter_inputs = 1u << 1},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
