// SPDX-License-Identifier: Apache-2.0
// The part of PlanRunner that works with a device: copies between its memory and the host's, and
// groups of steps, which the device does as one graph from the second run on with the same
// addresses.
#include <algorithm>

#include "base/error.hpp"
#include "runtime/plan_runner.hpp"

namespace strop {

void PlanRunner::synchronize() {
  if (session_.open_device) session_.open_device->synchronize();
}

bool PlanRunner::lies_on_device(std::uint32_t slot) const {
  const std::uint32_t base = layout_.root[slot];
  return plan_.slots[base].space == MemorySpace::device || on_device_[base] ||
         (output_places_[base].memory != nullptr && output_places_[base].on_device);
}

// Inputs that are bound in the device's memory, for steps that read them on the host, and for
// outputs that are one.
void PlanRunner::fetch_inputs() {
  for (const std::uint32_t slot : plan_.inputs) {
    if (fetched_from_[slot] == nullptr) continue;
    const StropAbiValue& value = values_[slot];
    device().copy(value.data, fetched_from_[slot], static_cast<std::int64_t>(value.bytes),
                  STROP_ABI_TO_HOST);
    synchronize();
  }
}

// What users bound in the device's memory takes the place of the slots that it would be copied to
// or from.
void PlanRunner::place_bound_device_memory(const Segment& segment) {
  for (std::uint32_t s = segment.begin; s < segment.end; ++s) {
    const Step& step = plan_.steps[s];
    if (step.kind != StepKind::copy) continue;
    const std::uint32_t from = layout_.root[step.inputs[0]];
    const std::uint32_t to = step.outputs[0];
    if (on_device_[from]) {
      // Elsewhere kernels rely on planned memory's alignment: what has less is copied.
      if (reinterpret_cast<std::uintptr_t>(values_[from].data) % kDeviceAlignment == 0)
        values_[to].data = values_[from].data;
    } else if (output_places_[to].memory != nullptr && output_places_[to].on_device &&
               std::ranges::binary_search(segment.sized, from)) {
      values_[from].data = output_places_[to].memory;
    }
  }
}

void PlanRunner::run_copy(const Step& step) {
  const std::uint32_t from = step.inputs[0], to = step.outputs[0];
  const StropAbiValue& source = values_[from];
  const StropAbiValue& target = values_[to];
  if (source.bytes != target.bytes) {
    throw Error(ErrorCode::bad_shape, "a copy of " + plan_.slots[from].name,
                std::to_string(source.bytes) + " bytes into " + std::to_string(target.bytes));
  }
  if (source.data == target.data) return;
  const std::uint32_t direction = !lies_on_device(from) ? STROP_ABI_TO_DEVICE
                                  : lies_on_device(to)  ? STROP_ABI_ON_DEVICE
                                                        : STROP_ABI_TO_HOST;
  device().copy(target.data, source.data, static_cast<std::int64_t>(source.bytes), direction);
}

void PlanRunner::order_group(std::size_t segment, std::size_t group) {
  const Segment& layout = layout_.segments[segment];
  Prepared& prepared = *segments_[segment].current;
  for (std::uint32_t s = layout.groups[group].begin; s < layout.groups[group].end; ++s) {
    try {
      run_kernel(plan_.steps[s], prepared.steps[s - layout.begin]);
    } catch (Error& error) {
      error.add_context(step_text(plan_, plan_.steps[s]));
      throw;
    }
  }
}

void PlanRunner::profile_group(std::size_t segment, std::size_t group) {
  const Segment& layout = layout_.segments[segment];
  Prepared& prepared = *segments_[segment].current;
  for (std::uint32_t s = layout.groups[group].begin; s < layout.groups[group].end; ++s) {
    const Step& step = plan_.steps[s];
    add_time(step, device().time([&] { run_kernel(step, prepared.steps[s - layout.begin]); }));
  }
}

// Stands for every address on the device that the group's steps are given.
std::uint64_t PlanRunner::place_of(std::size_t segment, std::size_t group) const {
  auto place = static_cast<std::uint64_t>(
      reinterpret_cast<std::uintptr_t>(session_.device_workspace->data()));
  const auto add = [&](std::uint32_t slot) {
    if (slot == kNoSlot || plan_.slots[slot].space != MemorySpace::device) return;
    place = (place ^ reinterpret_cast<std::uintptr_t>(values_[slot].data)) * 0x9e3779b97f4a7c15u;
    place ^= place >> 29;
  };
  const DeviceGroup& range = layout_.segments[segment].groups[group];
  for (std::uint32_t s = range.begin; s < range.end; ++s) {
    for (const std::uint32_t slot : plan_.steps[s].inputs) add(slot);
    for (const std::uint32_t slot : plan_.steps[s].outputs) add(slot);
  }
  return place;
}

void PlanRunner::run_group(std::size_t segment, std::size_t group) {
  check_deadline();
  if (!times_.empty()) return profile_group(segment, group);
  CapturedGroup& captured = segments_[segment].current->groups[group];
  const std::uint64_t place = place_of(segment, group);
  if (captured.place != place) {
    // New addresses: they may be others next time.
    if (captured.graph != nullptr) device().destroy_graph(captured.graph);
    captured = {place, nullptr};
    return order_group(segment, group);
  }
  if (captured.graph == nullptr) {
    device().begin_capture();
    try {
      order_group(segment, group);
    } catch (...) {
      device().abandon_capture();
      throw;
    }
    captured.graph = device().end_capture();
  }
  device().launch(captured.graph);
}

void PlanRunner::drop_graphs(Prepared& prepared) noexcept {
  for (CapturedGroup& group : prepared.groups) {
    if (group.graph != nullptr) session_.open_device->destroy_graph(group.graph);
  }
  prepared.groups.clear();
}

void PlanRunner::order_groups() {
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    for (std::size_t g = 0; g < layout_.segments[i].groups.size(); ++g) order_group(i, g);
  }
}

void PlanRunner::run_device_steps() {
  STROP_CHECK(segments_.size() == 1 && segments_[0].current != nullptr,
              "a plan of one segment that is prepared");
  if (!segments_[0].placed) place_slots(0);
  order_groups();
  device().set_busy();
  synchronize();
}

std::vector<double> PlanRunner::time_device_steps(int copies, int launches, int samples) {
  DeviceSession& device = this->device();
  device.begin_capture();
  try {
    for (int copy = 0; copy < copies; ++copy) order_groups();
  } catch (...) {
    device.abandon_capture();
    throw;
  }
  const auto destroy = [&](void* graph) { device.destroy_graph(graph); };
  const std::unique_ptr<void, decltype(destroy)> graph(device.end_capture(), destroy);
  std::vector<double> out;
  for (int sample = 0; sample < samples; ++sample) {
    const std::int64_t ns = device.time([&] {
      for (int i = 0; i < launches; ++i) device.launch(graph.get());
    });
    out.push_back(static_cast<double>(ns) / copies / launches);
  }
  return out;
}

}  // namespace strop
