// SPDX-License-Identifier: Apache-2.0
// x cut into as many pieces as there are outputs. Without `sizes` all pieces are as large as the
// first, which is rounded up, but for the last, which takes what is left.
#include "ops/split.hpp"

#include <algorithm>

#include "ir/evaluate.hpp"
#include "ops/dispatch.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

std::vector<Dim> piece_sizes(InferContext& context, const Dim& total) {
  const std::size_t count = context.output_count();
  if (!context.has_input(1)) {
    const Dim most = ceildiv(total, static_cast<std::int64_t>(count));
    std::vector<Dim> sizes(count, most);
    sizes.back() = total - most * static_cast<std::int64_t>(count - 1);
    if (mod(total, static_cast<std::int64_t>(count)).is(0)) sizes.back() = most;
    context.require(!sizes.back().is_constant() || sizes.back().value() >= 0, ErrorCode::bad_shape,
                    "size " + total.to_string() + " cannot be cut into " + std::to_string(count) +
                        " pieces of " + most.to_string());
    return sizes;
  }
  context.require_rank(1, 1);
  auto sizes = context.elements(1);
  if (const auto numbers = context.integers(1)) sizes.emplace(numbers->begin(), numbers->end());
  if (!sizes) return context.fresh_shape(count);
  context.require(
      sizes->size() == count, ErrorCode::bad_shape,
      std::to_string(sizes->size()) + " sizes for " + std::to_string(count) + " outputs");
  Dim sum(0);
  for (const Dim& size : *sizes) {
    context.require(!size.is_constant() || size.value() >= 0, ErrorCode::bad_shape,
                    "piece sizes " + to_string(*sizes) + " are negative");
    sum = sum + size;
  }
  context.require_equal(total, sum, "the size along the axis and the sum of the pieces");
  return *sizes;
}

void infer(InferContext& context) {
  const std::size_t count = context.output_count();
  context.require(count > 0, ErrorCode::model_malformed, "a split has at least one output");
  const SymShape* x = context.shape(0);
  if (x == nullptr) {
    for (std::size_t i = 0; i < count; ++i) {
      context.set_output(i, Type::tensor_of_unknown_rank(context.dtype(0)));
    }
    return;
  }
  const auto axis = static_cast<std::size_t>(normalize_axis(
      context.attributes<SplitAttributes>().axis, static_cast<std::int64_t>(x->size())));
  const std::vector<Dim> sizes = piece_sizes(context, (*x)[axis]);
  const auto elements = x->size() == 1 ? context.elements(0) : std::nullopt;
  std::int64_t start = 0;
  bool located = elements.has_value();
  for (std::size_t i = 0; i < count; ++i) {
    SymShape shape = *x;
    shape[axis] = sizes[i];
    context.set_output(i, context.dtype(0), std::move(shape));
    located = located && sizes[i].is_constant() &&
              sizes[i].value() <= static_cast<std::int64_t>(elements->size()) - start;
    if (!located) continue;
    const auto first = elements->begin() + start;
    context.set_elements(i, {first, first + sizes[i].value()});
    start += sizes[i].value();
  }
}

void reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  const std::int64_t axis = normalize_axis(context.attributes<SplitAttributes>().axis, x.rank());
  const AxisSplit split(x.shape(), axis);
  std::int64_t start = 0;
  for (std::size_t i = 0; i < context.output_count(); ++i) {
    Tensor& y = context.output(i);
    const std::int64_t size = y.dim(axis);
    move_elements(x, y,
                  {{.size = split.outer, .step = split.size * split.inner},
                   {.size = size * split.inner, .start = start * split.inner, .step = 1}});
    start += size;
  }
}

}  // namespace

const OpDef& op_split() {
  static const OpDef def{
      .name = "split",
      .summary = "x cut along one axis into consecutive pieces",
      .attributes = &attribute_schema<SplitAttributes>(),
      .inputs = {{.name = "x", .types = kAny, .same_as = 'T'},
                 {.name = "sizes", .types = {DType::i64}, .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kAny, .same_as = 'T', .arity = Operand::variadic}},
      .subgraphs = {},
      .traits = {.moves_only = true, .parameter_inputs = 1u << 1},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
