// SPDX-License-Identifier: Apache-2.0
#include "runtime/plan_runner.hpp"

#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "base/os/clock.hpp"
#include "base/os/cpu_features.hpp"
#include "runtime/backend_loader.hpp"

namespace strop {

RunSession::RunSession(const ContextOptions& the_options) : options(the_options) {
  threads = options.threads > 0 ? std::min(options.threads, 1024) : os::available_cpus();
  memory.limit = options.memory_bytes;
}

const StropBackendTable& RunSession::boxes() {
  if (boxes_ == nullptr) boxes_ = &find_backend("reference");
  return *boxes_;
}

DeviceSession& RunSession::device(const std::string& backend) {
  if (!open_device) {
    open_device = std::make_unique<DeviceSession>(
        backend, options.device, options.device_memory_bytes, options.device_allocator);
    device_workspace = std::make_unique<DeviceBlock>(*open_device);
  }
  return *open_device;
}

PlanRunner::PlanRunner(const PlanLayout& layout, RunSession& session, std::size_t prepared_limit)
    : layout_(layout),
      plan_(*layout.plan),
      session_(session),
      prepared_limit_(std::max<std::size_t>(1, prepared_limit)),
      values_(plan_.slots.size()),
      dynamic_(plan_.slots.size()),
      dynamic_shapes_(plan_.slots.size()),
      written_(plan_.slots.size(), 0),
      on_device_(plan_.slots.size(), false),
      fetched_from_(plan_.slots.size(), nullptr),
      fetched_(plan_.slots.size()),
      output_places_(plan_.slots.size()),
      segments_(layout.segments.size()),
      children_(plan_.steps.size()),
      arguments_(layout.max_inputs),
      results_(layout.max_outputs) {
  for (SegmentState& state : segments_) {
    state.arena = std::make_unique<MemoryBlock>(session_.memory);
    if (has_device()) state.device_arena = std::make_unique<DeviceBlock>(device());
  }
  if (session_.options.profile) times_.resize(plan_.steps.size());
  for (std::uint32_t i = 0; i < plan_.slots.size(); ++i) {
    const Slot& slot = plan_.slots[i];
    StropAbiValue& value = values_[i];
    if (!is_boxed(slot)) value.dtype = static_cast<std::uint32_t>(slot.dtype);
    if (slot.kind == SlotKind::dynamic) {
      dynamic_[i] = std::make_unique<MemoryBlock>(session_.memory);
    }
    if (slot.kind != SlotKind::constant) continue;
    const Tensor& constant = slot.constant;
    value.rank = static_cast<std::uint32_t>(constant.rank());
    value.dims = constant.shape().data();
    if (constant.dtype() == DType::string) {
      std::vector<const char*> texts;
      std::vector<std::uint64_t> lengths;
      for (const std::string& text : constant.values<std::string>()) {
        texts.push_back(text.data());
        lengths.push_back(text.size());
      }
      void* boxed =
          session_.boxes().box_strings(value.rank, value.dims, texts.data(), lengths.data());
      if (boxed == nullptr) {
        throw Error(ErrorCode::out_of_memory, "no memory for the strings of " + slot.name);
      }
      set_boxed(i, boxed);
      continue;
    }
    value.bytes = static_cast<std::uint64_t>(constant.bytes());
    if (slot.space == MemorySpace::device) {
      device_constants_.push_back(device_constant(device(), constant));
      value.data = device_constants_.back()->data;
      continue;
    }
    value.data = constant.bytes() > 0
                     ? const_cast<std::byte*>(constant.data())  // kernels do not write inputs
                     : empty_memory();
  }
}

PlanRunner::~PlanRunner() {
  try {
    synchronize();
  } catch (const Error&) {
    // Nobody is left to be told.
  }
  for (SegmentState& state : segments_) {
    for (const auto& prepared : state.cache) drop_graphs(*prepared);
  }
  for (std::uint32_t i = 0; i < values_.size(); ++i) {
    if (plan_.slots[i].kind != SlotKind::input) free_boxed(i);
  }
}

void PlanRunner::set_input(std::size_t i, const StropAbiValue& value, bool on_device) {
  const std::uint32_t index = plan_.inputs[i];
  const Slot& slot = plan_.slots[index];
  const bool boxed = value.boxed != nullptr;
  if (boxed != is_boxed(slot) ||
      (!boxed && value.dtype != static_cast<std::uint32_t>(slot.dtype))) {
    throw Error(ErrorCode::input_type, "input " + slot.name + " of plan " + plan_.name,
                "it must be " + slot.type);
  }
  const bool fetch = on_device && layout_.read_on_host[index];
  void* fetched = nullptr;
  if (fetch) {
    if (!fetched_[index]) fetched_[index] = std::make_unique<MemoryBlock>(session_.memory);
    fetched = fetched_[index]->reserve(static_cast<std::int64_t>(value.bytes));
  }
  values_[index] = value;
  fetched_from_[index] = fetch ? value.data : nullptr;
  if (fetch) values_[index].data = fetched;
  on_device_[index] = on_device && !fetch;
  if (!boxed && value.bytes == 0 && value.data == nullptr) values_[index].data = empty_memory();
  for (SegmentState& state : segments_) state.placed = false;
}

void PlanRunner::set_input_shape(std::size_t i, const Shape& shape) {
  const std::uint32_t index = plan_.inputs[i];
  StropAbiValue& value = values_[index];
  value = StropAbiValue{};
  on_device_[index] = false;
  fetched_from_[index] = nullptr;
  value.dtype = static_cast<std::uint32_t>(plan_.slots[index].dtype);
  value.rank = static_cast<std::uint32_t>(shape.size());
  value.dims = shape.data();
  if (!is_boxed(plan_.slots[index])) {
    value.bytes = static_cast<std::uint64_t>(byte_size(plan_.slots[index].dtype, shape));
  }
  for (SegmentState& state : segments_) state.placed = false;
}

void PlanRunner::place_output(std::size_t i, void* memory, std::int64_t bytes, bool on_device) {
  const std::uint32_t base = layout_.root[plan_.outputs[i]];
  if (plan_.slots[base].kind != SlotKind::arena || is_made_of_sizes(plan_.slots[base])) return;
  const std::int64_t alignment = on_device ? kDeviceAlignment : kBlockAlignment;
  if (reinterpret_cast<std::uintptr_t>(memory) % static_cast<std::uintptr_t>(alignment) != 0)
    memory = nullptr;
  if (on_device &&
      (base != plan_.outputs[i] || layout_.read_on_host[base] || !layout_.written_by_copy[base])) {
    memory = nullptr;
  }
  const Place place{memory, bytes, on_device};
  if (output_places_[base] == place) return;
  output_places_[base] = place;
  for (SegmentState& state : segments_) state.placed = false;
}

void PlanRunner::prepare() {
  ensure_prepared(0);
  segments_[0].placed = false;  // what was prepared with may not be what is run with
}

void PlanRunner::run() {
  run_async();
  synchronize();
}

void PlanRunner::run_async() {
  ++run_number_;
  for (const std::uint32_t input : plan_.inputs) {
    if (values_[input].data == nullptr && values_[input].boxed == nullptr) {
      throw Error(ErrorCode::missing_input, "input " + plan_.slots[input].name + " has no data");
    }
  }
  if (has_device()) fetch_inputs();
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const Segment& segment = layout_.segments[i];
    ensure_prepared(i);
    SegmentState& state = segments_[i];
    if (!state.placed || i > 0) place_slots(i);
    std::size_t group = 0;
    for (std::uint32_t s = segment.begin; s < segment.end; ++s) {
      if (group < segment.groups.size() && segment.groups[group].begin == s) {
        run_group(i, group);
        s = segment.groups[group++].end - 1;
        continue;
      }
      run_step(plan_.steps[s], state.current->steps[s - segment.begin]);
    }
    if (i + 1 < segments_.size()) bind_symbols_after(segment);
  }
  if (session_.open_device) session_.open_device->mark_end();
}

void PlanRunner::check_deadline() const {
  if (session_.deadline_ns == 0 || os::monotonic_ns() <= session_.deadline_ns) return;
  throw Error(
      ErrorCode::limit_exceeded,
      "the run takes longer than its " + std::to_string(session_.options.deadline_ms) + " ms",
      "deadline_ms of the context's options is over",
      "allow more time, or find the loop that does not end");
}

void PlanRunner::run_step(const Step& step, StepInstance& instance) {
  try {
    check_deadline();
    if (step.kind != StepKind::copy) synchronize();
    const std::int64_t start = times_.empty() ? 0 : os::monotonic_ns();
    switch (step.kind) {
      case StepKind::kernel:
        run_kernel(step, instance);
        break;
      case StepKind::branch:
        run_branch(step);
        break;
      case StepKind::loop:
        run_loop(step);
        break;
      case StepKind::copy:
        run_copy(step);
        if (!times_.empty()) synchronize();
        break;
    }
    if (!times_.empty()) add_time(step, os::monotonic_ns() - start);
  } catch (Error& error) {
    error.add_context(step_text(plan_, step));
    throw;
  }
}

void PlanRunner::add_time(const Step& step, std::int64_t nanoseconds) {
  StepTime& time = times_[static_cast<std::size_t>(&step - plan_.steps.data())];
  time.last_ns = nanoseconds;
  time.total_ns += nanoseconds;
  ++time.runs;
}

void PlanRunner::gather(const Step& step) {
  for (std::size_t i = 0; i < step.inputs.size(); ++i) {
    const std::uint32_t slot = step.inputs[i];
    arguments_[i] = slot == kNoSlot ? StropAbiValue{} : values_[slot];
  }
  for (std::size_t i = 0; i < step.outputs.size(); ++i) {
    const std::uint32_t slot = step.outputs[i];
    if (slot == kNoSlot) {
      results_[i] = StropAbiValue{};
    } else if (is_boxed(plan_.slots[slot])) {
      results_[i] = StropAbiValue{};
    } else if (plan_.slots[slot].kind == SlotKind::dynamic) {
      results_[i] = StropAbiValue{};
      results_[i].dtype = static_cast<std::uint32_t>(plan_.slots[slot].dtype);
      results_[i].rank = STROP_ABI_UNKNOWN_RANK;
    } else {
      results_[i] = values_[slot];
    }
  }
}

void PlanRunner::run_kernel(const Step& step, StepInstance& instance) {
  gather(step);
  step_ = &step;
  StropAbiRun run{};
  run.user = this;
  run.allocate_output = on_allocate;
  run.set_boxed_output = on_boxed;
  run.workspace = session_.workspace.data();
  if (has_device() && step.backend == plan_.device) {
    run.workspace = session_.device_workspace->data();
    run.stream = device().stream();
    device().set_busy();
  }
  run.thread_count = session_.threads;
  run.deadline_ns = session_.deadline_ns;
  run.loop_iterations = session_.options.loop_iterations;
  run.tensor_bytes = session_.options.tensor_bytes;
  run.sequence_length = session_.options.sequence_length;
  run.iterations = &session_.iterations;
  try {
    instance.run({arguments_.data(), step.inputs.size()}, {results_.data(), step.outputs.size()},
                 run);
  } catch (const Error&) {
    throw_callback_error();
    throw;
  }
  throw_callback_error();
  check_written(step);
}

void PlanRunner::throw_callback_error() {
  if (!callback_error_) return;
  const Error error = std::move(*callback_error_);
  callback_error_.reset();
  throw error;
}

// Kernels write planned memory in place; what they determine themselves must have come through a
// callback.
void PlanRunner::check_written(const Step& step) const {
  for (const std::uint32_t slot : step.outputs) {
    if (slot == kNoSlot) continue;
    const Slot& target = plan_.slots[slot];
    if (target.kind != SlotKind::dynamic && !is_boxed(target)) continue;
    if (written_[slot] != run_number_) {
      throw Error(ErrorCode::internal, "the kernel left " + target.name + " unwritten");
    }
  }
}

void* PlanRunner::allocate_output(const Step& step, std::uint32_t i, std::uint32_t dtype,
                                  std::uint32_t rank, const std::int64_t* dims) {
  STROP_CHECK(i < step.outputs.size() && step.outputs[i] != kNoSlot,
              "a kernel asks for memory of outputs that it has");
  const std::uint32_t index = step.outputs[i];
  const Slot& slot = plan_.slots[index];
  if (slot.kind != SlotKind::dynamic || is_boxed(slot) ||
      dtype != static_cast<std::uint32_t>(slot.dtype)) {
    throw Error(ErrorCode::engine_invalid, "the kernel gives " + slot.name + " another type",
                "the engine foresees " + slot.type, "build the engine again");
  }
  if (rank > 64) throw Error(ErrorCode::limit_exceeded, "a tensor of rank " + std::to_string(rank));
  Shape& shape = dynamic_shapes_[index];
  shape.assign(dims, dims + rank);
  const std::int64_t bytes = byte_size(slot.dtype, shape);
  const std::int64_t limit = session_.options.tensor_bytes;
  if (limit > 0 && bytes > limit) {
    throw Error(ErrorCode::limit_exceeded,
                slot.name + " is a tensor of " + std::to_string(bytes) + " bytes",
                "the limit for one tensor is " + std::to_string(limit) + " bytes",
                "raise tensor_bytes of the context's options if the model is trusted");
  }
  StropAbiValue& value = values_[index];
  value.rank = rank;
  value.dims = shape.data();
  value.data = dynamic_[index]->reserve(bytes);
  value.bytes = static_cast<std::uint64_t>(bytes);
  written_[index] = run_number_;
  return value.data;
}

void PlanRunner::free_boxed(std::uint32_t slot) {
  void*& boxed = values_[slot].boxed;
  if (boxed != nullptr) session_.boxes().box_free(boxed);
  values_[slot] = StropAbiValue{};
}

void PlanRunner::set_boxed(std::uint32_t slot, void* boxed) {
  free_boxed(slot);
  StropAbiValue& value = values_[slot];
  value.boxed = boxed;
  std::uint32_t kind = 0;
  std::uint64_t count = 0;
  session_.boxes().box_describe(boxed, &kind, &value.rank, &value.dims, &count);
  if (kind == 0) value.dtype = static_cast<std::uint32_t>(DType::string);
  written_[slot] = run_number_;
}

void* PlanRunner::on_allocate(void* user, std::uint32_t i, std::uint32_t dtype, std::uint32_t rank,
                              const std::int64_t* dims) noexcept {
  auto& self = *static_cast<PlanRunner*>(user);
  try {
    return self.allocate_output(*self.step_, i, dtype, rank, dims);
  } catch (const Error& error) {
    self.callback_error_ = error;
  } catch (const std::exception&) {
    self.callback_error_ = Error(ErrorCode::out_of_memory, "no memory for an output");
  }
  return nullptr;
}

void PlanRunner::on_boxed(void* user, std::uint32_t i, void* boxed) noexcept {
  auto& self = *static_cast<PlanRunner*>(user);
  const Step& step = *self.step_;
  const std::uint32_t slot = i < step.outputs.size() ? step.outputs[i] : kNoSlot;
  if (slot != kNoSlot && is_boxed(self.plan_.slots[slot])) return self.set_boxed(slot, boxed);
  self.session_.boxes().box_free(boxed);
  if (slot == kNoSlot) return;  // nobody wants it
  self.callback_error_ =
      Error(ErrorCode::engine_invalid,
            "the kernel gives " + self.plan_.slots[slot].name + " another type",
            "the engine foresees " + self.plan_.slots[slot].type, "build the engine again");
}

}  // namespace strop
