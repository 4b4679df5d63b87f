// SPDX-License-Identifier: Apache-2.0
// Without a position the value goes to the end.
#include "ops/sequence_insert.hpp"

#include "ir/evaluate.hpp"
#include "ops/sequence_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  require_scalar(context, 2);
  context.set_output(
      0, Type::sequence(common_element(context, *context.input(0).element, context.input(1))));
}

void reference(KernelContext& context) {
  Sequence out = context.datum(0).sequence();
  const auto count = static_cast<std::int64_t>(out.size());
  check_sequence_length(context, count + 1);
  std::int64_t at = count;
  if (context.has_input(2)) {
    // Before an element, or, with exactly their number, at the end.
    const bool end = context.input(2).to_i64().at(0) == count;
    at = end ? count : sequence_position(context, 2, count);
  }
  check_sequence_bytes(context, bytes_of(context.datum(0)) + bytes_of(context.datum(1)));
  out.insert(out.begin() + at, context.input(1).clone());
  context.set_output(0, std::move(out));
}

}  // namespace

const OpDef& op_sequence_insert() {
  static const OpDef def{
      .name = "sequence_insert",
      .summary = "the sequence with a further tensor before a position",
      .inputs = {{.name = "sequence", .types = kAny, .kind = Operand::sequence},
                 {.name = "x", .types = kAny},
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
