// SPDX-License-Identifier: Apache-2.0
// What cuDNN's graphs are made of: descriptors with attributes, which are finished before use.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "backends/cuda/cudnn_library.hpp"
#include "base/error.hpp"

namespace strop::cuda {

inline void check(cudnnStatus_t status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char last[512] = {};
  cudnn().cudnnGetLastErrorString(last, sizeof(last));
  throw Error(ErrorCode::device_failure, std::string("cuDNN failed: ") + what,
              std::string(cudnn().cudnnGetErrorString(status)) + ": " + last);
}

class CudnnDescriptor {
 public:
  CudnnDescriptor() = default;
  explicit CudnnDescriptor(cudnnBackendDescriptorType_t type) {
    check(cudnn().cudnnBackendCreateDescriptor(type, &handle_), "making a descriptor");
  }
  ~CudnnDescriptor() {
    if (handle_ != nullptr) cudnn().cudnnBackendDestroyDescriptor(handle_);
  }
  CudnnDescriptor(CudnnDescriptor&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)) {}
  CudnnDescriptor& operator=(CudnnDescriptor&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }

  cudnnBackendDescriptor_t get() const { return handle_; }

  template <class T>
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                       std::span<const T> values) {
    check(cudnn().cudnnBackendSetAttribute(handle_, name, type,
                                           static_cast<std::int64_t>(values.size()), values.data()),
          "describing an operation");
    return *this;
  }
  template <class T>
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                       const T& value) {
    return set(name, type, std::span<const T>(&value, 1));
  }
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, std::int64_t value) {
    return set(name, CUDNN_TYPE_INT64, value);
  }
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, const std::vector<std::int64_t>& values) {
    return set(name, CUDNN_TYPE_INT64, std::span<const std::int64_t>(values));
  }
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, double value) {
    return set(name, CUDNN_TYPE_DOUBLE, value);
  }
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, const CudnnDescriptor& value) {
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, value.handle_);
  }

  void finish(const char* what) { check(cudnn().cudnnBackendFinalize(handle_), what); }
  bool try_finish() { return cudnn().cudnnBackendFinalize(handle_) == CUDNN_STATUS_SUCCESS; }

  // At most as many as there is room for; how many there were.
  template <class T>
  std::int64_t read(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                    std::span<T> into) const {
    std::int64_t count = 0;
    check(cudnn().cudnnBackendGetAttribute(
              handle_, name, type, static_cast<std::int64_t>(into.size()), &count, into.data()),
          "reading an attribute");
    return std::min(count, static_cast<std::int64_t>(into.size()));
  }

 private:
  cudnnBackendDescriptor_t handle_ = nullptr;
};

}  // namespace strop::cuda
