// SPDX-License-Identifier: Apache-2.0
// An absent input is an empty optional; what is no optional is always there.
#include "ops/optional_has.hpp"

#include "ir/evaluate.hpp"

namespace strop {
namespace {

void infer(InferContext& context) { context.set_output(0, DType::boolean, {}); }

void reference(KernelContext& context) {
  bool has = context.has_input(0);
  if (has) {
    const auto* optional = std::get_if<Optional>(&context.datum(0).value);
    has = optional == nullptr || optional->value != nullptr;
  }
  context.output(0).mutable_values<bool>()[0] = has;
}

}  // namespace

const OpDef& op_optional_has() {
  static const OpDef def{
      .name = "optional_has",
      .summary = "whether an optional holds a value, a scalar",
      .inputs =
          {{.name = "optional", .types = kAny, .arity = Operand::optional, .kind = Operand::any}},
      .outputs = {{.name = "has", .types = kBool}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
