// SPDX-License-Identifier: Apache-2.0
// A matrix of the given shape, zero but for ones on one diagonal.
#include "ops/eye.hpp"

#include <algorithm>
#include <cstring>

#include "ir/evaluate.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const DType dtype = context.attributes<EyeAttributes>().dtype;
  context.require(context.op().outputs[0].types.contains(dtype), ErrorCode::bad_type,
                  "there is no one of type " + std::string(to_string(dtype)));
  context.require_rank(0, 1);
  if (const SymShape* length = context.shape(0)) {
    context.require_equal(length->front(), Dim(2), "the rank of a matrix and 2");
  }
  const auto wanted = context.elements(0);
  if (!wanted) return context.set_output(0, dtype, context.fresh_shape(2));
  for (const Dim& dim : *wanted) {
    context.require(!dim.is_constant() || dim.value() >= 0, ErrorCode::bad_shape,
                    "shape " + to_string(*wanted) + " has a negative dimension");
  }
  context.set_output(0, dtype, *wanted);
}

void reference(KernelContext& context) {
  Tensor& y = context.output(0);
  if (y.size() == 0) return;
  std::memset(y.mutable_data(), 0, static_cast<std::size_t>(y.bytes()));
  const std::int64_t rows = y.dim(0), columns = y.dim(1);
  const std::int64_t diagonal =
      std::clamp(context.attributes<EyeAttributes>().diagonal, -rows, columns);
  const std::int64_t first = std::max<std::int64_t>(0, -diagonal);
  const std::int64_t last = std::min(rows, columns - diagonal);
  for (std::int64_t row = first; row < last; ++row) {
    store_from_double(y.dtype(), y.mutable_data(), row * columns + row + diagonal, 1);
  }
}

}  // namespace

const OpDef& op_eye() {
  static const OpDef def{
      .name = "eye",
      .summary = "a matrix with ones on one diagonal and zeros elsewhere",
      .attributes = &attribute_schema<EyeAttributes>(),
      .inputs = {{.name = "shape", .types = {DType::i64}}},
      .outputs = {{.name = "y", .types = kNumbers | kBool}},
      .subgraphs = {},
      .traits = {.parameter_inputs = 1u << 0},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
