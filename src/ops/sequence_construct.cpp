// SPDX-License-Identifier: Apache-2.0
#include "ops/sequence_construct.hpp"

#include <algorithm>

#include "ir/evaluate.hpp"
#include "ops/sequence_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  for (std::size_t i = 0; i < std::max<std::size_t>(context.input_count(), 1); ++i) {
    context.require(context.has_input(i), ErrorCode::model_malformed,
                    "input " + std::to_string(i) + " is missing");
  }
  Type element = context.input(0);
  for (std::size_t i = 1; i < context.input_count(); ++i) {
    element = common_element(context, element, context.input(i));
  }
  context.set_output(0, Type::sequence(std::move(element)));
}

void reference(KernelContext& context) {
  check_sequence_length(context, static_cast<std::int64_t>(context.input_count()));
  Sequence out;
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < context.input_count(); ++i) {
    bytes += bytes_of(context.datum(i));
    check_sequence_bytes(context, bytes);
    out.push_back(context.input(i).clone());
  }
  context.set_output(0, std::move(out));
}

}  // namespace

const OpDef& op_sequence_construct() {
  static const OpDef def{
      .name = "sequence_construct",
      .summary = "the inputs as a sequence",
      .inputs = {{.name = "x", .types = kAny, .same_as = 'T', .arity = Operand::variadic}},
      .outputs = {{.name = "sequence", .types = kAny, .kind = Operand::sequence}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
