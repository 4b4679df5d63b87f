// SPDX-License-Identifier: Apache-2.0
// A tactic is one way to run an operator on a backend: data plus functions. For a Problem it says
// yes or no (with the reason), lists its configurations, and lowers to a kernel step. Tuning times
// what was accepted; the choice is recorded.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.hpp"
#include "plan/plan.hpp"
#include "tactic/device.hpp"
#include "tactic/layout.hpp"

namespace strop {

// One node as a question to the tactics: what is to be computed, on which types. Lives while
// lowering looks at the node.
struct Problem {
  const Node* node = nullptr;
  const Graph* graph = nullptr;
  bool precise = false;                      // leave out whatever reassociates
  OperandLayouts layouts{};                  // of the candidate being lowered; plain otherwise
  const DeviceProperties* device = nullptr;  // what the engine is for; null: the processor
  // Sizes that the engine is made for, of the symbols that have one; null: of none. Never what a
  // step depends on: only which of several is looked at first.
  const SymbolValues* sample = nullptr;

  const OpDef& op() const { return *node->op; }
  bool is(const OpDef& other) const { return node->is(other); }
  // The operator, or of a fused node the first one of its body that is no cast.
  const OpDef& leading_op() const;
  template <class A>
  const A& attributes() const {
    return node->as<A>();
  }
  bool has_input(std::size_t i) const { return node->input(i).exists(); }
  const Type& input_type(std::size_t i) const { return graph->value(node->inputs[i]).type; }
  const Tensor* constant(std::size_t i) const {
    if (!has_input(i)) return nullptr;
    const Value& value = graph->value(node->inputs[i]);
    return value.is_constant() ? &value.constant : nullptr;
  }
  const Type& output_type(std::size_t i) const { return graph->value(node->outputs[i]).type; }

  // Operator, attributes, types and which inputs are constants, canonically; what the timing cache
  // is keyed by.
  std::string key() const;
};

struct Acceptance {
  bool yes = false;
  std::string reason;  // of a refusal; empty: the operator is none of this tactic's business

  static Acceptance accept() { return {true, {}}; }
  static Acceptance refuse(std::string reason) { return {false, std::move(reason)}; }
};

// A constant that a tactic gives its step.
struct StepConstant {
  Tensor tensor;
  bool in_host_memory = false;  // also where the step's operands lie on a device
};

// What a candidate lowers to.
struct KernelChoice {
  std::string kernel;      // in the backend's kernel table
  std::string parameters;  // for that kernel; text, "key=value" separated by ';' unless the kernel
                           // says otherwise
  // What the step reads instead of the node's input of that number: a constant in another form.
  std::map<std::size_t, StepConstant> replaced{};
  // What it reads after the node's inputs: tables, machine code.
  std::vector<StepConstant> added{};
};

struct Tactic {
  std::string_view name;     // <op>_<library or how>[_<dtype>]: "conv_onednn"
  std::string_view backend;  // "cpu"
  // Its steps run on a library of others, which is opened and makes code of its own, and weights in
  // its own order, whenever an engine is loaded.
  bool opens_library = false;
  // The operators it is for; it is asked about no other.
  std::vector<const OpDef& (*)()> ops;
  // Beside those, operators that have no accessor (of plugins); null: none.
  bool (*serves)(const OpDef&) = nullptr;
  // Whether it is also asked about fused nodes that begin with one of them.
  bool reads_bodies = false;
  // Never depends on free memory or time.
  Acceptance (*accepts)(const Problem&) = nullptr;
  // Names of the ways it can be run; at least one. The first is the default when nothing is timed.
  std::vector<std::string> (*configs)(const Problem&) = nullptr;  // null: one, named ""
  // Whether one of those takes the problem; null: all do.
  Acceptance (*accepts_config)(const Problem&, std::string_view config) = nullptr;
  // The layouts in which a config takes and gives its operands; each is a candidate of its own.
  std::vector<OperandLayouts> (*layouts)(const Problem&,
                                         std::string_view config) = nullptr;  // null: plain
  // How many times slower it is thought to be than the operator's fastest way; decides where
  // nothing is timed.
  double (*slowdown)(const Problem&, std::string_view config) = nullptr;  // null: 1
  KernelChoice (*lower)(const Problem&, std::string_view config) = nullptr;
};

// Whether the tactic's steps work on the memory of the problem's device.
inline bool works_on_device(const Problem& problem, const Tactic& tactic) {
  return problem.device != nullptr && tactic.backend == problem.device->backend;
}

}  // namespace strop
