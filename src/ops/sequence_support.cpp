// SPDX-License-Identifier: Apache-2.0
#include "ops/sequence_support.hpp"

namespace strop {

Type common_element(const InferContext& context, const Type& a, const Type& b) {
  // An empty sequence does not know what it holds when it runs.
  if (a.is_tensor() && a.dtype == DType::undefined) return b;
  if (b.is_tensor() && b.dtype == DType::undefined) return a;
  context.require(a.kind == b.kind && a.dtype == b.dtype, ErrorCode::bad_type,
                  "one sequence cannot hold " + a.to_string() + " and " + b.to_string());
  if (a == b || !a.is_tensor()) return a;
  return Type::tensor_of_unknown_rank(a.dtype);
}

std::int64_t sequence_position(const KernelContext& context, std::size_t input,
                               std::int64_t count) {
  const std::int64_t given = context.input(input).to_i64().at(0);
  if (given < -count || given >= count) {
    context.fail("position " + std::to_string(given) + " is out of range",
                 "there are " + std::to_string(count) + " positions");
  }
  return given < 0 ? given + count : given;
}

void check_sequence_length(const KernelContext& context, std::int64_t length) {
  const std::int64_t limit = context.limits().sequence_length;
  if (limit == 0 || length <= limit) return;
  throw Error(ErrorCode::limit_exceeded, "a sequence of " + std::to_string(length) + " values",
              "the limit is " + std::to_string(limit),
              "raise RunLimits::sequence_length if the model is trusted");
}

void require_scalar(InferContext& context, std::size_t input) {
  if (!context.has_input(input)) return;
  if (const SymShape* shape = context.shape(input)) {
    context.require_equal(product(*shape), Dim(1), "the size of the position and 1");
  }
}

}  // namespace strop
