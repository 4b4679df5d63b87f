// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/runtime/module.hpp"

#include <cstring>
#include <map>
#include <mutex>
#include <utility>

#include "backends/cuda/module_image.hpp"
#include "base/error.hpp"
#include "base/hash.hpp"

namespace strop::cuda {
namespace {

constexpr std::uint32_t kClusterWithoutAsking = 8;

// The driver is told no length: what its headers say must lie within the bytes there are.
void require_cubin(std::span<const std::byte> image) {
  // Places in the header of a 64-bit ELF file, little-endian.
  constexpr std::size_t kProgramTable = 32, kSectionTable = 40, kHeaderBytes = 64;
  const auto number = [&](std::size_t at, std::size_t bytes) {
    std::uint64_t value = 0;
    std::memcpy(&value, image.data() + at, bytes);
    return value;
  };
  const auto table_fits = [&](std::size_t offset_at, std::size_t size_at, std::size_t count_at) {
    const std::uint64_t offset = number(offset_at, 8);
    const std::uint64_t bytes = number(size_at, 2) * number(count_at, 2);
    return offset <= image.size() && bytes <= image.size() - offset;
  };
  constexpr unsigned char kMagic[] = {0x7f, 'E', 'L', 'F', 2, 1};
  const bool is_elf = image.size() >= kHeaderBytes &&
                      std::memcmp(image.data(), kMagic, sizeof(kMagic)) == 0 &&
                      table_fits(kProgramTable, 54, 56) && table_fits(kSectionTable, 58, 60);
  bool whole = is_elf;
  for (std::uint64_t i = 0; whole && i < number(60, 2); ++i) {
    const std::uint64_t section = number(kSectionTable, 8) + i * number(58, 2);
    constexpr std::uint32_t kNoBits = 8;
    if (number(58, 2) < 64) {
      whole = false;
    } else if (number(section + 4, 4) != kNoBits) {
      const std::uint64_t offset = number(section + 24, 8), bytes = number(section + 32, 8);
      whole = offset <= image.size() && bytes <= image.size() - offset;
    }
  }
  if (whole) return;
  throw Error(ErrorCode::engine_invalid, "the engine's machine code", "it is no whole cubin",
              "build the engine again");
}

}  // namespace

Module::Module(Device& device, std::span<const std::byte> image) : device_(device) {
  const ImageParts parts = split_image(image);
  require_cubin(parts.machine_code);
  device.use();
  CUresult result = driver().cuModuleLoadData(&handle_, parts.machine_code.data());
  // For an earlier chip: the driver compiles it for this one, and keeps what it made.
  if (result == CUDA_ERROR_NO_BINARY_FOR_GPU && !parts.ptx.empty())
    result = driver().cuModuleLoadData(&handle_, parts.ptx.data());
  if (result == CUDA_ERROR_NO_BINARY_FOR_GPU || result == CUDA_ERROR_UNSUPPORTED_PTX_VERSION ||
      result == CUDA_ERROR_JIT_COMPILER_NOT_FOUND ||
      result == CUDA_ERROR_JIT_COMPILATION_DISABLED) {
    throw Error(ErrorCode::engine_other_target, "the engine's machine code",
                "it is not for " + device.name + " (compute capability " +
                    std::to_string(device.compute_capability) + ")",
                "build the engine for this GPU");
  }
  if (result == CUDA_ERROR_INVALID_IMAGE || result == CUDA_ERROR_INVALID_SOURCE ||
      result == CUDA_ERROR_INVALID_PTX) {
    throw Error(ErrorCode::engine_invalid, "the engine's machine code",
                "the driver says that it is none", "build the engine again");
  }
  check(result, "loading machine code");
}

Module::~Module() {
  if (driver().cuCtxSetCurrent(device_.context) == CUDA_SUCCESS) driver().cuModuleUnload(handle_);
}

CUfunction Module::function(const std::string& entry, std::uint32_t shared_bytes,
                            std::uint32_t cluster_blocks) const {
  CUfunction function = nullptr;
  const CUresult result = driver().cuModuleGetFunction(&function, handle_, entry.c_str());
  if (result == CUDA_ERROR_NOT_FOUND) {
    throw Error(ErrorCode::engine_invalid, "kernel " + entry, "the machine code has no such entry",
                "build the engine again");
  }
  check(result, "finding a kernel");
  if (shared_bytes > static_cast<std::uint32_t>(device_.shared_bytes)) {
    throw Error(ErrorCode::engine_other_target, "kernel " + entry,
                "it needs " + std::to_string(shared_bytes) + " bytes of shared memory, " +
                    device_.name + " has " + std::to_string(device_.shared_bytes),
                "build the engine for this GPU");
  }
  // As much as there is beside the kernel's static part: other steps, with other sizes, share the
  // function.
  int static_bytes = 0;
  check(driver().cuFuncGetAttribute(&static_bytes, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, function),
        "asking a kernel for its shared memory");
  if (shared_bytes > 0) {
    check(driver().cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                      device_.shared_bytes - static_bytes),
          "giving a kernel shared memory");
  }
  if (cluster_blocks > kClusterWithoutAsking) {
    check(driver().cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED,
                                      1),
          "giving a kernel a large cluster");
  }
  return function;
}

std::shared_ptr<const Module> load_module(Device& device, std::span<const std::byte> image) {
  using Key = std::pair<int, Hash>;
  struct Known {
    std::mutex mutex;
    std::map<Key, std::weak_ptr<const Module>> modules;
  };
  static Known* known = new Known;
  const Key key{device.ordinal, hash_bytes(image)};
  const std::scoped_lock lock(known->mutex);
  if (auto loaded = known->modules[key].lock()) return loaded;
  std::erase_if(known->modules, [](const auto& entry) { return entry.second.expired(); });
  auto loaded = std::make_shared<const Module>(device, image);
  known->modules[key] = loaded;
  return loaded;
}

}  // namespace strop::cuda
