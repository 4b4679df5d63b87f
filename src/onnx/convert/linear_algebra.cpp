// SPDX-License-Identifier: Apache-2.0
// Einsum, Det and LpNormalization.
#include "onnx/converter_table.hpp"
#include "ops/binary.hpp"
#include "ops/cast.hpp"
#include "ops/det.hpp"
#include "ops/einsum.hpp"
#include "ops/reduce.hpp"
#include "ops/select.hpp"

namespace strop::onnx {
namespace {

void einsum(ConvertContext& c) {
  const EinsumAttributes attributes{.equation = c.string_attribute("equation")};
  c.set_output(0, c.emit(op_einsum(), attributes, c.all_inputs()));
}

void det(ConvertContext& c) { c.set_output(0, c.emit(op_det(), NoAttributes{}, {c.input(0)})); }

// x / norm, and 0 where the norm is 0; in FP32 for the 16-bit types.
void lp_normalization(ConvertContext& c) {
  const std::int64_t p = c.int_attribute("p", 2), axis = c.int_attribute("axis", -1);
  if (p != 1 && p != 2) {
    c.fail(ErrorCode::bad_attribute, "p is " + std::to_string(p) + "; it may be 1 or 2");
  }
  ValueId x = c.input(0);
  const DType dtype = c.type(x).dtype;
  if (!kFloats.contains(dtype)) {
    c.fail(ErrorCode::bad_type,
           "takes floating-point numbers, not " + std::string(to_string(dtype)));
  }
  const DType wide = dtype == DType::f64 ? dtype : DType::f32;
  if (dtype != wide) x = c.emit(op_cast(), CastAttributes{.to = wide}, {x});
  const ReduceAttributes norm_of{.function = p == 1 ? ReduceFunction::l1 : ReduceFunction::l2};
  const ValueId norm = c.emit(op_reduce(), norm_of, {x, c.emitter().integers({axis})});
  const ValueId zero = c.emitter().constant(Tensor::zeros(wide, {}));
  const ValueId is_zero =
      c.emit(op_binary(), BinaryAttributes{BinaryFunction::equal}, {norm, zero});
  const ValueId quotient = c.emit(op_binary(), BinaryAttributes{BinaryFunction::div}, {x, norm});
  const ValueId y = c.emit(op_select(), NoAttributes{}, {is_zero, zero, quotient});
  c.set_output(0, dtype == wide ? y : c.emit(op_cast(), CastAttributes{.to = dtype}, {y}));
}

}  // namespace

void register_linear_algebra(ConverterTable& table) {
  table.add("Einsum", 12, einsum);
  table.add("Det", 11, det);
  table.add("LpNormalization", 1, lp_normalization);
}

}  // namespace strop::onnx
