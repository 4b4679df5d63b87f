// SPDX-License-Identifier: Apache-2.0
// Values as ONNX test data keeps them: a serialized TensorProto, SequenceProto, MapProto or
// OptionalProto (.pb). The encoding does not say which of them it is, so the caller does.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "base/tensor.hpp"
#include "ir/type.hpp"

namespace strop::onnx {

// Tensors lie in the file's memory where they are aligned. Throws Error: file_not_found,
// file_unreadable; model_malformed, bad_type, bad_shape, bad_weights where the file is no such
// value; limit_exceeded when it asks for far more memory than it has bytes.
Datum read_tensor_file(const std::filesystem::path& path, ValueKind kind = ValueKind::tensor);

// `owner` keeps the bytes alive; null: the caller does.
Datum read_tensor_bytes(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                        ValueKind kind = ValueKind::tensor);

}  // namespace strop::onnx
