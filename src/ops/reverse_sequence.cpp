// SPDX-License-Identifier: Apache-2.0
// Of sequence b the first lengths[b] steps in reverse, and the others as they are. The first two
// axes count the sequences and their steps.
#include "ops/reverse_sequence.hpp"

#include "ir/evaluate.hpp"
#include "ops/dispatch.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const auto& [batch_axis, time_axis] = context.attributes<ReverseSequenceAttributes>();
  context.require((batch_axis == 0 && time_axis == 1) || (batch_axis == 1 && time_axis == 0),
                  ErrorCode::bad_attribute,
                  "batch and time are axes " + std::to_string(batch_axis) + " and " +
                      std::to_string(time_axis) + "; they must be 0 and 1, or 1 and 0");
  context.set_output(0, context.input(0));
  context.require_rank(1, 1);
  const SymShape* x = context.shape(0);
  if (x == nullptr) return;
  context.require(x->size() >= 2, ErrorCode::bad_shape,
                  "x must have at least two axes, of sequences and of their steps");
  if (const SymShape* lengths = context.shape(1)) {
    context.require_equal((*x)[static_cast<std::size_t>(batch_axis)], lengths->front(),
                          "the numbers of sequences and of lengths");
  }
}

void reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  const auto lengths = context.input(1).to_i64();
  const bool batch_first = context.attributes<ReverseSequenceAttributes>().batch_axis == 0;
  const std::int64_t steps = x.dim(batch_first ? 1 : 0);
  for (const std::int64_t length : lengths) {
    if (length < 0 || length > steps) {
      context.fail("a sequence has length " + std::to_string(length),
                   "there are " + std::to_string(steps) + " steps");
    }
  }
  if (x.size() == 0) return;
  const AxisSplit split(x.shape(), 1);
  AxisMap rows{.size = split.outer * split.size};
  rows.table = offset_table(rows.size);
  for (std::int64_t row = 0; row < rows.size; ++row) {
    const std::int64_t first = row / split.size, second = row % split.size;
    const std::int64_t step = batch_first ? second : first;
    const std::int64_t length = lengths[static_cast<std::size_t>(batch_first ? first : second)];
    const std::int64_t moved = step < length ? length - 1 - 2 * step : 0;
    rows.table[static_cast<std::size_t>(row)] =
        (row + moved * (batch_first ? 1 : split.size)) * split.inner;
  }
  move_elements(x, context.output(0), {std::move(rows), {.size = split.inner, .step = 1}});
}

}  // namespace

const OpDef& op_reverse_sequence() {
  static const OpDef def{
      .name = "reverse_sequence",
      .summary = "sequences with their first steps in reverse, each up to a length of its own",
      .attributes = &attribute_schema<ReverseSequenceAttributes>(),
      .inputs = {{.name = "x", .types = kAny, .same_as = 'T'},
                 {.name = "lengths", .types = kIndices}},
      .outputs = {{.name = "y", .types = kAny, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.moves_only = true},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
