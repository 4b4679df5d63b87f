// SPDX-License-Identifier: Apache-2.0
// Products of matrices in PyTorch.
#include "onnx/convert/aten_support.hpp"
#include "ops/einsum.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"

namespace strop::onnx {
namespace {

using B = BinaryFunction;

ValueId product(ConvertContext& c, ValueId x, ValueId y) {
  return c.emit(op_matmul(), NoAttributes{}, {x, y});
}

void require_rank(ConvertContext& c, AtenCall& a, ValueId x, std::int64_t rank) {
  const std::int64_t got = c.type(x).rank();
  if (got >= 0 && got != rank) {
    a.malformed("an operand has " + std::to_string(got) + " axes where it takes " +
                std::to_string(rank));
  }
}

void matmul(ConvertContext& c) {
  AtenCall a(c, {{"", "self other"}});
  c.set_output(0, product(c, a.tensor("self"), a.tensor("other")));
}

template <int kLeft, int kRight>
void ranked_product(ConvertContext& c) {
  AtenCall a(c, {{"", "self mat2"}});
  const ValueId x = a.tensor("self"), y = a.tensor("mat2");
  require_rank(c, a, x, kLeft);
  require_rank(c, a, y, kRight);
  c.set_output(0, product(c, x, y));
}

// beta * self + alpha * (mat1 @ mat2). With beta 0 self is not read, NaN or not.
void added_product(ConvertContext& c, const char* form, const char* left, const char* right,
                   std::int64_t left_rank, std::int64_t right_rank) {
  AtenCall a(c, {{"", form}});
  const ValueId self = a.tensor("self"), x = a.tensor(left), y = a.tensor(right);
  require_rank(c, a, x, left_rank);
  require_rank(c, a, y, right_rank);
  const double alpha = a.number("alpha", 1), beta = a.number("beta", 1);
  if (left_rank == 2 && right_rank == 2) {
    const ValueId addend = beta == 0 ? ValueId::none() : self;
    return c.set_output(
        0, c.emit(op_gemm(), GemmAttributes{.alpha = alpha, .beta = beta}, {x, y, addend}));
  }
  const ValueId scaled_product = scaled(c, product(c, x, y), alpha);
  c.set_output(
      0, beta == 0 ? scaled_product : binary(c, B::add, scaled(c, self, beta), scaled_product));
}

void addmm(ConvertContext& c) {
  added_product(c, "self mat1 mat2 beta alpha", "mat1", "mat2", 2, 2);
}
void baddbmm(ConvertContext& c) {
  added_product(c, "self batch1 batch2 beta alpha", "batch1", "batch2", 3, 3);
}
void addmv(ConvertContext& c) { added_product(c, "self mat vec beta alpha", "mat", "vec", 2, 1); }

void linear(ConvertContext& c) {
  AtenCall a(c, {{"", "input weight bias"}});
  const ValueId x = a.tensor("input"), weight = a.tensor("weight");
  const std::int64_t rank = c.rank(weight);
  if (rank != 1 && rank != 2) a.malformed("its weight must be a matrix or a vector");
  const ValueId y = product(c, x, rank == 2 ? transposed(c, weight, {1, 0}) : weight);
  c.set_output(0, a.given("bias") ? binary(c, B::add, y, a.tensor("bias")) : y);
}

void einsum(ConvertContext& c) {
  AtenCall a(c, {{"", "equation tensors..."}});
  std::vector<ValueId> operands = a.tensors("tensors");
  if (operands.size() > 1 && !operands.back().exists()) operands.pop_back();  // `path`, None
  for (const ValueId operand : operands) {
    if (!operand.exists()) a.malformed("one of its operands is missing");
  }
  c.set_output(0, c.emit(op_einsum(), EinsumAttributes{a.text("equation", "")}, operands));
}

void outer(ConvertContext& c) {
  AtenCall a(c, {{"", "self vec2"}});
  const ValueId x = a.tensor("self"), y = a.tensor("vec2");
  require_rank(c, a, x, 1);
  require_rank(c, a, y, 1);
  c.set_output(0, binary(c, B::mul, unsqueezed(c, x, {1}), unsqueezed(c, y, {0})));
}

}  // namespace

void register_aten_matrix(ConverterTable& table) {
  static constexpr std::pair<const char*, Converter> kOperators[] = {
      {"matmul", matmul},
      {"mm", ranked_product<2, 2>},
      {"bmm", ranked_product<3, 3>},
      {"mv", ranked_product<2, 1>},
      {"dot", ranked_product<1, 1>},
      {"addmm", addmm},
      {"baddbmm", baddbmm},
      {"addmv", addmv},
      {"linear", linear},
      {"einsum", einsum},
      {"outer", outer},
      {"ger", outer},
  };
  for (const auto& [name, converter] : kOperators) table.add(kAtenDomain, name, 1, converter);
}

}  // namespace strop::onnx
