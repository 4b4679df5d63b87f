// SPDX-License-Identifier: Apache-2.0
#include "ops/fill.hpp"

#include "ir/evaluate.hpp"
#include "ops/move_elements_support.hpp"
#include "ops/wanted_shape.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const Tensor& value = context.attributes<FillAttributes>().value;
  context.require(value.size() == 1, ErrorCode::bad_attribute,
                  "the fill value must be one element, but is " + describe(value));
  const auto wanted = wanted_shape(context, 0);
  if (!wanted) return context.set_output(0, Type::tensor_of_unknown_rank(value.dtype()));
  context.set_output(0, value.dtype(), *wanted);
  if (wanted->size() > 1 || !is_integer(value.dtype()) || bits_of(value.dtype()) < 8) return;
  const std::int64_t element = value.to_i64()[0];
  if (wanted->empty()) {
    context.set_elements(0, {Dim(element)});
  } else if (const Dim& count = wanted->front();
             count.is_constant() && count.value() <= kMaxTrackedElements) {
    context.set_elements(0, std::vector<Dim>(static_cast<std::size_t>(count.value()), element));
  }
}

void reference(KernelContext& context) {
  Tensor& y = context.output(0);
  move_elements(context.attributes<FillAttributes>().value, y, {{.size = y.size()}});
}

}  // namespace

const OpDef& op_fill() {
  static const OpDef def{
      .name = "fill",
      .summary = "a tensor of the given shape with one value everywhere",
      .attributes = &attribute_schema<FillAttributes>(),
      .inputs = {{.name = "shape", .types = {DType::i64}}},
      .outputs = {{.name = "y", .types = kAny}},
      .subgraphs = {},
      .traits = {.parameter_inputs = 1u << 0},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
