// SPDX-License-Identifier: Apache-2.0
// The input itself, whatever kind of value it is.
#include "ops/identity.hpp"

#include "ir/evaluate.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  context.set_output(0, context.input(0));
  if (auto elements = context.elements(0)) context.set_elements(0, std::move(*elements));
}

void reference(KernelContext& context) {
  const Datum& x = context.datum(0);
  if (!x.is_tensor()) return context.set_output(0, x);
  copy_whole(x.tensor(), context.output(0));
}

}  // namespace

const OpDef& op_identity() {
  static const OpDef def{
      .name = "identity",
      .summary = "y = x, of any kind",
      .inputs = {{.name = "x", .types = kAny, .kind = Operand::any}},
      .outputs = {{.name = "y", .types = kAny, .kind = Operand::any}},
      .subgraphs = {},
      .traits = {.view = true, .moves_only = true},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
