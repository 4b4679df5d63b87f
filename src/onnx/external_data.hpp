// SPDX-License-Identifier: Apache-2.0
// Weights in files beside the model. The names come from the model and lead nowhere but into its
// folder (base/os/open_beneath). A model that was read from memory has no folder: all is refused.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/os/open_beneath.hpp"
#include "onnx/model_reader.hpp"

namespace strop::onnx {

class ExternalData {
 public:
  ExternalData() = default;  // of a model without a folder
  ExternalData(std::string folder, std::string link_root);

  // The `bytes` bytes of a tensor whose data_location is EXTERNAL. Throws Error(external_data)
  // where the file cannot or must not be read, Error(bad_weights) where it holds another number of
  // bytes. The optional checksum of the file is not looked at.
  os::FileView read(const TensorProto& tensor, std::int64_t bytes);
  // Throws Error(file_unreadable) if a file changed while it was read.
  void check_unchanged() const;

 private:
  std::optional<std::string> folder_;
  std::string link_root_;
  std::optional<os::ExternalDataFolder> opened_;
};

}  // namespace strop::onnx
