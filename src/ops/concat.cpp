// SPDX-License-Identifier: Apache-2.0
#include "ops/concat.hpp"

#include <algorithm>

#include "ir/evaluate.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

// Contents of the result when those of every input are known.
void join_elements(InferContext& context) {
  std::vector<Dim> joined;
  for (std::size_t i = 0; i < context.input_count(); ++i) {
    const auto elements = context.elements(i);
    if (!elements) return;
    joined.insert(joined.end(), elements->begin(), elements->end());
  }
  context.set_elements(0, std::move(joined));
}

void infer(InferContext& context) {
  for (std::size_t i = 0; i < std::max<std::size_t>(context.input_count(), 1); ++i) {
    context.require(context.has_input(i), ErrorCode::model_malformed,
                    "input " + std::to_string(i) + " is missing");
  }
  const DType dtype = context.dtype(0);
  const SymShape* first = nullptr;
  for (std::size_t i = 0; i < context.input_count() && first == nullptr; ++i) {
    first = context.shape(i);
  }
  if (first == nullptr) return context.set_output(0, Type::tensor_of_unknown_rank(dtype));
  const auto rank = static_cast<std::int64_t>(first->size());
  context.require(rank > 0, ErrorCode::bad_shape, "scalars cannot be concatenated");
  const auto axis =
      static_cast<std::size_t>(normalize_axis(context.attributes<ConcatAttributes>().axis, rank));
  SymShape shape = *first;
  shape[axis] = Dim(0);
  for (std::size_t i = 0; i < context.input_count(); ++i) {
    context.require_rank(i, rank);
    const SymShape* x = context.shape(i);
    if (x == nullptr) {
      shape[axis] = context.fresh_dim();
      return context.set_output(0, dtype, std::move(shape));
    }
    for (std::size_t a = 0; a < shape.size(); ++a) {
      if (a == axis) continue;
      shape[a] = context.require_equal(shape[a], (*x)[a],
                                       "sizes of the inputs along axis " + std::to_string(a));
    }
    shape[axis] = shape[axis] + (*x)[axis];
  }
  context.set_output(0, dtype, std::move(shape));
  if (rank == 1) join_elements(context);
}

void reference(KernelContext& context) {
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < context.input_count(); ++i) inputs.push_back(context.input(i));
  Tensor& y = context.output(0);
  const std::int64_t axis = normalize_axis(context.attributes<ConcatAttributes>().axis, y.rank());
  concat_elements(inputs, y, axis);
}

}  // namespace

const OpDef& op_concat() {
  static const OpDef def{
      .name = "concat",
      .summary = "the inputs one after the other along one axis",
      .attributes = &attribute_schema<ConcatAttributes>(),
      .inputs = {{.name = "x", .types = kAny, .same_as = 'T', .arity = Operand::variadic}},
      .outputs = {{.name = "y", .types = kAny, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.moves_only = true},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
