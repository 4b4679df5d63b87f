// SPDX-License-Identifier: Apache-2.0
// Slice, Split, Concat and Gather: taking tensors apart and joining them.
#include "ops/slice.hpp"

#include "onnx/convert/attribute_support.hpp"
#include "onnx/converter_table.hpp"
#include "ops/concat.hpp"
#include "ops/gather.hpp"
#include "ops/split.hpp"

namespace strop::onnx {
namespace {

void slice_by_attributes(ConvertContext& c) {
  Emitter& emitter = c.emitter();
  const ValueId axes =
      c.has_attribute("axes") ? emitter.integers(c.ints_attribute("axes")) : ValueId::none();
  c.set_output(0, c.emit(op_slice(), NoAttributes{},
                         {c.input(0), emitter.integers(c.ints_attribute("starts")),
                          emitter.integers(c.ints_attribute("ends")), axes}));
}

void slice(ConvertContext& c) {
  c.set_output(
      0, c.emit(op_slice(), NoAttributes{},
                {c.input(0), c.input(1), c.input(2), c.optional_input(3), c.optional_input(4)}));
}

// Pieces that are not all of one size need `split` before opset 18, and were refused without.
void require_equal_pieces(ConvertContext& c, std::int64_t axis, std::size_t count) {
  const Type& x = c.type(c.input(0));
  if (!x.shape || axis < 0 || axis >= x.rank()) return;
  const Dim& size = (*x.shape)[static_cast<std::size_t>(axis)];
  if (!size.is_constant() || size.value() % static_cast<std::int64_t>(count) == 0) return;
  c.fail(
      ErrorCode::bad_shape,
      "size " + size.to_string() + " cannot be cut into " + std::to_string(count) + " equal pieces",
      "give the sizes in `split`");
}

void split(ConvertContext& c) {
  const std::size_t count = c.output_count();
  const std::int64_t axis = axis_if_ranked(c, c.int_attribute("axis", 0), 0);
  ValueId sizes = ValueId::none();
  if (c.opset() < 13 && c.has_attribute("split")) {
    sizes = c.emitter().integers(c.ints_attribute("split"));
  } else if (c.opset() < 2 || c.opset() >= 13) {
    sizes = c.optional_input(1);
  }
  if (c.opset() >= 18 && c.has_attribute("num_outputs")) {
    const std::int64_t wanted = c.int_attribute("num_outputs");
    if (wanted != static_cast<std::int64_t>(count)) {
      c.fail(ErrorCode::bad_attribute, "num_outputs is " + std::to_string(wanted) +
                                           ", but the node has " + std::to_string(count) +
                                           " outputs");
    }
  }
  if (count == 0) c.fail(ErrorCode::model_malformed, "a Split without outputs");
  if (!sizes.exists() && c.opset() < 18) require_equal_pieces(c, axis, count);
  c.set_outputs(c.emit_many(op_split(), SplitAttributes{.axis = axis}, {c.input(0), sizes}, count));
}

void concat(ConvertContext& c) {
  const std::int64_t axis = c.opset() < 4 ? c.int_attribute("axis", 1) : c.int_attribute("axis");
  c.set_output(
      0, c.emit(op_concat(), ConcatAttributes{.axis = axis_if_ranked(c, axis, 0)}, c.all_inputs()));
}

void gather(ConvertContext& c) {
  const std::int64_t axis = axis_if_ranked(c, c.int_attribute("axis", 0), 0);
  c.set_output(0, c.emit(op_gather(), GatherAttributes{.axis = axis}, {c.input(0), c.input(1)}));
}

}  // namespace

void register_slice(ConverterTable& table) {
  table.add("Slice", 1, slice_by_attributes);
  table.add("Slice", 10, slice);
  table.add("Split", 1, split);
  table.add("Concat", 1, concat);
  table.add("Gather", 1, gather);
}

}  // namespace strop::onnx
