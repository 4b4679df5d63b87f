// SPDX-License-Identifier: Apache-2.0
// `axes` are axes of the result; each is there once.
#include "ops/unsqueeze.hpp"

#include "ir/evaluate.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const DType dtype = context.dtype(0);
  const SymShape* x = context.shape(0);
  const SymShape* axes_shape = context.shape(1);
  if (x == nullptr || axes_shape == nullptr || axes_shape->size() > 1) {
    if (axes_shape != nullptr) {
      context.require(axes_shape->size() <= 1, ErrorCode::bad_shape, "axes must have rank 1");
    }
    return context.set_output(0, Type::tensor_of_unknown_rank(dtype));
  }
  const Dim added = product(*axes_shape);
  if (!added.is_constant()) return context.set_output(0, Type::tensor_of_unknown_rank(dtype));
  context.require(added.value() <= kMaxTrackedElements, ErrorCode::bad_shape,
                  "the rank is too large");
  const std::size_t rank = x->size() + static_cast<std::size_t>(added.value());
  const auto axes = context.integers(1);
  if (!axes) return context.set_output(0, dtype, context.fresh_shape(rank));
  std::vector<bool> fresh(rank, false);
  for (const std::int64_t given : *axes) {
    const auto axis =
        static_cast<std::size_t>(normalize_axis(given, static_cast<std::int64_t>(rank)));
    context.require(!fresh[axis], ErrorCode::bad_value,
                    "axis " + std::to_string(given) + " is added twice");
    fresh[axis] = true;
  }
  SymShape shape;
  auto next = x->begin();
  for (std::size_t a = 0; a < rank; ++a) shape.push_back(fresh[a] ? Dim(1) : *next++);
  context.set_output(0, dtype, std::move(shape));
  if (rank > 1) return;
  if (auto elements = context.elements(0)) context.set_elements(0, std::move(*elements));
}

void reference(KernelContext& context) { copy_whole(context.input(0), context.output(0)); }

}  // namespace

const OpDef& op_unsqueeze() {
  static const OpDef def{
      .name = "unsqueeze",
      .summary = "x with further axes of size 1",
      .inputs = {{.name = "x", .types = kAny, .same_as = 'T'}, {.name = "axes", .types = kIndices}},
      .outputs = {{.name = "y", .types = kAny, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.view = true, .moves_only = true, .parameter_inputs = 1u << 1},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
