// SPDX-License-Identifier: Apache-2.0
// From an encoded tensor to a Tensor: in place where the bytes are aligned for their type, copied
// otherwise. Sizes are compared with the bytes that exist before anything is allocated.
#pragma once

#include <memory>

#include "base/tensor.hpp"
#include "onnx/external_data.hpp"
#include "onnx/import_budget.hpp"
#include "onnx/model_reader.hpp"

namespace strop::onnx {

class TensorDecoder {
 public:
  // `owner` keeps the bytes of the model alive.
  TensorDecoder(std::shared_ptr<const void> owner, ExternalData& external, ImportBudget& budget)
      : owner_(std::move(owner)), external_(external), budget_(budget) {}

  // Throws Error(bad_type, bad_shape, bad_weights, external_data, limit_exceeded) naming the
  // tensor.
  Tensor decode(const TensorProto& proto);
  // As a dense tensor.
  Tensor decode(const SparseTensorProto& proto);

 private:
  Tensor decode_bytes(const TensorProto& proto, DType dtype, Shape shape, std::string_view bytes,
                      const std::shared_ptr<const void>& owner);
  Tensor decode_fields(const TensorProto& proto, DType dtype, Shape shape);

  std::shared_ptr<const void> owner_;
  ExternalData& external_;
  ImportBudget& budget_;
};

}  // namespace strop::onnx
