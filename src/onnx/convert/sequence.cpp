// SPDX-License-Identifier: Apache-2.0
// Sequences and optionals; StringConcat, NonZero and Range.
#include "onnx/convert/attribute_support.hpp"
#include "onnx/converter_table.hpp"
#include "ops/concat_from_sequence.hpp"
#include "ops/non_zero.hpp"
#include "ops/optional_construct.hpp"
#include "ops/optional_get.hpp"
#include "ops/optional_has.hpp"
#include "ops/range.hpp"
#include "ops/sequence_at.hpp"
#include "ops/sequence_construct.hpp"
#include "ops/sequence_empty.hpp"
#include "ops/sequence_erase.hpp"
#include "ops/sequence_insert.hpp"
#include "ops/sequence_length.hpp"
#include "ops/split_to_sequence.hpp"
#include "ops/string_concat.hpp"

namespace strop::onnx {
namespace {

// An operator without attributes that takes its inputs as the node lists them.
template <const OpDef& (*op)()>
void same(ConvertContext& c) {
  c.set_output(0, c.emit(op(), NoAttributes{}, c.all_inputs()));
}

void sequence_empty(ConvertContext& c) {
  SequenceEmptyAttributes attributes;
  if (c.has_attribute("dtype")) {
    const auto dtype = dtype_from_onnx(c.int_attribute("dtype"));
    if (!dtype || *dtype == DType::undefined) {
      c.fail(ErrorCode::bad_attribute, "dtype names no element type");
    }
    attributes.dtype = *dtype;
  }
  c.set_output(0, c.emit(op_sequence_empty(), attributes, {}));
}

void concat_from_sequence(ConvertContext& c) {
  const ConcatFromSequenceAttributes attributes{.axis = c.int_attribute("axis"),
                                                .new_axis = c.int_attribute("new_axis", 0) != 0};
  c.set_output(0, c.emit(op_concat_from_sequence(), attributes, {c.input(0)}));
}

void split_to_sequence(ConvertContext& c) {
  const SplitToSequenceAttributes attributes{
      .axis = axis_if_ranked(c, c.int_attribute("axis", 0), 0),
      .keep_axis = c.int_attribute("keepdims", 1) != 0};
  c.set_output(0, c.emit(op_split_to_sequence(), attributes, {c.input(0), c.optional_input(1)}));
}

void optional_construct(ConvertContext& c) {
  OptionalConstructAttributes attributes;
  if (c.has_input(0)) {
    c.ignore_attribute("type");
  } else {
    const Type type = c.type_attribute("type");
    attributes.element = type.kind == ValueKind::optional ? *type.element : type;
  }
  c.set_output(0, c.emit(op_optional_construct(), attributes, {c.optional_input(0)}));
}

void optional_has(ConvertContext& c) {
  c.set_output(0, c.emit(op_optional_has(), NoAttributes{}, {c.optional_input(0)}));
}

}  // namespace

void register_sequence(ConverterTable& table) {
  table.add("SequenceEmpty", 11, sequence_empty);
  table.add("SequenceConstruct", 11, same<op_sequence_construct>);
  table.add("SequenceAt", 11, same<op_sequence_at>);
  table.add("SequenceInsert", 11, same<op_sequence_insert>);
  table.add("SequenceErase", 11, same<op_sequence_erase>);
  table.add("SequenceLength", 11, same<op_sequence_length>);
  table.add("ConcatFromSequence", 11, concat_from_sequence);
  table.add("SplitToSequence", 11, split_to_sequence);
  table.add("Optional", 15, optional_construct);
  table.add("OptionalGetElement", 15, same<op_optional_get>);
  table.add("OptionalHasElement", 15, optional_has);
  table.add("StringConcat", 20, same<op_string_concat>);
  table.add("NonZero", 9, same<op_non_zero>);
  table.add("Range", 11, same<op_range>);
}

}  // namespace strop::onnx
