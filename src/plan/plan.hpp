// SPDX-License-Identifier: Apache-2.0
// The Plan: what a Graph becomes for one target. A list of steps over slots (values), every size an
// expression over symbols. A Plan is data: it is printed, saved in an engine, loaded, and
// interpreted by the runtime; nobody rewrites it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/dim.hpp"
#include "base/dtype.hpp"
#include "base/tensor.hpp"

namespace strop {

inline constexpr std::uint32_t kNoSlot = 0xffffffffu;

enum class SlotKind : std::uint8_t {
  input,     // bound by the user (or by the enclosing step, in a nested plan)
  constant,  // weights of the engine
  arena,     // planned memory; sizes known once the input shapes are
  dynamic,   // a tensor whose shape its step determines at run time; own memory
  boxed,     // strings, sequences, optionals, maps; owned by the operator library
  alias,     // the memory of `alias_of` under another shape (reshape and the like)
};

// Whose memory a slot lies in.
enum class MemorySpace : std::uint8_t {
  host,
  device,  // of the backend Plan::device
};

struct Slot {
  std::string name;  // of the value in the model
  SlotKind kind = SlotKind::arena;
  MemorySpace space = MemorySpace::host;  // device: constant, arena and alias alone
  std::string type;  // full type text, e.g. "seq(f32[*])"; tensors have the two fields below too
  DType dtype = DType::undefined;  // of a tensor
  std::optional<SymShape> shape;   // of a tensor; nothing: rank unknown before its step has run
  std::uint32_t alias_of = kNoSlot;
  Tensor constant;  // of SlotKind::constant
  // Contents that follow from input shapes alone (i64, rank <= 1): written when shapes are
  // prepared, by no step.
  std::optional<std::vector<Dim>> elements;
};

struct Plan;

enum class StepKind : std::uint8_t {
  kernel,  // a kernel of a backend
  branch,  // If: inputs[0] is the condition; nested[0] then, nested[1] else; further inputs are
           // theirs
  loop,  // ONNX Loop: inputs are trip count, condition, carried values, captures; nested[0] is the
         // body
  copy,  // from inputs[0] to outputs[0], which lie in different memory
};

struct Step {
  StepKind kind = StepKind::kernel;
  std::string backend;  // "reference", "cpu"
  std::string
      kernel;  // its name in the backend's kernel table; for "reference" the name of the operator
  std::string parameters;  // read by that kernel alone; for "reference" the attributes' text, then
                           // nested graphs
  std::vector<std::uint32_t> inputs;  // slots; kNoSlot: absent
  std::vector<std::uint32_t> outputs;
  std::vector<std::shared_ptr<const Plan>> nested;
  std::int64_t carried = 0;  // of a loop: number of loop-carried values
  // After this step some sizes become known (its outputs are dynamic or boxed): the plan is cut
  // here.
  bool cut = false;

  // For people and reports.
  std::string name;                  // node name
  std::string op;                    // operator of the IR
  std::string tactic;                // which tactic was chosen
  std::vector<std::string> origins;  // ONNX nodes it came from
};

// Two sizes that the model wants equal; checked when shapes are prepared.
struct PlanConstraint {
  Dim a, b;
  std::string why;
};

struct Plan {
  std::string name = "main";
  std::string device;  // the backend with memory of its own that slots lie in; empty: none
  std::vector<Slot> slots;
  std::vector<Step> steps;
  std::vector<std::uint32_t> inputs;
  std::vector<std::uint32_t> outputs;
  std::vector<std::string> output_names;  // one per output; inputs are named by their slots
  std::vector<PlanConstraint> constraints;
};

// One line per slot and step; what --stop-after=lower prints.
std::string to_text(const Plan& plan);
// Every index in range, each slot written before it is read, aliases acyclic and of one element
// type, constants as large as their shape. Throws Error(engine_invalid). A plan from a file is used
// only after this.
void verify(const Plan& plan);

// Static memory planning: lifetimes -> by size -> best gap.
struct Lifetime {
  std::int64_t bytes = 0;
  std::uint32_t first = 0;  // step that writes it
  std::uint32_t last = 0;   // last step that reads it, inclusive
};
struct MemoryPlan {
  std::vector<std::int64_t> offsets;  // as many as lifetimes
  std::int64_t total = 0;             // bytes of the arena
};
// Buffers whose lifetimes overlap do not overlap in memory. Offsets are multiples of `alignment`.
// Deterministic.
MemoryPlan plan_memory(const std::vector<Lifetime>& lifetimes, std::int64_t alignment = 64);

}  // namespace strop
