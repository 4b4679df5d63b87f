// SPDX-License-Identifier: Apache-2.0
// Windows that are sums of cosines, in double; with t = 2 pi i / period:
//   hann 1/2 - 1/2 cos t, hamming 25/46 - 21/46 cos t, blackman 0.42 - 0.5 cos t + 0.08 cos 2t.
// A symmetric window of one element, which has no period, is 1.
#include "ops/window_function.hpp"

#include <cmath>
#include <numbers>

#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const auto& attributes = context.attributes<WindowFunctionAttributes>();
  context.require(kNumbers.contains(attributes.to), ErrorCode::bad_attribute,
                  "y cannot be " + std::string(to_string(attributes.to)));
  if (const SymShape* shape = context.shape(0)) {
    context.require_equal(product(*shape), Dim(1), "the size of size and 1");
  }
  const auto size = context.elements(0);
  const bool known = size && size->size() == 1;
  context.require(!known || !size->front().is_constant() || size->front().value() >= 0,
                  ErrorCode::bad_value, "size is negative");
  context.set_output(0, attributes.to, {known ? size->front() : context.fresh_dim()});
}

double value_at(WindowFunction function, double t) {
  switch (function) {
    case WindowFunction::hann:
      return 0.5 - 0.5 * std::cos(t);
    case WindowFunction::hamming:
      return 25.0 / 46 - 21.0 / 46 * std::cos(t);
    case WindowFunction::blackman:
      return 0.42 - 0.5 * std::cos(t) + 0.08 * std::cos(2 * t);
  }
  return 0;
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<WindowFunctionAttributes>();
  Tensor& y = context.output(0);
  const std::int64_t period = attributes.periodic ? y.size() : y.size() - 1;
  for (std::int64_t i = 0; i < y.size(); ++i) {
    const double t = 2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(period);
    const double value = period == 0 ? 1 : value_at(attributes.function, t);
    store_chunk<double>(y, i, 1, &value);
  }
}

}  // namespace

const OpDef& op_window_function() {
  static const OpDef def{
      .name = "window_function",
      .summary = "the weights of a window, `size` of them",
      .attributes = &attribute_schema<WindowFunctionAttributes>(),
      .inputs = {{.name = "size", .types = kIndices}},
      .outputs = {{.name = "y", .types = kNumbers}},
      .subgraphs = {},
      .traits = {.parameter_inputs = 1u << 0},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
