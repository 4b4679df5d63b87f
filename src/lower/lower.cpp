// SPDX-License-Identifier: Apache-2.0
#include "lower/lower.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include "base/error.hpp"
#include "ir/text.hpp"
#include "lower/split_fused.hpp"
#include "ops/dims.hpp"
#include "ops/fused.hpp"
#include "ops/if_else.hpp"
#include "ops/loop.hpp"
#include "ops/op_list.hpp"

namespace strop {
namespace {

constexpr std::uint32_t kUnplaced = kNoSlot;

// What the reference backend reads: attributes, then each nested graph.
std::string reference_parameters(const Node& node) {
  std::string out = node.attributes.to_string();
  TextOptions with_contents;
  with_contents.literal_elements = std::numeric_limits<std::int64_t>::max();
  for (const auto& nested : node.subgraphs) out += "\n" + to_text(*nested, with_contents);
  return out;
}

Slot describe_slot(const Value& value, SlotKind kind) {
  Slot slot;
  slot.name = value.name;
  slot.kind = kind;
  slot.type = value.type.to_string();
  if (value.type.is_tensor()) {
    slot.dtype = value.type.dtype;
    slot.shape = value.type.shape;
  }
  return slot;
}

// Whether the graph or anything nested in it holds a value outside of plain memory.
bool touches_boxed(const Graph& graph) {
  for (NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    const auto boxed = [&](ValueId v) { return v.exists() && graph.value(v).type.is_boxed(); };
    if (std::ranges::any_of(node.inputs, boxed) || std::ranges::any_of(node.outputs, boxed))
      return true;
    if (std::ranges::any_of(node.subgraphs,
                            [](const auto& nested) { return touches_boxed(*nested); }))
      return true;
  }
  const auto boxed = [&](ValueId v) { return graph.value(v).type.is_boxed(); };
  return std::ranges::any_of(graph.inputs(), boxed) || std::ranges::any_of(graph.outputs(), boxed);
}

Plan lower_graph(const Graph& graph, const LowerOptions& options, LowerReport& report,
                 const std::set<std::string>& known_symbols);

class Lowering {
 public:
  Lowering(const Graph& graph, const LowerOptions& options, LowerReport& report,
           std::set<std::string> known_symbols)
      : graph_(graph),
        options_(options),
        report_(report),
        known_(std::move(known_symbols)),
        slot_of_(graph.value_count(), kUnplaced) {}

  Plan run() {
    plan_.name = graph_.name();
    for (ValueId id : graph_.inputs()) {
      const Value& value = graph_.value(id);
      learn_symbols(value);
      const std::uint32_t slot = place(id, SlotKind::input);
      plan_.inputs.push_back(slot);
    }
    for (NodeId id : graph_.order()) lower_node(graph_.node(id));
    for (std::size_t i = 0; i < graph_.outputs().size(); ++i) {
      plan_.outputs.push_back(slot(graph_.outputs()[i]));
      plan_.output_names.push_back(graph_.output_name(i));
    }
    if (options_.keep_all_values) keep_all_values();
    return std::move(plan_);
  }

 private:
  void learn_symbols(const Value& value) {
    if (!value.type.shape) return;
    for (const Dim& dim : *value.type.shape) dim.collect_symbols(known_);
  }

  // Every size follows from what is known before the value is computed.
  bool is_known(const Type& type) const {
    if (!type.shape) return false;
    std::set<std::string> symbols;
    for (const Dim& dim : *type.shape) dim.collect_symbols(symbols);
    return std::ranges::includes(known_, symbols);
  }

  std::uint32_t place(ValueId id, SlotKind kind) {
    const auto index = static_cast<std::uint32_t>(plan_.slots.size());
    plan_.slots.push_back(describe_slot(graph_.value(id), kind));
    slot_of_[id.index] = index;
    return index;
  }

  std::uint32_t slot(ValueId id) {
    if (!id.exists()) return kNoSlot;
    if (slot_of_[id.index] != kUnplaced) return slot_of_[id.index];
    const Value& value = graph_.value(id);
    STROP_CHECK(value.is_constant(), "a value is placed before it is read");
    const std::uint32_t index = place(id, SlotKind::constant);
    plan_.slots[index].constant = value.constant;
    return index;
  }

  void lower_node(const Node& node) {
    for (const ShapeConstraint& constraint : node.constraints) {
      std::string why =
          node.name.empty() ? constraint.why : "node " + node.name + ", " + constraint.why;
      plan_.constraints.push_back({constraint.a, constraint.b, std::move(why)});
    }
    NodeReport entry;
    entry.node = node.name;
    entry.op = node.op->name;
    entry.origins = node.origins;
    if (lower_shape_value(node, entry) || lower_view(node, entry) ||
        lower_control_flow(node, entry)) {
      report_.nodes.push_back(std::move(entry));
      return;
    }
    Step step = begin_step(node);
    choose_kernel(node, step, entry);
    finish_step(node, std::move(step));
    report_.nodes.push_back(std::move(entry));
  }

  // Contents that follow from shapes are written when shapes are prepared.
  bool lower_shape_value(const Node& node, NodeReport& entry) {
    if (!node.is(op_dims())) return false;
    const std::uint32_t index = place(node.outputs[0], SlotKind::arena);
    plan_.slots[index].elements = node.as<DimsAttributes>().values;
    entry.backend = "runtime";
    entry.tactic = "shape";
    return true;
  }

  bool lower_view(const Node& node, NodeReport& entry) {
    if (!node.op->traits.view) return false;
    const Value& output = graph_.value(node.outputs[0]);
    if (output.type.is_boxed() || !is_known(output.type)) return false;
    const std::uint32_t source = slot(node.inputs[0]);
    if (graph_.value(node.inputs[0]).type.is_boxed()) return false;
    const std::uint32_t index = place(node.outputs[0], SlotKind::alias);
    plan_.slots[index].alias_of = source;
    entry.backend = "runtime";
    entry.tactic = "view";
    return true;
  }

  bool lower_control_flow(const Node& node, NodeReport& entry) {
    const bool is_branch = node.is(op_if_else());
    const bool is_loop = node.is(op_loop());
    if (!is_branch && !is_loop) return false;
    // Sequences and strings inside a nested graph live in the operator library, which then runs the
    // whole node.
    if (std::ranges::any_of(node.subgraphs,
                            [](const auto& nested) { return touches_boxed(*nested); }))
      return false;
    Step step = begin_step(node);
    step.kind = is_branch ? StepKind::branch : StepKind::loop;
    for (const auto& nested : node.subgraphs) {
      step.nested.push_back(
          std::make_shared<const Plan>(lower_graph(*nested, options_, report_, known_)));
    }
    if (is_loop) {
      // Body outputs: condition, carried values, scan outputs; the node has all of them but the
      // condition.
      step.carried = node.as<LoopAttributes>().carried;
    }
    step.cut = true;
    entry.backend = "runtime";
    entry.tactic = is_branch ? "branch" : "loop";
    finish_step(node, std::move(step));
    return true;
  }

  Step begin_step(const Node& node) {
    Step step;
    step.name = node.name;
    step.op = node.op->name;
    step.origins = node.origins;
    for (ValueId input : node.inputs) step.inputs.push_back(slot(input));
    return step;
  }

  void finish_step(const Node& node, Step step) {
    for (ValueId id : node.outputs) {
      const Value& value = graph_.value(id);
      SlotKind kind = SlotKind::arena;
      if (value.type.is_boxed()) {
        kind = SlotKind::boxed;
      } else if (step.kind != StepKind::kernel || node.op->traits.data_dependent ||
                 !is_known(value.type)) {
        kind = SlotKind::dynamic;
      }
      if (kind != SlotKind::arena) step.cut = true;
      step.outputs.push_back(place(id, kind));
      learn_symbols(value);
    }
    plan_.steps.push_back(std::move(step));
  }

  void choose_kernel(const Node& node, Step& step, NodeReport& entry) {
    Problem problem{&node, &graph_, options_.precise};
    const auto boxed = [&](ValueId v) { return v.exists() && graph_.value(v).type.is_boxed(); };
    const bool any_boxed =
        std::ranges::any_of(node.inputs, boxed) || std::ranges::any_of(node.outputs, boxed);
    CandidateList list;
    // Tactics write into memory that is planned, so sizes that only running tells are not for them.
    const bool dynamic =
        node.op->traits.data_dependent || std::ranges::any_of(node.outputs, [&](ValueId v) {
          return !is_known(graph_.value(v).type);
        });
    if (!any_boxed && !dynamic)
      list = list_candidates(problem, options_.tactics, options_.excluded_tactics);
    entry.refusals = std::move(list.refusals);
    if (list.candidates.empty()) {
      step.backend = "reference";
      step.kernel = node.op->name;
      step.parameters = reference_parameters(node);
      step.tactic = "reference";
      entry.backend = "reference";
      entry.tactic = "reference";
      if (options_.backend != "reference") {
        report_.notes.push_back("node " + (node.name.empty() ? entry.op : node.name) + " (" +
                                entry.op +
                                ") runs on the reference backend: " + refusal_text(entry.refusals));
      }
      return;
    }
    std::size_t chosen = 0;
    if (list.candidates.size() > 1 && options_.choose)
      chosen = options_.choose(problem, list.candidates, entry);
    const Candidate& candidate = list.candidates[chosen];
    const KernelChoice kernel = candidate.tactic->lower(problem, candidate.config);
    step.backend = candidate.tactic->backend;
    step.kernel = kernel.kernel;
    step.parameters = kernel.parameters;
    step.tactic = candidate.name();
    entry.backend = step.backend;
    entry.tactic = step.tactic;
  }

  static std::string refusal_text(const std::vector<Refusal>& refusals) {
    if (refusals.empty()) return "no tactic is for it";
    std::string out;
    for (const Refusal& refusal : refusals) {
      if (!out.empty()) out += "; ";
      out += refusal.tactic + ": " + refusal.reason;
    }
    return out;
  }

  void keep_all_values() {
    for (const Step& step : plan_.steps) {
      for (std::uint32_t index : step.outputs) {
        if (plan_.slots[index].kind == SlotKind::boxed ||
            std::ranges::count(plan_.outputs, index) > 0)
          continue;
        plan_.outputs.push_back(index);
        plan_.output_names.push_back("value:" + std::to_string(index) + ":" +
                                     plan_.slots[index].name);
      }
    }
  }

  const Graph& graph_;
  const LowerOptions& options_;
  LowerReport& report_;
  std::set<std::string> known_;
  std::vector<std::uint32_t> slot_of_;
  Plan plan_;
};

Plan lower_graph(const Graph& graph, const LowerOptions& options, LowerReport& report,
                 const std::set<std::string>& known_symbols) {
  Graph working = graph.clone();
  const std::vector<std::string> split =
      split_fused(working, [&](const Graph& inside, const Node& node) {
        return !list_candidates(Problem{&node, &inside, options.precise}, options.tactics,
                                options.excluded_tactics)
                    .candidates.empty();
      });
  for (const std::string& name : split) {
    if (options.backend != "reference")
      report.notes.push_back("fused node " + name + " was split: no tactic takes it");
  }
  return Lowering(working, options, report, known_symbols).run();
}

// A plan of one step over the node's own inputs.
Plan single_step_plan(const Problem& problem, Step step, const SymbolValues& sizes) {
  Plan plan;
  const Graph& graph = *problem.graph;
  for (ValueId id : problem.node->inputs) {
    if (!id.exists()) {
      step.inputs.push_back(kNoSlot);
      continue;
    }
    const Value& value = graph.value(id);
    const auto index = static_cast<std::uint32_t>(plan.slots.size());
    plan.slots.push_back(
        describe_slot(value, value.is_constant() ? SlotKind::constant : SlotKind::input));
    if (value.is_constant()) {
      plan.slots.back().constant = value.constant;
    } else {
      plan.slots.back().name = "input" + std::to_string(step.inputs.size());
      plan.inputs.push_back(index);
    }
    step.inputs.push_back(index);
  }
  for (ValueId id : problem.node->outputs) {
    const auto index = static_cast<std::uint32_t>(plan.slots.size());
    plan.slots.push_back(describe_slot(graph.value(id), SlotKind::arena));
    step.outputs.push_back(index);
    plan.outputs.push_back(index);
    plan.output_names.push_back("output" + std::to_string(plan.outputs.size() - 1));
  }
  for (Slot& slot : plan.slots) {
    slot.shape = to_symbolic(evaluate(*slot.shape, sizes));
    slot.type = Type::tensor(slot.dtype, *slot.shape).to_string();
  }
  step.op = problem.op().name;
  step.name = problem.node->name;
  plan.steps.push_back(std::move(step));
  return plan;
}

}  // namespace

Plan lower(const Graph& graph, const LowerOptions& options, LowerReport& report) {
  return lower_graph(graph, options, report, {});
}

Plan lower_single(const Problem& problem, const Candidate& candidate, const SymbolValues& sizes) {
  const KernelChoice kernel = candidate.tactic->lower(problem, candidate.config);
  Step step;
  step.backend = candidate.tactic->backend;
  step.kernel = kernel.kernel;
  step.parameters = kernel.parameters;
  step.tactic = candidate.name();
  return single_step_plan(problem, std::move(step), sizes);
}

}  // namespace strop
