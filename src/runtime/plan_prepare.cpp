// SPDX-License-Identifier: Apache-2.0
// The part of PlanRunner that turns shapes into sizes, places and prepared steps, one segment at a
// time.
#include <algorithm>

#include "base/error.hpp"
#include "runtime/plan_runner.hpp"

namespace strop {
namespace {

std::string binding_text(const Plan& plan, const SymbolBinding& binding) {
  return "dimension " + std::to_string(binding.axis) + " of " + plan.slots[binding.slot].name;
}

}  // namespace

void PlanRunner::write_key(std::size_t segment) {
  const Segment& layout = layout_.segments[segment];
  key_.clear();
  for (const std::uint32_t slot : layout.key_slots) {
    const StropAbiValue& value = values_[slot];
    key_.push_back(value.rank);
    key_.insert(key_.end(), value.dims, value.dims + value.rank);
  }
  for (const std::string& symbol : layout.symbols) key_.push_back(symbols_.find(symbol)->second);
}

void PlanRunner::ensure_prepared(std::size_t index) {
  SegmentState& state = segments_[index];
  if (index == 0) {
    for (const std::string& symbol : layout_.outer_symbols) {
      symbols_[symbol] = parent_->symbols_.find(symbol)->second;
    }
  }
  write_key(index);
  if (state.current != nullptr && state.current->key == key_) {
    state.current->last_used = run_number_;
    return;
  }
  state.current = nullptr;
  state.placed = false;
  if (index == 0) bind_input_symbols();
  for (const auto& prepared : state.cache) {
    if (prepared->key != key_) continue;
    state.current = prepared.get();
    prepared->last_used = run_number_;
    return;
  }
  std::unique_ptr<Prepared> prepared = take_room(state);
  prepared->key = key_;
  prepared->last_used = run_number_;
  check_constraints(layout_.segments[index]);
  size_slots(index, *prepared);
  plan_arena(layout_.segments[index], *prepared);
  state.arena->reserve(prepared->arena_bytes);
  prepared->groups.resize(layout_.segments[index].groups.size());
  state.current = prepared.get();
  try {
    place_slots(index);
    prepare_steps(index, *prepared);
  } catch (...) {
    state.current = nullptr;
    throw;
  }
  state.cache.push_back(std::move(prepared));
}

// A new place in the cache, or the one not used for longest; its steps are prepared again.
std::unique_ptr<PlanRunner::Prepared> PlanRunner::take_room(SegmentState& state) {
  if (state.cache.size() < prepared_limit_) return std::make_unique<Prepared>();
  const auto oldest = std::ranges::min_element(
      state.cache, {}, [](const auto& prepared) { return prepared->last_used; });
  std::unique_ptr<Prepared> out = std::move(*oldest);
  state.cache.erase(oldest);
  drop_graphs(*out);
  return out;
}

void PlanRunner::bind_input_symbols() {
  for (const std::uint32_t index : plan_.inputs) {
    const Slot& slot = plan_.slots[index];
    const StropAbiValue& value = values_[index];
    if (!slot.shape) continue;
    if (slot.shape->size() != value.rank) {
      throw Error(ErrorCode::input_rank,
                  "input " + slot.name + " has rank " + std::to_string(value.rank),
                  "it must be " + slot.type);
    }
  }
  for (const SymbolBinding& binding : layout_.input_bindings) {
    symbols_[binding.symbol] = values_[binding.slot].dims[binding.axis];
  }
  for (const std::uint32_t index : plan_.inputs) {
    const Slot& slot = plan_.slots[index];
    if (!slot.shape) continue;
    for (std::size_t axis = 0; axis < slot.shape->size(); ++axis) {
      const Dim& dim = (*slot.shape)[axis];
      const std::int64_t got = values_[index].dims[axis];
      const auto wanted = dim.try_evaluate(symbols_);
      if (wanted && *wanted == got) continue;
      std::string why =
          dim.is_constant() ? "it must be " + dim.to_string() : "it is " + dim.to_string();
      if (wanted && !dim.is_constant()) {
        why += ", which is " + std::to_string(*wanted);
        for (const SymbolBinding& binding : layout_.input_bindings) {
          if (dim.is_symbol() && binding.symbol == dim.symbol_name()) {
            why += " by " + binding_text(plan_, binding);
          }
        }
      }
      throw Error(ErrorCode::input_shape,
                  "dimension " + std::to_string(axis) + " of input " + slot.name + " is " +
                      std::to_string(got),
                  why, "the input must be " + slot.type);
    }
  }
}

void PlanRunner::check_constraints(const Segment& segment) const {
  for (const std::uint32_t index : segment.constraints) {
    const PlanConstraint& constraint = plan_.constraints[index];
    const std::int64_t a = constraint.a.evaluate(symbols_);
    const std::int64_t b = constraint.b.evaluate(symbols_);
    if (a == b) continue;
    throw Error(ErrorCode::bad_shape, "the input shapes contradict the model",
                constraint.why + ": " + constraint.a.to_string() + " = " + std::to_string(a) +
                    ", " + constraint.b.to_string() + " = " + std::to_string(b),
                "give inputs for which both are equal");
  }
}

void PlanRunner::size_slots(std::size_t index, Prepared& prepared) {
  const Segment& segment = layout_.segments[index];
  const std::int64_t limit = session_.options.tensor_bytes;
  prepared.sized.resize(segment.sized.size());
  for (std::size_t j = 0; j < segment.sized.size(); ++j) {
    const Slot& slot = plan_.slots[segment.sized[j]];
    SizedSlot& sized = prepared.sized[j];
    try {
      sized.shape = evaluate(*slot.shape, symbols_);
      sized.bytes = byte_size(slot.dtype, sized.shape);
      sized.elements.clear();
      if (is_made_of_sizes(slot)) {
        for (const Dim& dim : *slot.elements) sized.elements.push_back(dim.evaluate(symbols_));
        if (element_count(sized.shape) != static_cast<std::int64_t>(sized.elements.size())) {
          throw Error(ErrorCode::engine_invalid, "its shape is " + to_string(sized.shape),
                      "but it has " + std::to_string(sized.elements.size()) + " elements");
        }
        if (sized.elements.empty()) sized.elements.push_back(0);  // never null
      }
    } catch (Error& error) {
      error.add_context("value " + slot.name + " of shape " + to_string(*slot.shape));
      throw;
    }
    if (limit > 0 && sized.bytes > limit) {
      throw Error(ErrorCode::limit_exceeded,
                  slot.name + " is a tensor of " + std::to_string(sized.bytes) + " bytes",
                  "the limit for one tensor is " + std::to_string(limit) + " bytes",
                  "give smaller inputs, or raise tensor_bytes of the context's options");
    }
  }
}

void PlanRunner::plan_arena(const Segment& segment, Prepared& prepared) const {
  for (const MemorySpace space : {MemorySpace::host, MemorySpace::device}) {
    std::vector<Lifetime> lifetimes;
    std::vector<std::size_t> places;
    std::size_t j = 0;
    for (const ArenaUse& use : segment.arena) {
      while (segment.sized[j] != use.slot) ++j;  // both are in slot order
      if (plan_.slots[use.slot].space != space) continue;
      lifetimes.push_back({prepared.sized[j].bytes, use.first, use.last});
      places.push_back(j);
    }
    const bool host = space == MemorySpace::host;
    const MemoryPlan memory = plan_memory(lifetimes, host ? kBlockAlignment : kDeviceAlignment);
    for (std::size_t i = 0; i < places.size(); ++i) {
      prepared.sized[places[i]].offset = memory.offsets[i];
    }
    (host ? prepared.arena_bytes : prepared.device_bytes) = memory.total;
  }
}

// Makes values_ of the slots that are sized here those of the current shapes.
void PlanRunner::place_slots(std::size_t index) {
  const Segment& segment = layout_.segments[index];
  SegmentState& state = segments_[index];
  Prepared& prepared = *state.current;
  auto* arena = static_cast<std::byte*>(state.arena->reserve(prepared.arena_bytes));
  std::byte* device_arena = nullptr;
  if (has_device()) {
    synchronize();  // what is placed elsewhere now may be in use
    device_arena = static_cast<std::byte*>(state.device_arena->reserve(prepared.device_bytes));
  }
  for (std::size_t j = 0; j < segment.sized.size(); ++j) {
    const std::uint32_t slot = segment.sized[j];
    SizedSlot& sized = prepared.sized[j];
    StropAbiValue& value = values_[slot];
    value.rank = static_cast<std::uint32_t>(sized.shape.size());
    value.dims = sized.shape.data();
    value.bytes = static_cast<std::uint64_t>(sized.bytes);
    if (!sized.elements.empty()) {
      value.data = sized.elements.data();
    } else if (const Place& place = output_places_[slot]; place.memory != nullptr) {
      if (place.bytes < sized.bytes) {
        throw Error(ErrorCode::bad_argument,
                    "the memory bound to output " + plan_.slots[slot].name + " has " +
                        std::to_string(place.bytes) + " bytes",
                    "the output takes " + std::to_string(sized.bytes) + " bytes for these inputs",
                    "bind more memory, or none and read the output from the context");
      }
      value.data = place.memory;
    } else if (plan_.slots[slot].space == MemorySpace::device) {
      if (sized.offset >= 0) value.data = device_arena + (sized.bytes > 0 ? sized.offset : 0);
    } else if (sized.offset >= 0) {
      value.data = sized.bytes > 0 ? arena + sized.offset : empty_memory();
    }
  }
  if (has_device()) place_bound_device_memory(segment);
  for (std::size_t j = 0; j < segment.sized.size(); ++j) {
    const std::uint32_t slot = segment.sized[j];
    const std::uint32_t base = layout_.root[slot];
    if (base == slot) continue;
    if (values_[slot].bytes != values_[base].bytes) {
      throw Error(ErrorCode::bad_shape,
                  "value " + plan_.slots[slot].name + " of " + std::to_string(values_[slot].bytes) +
                      " bytes",
                  "it shares memory with " + plan_.slots[base].name + " of " +
                      std::to_string(values_[base].bytes) + " bytes: their sizes must be equal",
                  "give inputs whose shapes fit the model's reshapes");
    }
    values_[slot].data = values_[base].data;
  }
  state.placed = true;
}

void PlanRunner::prepare_steps(std::size_t index, Prepared& prepared) {
  const Segment& segment = layout_.segments[index];
  prepared.steps.reserve(segment.end - segment.begin);
  for (std::uint32_t s = segment.begin; s < segment.end; ++s) {
    const Step& step = plan_.steps[s];
    const std::size_t at = s - segment.begin;
    try {
      if (at >= prepared.steps.size()) {
        prepared.steps.emplace_back(plan_, step, values_,
                                    has_device() ? device().device() : nullptr);
      }
      gather(step);
      // Shapes alone, but for what is known of the data.
      for (std::size_t i = 0; i < step.inputs.size(); ++i) {
        if (step.inputs[i] == kNoSlot) continue;
        const Slot& slot = plan_.slots[layout_.root[step.inputs[i]]];
        if (slot.kind == SlotKind::constant || is_made_of_sizes(slot)) continue;
        arguments_[i].data = nullptr;
      }
      for (std::size_t i = 0; i < step.outputs.size(); ++i) results_[i].data = nullptr;
      const std::int64_t bytes =
          prepared.steps[at].prepare({arguments_.data(), step.inputs.size()},
                                     {results_.data(), step.outputs.size()}, session_.threads);
      if (step.kind == StepKind::kernel && has_device() && step.backend == plan_.device) {
        session_.device_workspace->grow(bytes);
      } else {
        session_.workspace.grow(bytes, 0);
      }
    } catch (Error& error) {
      error.add_context(step_text(plan_, step));
      throw;
    }
  }
}

// The last step of the segment has run: what its outputs say about sizes.
void PlanRunner::bind_symbols_after(const Segment& segment) {
  if (segment.begin == segment.end) return;
  const Step& step = plan_.steps[segment.end - 1];
  for (const std::uint32_t index : step.outputs) {
    if (index == kNoSlot) continue;
    const Slot& slot = plan_.slots[index];
    if (!slot.shape || slot.dtype == DType::undefined) continue;
    if (values_[index].rank == slot.shape->size()) continue;
    throw Error(ErrorCode::bad_shape,
                "value " + slot.name + " has rank " + std::to_string(values_[index].rank),
                "the engine foresees " + slot.type)
        .add_context(step_text(plan_, step));
  }
  for (const SymbolBinding& binding : segment.bindings_after) {
    symbols_[binding.symbol] = values_[binding.slot].dims[binding.axis];
  }
  for (const std::uint32_t index : step.outputs) {
    if (index == kNoSlot) continue;
    const Slot& slot = plan_.slots[index];
    if (slot.kind != SlotKind::dynamic || !slot.shape) continue;
    for (std::size_t axis = 0; axis < slot.shape->size(); ++axis) {
      const auto wanted = (*slot.shape)[axis].try_evaluate(symbols_);
      const std::int64_t got = values_[index].dims[axis];
      if (!wanted || *wanted == got) continue;
      throw Error(
          ErrorCode::bad_shape,
          "dimension " + std::to_string(axis) + " of " + slot.name + " is " + std::to_string(got),
          "the model foresees " + (*slot.shape)[axis].to_string() + " = " + std::to_string(*wanted))
          .add_context(step_text(plan_, step));
    }
  }
}

}  // namespace strop
