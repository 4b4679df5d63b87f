// SPDX-License-Identifier: Apache-2.0
// Types as the model declares them. A size that the model leaves open becomes a symbol: of the
// dim_param's name, the same for the same name, or one of its own.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "ir/type.hpp"
#include "onnx/model_reader.hpp"

namespace strop::onnx {

// What a dimension without a number becomes.
using OpenDimension = std::function<Dim(std::string_view param, std::size_t axis)>;

// Throws Error(bad_type) naming `name`. Sizes below 1 are taken as open.
Type to_type(const TypeProto& proto, std::string_view name, const OpenDimension& open);

// The symbols of a model's inputs.
class SymbolNames {
 public:
  // Keeps the model's own names away from what is made up later.
  void reserve(const TypeProto& proto);
  Dim open(std::string_view param, std::string_view value, std::size_t axis);

 private:
  Dim named(std::string_view param);
  Dim unique(std::string_view wanted);
  std::map<std::string, Dim, std::less<>> params_;
  std::set<std::string> taken_;
};

// What is known of a value from two sides: what was inferred, sharpened by what the model declares.
// Throws Error(bad_type, bad_shape) where they contradict.
Type sharpen(const Type& known, const Type& declared);
// Throws Error(bad_type, bad_shape) where the declared type cannot be true.
void check_declared(const Type& inferred, const Type& declared, std::string_view name);

}  // namespace strop::onnx
