// SPDX-License-Identifier: Apache-2.0
// What a legal plan is. Everything the runtime relies on without looking again is checked here,
// because a plan may come from a file that somebody made to do harm. What depends on concrete
// shapes (sizes, an alias that fits into its memory) the runtime checks when shapes are prepared.
#include <algorithm>
#include <unordered_set>

#include "base/error.hpp"
#include "plan/plan.hpp"
#include "plan/plan_limits.hpp"

namespace strop {
namespace {

[[noreturn]] void invalid(std::string what, std::string why) {
  throw Error(ErrorCode::engine_invalid, std::move(what), std::move(why),
              "build the engine again from its model");
}

class PlanVerifier {
 public:
  PlanVerifier(const Plan& plan, int depth) : plan_(plan), depth_(depth) {}

  void run() {
    if (depth_ > kMaxPlanDepth) invalid("the plan", "plans are nested more than 32 deep");
    if (plan_.slots.size() > kMaxPlanSlots || plan_.steps.size() > kMaxPlanSteps) {
      throw Error(ErrorCode::limit_exceeded, where() + " is too long",
                  "a plan has at most 2^19 slots and 2^18 steps");
    }
    roots_.assign(plan_.slots.size(), kNoSlot);
    available_.assign(plan_.slots.size(), false);
    for (std::size_t i = 0; i < plan_.slots.size(); ++i) check_slot(i);
    check_aliases();
    check_inputs();
    for (std::size_t i = 0; i < plan_.steps.size(); ++i) check_step(i);
    check_outputs();
  }

 private:
  std::string where() const { return "plan \"" + plan_.name + "\""; }
  std::string slot_text(std::size_t i) const {
    return where() + ", slot " + std::to_string(i) + " (" + plan_.slots[i].name + ")";
  }
  std::string step_text(std::size_t i) const {
    return where() + ", step " + std::to_string(i) + " (" + plan_.steps[i].name + ")";
  }
  const Slot& slot(std::uint32_t i) const { return plan_.slots[i]; }

  void check_slot(std::size_t i) {
    const Slot& slot = plan_.slots[i];
    if (static_cast<int>(slot.kind) > static_cast<int>(SlotKind::alias)) {
      invalid(slot_text(i), "it is of no known kind");
    }
    if (static_cast<int>(slot.dtype) >= kDTypeCount) {
      invalid(slot_text(i), "it is of no known element type");
    }
    if (slot.shape && slot.shape->size() > kMaxPlanRank) {
      invalid(slot_text(i), "it has more than 64 dimensions");
    }
    if (slot.shape) check_static_dims(i);
    if (slot.constant.defined() != (slot.kind == SlotKind::constant)) {
      invalid(slot_text(i), slot.constant.defined() ? "it has contents but is no constant"
                                                    : "it is a constant without contents");
    }
    const bool tensor = slot.dtype != DType::undefined;
    const bool plain = tensor && slot.dtype != DType::string;
    if (!tensor && slot.shape) invalid(slot_text(i), "it has a shape but no element type");
    switch (slot.kind) {
      case SlotKind::input:
        if (!tensor && slot.type.empty()) invalid(slot_text(i), "it has no type");
        break;
      case SlotKind::constant:
        if (slot.constant.dtype() != slot.dtype || !slot.shape ||
            to_concrete(*slot.shape) != slot.constant.shape()) {
          invalid(slot_text(i), "its contents are " + describe(slot.constant) +
                                    ", which is not the type it states");
        }
        if (plain && slot.constant.bytes() > 0 && slot.constant.data() == nullptr) {
          invalid(slot_text(i), "its contents are not there");
        }
        available_[i] = true;
        break;
      case SlotKind::arena:
        if (!plain || !slot.shape) {
          invalid(slot_text(i), "memory can be planned only for tensors of known rank");
        }
        break;
      case SlotKind::dynamic:
        if (!plain) invalid(slot_text(i), "it is no tensor of plain memory");
        break;
      case SlotKind::boxed:
        if (plain) invalid(slot_text(i), "tensors of plain memory are not boxed");
        if (!tensor && slot.type.empty()) invalid(slot_text(i), "it has no type");
        break;
      case SlotKind::alias:
        if (!plain) invalid(slot_text(i), "only tensors of plain memory share it");
        break;
    }
    if (slot.kind != SlotKind::alias && slot.alias_of != kNoSlot) {
      invalid(slot_text(i), "it names memory to share but is no alias");
    }
    if (slot.elements) check_elements(i);
    if (slot.space == MemorySpace::device) check_device_slot(i);
  }

  void check_device_slot(std::size_t i) const {
    const Slot& slot = plan_.slots[i];
    const bool kind_fits = slot.kind == SlotKind::arena || slot.kind == SlotKind::constant ||
                           slot.kind == SlotKind::alias;
    if (plan_.device.empty() || !kind_fits || slot.dtype == DType::undefined ||
        slot.dtype == DType::string || slot.elements) {
      invalid(slot_text(i), "it cannot lie in the memory of a device");
    }
  }

  // Kernels of the device work on its memory, and may read constants of the host; all others know
  // nothing of it.
  void check_spaces(std::size_t index) const {
    const Step& step = plan_.steps[index];
    const bool on_device =
        step.kind == StepKind::kernel && !plan_.device.empty() && step.backend == plan_.device;
    const auto is_device = [&](std::uint32_t i) {
      return i != kNoSlot && slot(i).space == MemorySpace::device;
    };
    for (const std::uint32_t i : step.inputs) {
      if (i == kNoSlot || is_device(i) == on_device) continue;
      if (on_device && slot(i).kind == SlotKind::constant) continue;
      invalid(step_text(index), "it reads " + slot(i).name + " in memory that is not its own");
    }
    for (const std::uint32_t i : step.outputs) {
      if (i == kNoSlot || is_device(i) == on_device) continue;
      invalid(step_text(index), "it writes " + slot(i).name + " in memory that is not its own");
    }
  }

  void check_copy(std::size_t index) const {
    const Step& step = plan_.steps[index];
    const bool two = step.inputs.size() == 1 && step.outputs.size() == 1 &&
                     step.inputs[0] != kNoSlot && step.outputs[0] != kNoSlot;
    if (!two) invalid(step_text(index), "a copy is from one slot to one");
    const Slot& from = slot(step.inputs[0]);
    const Slot& to = slot(step.outputs[0]);
    if (from.space == to.space || from.dtype != to.dtype || from.dtype == DType::undefined ||
        from.dtype == DType::string || to.kind != SlotKind::arena) {
      invalid(step_text(index), "it copies " + from.name + " to " + to.name +
                                    ", which are not the same in different memory");
    }
    if (from.shape && to.shape && *from.shape != *to.shape) {
      invalid(step_text(index),
              "it copies " + to_string(*from.shape) + " to " + to_string(*to.shape));
    }
    if (!step.nested.empty()) invalid(step_text(index), "a copy has no nested plan");
  }

  void check_static_dims(std::size_t i) const {
    const Slot& slot = plan_.slots[i];
    for (const Dim& dim : *slot.shape) {
      if (dim.is_constant() && dim.value() < 0) {
        invalid(slot_text(i), "a dimension is " + dim.to_string());
      }
    }
    if (slot.dtype == DType::undefined) return;
    const auto shape = to_concrete(*slot.shape);
    if (!shape) return;
    try {
      slot.dtype == DType::string ? element_count(*shape) : byte_size(slot.dtype, *shape);
    } catch (const Error&) {
      invalid(slot_text(i), "its size passes 2^63-1");
    }
  }

  void check_elements(std::size_t i) {
    const Slot& slot = plan_.slots[i];
    if (slot.kind != SlotKind::arena && slot.kind != SlotKind::constant) {
      invalid(slot_text(i), "contents known from shapes are for planned memory");
    }
    const std::size_t count = slot.elements->size();
    const bool fits =
        slot.dtype == DType::i64 && slot.shape && slot.shape->size() <= 1 &&
        (slot.shape->empty() ? count == 1 : (*slot.shape)[0].is(static_cast<std::int64_t>(count)));
    if (!fits) {
      invalid(slot_text(i), std::to_string(count) + " elements are known, which its type is not");
    }
    available_[i] = true;
  }

  // roots_[i]: the slot whose memory slot i has.
  void check_aliases() {
    for (std::size_t i = 0; i < plan_.slots.size(); ++i) {
      if (plan_.slots[i].kind != SlotKind::alias) roots_[i] = static_cast<std::uint32_t>(i);
    }
    std::vector<std::uint32_t> path;
    std::vector<std::size_t> hops(plan_.slots.size(), 0);
    for (std::size_t i = 0; i < plan_.slots.size(); ++i) {
      path.clear();
      auto at = static_cast<std::uint32_t>(i);
      while (roots_[at] == kNoSlot) {
        path.push_back(at);
        // Marks the path; meeting the mark again is a cycle.
        roots_[at] = kOnPath;
        at = slot(at).alias_of;
        if (at >= plan_.slots.size()) invalid(slot_text(i), "it shares memory with no slot");
      }
      if (roots_[at] == kOnPath) invalid(slot_text(i), "it shares memory with itself");
      std::size_t distance = hops[at] + path.size();
      if (distance > kMaxPlanAliases) invalid(slot_text(i), "more than 1024 aliases of each other");
      for (const std::uint32_t passed : path) {
        roots_[passed] = roots_[at];
        hops[passed] = distance--;
      }
    }
    for (std::size_t i = 0; i < plan_.slots.size(); ++i) {
      if (plan_.slots[i].kind == SlotKind::alias) check_alias(i);
    }
  }

  void check_alias(std::size_t i) const {
    const Slot& alias = plan_.slots[i];
    const Slot& root = slot(roots_[i]);
    if (root.kind == SlotKind::boxed || root.dtype != alias.dtype) {
      invalid(slot_text(i), "it is " + std::string(to_string(alias.dtype)) +
                                " but shares memory of " + std::string(to_string(root.dtype)));
    }
    if (root.space != alias.space) {
      invalid(slot_text(i), "it lies in other memory than what it shares");
    }
    if (!alias.shape) invalid(slot_text(i), "the rank of shared memory must be known");
    if (!root.shape) return;
    const auto own = to_concrete(*alias.shape);
    const auto other = to_concrete(*root.shape);
    if (own && other && element_count(*own) != element_count(*other)) {
      invalid(slot_text(i), "its shape " + to_string(*own) + " has not as many elements as " +
                                to_string(*other) + ", whose memory it shares");
    }
  }

  void check_inputs() {
    std::unordered_set<std::string_view> names;
    for (const std::uint32_t i : plan_.inputs) {
      if (i >= plan_.slots.size() || slot(i).kind != SlotKind::input) {
        invalid(where(), "input " + std::to_string(i) + " is no slot for an input");
      }
      if (available_[i]) invalid(slot_text(i), "it is an input twice");
      available_[i] = true;
      if (depth_ == 0 && !names.insert(slot(i).name).second) {
        invalid(slot_text(i), "two inputs have this name");
      }
    }
    for (std::size_t i = 0; i < plan_.slots.size(); ++i) {
      if (plan_.slots[i].kind == SlotKind::input && !available_[i]) {
        invalid(slot_text(i), "it is missing in the list of inputs");
      }
    }
  }

  bool readable(std::uint32_t i) const { return i < plan_.slots.size() && available_[roots_[i]]; }

  void check_step(std::size_t index) {
    const Step& step = plan_.steps[index];
    for (const std::uint32_t i : step.inputs) {
      if (i == kNoSlot) continue;
      if (i >= plan_.slots.size()) {
        invalid(step_text(index), "it reads slot " + std::to_string(i) + ", which does not exist");
      }
      if (!readable(i))
        invalid(step_text(index), "it reads " + slot(i).name + " before it is written");
    }
    // Inputs of all, then outputs of all: no step reads what it writes.
    for (const std::uint32_t i : step.outputs) {
      if (i == kNoSlot) continue;
      if (i >= plan_.slots.size()) {
        invalid(step_text(index), "it writes slot " + std::to_string(i) + ", which does not exist");
      }
      const SlotKind kind = slot(i).kind;
      if (kind != SlotKind::arena && kind != SlotKind::dynamic && kind != SlotKind::boxed) {
        invalid(step_text(index), "it writes " + slot(i).name + ", which no step may write");
      }
      if (available_[i]) invalid(step_text(index), slot(i).name + " is written twice");
      available_[i] = true;
    }
    switch (step.kind) {
      case StepKind::kernel:
        if (step.backend.empty() || step.kernel.empty()) {
          invalid(step_text(index), "it names no kernel");
        }
        if (!step.nested.empty()) invalid(step_text(index), "a kernel has no nested plan");
        break;
      case StepKind::branch:
        check_branch(index);
        break;
      case StepKind::loop:
        check_loop(index);
        break;
      case StepKind::copy:
        check_copy(index);
        break;
      default:
        invalid(step_text(index), "it is of no known kind");
    }
    if (step.kind != StepKind::copy) check_spaces(index);
    if (step.kind != StepKind::loop && step.carried != 0) {
      invalid(step_text(index), "only loops carry values");
    }
    for (const auto& nested : step.nested) PlanVerifier(*nested, depth_ + 1).run();
  }

  // Nested plans as many as said, each with inputs and outputs whose slots exist.
  void check_nested(std::size_t index, std::size_t plans, std::size_t inputs,
                    std::size_t outputs) const {
    const Step& step = plan_.steps[index];
    if (step.nested.size() != plans) {
      invalid(step_text(index), "it has " + std::to_string(step.nested.size()) +
                                    " nested plans, expected " + std::to_string(plans));
    }
    for (const auto& nested : step.nested) {
      STROP_CHECK(nested != nullptr, "a nested plan is there");
      if (nested->inputs.size() != inputs || nested->outputs.size() != outputs) {
        invalid(step_text(index), "its nested plan has " + std::to_string(nested->inputs.size()) +
                                      " inputs and " + std::to_string(nested->outputs.size()) +
                                      " outputs, expected " + std::to_string(inputs) + " and " +
                                      std::to_string(outputs));
      }
      for (const auto* list : {&nested->inputs, &nested->outputs}) {
        for (const std::uint32_t i : *list) {
          if (i >= nested->slots.size()) {
            invalid(step_text(index), "its nested plan names a slot that does not exist");
          }
        }
      }
    }
  }

  // A value that passes between a plan and a nested one keeps its element type (boxed values carry
  // their type with them).
  void check_same(std::size_t index, const Slot& outer, const Slot& inner) const {
    if (outer.dtype != inner.dtype) {
      invalid(step_text(index), outer.name + " is " + std::string(to_string(outer.dtype)) +
                                    ", but " + std::string(to_string(inner.dtype)) +
                                    " in the nested plan");
    }
    if (outer.shape && inner.shape && outer.shape->size() != inner.shape->size() &&
        slot_is_input(inner)) {
      invalid(step_text(index), outer.name + " has another rank in the nested plan");
    }
  }
  static bool slot_is_input(const Slot& slot) { return slot.kind == SlotKind::input; }

  void require_dtype(std::size_t index, const Slot& slot, DType dtype, const char* what) const {
    if (slot.dtype != dtype) {
      invalid(step_text(index), std::string(what) + " is " + std::string(to_string(slot.dtype)) +
                                    ", expected " + std::string(to_string(dtype)));
    }
  }

  void check_branch(std::size_t index) const {
    const Step& step = plan_.steps[index];
    if (step.inputs.empty() || step.inputs[0] == kNoSlot) {
      invalid(step_text(index), "a branch needs a condition");
    }
    require_dtype(index, slot(step.inputs[0]), DType::boolean, "the condition");
    check_nested(index, 2, step.inputs.size() - 1, step.outputs.size());
    for (const auto& nested : step.nested) {
      for (std::size_t i = 1; i < step.inputs.size(); ++i) {
        if (step.inputs[i] == kNoSlot) invalid(step_text(index), "a captured value is absent");
        check_same(index, slot(step.inputs[i]), nested->slots[nested->inputs[i - 1]]);
      }
      for (std::size_t i = 0; i < step.outputs.size(); ++i) {
        if (step.outputs[i] == kNoSlot) continue;
        check_same(index, slot(step.outputs[i]), nested->slots[nested->outputs[i]]);
      }
    }
  }

  void check_loop(std::size_t index) const {
    const Step& step = plan_.steps[index];
    const std::size_t inputs = step.inputs.size();
    if (inputs < 2 || step.carried < 0 || step.carried > static_cast<std::int64_t>(inputs - 2) ||
        step.carried > static_cast<std::int64_t>(step.outputs.size())) {
      invalid(step_text(index), "it carries " + std::to_string(step.carried) +
                                    " values, which its inputs and outputs do not allow");
    }
    if (step.inputs[0] != kNoSlot) {
      require_dtype(index, slot(step.inputs[0]), DType::i64, "the trip count");
    }
    if (step.inputs[1] != kNoSlot) {
      require_dtype(index, slot(step.inputs[1]), DType::boolean, "the condition");
    }
    check_nested(index, 1, inputs, step.outputs.size() + 1);
    const Plan& body = *step.nested[0];
    require_dtype(index, body.slots[body.inputs[0]], DType::i64, "the iteration number");
    require_dtype(index, body.slots[body.inputs[1]], DType::boolean, "the condition");
    require_dtype(index, body.slots[body.outputs[0]], DType::boolean, "the condition");
    for (std::size_t i = 2; i < inputs; ++i) {
      if (step.inputs[i] == kNoSlot) invalid(step_text(index), "a carried value is absent");
      check_same(index, slot(step.inputs[i]), body.slots[body.inputs[i]]);
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(step.carried); ++i) {
      const Slot& out = body.slots[body.outputs[i + 1]];
      require_dtype(index, out, body.slots[body.inputs[i + 2]].dtype, "a carried value");
    }
    for (std::size_t i = 0; i < step.outputs.size(); ++i) {
      if (step.outputs[i] == kNoSlot) continue;
      require_dtype(index, slot(step.outputs[i]), body.slots[body.outputs[i + 1]].dtype,
                    "an output of the loop");
    }
  }

  void check_outputs() const {
    if (plan_.output_names.size() != plan_.outputs.size()) {
      invalid(where(), std::to_string(plan_.outputs.size()) + " outputs have " +
                           std::to_string(plan_.output_names.size()) + " names");
    }
    std::unordered_set<std::string_view> names;
    for (std::size_t i = 0; i < plan_.outputs.size(); ++i) {
      if (plan_.outputs[i] < plan_.slots.size() &&
          slot(plan_.outputs[i]).space == MemorySpace::device) {
        invalid(slot_text(plan_.outputs[i]), "an output lies in the memory of the host");
      }
      if (!readable(plan_.outputs[i])) {
        invalid(where(), "output " + plan_.output_names[i] + " is never written");
      }
      if (depth_ == 0 && !names.insert(plan_.output_names[i]).second) {
        invalid(where(), "two outputs have the name " + plan_.output_names[i]);
      }
    }
  }

  static constexpr std::uint32_t kOnPath = kNoSlot - 1;

  const Plan& plan_;
  const int depth_;
  std::vector<std::uint32_t> roots_;
  std::vector<bool> available_;  // of roots: written, or there from the start
};

}  // namespace

void verify(const Plan& plan) { PlanVerifier(plan, 0).run(); }

}  // namespace strop
