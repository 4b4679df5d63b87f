// SPDX-License-Identifier: Apache-2.0
#include "ops/sequence_support.hpp"

#include <algorithm>

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

std::int64_t bytes_of(const Datum& datum) {
  // Values that share memory could pass 2^63 together; the sum ends long before.
  static constexpr std::int64_t kMost = std::int64_t{1} << 61;
  std::int64_t sum = 0;
  const auto add = [&sum](std::int64_t bytes) {
    sum = std::min(kMost, sum + std::min(kMost, bytes));
  };
  if (const auto* tensor = std::get_if<Tensor>(&datum.value)) {
    if (tensor->dtype() != DType::string) return tensor->bytes();
    for (const std::string& text : tensor->values<std::string>())
      add(static_cast<std::int64_t>(text.size() + sizeof(std::string)));
  } else if (const auto* sequence = std::get_if<Sequence>(&datum.value)) {
    for (const Datum& element : *sequence) add(bytes_of(element));
  } else if (const auto* optional = std::get_if<Optional>(&datum.value)) {
    if (optional->value) add(bytes_of(*optional->value));
  } else if (const auto* map = std::get_if<Map>(&datum.value)) {
    add(bytes_of(Datum(map->keys)));
    for (const Datum& value : map->values) add(bytes_of(value));
  }
  return sum;
}

void check_sequence_bytes(const KernelContext& context, std::int64_t bytes) {
  const std::int64_t limit = context.limits().tensor_bytes;
  if (limit == 0 || bytes <= limit) return;
  throw Error(ErrorCode::limit_exceeded,
              "the tensors of a sequence take " + std::to_string(bytes) + " bytes",
              "the limit for a tensor and for all tensors of a sequence is " +
                  std::to_string(limit) + " bytes",
              "raise RunLimits::tensor_bytes if the model is trusted");
}

void require_scalar(InferContext& context, std::size_t input) {
  if (!context.has_input(input)) return;
  if (const SymShape* shape = context.shape(input)) {
    context.require_equal(product(*shape), Dim(1), "the size of the position and 1");
  }
}

}  // namespace strop
