// SPDX-License-Identifier: Apache-2.0
// What of a plan's execution is known before any shape is: where it is cut into segments, which
// slots each segment sizes, which symbols are bound where. Made once per engine and shared by its
// contexts.
//
// A segment is a run of steps whose sizes are all known when its first step starts; it ends after a
// step that makes a size known. Each segment has memory of its own, so what an earlier segment
// wrote stays in place while later ones read it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "plan/plan.hpp"

namespace strop {

// "Dimension `axis` of the slot is the value of `symbol`".
struct SymbolBinding {
  std::uint32_t slot = 0;
  std::uint32_t axis = 0;
  std::string symbol;
};

// Memory of an arena slot within its segment; steps counted from the start of the plan.
struct ArenaUse {
  std::uint32_t slot = 0;
  std::uint32_t first = 0;
  std::uint32_t last = 0;  // inclusive
};

// Steps [begin, end) that all run on the device: nobody waits between them.
struct DeviceGroup {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

struct Segment {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::vector<DeviceGroup> groups;   // in their order
  std::vector<ArenaUse> arena;       // no aliases among them
  std::vector<std::uint32_t> sized;  // arena, alias and elements slots that get their shape here
  std::vector<std::string> symbols;  // whose values the sizes of this segment depend on
  std::vector<std::uint32_t> key_slots;       // tensors whose actual shape they depend on too
  std::vector<std::uint32_t> constraints;     // of Plan::constraints, decidable here and not before
  std::vector<SymbolBinding> bindings_after;  // from outputs of the last step
};

struct PlanLayout {
  const Plan* plan = nullptr;
  std::vector<std::uint32_t> root;  // per slot: what it is an alias of in the end, or itself
  std::vector<Segment> segments;    // at least one
  std::vector<SymbolBinding> input_bindings;
  std::vector<std::string> outer_symbols;  // of the enclosing plan, not bound by an input
  std::vector<std::vector<std::unique_ptr<PlanLayout>>> nested;  // per step
  // Per slot: whether the host reads it, itself or an alias of it (steps other than copies, and
  // outputs that are inputs); whether a copy writes it.
  std::vector<bool> read_on_host, written_by_copy;
  std::uint32_t max_inputs = 0;  // of a step
  std::uint32_t max_outputs = 0;
};

// Strings, sequences, optionals, maps.
bool is_boxed(const Slot& slot);
// Its contents are dimensions, written when shapes are prepared.
bool is_made_of_sizes(const Slot& slot);

// `outer_symbols`: those that the enclosing plan knows. Throws Error(engine_invalid) where a size
// depends on a symbol that nothing has bound by then. The plan must have passed verify().
std::unique_ptr<PlanLayout> make_layout(const Plan& plan,
                                        const std::vector<std::string>& outer_symbols = {});

}  // namespace strop
