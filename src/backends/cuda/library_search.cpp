// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/library_search.hpp"

#include <cstdlib>
#include <filesystem>

namespace strop::cuda {
namespace {

void add_folders(const char* list, std::vector<std::string>& out) {
  const std::string text = list != nullptr ? list : "";
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(':', at), text.size());
    if (end > at) out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
}

void add_wheels(const std::vector<std::string>& wheels, std::vector<std::string>& out) {
  const char* environment = std::getenv("VIRTUAL_ENV");
  if (environment == nullptr) return;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(environment) + "/lib", error)) {
    for (const std::string& wheel : wheels)
      out.push_back(entry.path().string() + "/site-packages/nvidia/" + wheel + "/lib");
  }
}

}  // namespace

std::optional<os::DynamicLibrary> open_library(const std::vector<std::string>& names,
                                               const std::vector<std::string>& wheels,
                                               std::string& tried) {
  std::vector<std::string> folders;
  add_folders(std::getenv("STROP_CUDA_LIBRARY_PATH"), folders);
  folders.push_back(os::module_directory(reinterpret_cast<const void*>(&open_library)));
  std::vector<std::string> later{"/usr/local/cuda/lib64"};
  add_wheels(wheels, later);
  for (const std::string& name : names) {
    std::string reason;
    std::vector<std::string> places;
    for (const std::string& folder : folders) places.push_back(folder + "/" + name);
    places.push_back(name);
    for (const std::string& folder : later) places.push_back(folder + "/" + name);
    std::error_code error;
    for (const std::string& place : places) {
      if (place != name && !std::filesystem::exists(place, error)) continue;
      if (auto library = os::DynamicLibrary::try_open(place, &reason)) return library;
    }
    tried += (tried.empty() ? "" : "; ") + reason;
  }
  return std::nullopt;
}

}  // namespace strop::cuda
