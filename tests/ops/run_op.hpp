// SPDX-License-Identifier: Apache-2.0
// Runs one operator on tensors, and compares what comes out with a table of numbers.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "ir/evaluate.hpp"

namespace strop {

// Inputs that are undefined tensors are absent.
inline std::vector<Tensor> run_op_many(const OpDef& op, const Attributes& attributes,
                                       const std::vector<Tensor>& inputs,
                                       std::size_t output_count) {
  std::vector<Datum> data(inputs.begin(), inputs.end());
  std::vector<const Datum*> pointers;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    pointers.push_back(inputs[i].defined() ? &data[i] : nullptr);
  }
  std::vector<Datum> outputs;
  evaluate_op(op, attributes, pointers, {}, output_count, outputs);
  std::vector<Tensor> out;
  for (const Datum& datum : outputs) out.push_back(datum.tensor());
  return out;
}

inline Tensor run_op(const OpDef& op, const Attributes& attributes,
                     const std::vector<Tensor>& inputs) {
  return run_op_many(op, attributes, inputs, 1).front();
}

// The code of the error that the operator ends with, or ok.
inline ErrorCode error_of(const OpDef& op, const Attributes& attributes,
                          const std::vector<Tensor>& inputs, std::size_t output_count = 1) {
  try {
    run_op_many(op, attributes, inputs, output_count);
  } catch (const Error& error) {
    EXPECT_FALSE(error.message().empty());
    return error.code();
  }
  return ErrorCode::ok;
}

inline Tensor floats(Shape shape, const std::vector<float>& values) {
  return Tensor::from<float>(std::move(shape), values);
}

// 0, 1, 2, ... times `step`, plus `start`.
inline Tensor ramp(Shape shape, float start = 0, float step = 1) {
  Tensor out = Tensor::allocate(DType::f32, std::move(shape));
  float value = 0;
  for (float& x : out.mutable_values<float>()) x = start + step * value++;
  return out;
}

template <class T>
std::vector<T> values_of(const Tensor& tensor) {
  const auto values = tensor.values<T>();
  return {values.begin(), values.end()};
}

// Any numeric type, as double.
inline std::vector<double> doubles_of(const Tensor& tensor) {
  std::vector<double> out;
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    out.push_back(load_as_double(tensor.dtype(), tensor.data(), i));
  }
  return out;
}

inline void expect_near(const Tensor& got, const Shape& shape, const std::vector<double>& wanted,
                        double tolerance = 1e-5) {
  EXPECT_EQ(got.shape(), shape);
  const std::vector<double> values = doubles_of(got);
  ASSERT_EQ(values.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (std::isnan(wanted[i]) || std::isinf(wanted[i])) {
      EXPECT_EQ(std::isnan(wanted[i]), std::isnan(values[i])) << "at " << i;
      if (std::isinf(wanted[i])) {
        EXPECT_EQ(wanted[i], values[i]) << "at " << i;
      }
      continue;
    }
    EXPECT_NEAR(values[i], wanted[i], tolerance * std::max(1.0, std::abs(wanted[i]))) << "at " << i;
  }
}

// Types of the outputs for inputs of these types ("f32[N,3]").
inline std::vector<InferOutput> infer_op(const OpDef& op, const Attributes& attributes,
                                         const std::vector<std::string>& inputs,
                                         std::size_t output_count = 1,
                                         const std::vector<std::vector<Dim>>& elements = {}) {
  std::vector<Type> types;
  for (const std::string& text : inputs) types.push_back(Type::parse(text));
  std::vector<InferInput> known(types.size());
  for (std::size_t i = 0; i < types.size(); ++i) {
    known[i].type = &types[i];
    if (i < elements.size() && !elements[i].empty()) known[i].elements = &elements[i];
  }
  InferContext context(op, attributes, known, {}, output_count, "test");
  infer_outputs(context);
  return context.outputs();
}

}  // namespace strop
