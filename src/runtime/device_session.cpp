// SPDX-License-Identifier: Apache-2.0
#include "runtime/device_session.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>

#include "base/error.hpp"
#include "runtime/backend_loader.hpp"
#include "runtime/step_instance.hpp"

namespace strop {
namespace {

const StropDeviceTable& device_table(const StropBackendTable& backend) {
  if (backend.device == nullptr || backend.device->struct_size < sizeof(StropDeviceTable)) {
    throw Error(ErrorCode::engine_invalid,
                "backend " + std::string(backend.name) + " has no memory of its own",
                "the engine says that values lie there", "build the engine again");
  }
  return *backend.device;
}

std::string mib(std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

}  // namespace

DeviceSession::DeviceSession(const std::string& backend, int ordinal, std::int64_t memory_limit,
                             const DeviceAllocator& allocator)
    : backend_(find_backend(backend)),
      table_(device_table(backend_)),
      ordinal_(ordinal),
      allocator_(allocator) {
  memory_.limit = memory_limit;
  StropAbiError error{};
  throw_reported(backend_, table_.open(ordinal, &device_, &error), error);
  throw_reported(backend_, table_.create_stream(device_, nullptr, &own_stream_, &error), error);
  stream_ = own_stream_;
}

DeviceSession::~DeviceSession() {
  for (void* event : events_) {
    if (event != nullptr) table_.destroy_event(event);
  }
  if (end_ != nullptr) table_.destroy_event(end_);
  if (outer_stream_ != nullptr) table_.destroy_stream(outer_stream_);
  table_.destroy_stream(own_stream_);
}

void DeviceSession::use_stream(void* external) {
  if (external == external_) return;
  synchronize();
  stream_ = own_stream_;
  external_ = nullptr;
  if (outer_stream_ != nullptr) table_.destroy_stream(std::exchange(outer_stream_, nullptr));
  if (external == nullptr) return;
  StropAbiError error{};
  throw_reported(backend_, table_.create_stream(device_, external, &outer_stream_, &error), error);
  stream_ = outer_stream_;
  external_ = external;
}

void DeviceSession::copy(void* to, const void* from, std::int64_t bytes, std::uint32_t direction) {
  if (bytes == 0) return;
  set_busy();
  StropAbiError error{};
  throw_reported(
      backend_,
      table_.copy(stream_, to, from, static_cast<std::uint64_t>(bytes), direction, &error), error);
}

void DeviceSession::synchronize() {
  if (!busy_) return;
  StropAbiError error{};
  const std::int32_t code =
      end_marked_ ? table_.wait(end_, &error) : table_.synchronize(stream_, &error);
  throw_reported(backend_, code, error);
  busy_ = false;
}

void DeviceSession::mark_end() {
  if (!busy_ || external_ == nullptr) return;
  StropAbiError error{};
  if (end_ == nullptr) throw_reported(backend_, table_.create_event(device_, &end_, &error), error);
  throw_reported(backend_, table_.record(stream_, end_, &error), error);
  end_marked_ = true;
}

// In the session's own stream: a caller's may be one that cannot be captured.
void DeviceSession::begin_capture() {
  StropAbiError error{};
  throw_reported(backend_, table_.begin_capture(own_stream_, &error), error);
  left_for_capture_ = std::exchange(stream_, own_stream_);
}

void* DeviceSession::end_capture() {
  stream_ = left_for_capture_;
  StropAbiError error{};
  void* graph = nullptr;
  throw_reported(backend_, table_.end_capture(own_stream_, &graph, &error), error);
  return graph;
}

void DeviceSession::abandon_capture() noexcept {
  stream_ = left_for_capture_;
  StropAbiError error{};
  void* graph = nullptr;
  if (table_.end_capture(own_stream_, &graph, &error) != 0) backend_.free_error(&error);
  if (graph != nullptr) table_.destroy_graph(graph);
}

void DeviceSession::launch(void* graph) {
  set_busy();
  StropAbiError error{};
  throw_reported(backend_, table_.launch_graph(stream_, graph, &error), error);
}

void* DeviceSession::allocate(std::int64_t bytes) {
  if (memory_.limit > 0 && bytes > memory_.limit - memory_.used) {
    throw Error(ErrorCode::limit_exceeded,
                "the run needs " + std::to_string(bytes) + " bytes more on the device",
                std::to_string(memory_.used) + " of the " + std::to_string(memory_.limit) +
                    " bytes of its limit are in use",
                "raise device_memory_bytes of the context's options, or give smaller inputs");
  }
  void* memory =
      allocator_.allocate != nullptr ? allocate_by_caller(bytes) : allocate_uncounted(bytes);
  memory_.used += bytes;
  memory_.peak = std::max(memory_.peak, memory_.used);
  return memory;
}

void* DeviceSession::allocate_uncounted(std::int64_t bytes) {
  StropAbiError error{};
  void* memory = nullptr;
  const std::int32_t code =
      table_.allocate(device_, static_cast<std::uint64_t>(bytes), &memory, &error);
  if (code == static_cast<std::int32_t>(ErrorCode::out_of_memory)) {
    backend_.free_error(&error);
    std::uint64_t free_bytes = 0, total_bytes = 0;
    const bool known = table_.memory(device_, &free_bytes, &total_bytes, &error) == 0;
    if (!known) backend_.free_error(&error);
    throw Error(
        ErrorCode::out_of_memory, "no memory on the device for " + std::to_string(bytes) + " bytes",
        known ? mib(free_bytes) + " of its " + mib(total_bytes) + " are free; this context holds " +
                    mib(static_cast<std::uint64_t>(memory_.used))
              : std::string(),
        "give smaller inputs, run fewer contexts, or end other programs on the device");
  }
  throw_reported(backend_, code, error);
  return memory;
}

void* DeviceSession::allocate_by_caller(std::int64_t bytes) {
  constexpr std::uintptr_t kAlignment = 256;
  const auto size = static_cast<std::uint64_t>(bytes);
  void* memory = allocator_.allocate(allocator_.user, size, ordinal_);
  if (memory == nullptr) {
    throw Error(ErrorCode::out_of_memory,
                "no memory on the device for " + std::to_string(bytes) + " bytes",
                "allocate_device of the context's options gave none; this context holds " +
                    mib(static_cast<std::uint64_t>(memory_.used)));
  }
  if (reinterpret_cast<std::uintptr_t>(memory) % kAlignment != 0) {
    allocator_.release(allocator_.user, memory, size, ordinal_);
    throw Error(ErrorCode::bad_argument, "memory of allocate_device",
                "it does not begin at a multiple of 256 bytes");
  }
  return memory;
}

void DeviceSession::release(void* memory, std::int64_t bytes) noexcept {
  memory_.used -= bytes;
  if (allocator_.allocate == nullptr) {
    table_.release(device_, memory);
    return;
  }
  try {
    synchronize();  // the driver waits by itself
  } catch (const Error&) {
    // What the device was doing has failed, and is over.
  }
  allocator_.release(allocator_.user, memory, static_cast<std::uint64_t>(bytes), ordinal_);
}

void DeviceSession::mark(int which) {
  StropAbiError error{};
  if (events_[which] == nullptr) {
    throw_reported(backend_, table_.create_event(device_, &events_[which], &error), error);
  }
  set_busy();
  throw_reported(backend_, table_.record(stream_, events_[which], &error), error);
}

std::int64_t DeviceSession::between_marks() {
  StropAbiError error{};
  std::int64_t nanoseconds = 0;
  throw_reported(backend_, table_.elapsed(events_[0], events_[1], &nanoseconds, &error), error);
  return nanoseconds;
}

void* DeviceBlock::reserve(std::int64_t bytes) {
  bytes = std::max<std::int64_t>(bytes, 256);
  if (bytes <= capacity_) return data_;
  release();
  data_ = session_->allocate(bytes);
  capacity_ = bytes;
  return data_;
}

void* DeviceBlock::grow(std::int64_t bytes) {
  bytes = std::max<std::int64_t>(bytes, 256);
  if (bytes <= capacity_) return data_;
  void* larger = session_->allocate(bytes);
  release();
  data_ = larger;
  capacity_ = bytes;
  return data_;
}

void DeviceBlock::release() noexcept {
  if (data_ != nullptr) session_->release(std::exchange(data_, nullptr), capacity_);
  capacity_ = 0;
}

std::shared_ptr<const DeviceMemory> DeviceSession::upload(const Tensor& tensor) {
  auto out = std::make_shared<DeviceMemory>();
  out->table = &table_;
  out->device = device_;
  out->data = allocate_uncounted(std::max<std::int64_t>(tensor.bytes(), 256));
  copy(out->data, tensor.data(), tensor.bytes(), STROP_ABI_TO_DEVICE);
  return out;
}

std::shared_ptr<const DeviceMemory> device_constant(DeviceSession& session, const Tensor& tensor) {
  using Key = std::tuple<void*, const std::byte*, std::int64_t>;
  struct Cache {
    std::mutex mutex;
    std::map<Key, std::weak_ptr<const DeviceMemory>> known;
  };
  static Cache* cache = new Cache;
  const Key key{session.device(), tensor.data(), tensor.bytes()};
  const std::scoped_lock lock(cache->mutex);
  if (auto known = cache->known[key].lock()) return known;
  std::erase_if(cache->known, [](const auto& entry) { return entry.second.expired(); });
  std::shared_ptr<const DeviceMemory> uploaded = session.upload(tensor);
  // Others use it in streams of their own.
  session.synchronize();
  cache->known[key] = uploaded;
  return uploaded;
}

}  // namespace strop
