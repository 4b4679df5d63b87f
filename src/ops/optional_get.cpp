// SPDX-License-Identifier: Apache-2.0
// What is no optional is itself.
#include "ops/optional_get.hpp"

#include "ir/evaluate.hpp"
#include "ops/nested_graph_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const Type& x = context.input(0);
  context.set_output(0, x.kind == ValueKind::optional ? *x.element : x);
}

void reference(KernelContext& context) {
  const Datum& x = context.datum(0);
  const auto* optional = std::get_if<Optional>(&x.value);
  if (optional != nullptr && optional->value == nullptr) context.fail("the optional is empty");
  deliver(context, 0, optional != nullptr ? *optional->value : x);
}

}  // namespace

const OpDef& op_optional_get() {
  static const OpDef def{
      .name = "optional_get",
      .summary = "what an optional holds",
      .inputs = {{.name = "optional", .types = kAny, .kind = Operand::any}},
      .outputs = {{.name = "y", .types = kAny, .kind = Operand::any}},
      .subgraphs = {},
      .traits = {.data_dependent = true},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
