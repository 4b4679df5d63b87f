// SPDX-License-Identifier: Apache-2.0
#include "ops/optional_construct.hpp"

#include <memory>

#include "ir/evaluate.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  context.set_output(
      0, Type::optional(context.has_input(0)
                            ? context.input(0)
                            : context.attributes<OptionalConstructAttributes>().element));
}

void reference(KernelContext& context) {
  if (!context.has_input(0)) return context.set_output(0, Optional{});
  const Datum& x = context.datum(0);
  Datum held = x.is_tensor() ? Datum(x.tensor().clone()) : x;
  context.set_output(0, Optional{std::make_shared<const Datum>(std::move(held))});
}

}  // namespace

const OpDef& op_optional_construct() {
  static const OpDef def{
      .name = "optional_construct",
      .summary = "an optional that holds x, or nothing",
      .attributes = &attribute_schema<OptionalConstructAttributes>(),
      .inputs = {{.name = "x", .types = kAny, .arity = Operand::optional, .kind = Operand::any}},
      .outputs = {{.name = "optional", .types = kAny, .kind = Operand::optional_value}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
