// SPDX-License-Identifier: Apache-2.0
// What a chain of shape arithmetic folds to. Whoever knows the symbols (the runtime, when shapes
// are prepared) evaluates it; the reference kernel alone can only do so when all are numbers.
#include "ops/dims.hpp"

#include "ir/evaluate.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const auto& values = context.attributes<DimsAttributes>().values;
  context.set_output(0, DType::i64, {Dim(static_cast<std::int64_t>(values.size()))});
  context.set_elements(0, values);
}

void reference(KernelContext& context) {
  auto out = context.output(0).mutable_values<std::int64_t>();
  const auto& values = context.attributes<DimsAttributes>().values;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!values[i].is_constant()) {
      throw Error(ErrorCode::internal, "operator dims",
                  "dimension " + values[i].to_string() +
                      " reached the reference kernel before it was a number");
    }
    out[i] = values[i].value();
  }
}

}  // namespace

const OpDef& op_dims() {
  static const OpDef def{
      .name = "dims",
      .summary = "a vector of sizes, each an expression over the symbols of the shapes",
      .attributes = &attribute_schema<DimsAttributes>(),
      .inputs = {},
      .outputs = {{.name = "values", .types = {DType::i64}}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
