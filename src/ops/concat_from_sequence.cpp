// SPDX-License-Identifier: Apache-2.0
#include "ops/concat_from_sequence.hpp"

#include "ir/evaluate.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const auto& attributes = context.attributes<ConcatFromSequenceAttributes>();
  const Type& element = *context.input(0).element;
  context.require(element.is_tensor(), ErrorCode::bad_type, "only tensors can be joined");
  if (!element.shape) {
    return context.set_output(0, Type::tensor_of_unknown_rank(element.dtype));
  }
  SymShape shape = *element.shape;
  const auto rank = static_cast<std::int64_t>(shape.size()) + (attributes.new_axis ? 1 : 0);
  const std::int64_t axis = normalize_axis(attributes.axis, rank);
  // How many elements there are is known when it runs; so are their sizes.
  for (Dim& dim : shape) dim = context.fresh_dim();
  if (attributes.new_axis) shape.insert(shape.begin() + axis, context.fresh_dim());
  context.set_output(0, element.dtype, std::move(shape));
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<ConcatFromSequenceAttributes>();
  const Sequence& sequence = context.datum(0).sequence();
  if (sequence.empty()) context.fail("an empty sequence cannot be joined");
  const std::int64_t rank = sequence[0].tensor().rank() + (attributes.new_axis ? 1 : 0);
  if (rank == 0) context.fail("scalars can only be stacked along a new axis");
  const std::int64_t axis = normalize_axis(attributes.axis, rank);
  std::vector<Tensor> parts;
  Shape shape;
  for (const Datum& datum : sequence) {
    Tensor part = datum.tensor();
    Shape own = part.shape();
    const bool same_rank = part.rank() == sequence[0].tensor().rank();
    if (attributes.new_axis && same_rank) own.insert(own.begin() + axis, 1);
    if (parts.empty()) shape = own;
    bool fits = same_rank && part.dtype() == (parts.empty() ? part.dtype() : parts[0].dtype());
    for (std::size_t a = 0; a < shape.size() && fits; ++a) {
      fits = static_cast<std::int64_t>(a) == axis || own[a] == shape[a];
    }
    if (!fits) {
      context.fail("its elements " + describe(sequence[0].tensor()) + " and " +
                   describe(datum.tensor()) + " cannot be joined along axis " +
                   std::to_string(axis));
    }
    if (!parts.empty()) {
      const auto size = static_cast<std::size_t>(axis);
      const auto sum = try_add(shape[size], own[size]);
      if (!sum) context.fail("the joined axis is too large");
      shape[size] = *sum;
    }
    parts.push_back(part.reshaped(std::move(own)));
  }
  concat_elements(parts, context.allocate(0, parts[0].dtype(), shape), axis);
}

}  // namespace

const OpDef& op_concat_from_sequence() {
  static const OpDef def{
      .name = "concat_from_sequence",
      .summary = "the tensors of a sequence joined along one axis, or stacked along a new one",
      .attributes = &attribute_schema<ConcatFromSequenceAttributes>(),
      .inputs = {{.name = "sequence", .types = kAny, .kind = Operand::sequence}},
      .outputs = {{.name = "y", .types = kAny}},
      .subgraphs = {},
      .traits = {.data_dependent = true},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
