// SPDX-License-Identifier: Apache-2.0
// MatMul and Gemm, and what com.microsoft has of them: FusedMatMul, TransposeMatMul, FusedGemm.
// Before opset 7 Gemm's third input broadcasts only if `broadcast` says so; before opset 11 it is
// required.
#include "ops/matmul.hpp"

#include <numeric>

#include "onnx/convert/fused_activation.hpp"
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

void fused_gemm(ConvertContext& c) {
  const ValueId y =
      c.emit(op_gemm(), gemm_attributes(c), {c.input(0), c.input(1), c.optional_input(2)});
  const std::string activation = c.string_attribute("activation", "");
  // The second parameter is called as in the standard.
  const char* second = activation == "Selu" ? "activation_gamma" : "activation_beta";
  std::vector<float> parameters;
  for (const char* name : {"activation_alpha", second}) {
    if (c.has_attribute(name)) parameters.push_back(c.float_attribute(name));
  }
  for (const char* name : {"activation_beta", "activation_gamma"}) c.ignore_attribute(name);
  c.set_output(0, activated(c, y, activation, parameters));
}

// x with its first axis moved behind the other axes that are no matrix axes (`batch`), and the last
// two exchanged (`matrix`). A vector stays.
ValueId rearranged(ConvertContext& c, ValueId x, bool batch, bool matrix) {
  if (!batch && !matrix) return x;
  const std::int64_t rank = c.rank(x);
  if (rank < 2) return x;
  std::vector<std::int64_t> perm(static_cast<std::size_t>(rank));
  std::iota(perm.begin(), perm.end(), 0);
  if (batch) std::rotate(perm.begin(), perm.begin() + 1, perm.end() - 1);
  if (matrix) std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return transposed(c, x, perm);
}

void fused_matmul(ConvertContext& c) {
  const auto flag = [&](const char* name) { return c.int_attribute(name, 0) != 0; };
  const ValueId a = rearranged(c, c.input(0), flag("transBatchA"), flag("transA"));
  const ValueId b = rearranged(c, c.input(1), flag("transBatchB"), flag("transB"));
  const ValueId y = c.emit(op_matmul(), NoAttributes{}, {a, b});
  c.set_output(0, scaled(c, y, static_cast<double>(c.float_attribute("alpha", 1.0f))));
}

}  // namespace

void register_matmul(ConverterTable& table) {
  table.add("MatMul", 1, matmul);
  table.add("Gemm", 1, gemm_before_7);
  table.add("Gemm", 7, gemm);
  table.add("com.microsoft", "FusedMatMul", 1, fused_matmul);
  table.add("com.microsoft", "TransposeMatMul", 1, fused_matmul);
  table.add("com.microsoft", "FusedGemm", 1, fused_gemm);
}

}  // namespace strop::onnx
