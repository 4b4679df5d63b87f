// SPDX-License-Identifier: Apache-2.0
#include "ops/sequence_empty.hpp"

#include "ir/evaluate.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  context.set_output(0, Type::sequence(Type::tensor_of_unknown_rank(
                            context.attributes<SequenceEmptyAttributes>().dtype)));
}

void reference(KernelContext& context) { context.set_output(0, Sequence{}); }

}  // namespace

const OpDef& op_sequence_empty() {
  static const OpDef def{
      .name = "sequence_empty",
      .summary = "a sequence without elements",
      .attributes = &attribute_schema<SequenceEmptyAttributes>(),
      .inputs = {},
      .outputs = {{.name = "sequence", .types = kAny, .kind = Operand::sequence}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
