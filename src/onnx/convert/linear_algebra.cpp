// SPDX-License-Identifier: Apache-2.0
// Einsum, Det and LpNormalization.
#include "onnx/convert/arithmetic_support.hpp"
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
  const DType dtype = c.type(c.input(0)).dtype, wide = wide_type(dtype);
  if (!kFloats.contains(dtype)) {
    c.fail(ErrorCode::bad_type,
           "takes floating-point numbers, not " + std::string(to_string(dtype)));
  }
  const ValueId x = cast_to(c, c.input(0), wide);
  const ReduceAttributes norm_of{.function = p == 1 ? ReduceFunction::l1 : ReduceFunction::l2};
  const ValueId norm = c.emit(op_reduce(), norm_of, {x, c.emitter().integers({axis})});
  const ValueId zero = scalar(c, wide, 0);
  const ValueId y = c.emit(op_select(), NoAttributes{},
                           {binary(c, BinaryFunction::equal, norm, zero), zero,
                            binary(c, BinaryFunction::div, x, norm)});
  c.set_output(0, cast_to(c, y, dtype));
}

}  // namespace

void register_linear_algebra(ConverterTable& table) {
  table.add("Einsum", 12, einsum);
  table.add("Det", 11, det);
  table.add("LpNormalization", 1, lp_normalization);
}

}  // namespace strop::onnx
