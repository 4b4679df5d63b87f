// SPDX-License-Identifier: Apache-2.0
// A context's view of a device: the stream it works in and memory there, counted against a limit of
// its own. Used by one thread at a time. Throws what the backend reports: Error(missing_device,
// out_of_memory, device_failure, missing_library).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/tensor.hpp"
#include "plan/backend_abi.h"
#include "runtime/context_options.hpp"
#include "runtime/memory.hpp"

namespace strop {

// Released with its last owner.
struct DeviceMemory {
  const StropDeviceTable* table = nullptr;
  void* device = nullptr;
  void* data = nullptr;
  ~DeviceMemory() {
    if (data != nullptr) table->release(device, data);
  }
};

class DeviceSession {
 public:
  DeviceSession(const std::string& backend, int ordinal, std::int64_t memory_limit,
                const DeviceAllocator& allocator = {});
  ~DeviceSession();
  DeviceSession(const DeviceSession&) = delete;
  DeviceSession& operator=(const DeviceSession&) = delete;

  void* device() const { return device_; }
  void* stream() const { return stream_; }
  // Work goes on in a stream of the caller's (CUstream), after what was ordered before; null: in
  // the session's own.
  void use_stream(void* external);

  void copy(void* to, const void* from, std::int64_t bytes, std::uint32_t direction);
  // Waits until all that was ordered is done. Costs nothing when nothing was.
  void synchronize();
  // Something was ordered.
  void set_busy() {
    busy_ = true;
    end_marked_ = false;
  }
  // All of a run was ordered. From here on the caller's stream may go.
  void mark_end();

  void begin_capture();
  void* end_capture();
  void abandon_capture() noexcept;
  void launch(void* graph);
  void destroy_graph(void* graph) noexcept { table_.destroy_graph(graph); }

  // Memory at least as large; 256-byte aligned. Throws Error(limit_exceeded) too, with what is
  // asked for and what is free.
  void* allocate(std::int64_t bytes);
  void release(void* memory, std::int64_t bytes) noexcept;
  const MemoryBudget& memory() const { return memory_; }
  std::shared_ptr<const DeviceMemory> upload(const Tensor& tensor);

  // Nanoseconds that the device takes for what `order` orders, between two points of the stream.
  template <class Order>
  std::int64_t time(const Order& order) {
    mark(0);
    order();
    mark(1);
    return between_marks();
  }

 private:
  void* allocate_uncounted(std::int64_t bytes);
  void* allocate_by_caller(std::int64_t bytes);
  void mark(int which);
  std::int64_t between_marks();

  const StropBackendTable& backend_;
  const StropDeviceTable& table_;
  void* device_ = nullptr;
  void* own_stream_ = nullptr;
  void* outer_stream_ = nullptr;  // for external_
  void* external_ = nullptr;
  void* stream_ = nullptr;  // one of the two
  void* left_for_capture_ = nullptr;
  void* end_ = nullptr;      // event: the end of what was ordered in the caller's stream
  bool end_marked_ = false;  // since something was ordered
  void* events_[2] = {nullptr, nullptr};
  MemoryBudget memory_;
  int ordinal_ = 0;
  DeviceAllocator allocator_;
  bool busy_ = false;
};

// Device memory that grows and is kept; as MemoryBlock.
class DeviceBlock {
 public:
  explicit DeviceBlock(DeviceSession& session) : session_(&session) {}
  ~DeviceBlock() { release(); }
  DeviceBlock(const DeviceBlock&) = delete;
  DeviceBlock& operator=(const DeviceBlock&) = delete;

  // What was in it is lost when it grows. Never null.
  void* reserve(std::int64_t bytes);
  // As reserve, but what there is stays when there is no memory for more.
  void* grow(std::int64_t bytes);
  void* data() const { return data_; }
  void release() noexcept;

 private:
  DeviceSession* session_;
  void* data_ = nullptr;
  std::int64_t capacity_ = 0;
};

// The tensor in the device's memory, copied there. Contexts of one engine share it: it is found by
// the address of its contents, which outlive every user. Not counted against a context's limit.
std::shared_ptr<const DeviceMemory> device_constant(DeviceSession& session, const Tensor& tensor);

}  // namespace strop
