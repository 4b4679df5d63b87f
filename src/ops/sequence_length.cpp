// SPDX-License-Identifier: Apache-2.0
#include "ops/sequence_length.hpp"

#include "ir/evaluate.hpp"

namespace strop {
namespace {

void infer(InferContext& context) { context.set_output(0, DType::i64, {}); }

void reference(KernelContext& context) {
  context.output(0).mutable_values<std::int64_t>()[0] =
      static_cast<std::int64_t>(context.datum(0).sequence().size());
}

}  // namespace

const OpDef& op_sequence_length() {
  static const OpDef def{
      .name = "sequence_length",
      .summary = "how many elements a sequence has, a scalar",
      .inputs = {{.name = "sequence", .types = kAny, .kind = Operand::sequence}},
      .outputs = {{.name = "length", .types = {DType::i64}}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
