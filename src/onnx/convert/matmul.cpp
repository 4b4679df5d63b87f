// SPDX-License-Identifier: Apache-2.0
// MatMul and Gemm. Before opset 7 Gemm's third input broadcasts only if `broadcast` says so; before
// opset 11 it is required.
#include "ops/matmul.hpp"

#include "onnx/converter_table.hpp"
#include "ops/gemm.hpp"

namespace strop::onnx {
namespace {

void matmul(ConvertContext& c) {
  c.set_output(0, c.emit(op_matmul(), NoAttributes{}, {c.input(0), c.input(1)}));
}

GemmAttributes gemm_attributes(ConvertContext& c) {
  GemmAttributes attributes;
  attributes.alpha = static_cast<double>(c.float_attribute("alpha", 1.0f));
  attributes.beta = static_cast<double>(c.float_attribute("beta", 1.0f));
  attributes.trans_a = c.int_attribute("transA", 0) != 0;
  attributes.trans_b = c.int_attribute("transB", 0) != 0;
  return attributes;
}

void gemm_before_7(ConvertContext& c) {
  const auto& shape = c.type(c.input(2)).shape;
  if (c.int_attribute("broadcast", 0) == 0 && shape && shape->size() != 2) {
    c.fail(ErrorCode::bad_shape, "C has " + std::to_string(shape->size()) + " axes, not 2",
           "set broadcast=1");
  }
  c.set_output(0, c.emit(op_gemm(), gemm_attributes(c), {c.input(0), c.input(1), c.input(2)}));
}

void gemm(ConvertContext& c) {
  const ValueId addend = c.opset() < 11 ? c.input(2) : c.optional_input(2);
  c.set_output(0, c.emit(op_gemm(), gemm_attributes(c), {c.input(0), c.input(1), addend}));
}

}  // namespace

void register_matmul(ConverterTable& table) {
  table.add("MatMul", 1, matmul);
  table.add("Gemm", 1, gemm_before_7);
  table.add("Gemm", 7, gemm);
}

}  // namespace strop::onnx
