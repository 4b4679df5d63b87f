// SPDX-License-Identifier: Apache-2.0
// Matrix product of 8-bit integers with exact products, summed in int32: modulo 2^32 where a sum
// does not fit, in whatever order it is added up.
#include "ops/matmul_integer.hpp"

#include "ir/evaluate.hpp"
#include "ops/matrix_product.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

constexpr DTypeSet kBytes{DType::i8, DType::u8};

// A zero point per row of a (depth_axis the last one) or per column of b (the last but one).
void check_zero_point(InferContext& context, std::size_t operand, std::size_t from_end) {
  const std::size_t input = operand + 2;
  const SymShape* zero = context.has_input(input) ? context.shape(input) : nullptr;
  const SymShape* x = context.shape(operand);
  if (zero == nullptr || x == nullptr) return;
  if (zero->empty() || (zero->size() == 1 && (*zero)[0].is(1))) return;
  const std::string which = operand == 0 ? "a" : "b";
  context.require(x->size() >= 2 && (zero->size() == 1 || zero->size() == x->size()),
                  ErrorCode::bad_shape,
                  "the zero point of " + which + " has shape " + to_string(*zero) + ", " + which +
                      " itself " + to_string(*x) +
                      "; a scalar, a list, or the shape of the matrix with 1 for the axis that is "
                      "summed over is expected");
  const std::size_t depth = x->size() - from_end;
  if (zero->size() == 1) {
    const std::size_t kept = operand == 0 ? depth - 1 : depth + 1;
    context.require_equal((*zero)[0], (*x)[kept],
                          operand == 0 ? "sizes of a's zero point and of a's rows"
                                       : "sizes of b's zero point and of b's columns");
    return;
  }
  for (std::size_t i = 0; i < x->size(); ++i) {
    if (i == depth || !(*zero)[i].is(1)) {
      context.require_equal((*zero)[i], i == depth ? Dim(1) : (*x)[i],
                            "sizes of the zero point of " + which);
    }
  }
}

void infer(InferContext& context) {
  context.set_output(0, infer_matrix_product(context, DType::i32));
  check_zero_point(context, 0, 1);
  check_zero_point(context, 1, 2);
}

// The elements minus their zero points: one for all, one per row of a, or one per column of b.
std::vector<std::int32_t> centred(const Tensor& x, const Tensor* zero, bool per_row) {
  std::vector<std::int32_t> out(static_cast<std::size_t>(x.size())), zeros(1, 0);
  const bool many = zero != nullptr && zero->size() != 1;
  if (many) {
    Shape one_deep = x.shape();
    one_deep[one_deep.size() - (per_row ? 1 : 2)] = 1;
    const bool list = per_row && zero->rank() == 1;  // [M] is a column of a
    Tensor all = Tensor::allocate(zero->dtype(), one_deep);
    broadcast_elements(list ? zero->reshaped({zero->size(), 1}) : *zero, all);
    load_all<std::int32_t>(all, zeros);
  } else if (zero != nullptr) {
    load_all<std::int32_t>(*zero, zeros);
  }
  const std::int64_t length = x.shape().back();
  const std::int64_t rows = length > 0 ? x.size() / length : 0;
  const auto convert_row = [&](std::int64_t row) {
    std::int32_t* to = out.data() + row * length;
    for (std::int64_t i = 0; i < length; i += kChunk) {
      load_chunk<std::int32_t>(x, row * length + i, std::min(kChunk, length - i), to + i);
    }
    if (many && !per_row) {
      const std::int32_t* z = zeros.data() + row / x.dim(x.rank() - 2) * length;
      for (std::int64_t i = 0; i < length; ++i) to[i] -= z[i];
    } else {
      const std::int32_t z = zeros[static_cast<std::size_t>(many ? row : 0)];
      for (std::int64_t i = 0; i < length; ++i) to[i] -= z;
    }
  };
  parallel_for(rows, 1 + 16 * kChunk / (length + 1), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) convert_row(row);
  });
  return out;
}

void reference(KernelContext& context) {
  const Tensor& a = context.input(0);
  const Tensor& b = context.input(1);
  const auto zero = [&](std::size_t i) {
    return context.has_input(i) ? &context.input(i) : nullptr;
  };
  const auto left = centred(a, zero(2), true);
  const auto right = centred(b, zero(3), false);
  multiply_matrices<std::int32_t>(left.data(), a.shape(), right.data(), b.shape(),
                                  context.output(0));
}

}  // namespace

const OpDef& op_matmul_integer() {
  static const OpDef def{
      .name = "matmul_integer",
      .summary =
          "matrix product of (a - a_zero_point) and (b - b_zero_point) in int32, modulo "
          "2^32, leading axes broadcast",
      .inputs =
          {{.name = "a", .types = kBytes, .same_as = 'A'},
           {.name = "b", .types = kBytes, .same_as = 'B'},
           {.name = "a_zero_point", .types = kBytes, .same_as = 'A', .arity = Operand::optional},
           {.name = "b_zero_point", .types = kBytes, .same_as = 'B', .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = {DType::i32}}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
