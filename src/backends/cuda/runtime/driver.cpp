// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/runtime/driver.hpp"

#include <memory>
#include <optional>

#include "base/error.hpp"
#include "base/os/dynamic_library.hpp"

namespace strop::cuda {
namespace {

constexpr const char* kLibrary = "libcuda.so.1";
constexpr const char* kHint =
    "install NVIDIA's driver, version 570 or newer, make the GPU visible to this process "
    "(CUDA_VISIBLE_DEVICES, the container's --gpus), or build for --device cpu";

struct Opened {
  Driver driver;
  int version = 0;
  std::string path;
  std::optional<Error> problem;
};

#define STROP_DRIVER_TEXT_OF(name) #name
#define STROP_DRIVER_TEXT(name) STROP_DRIVER_TEXT_OF(name)

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

void open(Opened& out) {
  std::string reason;
  const auto library = os::DynamicLibrary::try_open(kLibrary, &reason);
  if (!library) {
    throw Error(ErrorCode::missing_device, "an NVIDIA GPU is needed",
                "there is no driver: " + reason, kHint);
  }
  out.path = library->path();
  std::string missing;
#define STROP_DRIVER_FIND(name)                                                            \
  out.driver.name =                                                                        \
      reinterpret_cast<decltype(out.driver.name)>(library->find(STROP_DRIVER_TEXT(name))); \
  if (out.driver.name == nullptr && missing.empty()) missing = #name;
  STROP_DRIVER_FUNCTIONS(STROP_DRIVER_FIND)
#undef STROP_DRIVER_FIND
  if (out.driver.cuDriverGetVersion != nullptr) out.driver.cuDriverGetVersion(&out.version);
  if (!missing.empty()) {
    throw Error(ErrorCode::library_mismatch,
                "NVIDIA's driver, for CUDA " + version_text(out.version), "it has no " + missing,
                kHint);
  }
  const CUresult result = out.driver.cuInit(0);
  if (result == CUDA_SUCCESS) return;
  const char* text = nullptr;
  out.driver.cuGetErrorString(result, &text);
  throw Error(ErrorCode::missing_device, "an NVIDIA GPU is needed",
              std::string("the driver says: ") + (text != nullptr ? text : "unknown error"), kHint);
}

const Opened& opened() {
  static const Opened* instance = [] {
    auto* out = new Opened;
    try {
      open(*out);
    } catch (const Error& error) {
      out->problem = error;
    }
    return out;
  }();
  return *instance;
}

}  // namespace

const Driver& driver() {
  if (opened().problem) throw Error(*opened().problem);
  return opened().driver;
}

std::string driver_description() {
  if (opened().problem) return opened().problem->diagnostics().front().why;
  return "driver for CUDA " + version_text(opened().version) + " (" + opened().path + ")";
}

void check(CUresult result, const char* what) {
  if (result == CUDA_SUCCESS) return;
  const char* name = nullptr;
  const char* text = nullptr;
  driver().cuGetErrorName(result, &name);
  driver().cuGetErrorString(result, &text);
  const std::string why =
      std::string(name != nullptr ? name : "?") + ": " + (text != nullptr ? text : "?");
  if (result == CUDA_ERROR_OUT_OF_MEMORY) throw Error(ErrorCode::out_of_memory, what, why);
  throw Error(ErrorCode::device_failure, std::string("the GPU failed: ") + what, why,
              "errors of a kernel show up in the call after it; `compute-sanitizer` finds it");
}

}  // namespace strop::cuda
