// SPDX-License-Identifier: Apache-2.0
// x broadcast as NumPy does against `shape`, so that sizes of 1 on either side give way.
#include "ops/expand.hpp"

#include <algorithm>

#include "ir/evaluate.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const DType dtype = context.dtype(0);
  const SymShape* x = context.shape(0);
  context.require_rank(1, 1);
  const auto target = context.elements(1);
  if (!target) {
    const SymShape* length = context.shape(1);
    if (x == nullptr || length == nullptr || !(*length)[0].is_constant()) {
      return context.set_output(0, Type::tensor_of_unknown_rank(dtype));
    }
    const std::int64_t rank = (*length)[0].value();
    context.require(rank <= kMaxTrackedElements, ErrorCode::bad_shape, "the rank is too large");
    return context.set_output(
        0, dtype, context.fresh_shape(std::max(x->size(), static_cast<std::size_t>(rank))));
  }
  for (const Dim& dim : *target) {
    context.require(!dim.is_constant() || dim.value() >= 0, ErrorCode::bad_shape,
                    "shape " + to_string(*target) + " has a negative dimension");
  }
  if (x == nullptr) return context.set_output(0, Type::tensor_of_unknown_rank(dtype));
  SymShape shape = context.broadcast(*x, *target);
  context.set_output(0, dtype, shape);
  const auto elements = context.elements(0);
  if (!elements || shape.size() > 1) return;
  const Dim count = product(shape);
  if (!count.is_constant() || count.value() > kMaxTrackedElements) return;
  const bool repeated = elements->size() == 1;
  context.set_elements(
      0, repeated ? std::vector<Dim>(static_cast<std::size_t>(count.value()), elements->front())
                  : *elements);
}

void reference(KernelContext& context) { broadcast_elements(context.input(0), context.output(0)); }

}  // namespace

const OpDef& op_expand() {
  static const OpDef def{
      .name = "expand",
      .summary = "x repeated along its axes of size 1 to the shape that x and `shape` broadcast to",
      .inputs = {{.name = "x", .types = kAny, .same_as = 'T'},
                 {.name = "shape", .types = {DType::i64}}},
      .outputs = {{.name = "y", .types = kAny, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.moves_only = true, .parameter_inputs = 1u << 1},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
