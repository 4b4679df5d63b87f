// SPDX-License-Identifier: Apache-2.0
#include "builder/pack_constants.hpp"

#include <algorithm>
#include <vector>

#include "base/error.hpp"
#include "runtime/step_instance.hpp"

namespace strop {
namespace {

// How many steps, aliases and outputs read each slot.
std::vector<std::size_t> count_uses(const Plan& plan) {
  std::vector<std::size_t> uses(plan.slots.size(), 0);
  const auto note = [&](std::uint32_t slot) {
    if (slot != kNoSlot) ++uses[slot];
  };
  for (const Step& step : plan.steps) std::ranges::for_each(step.inputs, note);
  for (const Slot& slot : plan.slots) note(slot.alias_of);
  std::ranges::for_each(plan.outputs, note);
  return uses;
}

StropAbiValue value_of(const Slot& slot) {
  StropAbiValue value{};
  value.dtype = static_cast<std::uint32_t>(slot.dtype);
  if (slot.kind != SlotKind::constant) return value;
  static std::byte nothing{};
  value.rank = static_cast<std::uint32_t>(slot.constant.rank());
  value.dims = slot.constant.shape().data();
  value.bytes = static_cast<std::uint64_t>(slot.constant.bytes());
  // Kernels do not write inputs.
  value.data =
      value.bytes > 0 ? const_cast<std::byte*>(slot.constant.data()) : static_cast<void*>(&nothing);
  return value;
}

void set_constant(Slot& slot, Tensor form) {
  slot.dtype = form.dtype();
  slot.shape = to_symbolic(form.shape());
  slot.type = std::string(to_string(slot.dtype)) + to_string(form.shape());
  slot.constant = std::move(form);
}

bool reads_constants(const Plan& plan, const Step& step) {
  return std::ranges::any_of(step.inputs, [&](std::uint32_t slot) {
    return slot != kNoSlot && plan.slots[slot].kind == SlotKind::constant &&
           plan.slots[slot].dtype != DType::string;
  });
}

}  // namespace

void pack_constants(Plan& plan) {
  std::vector<std::size_t> uses = count_uses(plan);
  plan.slots.reserve(plan.slots.size() + plan.steps.size());  // values point into them
  std::vector<StropAbiValue> values;
  for (const Slot& slot : plan.slots) values.push_back(value_of(slot));
  for (Step& step : plan.steps) {
    for (auto& nested : step.nested) {
      Plan inner = *nested;
      pack_constants(inner);
      nested = std::make_shared<const Plan>(std::move(inner));
    }
    if (step.kind != StepKind::kernel || !reads_constants(plan, step)) continue;
    // What a device reads is packed by its tactics, which need none.
    if (!plan.device.empty() && step.backend == plan.device) continue;
    std::optional<PackedConstant> packed = StepInstance(plan, step, values).pack();
    if (!packed) continue;
    STROP_CHECK(packed->input < step.inputs.size(), "a packed constant is an input of its step");
    std::uint32_t& input = step.inputs[packed->input];
    STROP_CHECK(input != kNoSlot && plan.slots[input].kind == SlotKind::constant,
                "what is packed is a constant");
    if (--uses[input] > 0) {
      Slot own = plan.slots[input];
      input = static_cast<std::uint32_t>(plan.slots.size());
      plan.slots.push_back(std::move(own));
      values.emplace_back();
    }
    set_constant(plan.slots[input], std::move(packed->form));
    values[input] = value_of(plan.slots[input]);
    step.parameters += ";" + packed->parameters;
  }
}

}  // namespace strop
