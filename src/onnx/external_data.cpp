// SPDX-License-Identifier: Apache-2.0
#include "onnx/external_data.hpp"

#include <charconv>

#include "onnx/problem_list.hpp"

namespace strop::onnx {
namespace {

std::int64_t read_number(const TensorProto& tensor, const StringEntry& entry) {
  std::int64_t value = 0;
  const char* end = entry.value.data() + entry.value.size();
  const auto result = std::from_chars(entry.value.data(), end, value);
  if (result.ec != std::errc{} || result.ptr != end || value < 0) {
    throw Error(ErrorCode::external_data,
                "external data of tensor " + in_quotes(tensor.name) + " cannot be located",
                printable(entry.key) + " is " + in_quotes(entry.value) +
                    ", which is no number from 0 to 2^63-1");
  }
  return value;
}

}  // namespace

ExternalData::ExternalData(std::string folder, std::string link_root)
    : folder_(std::move(folder)), link_root_(std::move(link_root)) {}

os::FileView ExternalData::read(const TensorProto& tensor, std::int64_t bytes) {
  const std::string what = "external data of tensor " + in_quotes(tensor.name);
  std::optional<std::string_view> location;
  std::int64_t offset = 0;
  std::optional<std::int64_t> length;
  for (const StringEntry& entry : tensor.external_data) {
    if (entry.key == "location") location = entry.value;
    if (entry.key == "offset") offset = read_number(tensor, entry);
    if (entry.key == "length") length = read_number(tensor, entry);
  }
  if (!location || location->empty()) {
    throw Error(ErrorCode::external_data, what + " names no file",
                "data_location is EXTERNAL, but there is no location");
  }
  if (!folder_) {
    throw Error(ErrorCode::external_data, what + " cannot be read",
                "the model was given as bytes in memory, so it has no folder to find " +
                    in_quotes(*location) + " in",
                "import the model from its file");
  }
  if (length && *length != bytes) {
    throw Error(ErrorCode::bad_weights, what + " has the wrong size",
                "its type and shape need " + std::to_string(bytes) + " bytes, length is " +
                    std::to_string(*length));
  }
  if (!opened_) opened_.emplace(*folder_, link_root_);
  try {
    return opened_->read(*location, offset, bytes);
  } catch (const Error& error) {
    Diagnostic problem = error.diagnostics().front();
    problem.what = what + ": " + problem.what;
    throw Error({std::move(problem)});
  }
}

void ExternalData::check_unchanged() const {
  if (opened_) opened_->check_unchanged();
}

}  // namespace strop::onnx
