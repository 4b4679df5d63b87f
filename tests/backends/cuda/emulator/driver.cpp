// SPDX-License-Identifier: Apache-2.0
// Stands for NVIDIA's driver where whole engines run without a GPU: memory is the host's, "machine
// code" comes from nvrtc.cpp, and every order is carried out at once, or kept in a graph while its
// stream is captured. Real machine code is taken and does nothing.
// $STROP_EMULATED_SM: the compute capability (90). $STROP_EMULATED_TRACE: a file that receives a
// line a kernel. $STROP_EMULATED_SEED: times are made up from this number, and what is timed is not
// run, so that tuning takes other candidates for every number.
#include <cuda.h>
#include <dlfcn.h>
#include <elf.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "backends/cuda/emulator/kernel_entry.hpp"

#define STROP_PUBLIC __attribute__((visibility("default")))

namespace {

constexpr std::size_t kMemory = std::size_t{80} << 30;
constexpr int kSharedBytes = 227 << 10;

using Order = std::function<CUresult()>;
std::recursive_mutex emulated;  // one order at a time

int compute_capability() {
  const char* given = std::getenv("STROP_EMULATED_SM");
  return given != nullptr ? std::atoi(given) : 90;
}

}  // namespace

struct CUstream_st {
  bool timed = false;  // the order before was an event
  std::vector<Order>* captured = nullptr;
};
struct CUgraph_st {
  std::vector<Order> orders;
};
struct CUgraphExec_st {
  std::vector<Order> orders;
};
struct CUevent_st {
  std::chrono::steady_clock::time_point at{};
};
struct CUfunc_st {
  std::string name;
  HostKernel kernel;
};
struct CUmod_st {
  void* library = nullptr;
  std::vector<std::unique_ptr<CUfunc_st>> functions;
};

namespace {

CUresult order(CUstream stream, Order what) {
  const std::scoped_lock lock(emulated);
  if (stream != nullptr) stream->timed = false;
  if (stream != nullptr && stream->captured != nullptr) {
    stream->captured->push_back(std::move(what));
    return CUDA_SUCCESS;
  }
  return what();
}

// What the headers of a shared library say it is long.
std::size_t image_bytes(const void* image) {
  const auto number = [&](std::size_t at, std::size_t bytes) {
    std::size_t value = 0;
    std::memcpy(&value, static_cast<const char*>(image) + at, bytes);
    return value;
  };
  return number(40, 8) + number(58, 2) * number(60, 2);
}

void trace(const CUfunc_st& function, const unsigned (&grid)[3], unsigned threads) {
  static std::FILE* const file = [] {
    const char* path = std::getenv("STROP_EMULATED_TRACE");
    return path != nullptr ? std::fopen(path, "a") : nullptr;
  }();
  if (file == nullptr) return;
  std::fprintf(file, "%s %ux%ux%u %u\n", function.name.c_str(), grid[0], grid[1], grid[2], threads);
  std::fflush(file);
}

// A number from 1 to 2; nothing: times are measured.
std::optional<float> made_up_time() {
  static std::optional<std::mt19937> random = []() -> std::optional<std::mt19937> {
    const char* seed = std::getenv("STROP_EMULATED_SEED");
    if (seed == nullptr) return std::nullopt;
    return std::mt19937(static_cast<unsigned>(std::atoi(seed)));
  }();
  if (!random) return std::nullopt;
  return 1 + static_cast<float>((*random)() % 1024) / 1024;
}

void* pointer(CUdeviceptr address) { return reinterpret_cast<void*>(address); }

}  // namespace

extern "C" {

STROP_PUBLIC CUresult cuInit(unsigned) { return CUDA_SUCCESS; }
// NVRTC asks for it where a driver is loaded.
STROP_PUBLIC CUresult cuGetExportTable(const void** table, const CUuuid*) {
  *table = nullptr;
  return CUDA_ERROR_NOT_SUPPORTED;
}
STROP_PUBLIC CUresult cuDriverGetVersion(int* version) {
  *version = 13000;
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuGetErrorName(CUresult, const char** text) {
  *text = "CUDA_ERROR";
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuGetErrorString(CUresult, const char** text) {
  *text = "the emulated driver refuses";
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuDeviceGetCount(int* count) {
  *count = 1;
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  *device = ordinal;
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuDeviceGetName(char* name, int size, CUdevice) {
  std::snprintf(name, static_cast<std::size_t>(size), "emulated GPU");
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute which, CUdevice) {
  *value = which == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR   ? compute_capability() / 10
           : which == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR ? compute_capability() % 10
           : which == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT     ? 132
           : which == CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN ? kSharedBytes
           : which == CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE                     ? 50 << 20
                                                                            : 0;
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuDeviceTotalMem(std::size_t* bytes, CUdevice) {
  *bytes = kMemory;
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice) {
  *context = nullptr;
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuCtxSetCurrent(CUcontext) { return CUDA_SUCCESS; }

STROP_PUBLIC CUresult cuMemGetInfo(std::size_t* free_bytes, std::size_t* total) {
  *free_bytes = *total = kMemory;
  return CUDA_SUCCESS;
}
// Holds NaNs of every type at first.
STROP_PUBLIC CUresult cuMemAlloc(CUdeviceptr* out, std::size_t bytes) {
  void* memory = std::aligned_alloc(512, (bytes + 511) / 512 * 512);
  if (memory == nullptr) return CUDA_ERROR_OUT_OF_MEMORY;
  std::memset(memory, 0xff, bytes);
  *out = reinterpret_cast<CUdeviceptr>(memory);
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuMemFree(CUdeviceptr memory) {
  std::free(pointer(memory));
  return CUDA_SUCCESS;
}
// Page-locked memory, by its begin; under the mutex.
std::mutex locked_mutex;
std::map<std::uintptr_t, std::size_t>& locked() {
  static std::map<std::uintptr_t, std::size_t> blocks;
  return blocks;
}
STROP_PUBLIC CUresult cuMemHostAlloc(void** out, std::size_t bytes, unsigned) {
  *out = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  const std::scoped_lock lock(locked_mutex);
  locked()[reinterpret_cast<std::uintptr_t>(*out)] = bytes;
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuMemFreeHost(void* memory) {
  const std::scoped_lock lock(locked_mutex);
  locked().erase(reinterpret_cast<std::uintptr_t>(memory));
  std::free(memory);
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuPointerGetAttributes(unsigned, CUpointer_attribute*, void** out,
                                             CUdeviceptr address) {
  const std::scoped_lock lock(locked_mutex);
  const auto after = locked().upper_bound(address);
  if (after == locked().begin()) return CUDA_SUCCESS;
  const auto& [begin, bytes] = *std::prev(after);
  if (address < begin + bytes) *static_cast<CUmemorytype*>(*out) = CU_MEMORYTYPE_HOST;
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void* from, std::size_t bytes,
                                        CUstream stream) {
  return order(stream, [=] {
    std::memcpy(pointer(to), from, bytes);
    return CUDA_SUCCESS;
  });
}
STROP_PUBLIC CUresult cuMemcpyDtoHAsync(void* to, CUdeviceptr from, std::size_t bytes,
                                        CUstream stream) {
  return order(stream, [=] {
    std::memcpy(to, pointer(from), bytes);
    return CUDA_SUCCESS;
  });
}
STROP_PUBLIC CUresult cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, std::size_t bytes,
                                        CUstream stream) {
  return cuMemcpyHtoDAsync(to, pointer(from), bytes, stream);
}
STROP_PUBLIC CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, std::size_t bytes,
                                      CUstream stream) {
  return order(stream, [=] {
    std::memset(pointer(to), value, bytes);
    return CUDA_SUCCESS;
  });
}

STROP_PUBLIC CUresult cuStreamCreate(CUstream* stream, unsigned) {
  *stream = new CUstream_st;
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuStreamDestroy(CUstream stream) {
  delete stream;
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuStreamSynchronize(CUstream) { return CUDA_SUCCESS; }
STROP_PUBLIC CUresult cuStreamBeginCapture(CUstream stream, CUstreamCaptureMode) {
  stream->captured = new std::vector<Order>;
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuStreamEndCapture(CUstream stream, CUgraph* graph) {
  *graph = new CUgraph_st{std::move(*stream->captured)};
  delete stream->captured;
  stream->captured = nullptr;
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuGraphInstantiateWithFlags(CUgraphExec* out, CUgraph graph,
                                                  unsigned long long) {
  *out = new CUgraphExec_st{graph->orders};
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuGraphLaunch(CUgraphExec graph, CUstream stream) {
  if (stream->timed && made_up_time()) return CUDA_SUCCESS;
  return order(stream, [=] {
    for (const Order& each : graph->orders) {
      if (const CUresult result = each(); result != CUDA_SUCCESS) return result;
    }
    return CUDA_SUCCESS;
  });
}
STROP_PUBLIC CUresult cuGraphDestroy(CUgraph graph) {
  delete graph;
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuGraphExecDestroy(CUgraphExec graph) {
  delete graph;
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuEventCreate(CUevent* event, unsigned) {
  *event = new CUevent_st;
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuEventDestroy(CUevent event) {
  delete event;
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuEventRecord(CUevent event, CUstream stream) {
  const CUresult result = order(stream, [=] {
    event->at = std::chrono::steady_clock::now();
    return CUDA_SUCCESS;
  });
  stream->timed = true;
  return result;
}
STROP_PUBLIC CUresult cuEventSynchronize(CUevent) { return CUDA_SUCCESS; }
STROP_PUBLIC CUresult cuEventElapsedTime(float* milliseconds, CUevent from, CUevent to) {
  if (const auto made_up = made_up_time()) {
    *milliseconds = *made_up;
    return CUDA_SUCCESS;
  }
  *milliseconds = std::chrono::duration<float, std::milli>(to->at - from->at).count();
  return CUDA_SUCCESS;
}

STROP_PUBLIC CUresult cuModuleLoadData(CUmodule* module, const void* image) {
  std::uint16_t machine = 0;
  std::memcpy(&machine, static_cast<const char*>(image) + 18, sizeof(machine));
  if (machine == EM_CUDA) {
    *module = new CUmod_st;
    return CUDA_SUCCESS;
  }
  // Libraries are told apart by their names too.
  std::string path = (std::filesystem::temp_directory_path() / "strop_emulated_XXXXXX").string();
  const int file = mkstemp(path.data());
  const std::size_t bytes = image_bytes(image);
  if (file < 0 || write(file, image, bytes) != static_cast<ssize_t>(bytes))
    return CUDA_ERROR_OUT_OF_MEMORY;
  close(file);
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  unlink(path.c_str());
  if (library == nullptr) return CUDA_ERROR_INVALID_IMAGE;
  *module = new CUmod_st{library, {}};
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuModuleUnload(CUmodule module) {
  if (module->library != nullptr) dlclose(module->library);
  delete module;
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name) {
  if (module->library == nullptr) {
    module->functions.push_back(std::make_unique<CUfunc_st>(CUfunc_st{name, {}}));
    *function = module->functions.back().get();
    return CUDA_SUCCESS;
  }
  const auto find =
      reinterpret_cast<HostKernel (*)(const char*)>(dlsym(module->library, "host_find"));
  const HostKernel kernel = find != nullptr ? find(name) : HostKernel{};
  if (kernel.run == nullptr) return CUDA_ERROR_NOT_FOUND;
  module->functions.push_back(std::make_unique<CUfunc_st>(CUfunc_st{name, kernel}));
  *function = module->functions.back().get();
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuFuncGetAttribute(int* value, CUfunction_attribute, CUfunction) {
  *value = 0;
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuFuncSetAttribute(CUfunction, CUfunction_attribute, int) {
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction function,
                                       void** arguments, void**) {
  const HostKernel& kernel = function->kernel;
  if (config->blockDimY != 1 || config->blockDimZ != 1 || config->gridDimY > 65535 ||
      config->gridDimZ > 65535 || config->blockDimX > 1024 || config->sharedMemBytes > kSharedBytes)
    return CUDA_ERROR_INVALID_VALUE;
  std::vector<std::vector<char>> values;
  for (int i = 0; i < kernel.arguments; ++i) {
    const char* value = static_cast<const char*>(arguments[i]);
    values.emplace_back(value, value + kernel.bytes[i]);
  }
  const unsigned x = config->gridDimX, y = config->gridDimY, z = config->gridDimZ;
  return order(config->hStream,
               [=, threads = config->blockDimX, values = std::move(values)]() mutable {
                 std::vector<void*> pointers;
                 for (std::vector<char>& value : values) pointers.push_back(value.data());
                 const unsigned grid[3] = {x, y, z};
                 trace(*function, grid, threads);
                 if (function->kernel.run != nullptr)
                   function->kernel.run(grid, threads, pointers.data());
                 return CUDA_SUCCESS;
               });
}
STROP_PUBLIC CUresult cuTensorMapEncodeTiled(CUtensorMap*, CUtensorMapDataType, cuuint32_t, void*,
                                             const cuuint64_t*, const cuuint64_t*,
                                             const cuuint32_t*, const cuuint32_t*,
                                             CUtensorMapInterleave, CUtensorMapSwizzle,
                                             CUtensorMapL2promotion, CUtensorMapFloatOOBfill) {
  return CUDA_SUCCESS;
}
STROP_PUBLIC CUresult cuTensorMapEncodeIm2col(CUtensorMap*, CUtensorMapDataType, cuuint32_t, void*,
                                              const cuuint64_t*, const cuuint64_t*, const int*,
                                              const int*, cuuint32_t, cuuint32_t, const cuuint32_t*,
                                              CUtensorMapInterleave, CUtensorMapSwizzle,
                                              CUtensorMapL2promotion, CUtensorMapFloatOOBfill) {
  return CUDA_SUCCESS;
}
}
