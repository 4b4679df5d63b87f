// SPDX-License-Identifier: Apache-2.0
// The plan as text: one line per slot, constraint and step, nested plans indented below their step.
// Equal plans print equal text, constants by a hash of their bytes.
#include <xxhash.h>

#include <cstdio>

#include "base/error.hpp"
#include "plan/plan.hpp"

namespace strop {
namespace {

// Parameters may hold whole tensors as text; what is longer is cut and told apart by its hash.
constexpr std::size_t kMaxShown = 400;

std::string hex(std::uint64_t value) {
  char text[20];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

// One line whatever a name holds.
std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kMaxShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
      out += escaped;
    } else {
      out += c;
    }
  }
  if (text.size() > kMaxShown) {
    out += "... " + std::to_string(text.size()) + " bytes #" +
           hex(XXH3_64bits(text.data(), text.size()));
  }
  return out;
}

const char* kind_name(SlotKind kind) {
  switch (kind) {
    case SlotKind::input:
      return "input";
    case SlotKind::constant:
      return "constant";
    case SlotKind::arena:
      return "arena";
    case SlotKind::dynamic:
      return "dynamic";
    case SlotKind::boxed:
      return "boxed";
    case SlotKind::alias:
      return "alias";
  }
  return "?";
}

std::string slot_name(std::uint32_t slot) {
  return slot == kNoSlot ? "-" : "%" + std::to_string(slot);
}

std::string slot_list(const std::vector<std::uint32_t>& slots) {
  std::string out = "(";
  for (std::size_t i = 0; i < slots.size(); ++i) {
    out += (i > 0 ? ", " : "") + slot_name(slots[i]);
  }
  return out + ")";
}

std::string type_text(const Slot& slot) {
  if (slot.dtype == DType::undefined) return shown(slot.type);
  return std::string(to_string(slot.dtype)) + (slot.shape ? to_string(*slot.shape) : "[*]");
}

std::uint64_t content_hash(const Tensor& tensor) {
  if (tensor.dtype() == DType::string) {
    std::string all;
    for (const std::string& text : tensor.values<std::string>()) {
      all += std::to_string(text.size()) + ":" + text;
    }
    return XXH3_64bits(all.data(), all.size());
  }
  return XXH3_64bits(tensor.data(), static_cast<std::size_t>(tensor.bytes()));
}

void print(const Plan& plan, const std::string& indent, std::string& out);

void print_slot(const Slot& slot, std::size_t index, const std::string& indent, std::string& out) {
  out += indent + "  %" + std::to_string(index) + " " + kind_name(slot.kind);
  if (slot.space == MemorySpace::device) out += " on device";
  if (slot.kind == SlotKind::alias) out += " of " + slot_name(slot.alias_of);
  out += " " + type_text(slot) + " " + shown(slot.name);
  if (slot.constant.defined()) {
    out += " #" + hex(content_hash(slot.constant));
  }
  if (slot.elements) out += " = " + shown(to_string(*slot.elements));
  out += '\n';
}

void print_step(const Step& step, std::size_t index, const std::string& indent, std::string& out) {
  out += indent + "  step " + std::to_string(index) + " " + shown(step.name) + ": ";
  if (step.kind == StepKind::kernel) {
    out += shown(step.backend) + "/" + shown(step.kernel);
  } else {
    out += step.kind == StepKind::branch ? "branch" : step.kind == StepKind::loop ? "loop" : "copy";
  }
  out += slot_list(step.inputs) + " -> " + slot_list(step.outputs);
  if (step.kind == StepKind::loop) out += " carried=" + std::to_string(step.carried);
  if (step.cut) out += " cut";
  if (!step.op.empty()) out += " op=" + shown(step.op);
  if (!step.tactic.empty()) out += " tactic=" + shown(step.tactic);
  if (!step.parameters.empty()) out += " {" + shown(step.parameters) + "}";
  for (std::size_t i = 0; i < step.origins.size(); ++i) {
    out += (i == 0 ? " from " : ", ") + shown(step.origins[i]);
  }
  out += '\n';
  for (const auto& nested : step.nested) {
    if (nested) print(*nested, indent + "    ", out);
  }
}

void print(const Plan& plan, const std::string& indent, std::string& out) {
  out += indent + "plan " + shown(plan.name) + slot_list(plan.inputs);
  if (!plan.device.empty()) out += " on " + shown(plan.device);
  out += '\n';
  for (std::size_t i = 0; i < plan.slots.size(); ++i) print_slot(plan.slots[i], i, indent, out);
  for (const PlanConstraint& constraint : plan.constraints) {
    out += indent + "  require " + constraint.a.to_string() + " == " + constraint.b.to_string();
    out += (constraint.why.empty() ? "" : ": " + shown(constraint.why)) + "\n";
  }
  for (std::size_t i = 0; i < plan.steps.size(); ++i) print_step(plan.steps[i], i, indent, out);
  out += indent + "  return";
  for (std::size_t i = 0; i < plan.outputs.size(); ++i) {
    out += (i > 0 ? ", " : " ") + slot_name(plan.outputs[i]);
    if (i < plan.output_names.size()) out += " as " + shown(plan.output_names[i]);
  }
  out += '\n';
}

}  // namespace

std::string to_text(const Plan& plan) {
  std::string out;
  print(plan, "", out);
  return out;
}

}  // namespace strop
