// SPDX-License-Identifier: Apache-2.0
#include "ops/tile.hpp"

#include "ir/evaluate.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const DType dtype = context.dtype(0);
  const SymShape* x = context.shape(0);
  context.require_rank(1, 1);
  if (x == nullptr) return context.set_output(0, Type::tensor_of_unknown_rank(dtype));
  if (const SymShape* length = context.shape(1)) {
    context.require_equal((*length)[0], Dim(static_cast<std::int64_t>(x->size())),
                          "the number of repeats and the rank of x");
  }
  const auto repeats = context.elements(1);
  if (!repeats) return context.set_output(0, dtype, context.fresh_shape(x->size()));
  SymShape shape;
  for (std::size_t a = 0; a < x->size(); ++a) {
    const Dim& times = (*repeats)[a];
    context.require(!times.is_constant() || times.value() >= 0, ErrorCode::bad_value,
                    "repeats " + to_string(*repeats) + " are negative");
    shape.push_back((*x)[a] * times);
  }
  context.set_output(0, dtype, std::move(shape));
}

void reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  if (y.size() == 0) return;
  // Each axis of y is two: the repeat, which does not move in x, and the index within x.
  std::vector<AxisMap> axes;
  const std::vector<AxisMap> of_x = identity_axes(x.shape());
  for (std::size_t a = 0; a < of_x.size(); ++a) {
    axes.push_back({.size = y.shape()[a] / of_x[a].size});
    axes.push_back(of_x[a]);
  }
  move_elements(x, y, std::move(axes));
}

}  // namespace

const OpDef& op_tile() {
  static const OpDef def{
      .name = "tile",
      .summary = "x repeated a number of times along each axis",
      .inputs = {{.name = "x", .types = kAny, .same_as = 'T'},
                 {.name = "repeats", .types = {DType::i64}}},
      .outputs = {{.name = "y", .types = kAny, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.moves_only = true, .parameter_inputs = 1u << 1},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
