// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/runtime/device.hpp"

#include <array>
#include <map>
#include <mutex>

#include "base/error.hpp"

namespace strop::cuda {
namespace {

int attribute(CUdevice device, CUdevice_attribute which) {
  int value = 0;
  check(driver().cuDeviceGetAttribute(&value, which, device), "asking a GPU what it has");
  return value;
}

}  // namespace

int device_count() {
  int count = 0;
  check(driver().cuDeviceGetCount(&count), "counting GPUs");
  return count;
}

Device describe_device(int ordinal) {
  const int count = device_count();
  if (ordinal < 0 || ordinal >= count) {
    throw Error(ErrorCode::missing_device, "GPU number " + std::to_string(ordinal),
                count == 0 ? "no GPU is visible to this process"
                           : "there are " + std::to_string(count) + ", counted from 0",
                "`strop doctor` lists them; CUDA_VISIBLE_DEVICES hides some");
  }
  Device out;
  out.ordinal = ordinal;
  check(driver().cuDeviceGet(&out.handle, ordinal), "finding a GPU");
  std::array<char, 256> name{};
  check(driver().cuDeviceGetName(name.data(), static_cast<int>(name.size()) - 1, out.handle),
        "asking a GPU its name");
  out.name = name.data();
  out.compute_capability =
      10 * attribute(out.handle, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) +
      attribute(out.handle, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  out.multiprocessors = attribute(out.handle, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  out.shared_bytes = attribute(out.handle, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
  out.l2_bytes = attribute(out.handle, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
  check(driver().cuDeviceTotalMem(&out.memory_bytes, out.handle), "asking a GPU its memory");
  return out;
}

Device& open_device(int ordinal) {
  struct Known {
    std::mutex mutex;
    std::map<int, std::unique_ptr<Device>> devices;
  };
  static Known* known = new Known;
  const std::scoped_lock lock(known->mutex);
  std::unique_ptr<Device>& device = known->devices[ordinal];
  if (!device) {
    Device described = describe_device(ordinal);
    check(driver().cuDevicePrimaryCtxRetain(&described.context, described.handle), "opening a GPU");
    device = std::make_unique<Device>(std::move(described));
  }
  return *device;
}

}  // namespace strop::cuda
