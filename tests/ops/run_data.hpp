// SPDX-License-Identifier: Apache-2.0
// Runs one operator, or infers its types, in a line; and the code of the error that comes of it.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "ir/evaluate.hpp"
#include "ir/graph.hpp"

namespace strop::test {

// An undefined tensor is an absent input.
inline std::vector<Datum> run_data(const OpDef& op, Attributes attributes,
                                   const std::vector<Datum>& inputs, std::size_t outputs = 1,
                                   const std::vector<const Graph*>& subgraphs = {},
                                   const RunLimits& limits = {}) {
  std::vector<const Datum*> pointers;
  for (const Datum& input : inputs) {
    const auto* tensor = std::get_if<Tensor>(&input.value);
    pointers.push_back(tensor != nullptr && !tensor->defined() ? nullptr : &input);
  }
  std::vector<Datum> results;
  evaluate_op(op, attributes, pointers, subgraphs, outputs, results, limits);
  return results;
}

inline Tensor run_op(const OpDef& op, Attributes attributes, const std::vector<Tensor>& inputs) {
  return run_data(op, std::move(attributes), {inputs.begin(), inputs.end()})[0].tensor();
}

// ErrorCode::ok when nothing is thrown.
inline ErrorCode code_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::ok;
}

inline Tensor i64s(const std::vector<std::int64_t>& values) {
  return Tensor::from<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
}

// 0, 1, 2, ... in an i32 tensor.
inline Tensor iota(Shape shape) {
  Tensor out = Tensor::allocate(DType::i32, std::move(shape));
  std::int32_t next = 0;
  for (std::int32_t& value : out.mutable_values<std::int32_t>()) value = next++;
  return out;
}

template <class T>
std::vector<T> values_of(const Tensor& tensor) {
  const auto values = tensor.values<T>();
  return {values.begin(), values.end()};
}

}  // namespace strop::test
