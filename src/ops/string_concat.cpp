// SPDX-License-Identifier: Apache-2.0
#include "ops/string_concat.hpp"

#include "ir/evaluate.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const SymShape* a = context.shape(0);
  const SymShape* b = context.shape(1);
  if (a == nullptr || b == nullptr) {
    return context.set_output(0, Type::tensor_of_unknown_rank(DType::string));
  }
  context.set_output(0, DType::string, context.broadcast(*a, *b));
}

void reference(KernelContext& context) {
  Tensor& y = context.output(0);
  Tensor left = Tensor::allocate(DType::string, y.shape());
  Tensor right = Tensor::allocate(DType::string, y.shape());
  broadcast_elements(context.input(0), left);
  broadcast_elements(context.input(1), right);
  const auto a = left.values<std::string>(), b = right.values<std::string>();
  auto out = y.mutable_values<std::string>();
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    bytes += static_cast<std::int64_t>(a[i].size() + b[i].size());
    if (context.limits().tensor_bytes != 0 && bytes > context.limits().tensor_bytes) {
      throw Error(ErrorCode::limit_exceeded, "a tensor of strings passes the limit of a tensor",
                  "the limit is " + std::to_string(context.limits().tensor_bytes) + " bytes",
                  "raise RunLimits::tensor_bytes if the model is trusted");
    }
    out[i] = a[i] + b[i];
  }
}

}  // namespace

const OpDef& op_string_concat() {
  static const OpDef def{
      .name = "string_concat",
      .summary = "a followed by b, with broadcasting",
      .inputs = {{.name = "a", .types = {DType::string}}, {.name = "b", .types = {DType::string}}},
      .outputs = {{.name = "y", .types = {DType::string}}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
