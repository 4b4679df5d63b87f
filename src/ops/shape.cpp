// SPDX-License-Identifier: Apache-2.0
#include "ops/shape.hpp"

#include <algorithm>

#include "ir/evaluate.hpp"

namespace strop {
namespace {

std::pair<std::int64_t, std::int64_t> range_of(const ShapeAttributes& attributes,
                                               std::int64_t rank) {
  const auto clamp = [rank](std::int64_t axis) {
    return std::clamp<std::int64_t>(axis < 0 ? axis + rank : axis, 0, rank);
  };
  const std::int64_t start = clamp(attributes.start);
  return {start, std::max(start, attributes.end ? clamp(*attributes.end) : rank)};
}

void infer(InferContext& context) {
  const SymShape* x = context.shape(0);
  if (x == nullptr) return context.set_output(0, DType::i64, {context.fresh_dim()});
  const auto [start, end] =
      range_of(context.attributes<ShapeAttributes>(), static_cast<std::int64_t>(x->size()));
  context.set_output(0, DType::i64, {Dim(end - start)});
  context.set_elements(0, {x->begin() + start, x->begin() + end});
}

void reference(KernelContext& context) {
  const Shape& shape = context.input(0).shape();
  const auto [start, end] =
      range_of(context.attributes<ShapeAttributes>(), static_cast<std::int64_t>(shape.size()));
  std::copy(shape.begin() + start, shape.begin() + end,
            context.output(0).mutable_values<std::int64_t>().begin());
}

}  // namespace

const OpDef& op_shape() {
  static const OpDef def{
      .name = "shape",
      .summary = "the dimensions of x, from axis start to axis end",
      .attributes = &attribute_schema<ShapeAttributes>(),
      .inputs = {{.name = "x", .types = kAny}},
      .outputs = {{.name = "shape", .types = {DType::i64}}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
