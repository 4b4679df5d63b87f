// SPDX-License-Identifier: Apache-2.0
// Without a position the last element goes.
#include "ops/sequence_erase.hpp"

#include "ir/evaluate.hpp"
#include "ops/sequence_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  require_scalar(context, 1);
  context.set_output(0, context.input(0));
}

void reference(KernelContext& context) {
  Sequence out = context.datum(0).sequence();
  const auto count = static_cast<std::int64_t>(out.size());
  if (count == 0) context.fail("nothing can be erased from an empty sequence");
  const std::int64_t at = context.has_input(1) ? sequence_position(context, 1, count) : count - 1;
  out.erase(out.begin() + at);
  context.set_output(0, std::move(out));
}

}  // namespace

const OpDef& op_sequence_erase() {
  static const OpDef def{
      .name = "sequence_erase",
      .summary = "the sequence without the element at a position",
      .inputs = {{.name = "sequence", .types = kAny, .kind = Operand::sequence},
                 {.name = "position", .types = kIndices, .arity = Operand::optional}},
      .outputs = {{.name = "sequence", .types = kAny, .kind = Operand::sequence}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
