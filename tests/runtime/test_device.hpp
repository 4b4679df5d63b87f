// SPDX-License-Identifier: Apache-2.0
// A device without a chip, registered as backend "testdevice": its memory is the host's, with an
// owner for every byte, and nothing that is ordered in a stream happens before somebody waits for
// it, so that a result which is read too early, or memory that is given back too early, shows.
//   twice   y = 2 x
//   add     y = a + b, through the workspace
//   fail    an error when it is ordered
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/version.hpp"
#include "plan/abi_error.hpp"
#include "plan/backend_abi.h"
#include "runtime/backend_loader.hpp"

namespace strop::testing {

using TestWork = std::vector<std::function<void()>>;

struct TestStream {
  TestWork ordered;
  TestWork* captured = nullptr;
  void order(std::function<void()> work) {
    (captured != nullptr ? *captured : ordered).push_back(std::move(work));
  }
};

struct TestDevice {
  std::map<char*, std::uint64_t> memory;  // what is allocated
  std::int64_t limit = 1 << 30;
  std::vector<std::unique_ptr<TestStream>> own_streams;
  int graphs = 0, captures = 0, launches = 0, copies = 0;

  static TestDevice& instance() {
    static TestDevice device;
    return device;
  }
  // Whether all of it is memory that is allocated here.
  bool owns(const void* data, std::uint64_t bytes) const {
    return std::ranges::any_of(memory, [&](const auto& block) {
      const auto* at = static_cast<const char*>(data);
      return at >= block.first && at + bytes <= block.first + block.second;
    });
  }
};

namespace test_device {

inline void require_owned(const StropAbiValue& value) {
  if (!TestDevice::instance().owns(value.data, value.bytes))
    throw Error(ErrorCode::device_failure, "a kernel is given memory that is not the device's");
  if (reinterpret_cast<std::uintptr_t>(value.data) % 256 != 0)
    throw Error(ErrorCode::device_failure, "a kernel is given memory that is not aligned");
}

inline std::int32_t create(const StropAbiStep* step, void** instance, StropAbiError* error) {
  return guarded(error, [&] {
    if (step->device != &TestDevice::instance())
      throw Error(ErrorCode::internal, "a step is given no device");
    *instance = new std::string(step->kernel);
  });
}

inline std::int32_t prepare(void*, const StropAbiValue* inputs, const StropAbiValue*, std::int32_t,
                            std::uint64_t* workspace, StropAbiError*) {
  *workspace = static_cast<std::uint64_t>(inputs[0].bytes);
  return 0;
}

inline std::int32_t run(void* instance, const StropAbiValue* in, StropAbiValue* out,
                        const StropAbiRun* run, StropAbiError* error) {
  return guarded(error, [&] {
    const std::string& kernel = *static_cast<const std::string*>(instance);
    if (kernel == "fail") throw Error(ErrorCode::device_failure, "it fails");
    const bool adds = kernel == "add";
    for (int i = 0; i < (adds ? 2 : 1); ++i) require_owned(in[i]);
    require_owned(out[0]);
    const StropAbiValue a = in[0], b = in[adds ? 1 : 0], y = out[0];
    auto* work = static_cast<float*>(run->workspace);
    if (!TestDevice::instance().owns(work, a.bytes))
      throw Error(ErrorCode::device_failure, "a kernel has too little workspace");
    static_cast<TestStream*>(run->stream)->order([a, b, y, work] {
      const std::uint64_t count = a.bytes / sizeof(float);
      for (std::uint64_t i = 0; i < count; ++i) work[i] = static_cast<const float*>(a.data)[i];
      for (std::uint64_t i = 0; i < count; ++i)
        static_cast<float*>(y.data)[i] = work[i] + static_cast<const float*>(b.data)[i];
    });
  });
}

inline std::int32_t allocate(void*, std::uint64_t bytes, void** memory, StropAbiError* error) {
  return guarded(error, [&] {
    TestDevice& device = TestDevice::instance();
    std::int64_t held = 0;
    for (const auto& block : device.memory) held += static_cast<std::int64_t>(block.second);
    if (held + static_cast<std::int64_t>(bytes) > device.limit)
      throw Error(ErrorCode::out_of_memory, "the device is full");
    *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    std::memset(*memory, 0xff, bytes);  // NaN
    device.memory[static_cast<char*>(*memory)] = bytes;
  });
}

inline void release(void*, void* memory) {
  TestDevice::instance().memory.erase(static_cast<char*>(memory));
  std::free(memory);
}

inline std::int32_t synchronize(void* stream, StropAbiError*) {
  TestWork work;
  work.swap(static_cast<TestStream*>(stream)->ordered);
  for (const auto& piece : work) piece();
  return 0;
}

inline std::int32_t copy(void* stream, void* to, const void* from, std::uint64_t bytes,
                         std::uint32_t direction, StropAbiError* error) {
  return guarded(error, [&] {
    TestDevice& device = TestDevice::instance();
    ++device.copies;
    if ((direction != STROP_ABI_TO_HOST) != device.owns(to, bytes) ||
        (direction != STROP_ABI_TO_DEVICE) != device.owns(from, bytes))
      throw Error(ErrorCode::device_failure, "a copy from or to the wrong memory");
    static_cast<TestStream*>(stream)->order([=] { std::memcpy(to, from, bytes); });
  });
}

inline const StropDeviceTable& device_table() {
  static const StropDeviceTable table = [] {
    StropDeviceTable t{};
    t.struct_size = sizeof t;
    t.count = [](std::int32_t* count, StropAbiError*) { return *count = 1, 0; };
    t.describe = [](std::int32_t, StropAbiDevice* out, StropAbiError*) {
      *out = {"no chip", 0, 1, 0, 0, 0};
      return 0;
    };
    t.open = [](std::int32_t, void** device, StropAbiError*) {
      *device = &TestDevice::instance();
      return 0;
    };
    t.memory = [](void*, std::uint64_t* free_bytes, std::uint64_t* total, StropAbiError*) {
      *free_bytes = *total = static_cast<std::uint64_t>(TestDevice::instance().limit);
      return 0;
    };
    t.allocate = allocate;
    t.release = release;
    t.create_stream = [](void*, void* external, void** stream, StropAbiError*) {
      // A caller's stream is one of the tests' own; the pointer to it is the stream.
      // Its own outlive the context, so that tests may look at what is left in them.
      auto& own = TestDevice::instance().own_streams;
      if (external == nullptr) own.push_back(std::make_unique<TestStream>());
      *stream = external != nullptr ? external : own.back().get();
      return 0;
    };
    t.destroy_stream = [](void*) {};
    t.copy = copy;
    t.synchronize = synchronize;
    t.begin_capture = [](void* stream, StropAbiError*) {
      ++TestDevice::instance().captures;
      static_cast<TestStream*>(stream)->captured = new TestWork;
      return 0;
    };
    t.end_capture = [](void* stream, void** graph, StropAbiError*) {
      ++TestDevice::instance().graphs;
      *graph = std::exchange(static_cast<TestStream*>(stream)->captured, nullptr);
      return 0;
    };
    t.launch_graph = [](void* stream, void* graph, StropAbiError*) {
      ++TestDevice::instance().launches;
      static_cast<TestStream*>(stream)->order([graph] {
        for (const auto& piece : *static_cast<TestWork*>(graph)) piece();
      });
      return 0;
    };
    t.destroy_graph = [](void* graph) {
      --TestDevice::instance().graphs;
      delete static_cast<TestWork*>(graph);
    };
    t.create_event = [](void*, void** event, StropAbiError*) {
      *event = new TestStream*(nullptr);
      return 0;
    };
    t.destroy_event = [](void* event) { delete static_cast<TestStream**>(event); };
    t.record = [](void* stream, void* event, StropAbiError*) {
      *static_cast<TestStream**>(event) = static_cast<TestStream*>(stream);
      return 0;
    };
    t.wait = [](void* event, StropAbiError* error) {
      return synchronize(*static_cast<TestStream**>(event), error);
    };
    t.elapsed = [](void*, void* to, std::int64_t* nanoseconds, StropAbiError* error) {
      *nanoseconds = 1000;
      return synchronize(*static_cast<TestStream**>(to), error);
    };
    return t;
  }();
  return table;
}

}  // namespace test_device

inline void register_test_device() {
  static const StropBackendTable table = [] {
    StropBackendTable t{};
    t.abi_version = STROP_BACKEND_ABI_VERSION;
    t.struct_size = sizeof t;
    t.name = "testdevice";
    t.version = STROP_VERSION;
    t.description = [] { return "a device for tests"; };
    t.create = test_device::create;
    t.prepare = test_device::prepare;
    t.run = test_device::run;
    t.destroy = [](void* instance) { delete static_cast<std::string*>(instance); };
    t.free_error = free_abi_error;
    t.device = &test_device::device_table();
    return t;
  }();
  register_backend(&table);
}

}  // namespace strop::testing
