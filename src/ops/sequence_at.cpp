// SPDX-License-Identifier: Apache-2.0
#include "ops/sequence_at.hpp"

#include "ir/evaluate.hpp"
#include "ops/nested_graph_support.hpp"
#include "ops/sequence_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  require_scalar(context, 1);
  context.set_output(0, *context.input(0).element);
}

void reference(KernelContext& context) {
  const Sequence& sequence = context.datum(0).sequence();
  const auto at = sequence_position(context, 1, static_cast<std::int64_t>(sequence.size()));
  deliver(context, 0, sequence[static_cast<std::size_t>(at)]);
}

}  // namespace

const OpDef& op_sequence_at() {
  static const OpDef def{
      .name = "sequence_at",
      .summary = "the element at a position, negative from the end",
      .inputs = {{.name = "sequence", .types = kAny, .kind = Operand::sequence},
                 {.name = "position", .types = kIndices}},
      .outputs = {{.name = "y", .types = kAny, .kind = Operand::any}},
      .subgraphs = {},
      .traits = {.data_dependent = true},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
