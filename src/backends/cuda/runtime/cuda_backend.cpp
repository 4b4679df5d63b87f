// SPDX-License-Identifier: Apache-2.0
// The C boundary of the CUDA backend: steps on one side, devices, memory and streams on the other.
#include "backends/cuda/runtime/cuda_backend.hpp"

#include <nvrtc.h>

#include <cmath>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "backends/cuda/cublaslt_library.hpp"
#include "backends/cuda/cudnn_library.hpp"
#include "backends/cuda/library_search.hpp"
#include "backends/cuda/optional_library.hpp"
#include "backends/cuda/runtime/device.hpp"
#include "backends/cuda/runtime/host_copies.hpp"
#include "backends/cuda/runtime/step.hpp"
#include "base/error.hpp"
#include "base/version.hpp"
#include "plan/abi_error.hpp"

namespace strop::cuda {
namespace {

// The build side compiles with it.
std::string nvrtc_found() {
  OptionalLibrary library = open_optional("NVRTC", kNvrtcNames, kNvrtcWheels);
  decltype(&nvrtcVersion) version = nullptr;
  find_function(library, "nvrtcVersion", version);
  int major = 0, minor = 0;
  if (version != nullptr && version(&major, &minor) == NVRTC_SUCCESS)
    library.version = static_cast<std::uint64_t>(10000 * major + 100 * minor);
  return describe(library, "NVRTC");
}

std::string describe_all() {
  std::string out = driver_description();
  try {
    for (int i = 0; i < device_count(); ++i) {
      const Device device = describe_device(i);
      out += "; GPU " + std::to_string(i) + ": " + device.name + ", compute capability " +
             std::to_string(device.compute_capability / 10) + "." +
             std::to_string(device.compute_capability % 10) + ", " +
             std::to_string(device.memory_bytes >> 20) + " MiB";
    }
  } catch (const Error&) {
    // driver_description has said why.
  }
  return out + "; " + cublaslt_description() + "; " + cudnn_description() + "; " + nvrtc_found();
}

const char* description() {
  static const std::string* text = new std::string(describe_all());
  return text->c_str();
}

struct Kernel {
  std::string_view name;
  std::unique_ptr<Step> (*make)(Device&, const StropAbiStep&);
};

constexpr Kernel kKernels[] = {
    {"launch", make_launch_step},
#if STROP_WITH_CUBLASLT
    {"cublaslt_matmul", make_cublaslt_step},
#endif
#if STROP_WITH_CUDNN
    {"cudnn_conv", make_cudnn_conv_step},
#endif
};

std::int32_t create(const StropAbiStep* step, void** instance, StropAbiError* error) {
  *instance = nullptr;
  return guarded(error, [&] {
    const std::string_view kernel = step->kernel;
    require(step->device != nullptr, "a step on a GPU", "it is given no device");
    auto& device = *static_cast<Device*>(step->device);
    for (const Kernel& known : kKernels) {
      if (known.name == kernel) {
        *instance = known.make(device, *step).release();
        return;
      }
    }
    throw Error(ErrorCode::library_mismatch,
                "this Strop's cuda backend has no kernel " + std::string(kernel),
                "the engine was built by another version of Strop, or by one with more libraries",
                "rebuild the engine with this Strop");
  });
}

std::int32_t prepare(void* instance, const StropAbiValue* inputs, const StropAbiValue* outputs,
                     std::int32_t, std::uint64_t* workspace_bytes, StropAbiError* error) {
  return guarded(
      error, [&] { *workspace_bytes = static_cast<Step*>(instance)->prepare(inputs, outputs); });
}

std::int32_t run(void* instance, const StropAbiValue* inputs, StropAbiValue* outputs,
                 const StropAbiRun* run, StropAbiError* error) {
  return guarded(error, [&] {
    static_cast<Step*>(instance)->run(inputs, outputs, run->workspace,
                                      *static_cast<const Stream*>(run->stream));
  });
}

void destroy(void* instance) { delete static_cast<Step*>(instance); }

std::int32_t count(std::int32_t* out, StropAbiError* error) {
  return guarded(error, [&] { *out = device_count(); });
}

std::int32_t describe(std::int32_t ordinal, StropAbiDevice* out, StropAbiError* error) {
  return guarded(error, [&] {
    const Device& device = open_device(ordinal);
    *out = {device.name.c_str(),    device.compute_capability,
            device.multiprocessors, device.shared_bytes,
            device.l2_bytes,        static_cast<std::int64_t>(device.memory_bytes)};
  });
}

std::int32_t open(std::int32_t ordinal, void** device, StropAbiError* error) {
  return guarded(error, [&] { *device = &open_device(ordinal); });
}

std::int32_t memory(void* device, std::uint64_t* free_bytes, std::uint64_t* total_bytes,
                    StropAbiError* error) {
  return guarded(error, [&] {
    static_cast<Device*>(device)->use();
    std::size_t free_size = 0, total_size = 0;
    check(driver().cuMemGetInfo(&free_size, &total_size), "asking for free memory");
    *free_bytes = free_size;
    *total_bytes = total_size;
  });
}

std::int32_t allocate(void* device, std::uint64_t bytes, void** out, StropAbiError* error) {
  return guarded(error, [&] {
    static_cast<Device*>(device)->use();
    CUdeviceptr address = 0;
    check(driver().cuMemAlloc(&address, static_cast<std::size_t>(bytes)), "allocating memory");
    *out = reinterpret_cast<void*>(address);
  });
}

void release(void* device, void* memory) {
  if (driver().cuCtxSetCurrent(static_cast<Device*>(device)->context) == CUDA_SUCCESS)
    driver().cuMemFree(reinterpret_cast<CUdeviceptr>(memory));
}

// What the backend's users hold.
struct SessionStream : Stream {
  std::unique_ptr<HostCopies> copies;  // once there was a large copy
};

// Those that no stream has at the moment: contexts may change their stream with every run.
struct IdleCopies {
  std::mutex mutex;
  std::map<Device*, std::vector<std::unique_ptr<HostCopies>>> of_device;
};
IdleCopies& idle_copies() {
  static auto* idle = new IdleCopies;
  return *idle;
}

// Null where the driver's own way is the one to copy.
HostCopies* copies_for(SessionStream& stream, const void* host, std::size_t bytes) {
  if (!HostCopies::are_wanted(host, bytes)) return nullptr;
  if (!stream.copies) {
    IdleCopies& idle = idle_copies();
    const std::scoped_lock lock(idle.mutex);
    auto& found = idle.of_device[stream.device];
    if (!found.empty()) {
      stream.copies = std::move(found.back());
      found.pop_back();
    }
  }
  if (!stream.copies) stream.copies = std::make_unique<HostCopies>();
  return stream.copies->allocate() ? stream.copies.get() : nullptr;
}

std::int32_t create_stream(void* device, void* external, void** out, StropAbiError* error) {
  return guarded(error, [&] {
    auto stream = std::make_unique<SessionStream>();
    stream->device = static_cast<Device*>(device);
    stream->handle = static_cast<CUstream>(external);
    stream->owned = external == nullptr;
    if (stream->owned) {
      stream->device->use();
      check(driver().cuStreamCreate(&stream->handle, CU_STREAM_NON_BLOCKING), "making a stream");
    }
    *out = static_cast<Stream*>(stream.release());
  });
}

SessionStream& stream_of(void* handle) {
  auto& stream = *static_cast<SessionStream*>(static_cast<Stream*>(handle));
  stream.device->use();
  return stream;
}

void destroy_stream(void* handle) {
  const std::unique_ptr<SessionStream> stream(
      static_cast<SessionStream*>(static_cast<Stream*>(handle)));
  if (!stream || driver().cuCtxSetCurrent(stream->device->context) != CUDA_SUCCESS) return;
  if (stream->copies) {
    stream->copies->wait();
    IdleCopies& idle = idle_copies();
    const std::scoped_lock lock(idle.mutex);
    idle.of_device[stream->device].push_back(std::move(stream->copies));
  }
  if (stream->owned) driver().cuStreamDestroy(stream->handle);
}

std::int32_t copy(void* handle, void* to, const void* from, std::uint64_t bytes,
                  std::uint32_t direction, StropAbiError* error) {
  return guarded(error, [&] {
    SessionStream& stream = stream_of(handle);
    const auto size = static_cast<std::size_t>(bytes);
    const auto target = reinterpret_cast<CUdeviceptr>(to);
    const auto source = reinterpret_cast<CUdeviceptr>(from);
    switch (direction) {
      case STROP_ABI_TO_DEVICE:
        if (HostCopies* copies = copies_for(stream, from, size))
          return copies->to_device(target, from, size, stream.handle);
        return check(driver().cuMemcpyHtoDAsync(target, from, size, stream.handle),
                     "copying to the GPU");
      case STROP_ABI_TO_HOST:
        if (HostCopies* copies = copies_for(stream, to, size))
          return copies->to_host(to, source, size, stream.handle);
        return check(driver().cuMemcpyDtoHAsync(to, source, size, stream.handle),
                     "copying from the GPU");
      default:
        return check(driver().cuMemcpyDtoDAsync(target, source, size, stream.handle),
                     "copying on the GPU");
    }
  });
}

std::int32_t synchronize(void* handle, StropAbiError* error) {
  return guarded(error, [&] {
    check(driver().cuStreamSynchronize(stream_of(handle).handle), "waiting for the GPU");
  });
}

std::int32_t begin_capture(void* handle, StropAbiError* error) {
  return guarded(error, [&] {
    check(driver().cuStreamBeginCapture(stream_of(handle).handle,
                                        CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
          "beginning a graph");
  });
}

std::int32_t end_capture(void* handle, void** out, StropAbiError* error) {
  *out = nullptr;
  return guarded(error, [&] {
    CUgraph graph = nullptr;
    check(driver().cuStreamEndCapture(stream_of(handle).handle, &graph), "ending a graph");
    CUgraphExec executable = nullptr;
    const CUresult result = driver().cuGraphInstantiateWithFlags(&executable, graph, 0);
    driver().cuGraphDestroy(graph);
    check(result, "making a graph ready");
    *out = executable;
  });
}

std::int32_t launch_graph(void* handle, void* graph, StropAbiError* error) {
  return guarded(error, [&] {
    check(driver().cuGraphLaunch(static_cast<CUgraphExec>(graph), stream_of(handle).handle),
          "launching a graph");
  });
}

void destroy_graph(void* graph) { driver().cuGraphExecDestroy(static_cast<CUgraphExec>(graph)); }

std::int32_t create_event(void* device, void** event, StropAbiError* error) {
  return guarded(error, [&] {
    static_cast<Device*>(device)->use();
    CUevent out = nullptr;
    check(driver().cuEventCreate(&out, CU_EVENT_DEFAULT), "making an event");
    *event = out;
  });
}

void destroy_event(void* event) { driver().cuEventDestroy(static_cast<CUevent>(event)); }

std::int32_t record(void* handle, void* event, StropAbiError* error) {
  return guarded(error, [&] {
    check(driver().cuEventRecord(static_cast<CUevent>(event), stream_of(handle).handle),
          "recording an event");
  });
}

std::int32_t wait(void* event, StropAbiError* error) {
  return guarded(error, [&] {
    check(driver().cuEventSynchronize(static_cast<CUevent>(event)), "waiting for an event");
  });
}

std::int32_t elapsed(void* from, void* to, std::int64_t* nanoseconds, StropAbiError* error) {
  return guarded(error, [&] {
    check(driver().cuEventSynchronize(static_cast<CUevent>(to)), "waiting for an event");
    float milliseconds = 0;
    check(driver().cuEventElapsedTime(&milliseconds, static_cast<CUevent>(from),
                                      static_cast<CUevent>(to)),
          "reading the time between events");
    *nanoseconds = std::llround(static_cast<double>(milliseconds) * 1e6);
  });
}

}  // namespace

const StropBackendTable* cuda_backend() {
  static const StropDeviceTable device = {.struct_size = sizeof(StropDeviceTable),
                                          .count = count,
                                          .describe = describe,
                                          .open = open,
                                          .memory = memory,
                                          .allocate = allocate,
                                          .release = release,
                                          .create_stream = create_stream,
                                          .destroy_stream = destroy_stream,
                                          .copy = copy,
                                          .synchronize = synchronize,
                                          .begin_capture = begin_capture,
                                          .end_capture = end_capture,
                                          .launch_graph = launch_graph,
                                          .destroy_graph = destroy_graph,
                                          .create_event = create_event,
                                          .destroy_event = destroy_event,
                                          .record = record,
                                          .wait = wait,
                                          .elapsed = elapsed};
  static const StropBackendTable table = [] {
    StropBackendTable out{};
    out.abi_version = STROP_BACKEND_ABI_VERSION;
    out.struct_size = sizeof(StropBackendTable);
    out.name = "cuda";
    out.version = STROP_VERSION;
    out.description = description;
    out.create = create;
    out.prepare = prepare;
    out.run = run;
    out.destroy = destroy;
    out.free_error = free_abi_error;
    out.device = &device;
    return out;
  }();
  return &table;
}

}  // namespace strop::cuda
