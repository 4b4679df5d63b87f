// SPDX-License-Identifier: Apache-2.0
#include "ops/size.hpp"

#include "ir/evaluate.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  context.set_output(0, DType::i64, {});
  if (const SymShape* x = context.shape(0)) context.set_elements(0, {product(*x)});
}

void reference(KernelContext& context) {
  context.output(0).mutable_values<std::int64_t>()[0] = context.input(0).size();
}

}  // namespace

const OpDef& op_size() {
  static const OpDef def{
      .name = "size",
      .summary = "the number of elements of x, a scalar",
      .inputs = {{.name = "x", .types = kAny}},
      .outputs = {{.name = "size", .types = {DType::i64}}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
