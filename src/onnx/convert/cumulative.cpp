// SPDX-License-Identifier: Apache-2.0
// CumSum, CumProd, Trilu and EyeLike.
#include "ops/cumulative.hpp"

#include "onnx/converter_table.hpp"
#include "ops/eye.hpp"
#include "ops/shape.hpp"
#include "ops/trilu.hpp"

namespace strop::onnx {
namespace {

template <CumulativeFunction kFunction>
void cumulative(ConvertContext& c) {
  CumulativeAttributes attributes{.function = kFunction};
  attributes.exclusive = c.int_attribute("exclusive", 0) != 0;
  attributes.reverse = c.int_attribute("reverse", 0) != 0;
  c.set_output(0, c.emit(op_cumulative(), attributes, {c.input(0), c.input(1)}));
}

void trilu(ConvertContext& c) {
  const TriluAttributes attributes{.upper = c.int_attribute("upper", 1) != 0};
  c.set_output(0, c.emit(op_trilu(), attributes, {c.input(0), c.optional_input(1)}));
}

void eye_like(ConvertContext& c) {
  const ValueId x = c.input(0);
  EyeAttributes attributes{.dtype = c.type(x).dtype, .diagonal = c.int_attribute("k", 0)};
  if (c.has_attribute("dtype")) {
    const std::int64_t number = c.int_attribute("dtype");
    const auto dtype = dtype_from_onnx(number);
    if (!dtype) {
      c.fail(ErrorCode::bad_attribute, "dtype is " + std::to_string(number) + ", which is no type");
    }
    attributes.dtype = *dtype;
  }
  const ValueId shape = c.emit(op_shape(), ShapeAttributes{}, {x});
  c.set_output(0, c.emit(op_eye(), attributes, {shape}));
}

}  // namespace

void register_cumulative(ConverterTable& table) {
  table.add("CumSum", 11, cumulative<CumulativeFunction::sum>);
  table.add("CumProd", 26, cumulative<CumulativeFunction::prod>);
  table.add("Trilu", 14, trilu);
  table.add("EyeLike", 9, eye_like);
}

}  // namespace strop::onnx
