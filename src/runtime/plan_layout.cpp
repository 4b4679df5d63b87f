// SPDX-License-Identifier: Apache-2.0
#include "runtime/plan_layout.hpp"

#include <algorithm>
#include <set>

#include "base/error.hpp"

namespace strop {
namespace {

using SymbolSet = std::set<std::string>;
constexpr std::uint32_t kNever = 0xffffffffu;

[[noreturn]] void invalid(const std::string& what, const std::string& why) {
  throw Error(ErrorCode::engine_invalid, what, why, "build the engine again");
}

void collect(const Slot& slot, SymbolSet& into) {
  if (slot.shape) {
    for (const Dim& dim : *slot.shape) dim.collect_symbols(into);
  }
  if (slot.elements) {
    for (const Dim& dim : *slot.elements) dim.collect_symbols(into);
  }
}

class LayoutMaker {
 public:
  LayoutMaker(const Plan& plan, const std::vector<std::string>& outer_symbols)
      : plan_(plan),
        layout_(std::make_unique<PlanLayout>()),
        outer_(outer_symbols.begin(), outer_symbols.end()) {}

  std::unique_ptr<PlanLayout> make() {
    layout_->plan = &plan_;
    find_roots();
    cut();
    find_uses();
    place_slots();
    bind_inputs();
    for (std::uint32_t i = 0; i < layout_->segments.size(); ++i) depend(i);
    for (std::uint32_t i = 0; i < plan_.constraints.size(); ++i) {
      if (!constraint_placed_[i]) {
        invalid("plan " + plan_.name, "constraint " + plan_.constraints[i].a.to_string() + " = " +
                                          plan_.constraints[i].b.to_string() +
                                          " is about sizes that never become known");
      }
    }
    return std::move(layout_);
  }

 private:
  std::uint32_t root(std::uint32_t slot) const { return layout_->root[slot]; }

  void find_roots() {
    const auto count = static_cast<std::uint32_t>(plan_.slots.size());
    layout_->root.resize(count);
    for (std::uint32_t i = 0; i < count; ++i) {
      std::uint32_t at = i;
      for (std::uint32_t hops = 0; plan_.slots[at].kind == SlotKind::alias; ++hops) {
        if (hops > count || plan_.slots[at].alias_of >= count) {
          invalid("slot " + plan_.slots[i].name, "its aliases go in a circle");
        }
        at = plan_.slots[at].alias_of;
      }
      layout_->root[i] = at;
      if (at == i) continue;
      if (is_boxed(plan_.slots[at])) {
        invalid("slot " + plan_.slots[i].name, "it is an alias of a value outside of plain memory");
      }
      if (!plan_.slots[i].shape) invalid("slot " + plan_.slots[i].name, "an alias without a shape");
    }
  }

  // After this step, something about sizes is known that was not before.
  bool ends_segment(const Step& step) const {
    if (step.cut || (step.kind != StepKind::kernel && step.kind != StepKind::copy)) return true;
    return std::ranges::any_of(step.outputs, [&](std::uint32_t slot) {
      return slot != kNoSlot && plan_.slots[slot].kind == SlotKind::dynamic;
    });
  }

  void cut() {
    const auto count = static_cast<std::uint32_t>(plan_.steps.size());
    std::uint32_t begin = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      const Step& step = plan_.steps[i];
      layout_->max_inputs =
          std::max(layout_->max_inputs, static_cast<std::uint32_t>(step.inputs.size()));
      layout_->max_outputs =
          std::max(layout_->max_outputs, static_cast<std::uint32_t>(step.outputs.size()));
      segment_of_step_.push_back(static_cast<std::uint32_t>(layout_->segments.size()));
      if (!ends_segment(step)) continue;
      Segment& segment = layout_->segments.emplace_back();
      segment.begin = begin;
      segment.end = i + 1;
      begin = i + 1;
    }
    Segment& rest = layout_->segments.emplace_back();
    rest.begin = begin;
    rest.end = count;
    for (Segment& segment : layout_->segments) find_groups(segment);
  }

  void find_groups(Segment& segment) const {
    if (plan_.device.empty()) return;
    for (std::uint32_t i = segment.begin; i < segment.end; ++i) {
      const Step& step = plan_.steps[i];
      if (step.kind != StepKind::kernel || step.backend != plan_.device) continue;
      if (segment.groups.empty() || segment.groups.back().end != i)
        segment.groups.push_back({i, i});
      segment.groups.back().end = i + 1;
    }
  }

  void find_uses() {
    const std::size_t count = plan_.slots.size();
    first_touch_.assign(count, kNever);
    first_.assign(count, kNever);
    last_.assign(count, 0);
    for (std::uint32_t i = 0; i < plan_.steps.size(); ++i) {
      const auto touch = [&](std::uint32_t slot) {
        if (slot == kNoSlot) return;
        const std::uint32_t base = root(slot);
        first_touch_[slot] = std::min(first_touch_[slot], i);
        first_touch_[base] = std::min(first_touch_[base], i);  // an alias reads what it stands for
        first_[base] = std::min(first_[base], i);
        last_[base] = std::max(last_[base], i);
      };
      for (const std::uint32_t slot : plan_.steps[i].inputs) touch(slot);
      for (const std::uint32_t slot : plan_.steps[i].outputs) {
        touch(slot);
        if (slot == kNoSlot) continue;
        const Slot& target = plan_.slots[slot];
        const SlotKind kind = plan_.slots[root(slot)].kind;
        if (kind == SlotKind::input || kind == SlotKind::constant || is_made_of_sizes(target)) {
          invalid("step " + plan_.steps[i].name, "it writes slot " + target.name +
                                                     ", which is an input, a constant or made of "
                                                     "sizes");
        }
      }
    }
    layout_->read_on_host.assign(count, false);
    layout_->written_by_copy.assign(count, false);
    for (const Step& step : plan_.steps) {
      if (step.kind == StepKind::copy) {
        layout_->written_by_copy[step.outputs[0]] = true;
        continue;
      }
      for (const std::uint32_t slot : step.inputs) {
        if (slot == kNoSlot) continue;
        layout_->read_on_host[slot] = true;
        layout_->read_on_host[root(slot)] = true;
      }
    }
    for (const std::uint32_t slot : plan_.outputs) {
      if (plan_.slots[root(slot)].kind == SlotKind::input) layout_->read_on_host[root(slot)] = true;
    }
    output_.assign(count, false);
    direct_output_.assign(count, false);
    for (const std::uint32_t slot : plan_.outputs) {
      direct_output_[slot] = true;
      output_[root(slot)] = true;
    }
  }

  std::uint32_t last_segment() const {
    return static_cast<std::uint32_t>(layout_->segments.size()) - 1;
  }

  void place_slots() {
    segment_of_slot_.assign(plan_.slots.size(), kNever);
    for (std::uint32_t i = 0; i < plan_.slots.size(); ++i) {
      const Slot& slot = plan_.slots[i];
      const bool is_output = direct_output_[i];
      std::uint32_t segment = kNever;
      if (is_made_of_sizes(slot) || slot.kind == SlotKind::alias) {
        // Where it is needed first.
        if (first_touch_[i] != kNever) segment = segment_of_step_[first_touch_[i]];
        if (segment == kNever && (is_output || output_[i])) segment = last_segment();
      } else if (slot.kind == SlotKind::arena) {
        if (first_[i] == kNever) {
          if (is_output) invalid("slot " + slot.name, "no step writes it");
          continue;
        }
        segment = segment_of_step_[first_[i]];
        Segment& home = layout_->segments[segment];
        const bool leaves = output_[i] || last_[i] >= home.end;
        home.arena.push_back({i, first_[i], leaves ? home.end - 1 : last_[i]});
      }
      if (segment == kNever) continue;
      if (!slot.shape) invalid("slot " + slot.name, "its memory is planned, but it has no shape");
      if (is_made_of_sizes(slot) && (slot.dtype != DType::i64 || slot.shape->size() > 1)) {
        invalid("slot " + slot.name, "contents made of sizes are i64 of rank 0 or 1");
      }
      segment_of_slot_[i] = segment;
      layout_->segments[segment].sized.push_back(i);
    }
  }

  void bind_inputs() {
    for (const std::uint32_t slot : plan_.inputs) bind(slot, layout_->input_bindings);
    known_at_start_ = known_;
    for (const std::string& symbol : outer_) {
      if (known_.insert(symbol).second) layout_->outer_symbols.push_back(symbol);
    }
  }

  void bind(std::uint32_t slot, std::vector<SymbolBinding>& into) {
    if (!plan_.slots[slot].shape) return;
    const SymShape& shape = *plan_.slots[slot].shape;
    for (std::uint32_t axis = 0; axis < shape.size(); ++axis) {
      if (!shape[axis].is_symbol()) continue;
      std::string symbol = shape[axis].symbol_name();
      if (known_.insert(symbol).second) into.push_back({slot, axis, std::move(symbol)});
    }
  }

  // What the sizes of segment i depend on, and what its last step makes known.
  void depend(std::uint32_t i) {
    Segment& segment = layout_->segments[i];
    std::set<std::uint32_t> touched(segment.sized.begin(), segment.sized.end());
    for (std::uint32_t s = segment.begin; s < segment.end; ++s) {
      const Step& step = plan_.steps[s];
      for (const std::uint32_t slot : step.inputs) {
        if (slot != kNoSlot) touched.insert(slot);
      }
      for (const std::uint32_t slot : step.outputs) {
        if (slot != kNoSlot && segment_of_slot_[slot] != kNever) touched.insert(slot);
      }
    }
    SymbolSet used;
    for (const std::uint32_t slot : touched) {
      if (is_boxed(plan_.slots[slot])) continue;
      if (plan_.slots[slot].shape) {
        collect(plan_.slots[slot], used);
      } else {
        segment.key_slots.push_back(slot);
      }
    }
    for (std::uint32_t c = 0; c < plan_.constraints.size(); ++c) {
      if (constraint_placed_[c]) continue;
      SymbolSet symbols;
      plan_.constraints[c].a.collect_symbols(symbols);
      plan_.constraints[c].b.collect_symbols(symbols);
      if (!std::ranges::includes(known_, symbols)) continue;
      constraint_placed_[c] = true;
      segment.constraints.push_back(c);
      used.merge(symbols);
    }
    for (const std::string& symbol : used) {
      if (!known_.contains(symbol)) {
        invalid("plan " + plan_.name, "a size depends on " + symbol +
                                          ", which is not known before step " +
                                          std::to_string(segment.begin));
      }
    }
    if (i == 0) {
      // All that the inputs say is in their shapes; outer symbols come beside them.
      segment.key_slots.assign(plan_.inputs.begin(), plan_.inputs.end());
      for (const std::string& symbol : used) {
        if (!known_at_start_.contains(symbol)) segment.symbols.push_back(symbol);
      }
    } else {
      segment.symbols.assign(used.begin(), used.end());
    }
    // Nested plans see the symbols that are known before their step.
    for (std::uint32_t s = segment.begin; s < segment.end; ++s) {
      auto& nested = layout_->nested.emplace_back();
      for (const auto& plan : plan_.steps[s].nested) {
        nested.push_back(make_layout(*plan, {known_.begin(), known_.end()}));
      }
    }
    if (segment.end == segment.begin) return;
    for (const std::uint32_t slot : plan_.steps[segment.end - 1].outputs) {
      if (slot == kNoSlot || segment_of_slot_[slot] != kNever) continue;
      bind(slot, segment.bindings_after);
    }
  }

  const Plan& plan_;
  std::unique_ptr<PlanLayout> layout_;
  SymbolSet outer_;
  SymbolSet known_;           // while segments are gone through: known before the current one
  SymbolSet known_at_start_;  // from the shapes of the inputs alone
  std::vector<std::uint32_t> segment_of_step_;
  std::vector<std::uint32_t> segment_of_slot_;  // where its size is computed; kNever: by a step
  std::vector<std::uint32_t> first_touch_;      // per slot, step
  std::vector<std::uint32_t> first_, last_;     // per root, step
  std::vector<bool> output_;                    // per root
  std::vector<bool> direct_output_;             // per slot
  std::vector<bool> constraint_placed_ = std::vector<bool>(plan_.constraints.size(), false);
};

}  // namespace

bool is_made_of_sizes(const Slot& slot) {
  return slot.elements && (slot.kind == SlotKind::arena || slot.kind == SlotKind::dynamic);
}

bool is_boxed(const Slot& slot) {
  return slot.kind == SlotKind::boxed || slot.dtype == DType::string ||
         slot.dtype == DType::undefined;
}

std::unique_ptr<PlanLayout> make_layout(const Plan& plan,
                                        const std::vector<std::string>& outer_symbols) {
  return LayoutMaker(plan, outer_symbols).make();
}

}  // namespace strop
