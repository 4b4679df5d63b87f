// SPDX-License-Identifier: Apache-2.0
// `sizes` is one size for all pieces (the last may be smaller), a size for each, or absent: pieces
// of one.
#include "ops/split_to_sequence.hpp"

#include <algorithm>

#include "ir/evaluate.hpp"
#include "ops/dispatch.hpp"
#include "ops/move_elements_support.hpp"
#include "ops/sequence_support.hpp"

namespace strop {
namespace {

// The size that all pieces have, where it is known.
std::optional<std::int64_t> size_of_all(const InferContext& context, const Dim& total) {
  if (!context.has_input(1)) return 1;
  const SymShape* shape = context.shape(1);
  const auto sizes = context.integers(1);
  if (shape == nullptr || !sizes || sizes->empty()) return std::nullopt;
  const std::int64_t first = sizes->front();
  const bool all = shape->empty() ? first > 0 && total.is_constant() && total.value() % first == 0
                                  : std::ranges::count(*sizes, first) == std::ssize(*sizes);
  return all ? std::optional(first) : std::nullopt;
}

void infer(InferContext& context) {
  const auto& attributes = context.attributes<SplitToSequenceAttributes>();
  const SymShape* x = context.shape(0);
  const std::int64_t axis =
      x == nullptr ? 0 : normalize_axis(attributes.axis, static_cast<std::int64_t>(x->size()));
  if (context.has_input(1)) {
    const SymShape* sizes = context.shape(1);
    context.require(sizes == nullptr || sizes->size() <= 1, ErrorCode::bad_shape,
                    "sizes must be a scalar or a vector");
  }
  Type piece = Type::tensor_of_unknown_rank(context.dtype(0));
  if (x != nullptr) {
    if (const auto size = size_of_all(context, (*x)[static_cast<std::size_t>(axis)])) {
      piece.shape = *x;
      if (context.has_input(1) || attributes.keep_axis) {
        (*piece.shape)[static_cast<std::size_t>(axis)] = Dim(*size);
      } else {
        piece.shape->erase(piece.shape->begin() + axis);
      }
    }
  }
  context.set_output(0, Type::sequence(std::move(piece)));
}

std::vector<std::int64_t> piece_sizes(KernelContext& context, std::int64_t total) {
  if (context.has_input(1) && context.input(1).rank() == 1) {
    auto sizes = context.input(1).to_i64();
    std::int64_t left = total;
    for (const std::int64_t size : sizes) {
      if (size < 0 || size > left) {
        context.fail("piece sizes do not add up to the axis of size " + std::to_string(total));
      }
      left -= size;
    }
    if (left != 0) {
      context.fail("piece sizes do not add up to the axis of size " + std::to_string(total));
    }
    return sizes;
  }
  const std::int64_t each = context.has_input(1) ? context.input(1).to_i64().at(0) : 1;
  if (each <= 0) context.fail("pieces of size " + std::to_string(each) + " are not possible");
  const std::int64_t whole = total / each;
  check_sequence_length(context, whole + 1);
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(whole), each);
  if (total % each != 0) sizes.push_back(total % each);
  return sizes;
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<SplitToSequenceAttributes>();
  const Tensor& x = context.input(0);
  const std::int64_t axis = normalize_axis(attributes.axis, x.rank());
  const bool drop = !context.has_input(1) && !attributes.keep_axis;
  const AxisSplit split(x.shape(), axis);
  const auto sizes = piece_sizes(context, split.size);
  check_sequence_length(context, static_cast<std::int64_t>(sizes.size()));
  Sequence out;
  std::int64_t start = 0;
  for (const std::int64_t size : sizes) {
    Shape shape = x.shape();
    shape[static_cast<std::size_t>(axis)] = size;
    Tensor piece = Tensor::allocate(x.dtype(), shape);
    move_elements(x, piece,
                  {{.size = split.outer, .step = split.size * split.inner},
                   {.size = size * split.inner, .start = start * split.inner, .step = 1}});
    if (drop) shape.erase(shape.begin() + axis);
    out.push_back(piece.reshaped(std::move(shape)));
    start += size;
  }
  context.set_output(0, std::move(out));
}

}  // namespace

const OpDef& op_split_to_sequence() {
  static const OpDef def{
      .name = "split_to_sequence",
      .summary = "x cut along one axis into a sequence of pieces",
      .attributes = &attribute_schema<SplitToSequenceAttributes>(),
      .inputs = {{.name = "x", .types = kAny},
                 {.name = "sizes", .types = kIndices, .arity = Operand::optional}},
      .outputs = {{.name = "sequence", .types = kAny, .kind = Operand::sequence}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
