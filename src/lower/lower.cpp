// SPDX-License-Identifier: Apache-2.0
#include "lower/lower.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "base/error.hpp"
#include "ir/text.hpp"
#include "lower/assign_layouts.hpp"
#include "lower/nested_inputs.hpp"
#include "lower/node_ways.hpp"
#include "lower/scan_to_loop.hpp"
#include "lower/split_fused.hpp"
#include "ops/dims.hpp"
#include "ops/fused.hpp"
#include "ops/if_else.hpp"
#include "ops/loop.hpp"
#include "ops/op_list.hpp"
#include "ops/scan.hpp"
#include "ops/transpose.hpp"
#include "plan/plan_limits.hpp"

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

int nesting(const Graph& graph) {
  int deepest = 0;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (node.is(op_fused())) continue;
    for (const auto& nested : node.subgraphs) deepest = std::max(deepest, 1 + nesting(*nested));
  }
  return deepest;
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
        slots_(graph.value_count(), {kUnplaced, kUnplaced}) {}

  Plan run() {
    plan_.name = graph_.name();
    for (ValueId id : graph_.inputs()) {
      learn_symbols(graph_.value(id));
      plan_.inputs.push_back(place(id, SlotKind::input, Layout::plain));
    }
    steps_known_ = known_;
    std::vector<NodeReport> entries;
    const std::vector<Way> ways = choose_ways(entries);
    const std::vector<NodeId>& order = graph_.order();
    for (std::size_t i = 0; i < order.size(); ++i) {
      lower_node(graph_.node(order[i]), ways[i], entries[i]);
      report_.nodes.push_back(std::move(entries[i]));
    }
    for (std::size_t i = 0; i < graph_.outputs().size(); ++i) {
      plan_.outputs.push_back(slot(graph_.outputs()[i], Layout::plain));
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

  // One way for each node, in their order. Symbols are learnt on the way, as running does.
  std::vector<Way> choose_ways(std::vector<NodeReport>& entries) {
    LayoutProblem problem;
    problem.graph = &graph_;
    problem.nodes = graph_.order();
    problem.reorder_cost = [&](ValueId id) {
      return reorder_cost(graph_.value(id).type, options_.sample);
    };
    std::vector<std::vector<Way>> ways;
    for (const NodeId id : problem.nodes) {
      const Node& node = graph_.node(id);
      NodeReport& entry = entries.emplace_back();
      entry.node = node.name;
      entry.op = node.op->name;
      entry.origins = node.origins;
      ways.push_back(ways_of(graph_, node, options_, known_, entry));
      std::vector<NodeOption>& options = problem.options.emplace_back();
      for (const Way& way : ways.back()) {
        options.push_back({way.cost, value_layouts(node, way),
                           way.of_tactic.tactic != nullptr && way.of_tactic.tactic->opens_library});
      }
      for (const ValueId output : node.outputs) learn_symbols(graph_.value(output));
    }
    const std::vector<std::size_t> chosen = assign_layouts(problem);
    std::vector<Way> out;
    for (std::size_t i = 0; i < ways.size(); ++i) out.push_back(std::move(ways[i][chosen[i]]));
    return out;
  }

  // An input of lower rank is taken as it lies and given leading dimensions.
  OperandLayouts value_layouts(const Node& node, const Way& way) const {
    OperandLayouts out = way.layouts;
    for (std::size_t i = 0; i < out.inputs.size(); ++i) {
      if (has_lower_rank(node, i)) out.inputs[i] = Layout::plain;
    }
    return out;
  }

  bool has_lower_rank(const Node& node, std::size_t i) const {
    return i < node.inputs.size() && node.inputs[i].exists() &&
           graph_.value(node.inputs[i]).type.rank() < graph_.value(node.outputs[0]).type.rank();
  }

  std::uint32_t add_slot(const Value& value, SlotKind kind, std::optional<SymShape> shape) {
    const auto index = static_cast<std::uint32_t>(plan_.slots.size());
    Slot& slot = plan_.slots.emplace_back(describe_slot(value, kind));
    if (shape && value.type.is_tensor() && shape != slot.shape) {
      slot.type = Type::tensor(slot.dtype, *shape).to_string();
      slot.shape = std::move(shape);
    }
    return index;
  }

  std::uint32_t place(ValueId id, SlotKind kind, Layout layout) {
    const Value& value = graph_.value(id);
    std::optional<SymShape> shape = value.type.shape;
    if (layout != Layout::plain) shape = physical_shape(*shape, layout);
    const std::uint32_t index = add_slot(value, kind, std::move(shape));
    slots_[id.index][static_cast<std::size_t>(layout)] = index;
    return index;
  }

  std::uint32_t place_constant(const Value& value, Tensor tensor) {
    const std::uint32_t index = add_slot(value, SlotKind::constant, to_symbolic(tensor.shape()));
    plan_.slots[index].constant = std::move(tensor);
    return index;
  }

  // The slot that holds the value in that layout, made if need be.
  std::uint32_t slot(ValueId id, Layout layout) {
    if (!id.exists()) return kNoSlot;
    std::uint32_t& known = slots_[id.index][static_cast<std::size_t>(layout)];
    if (known != kUnplaced) return known;
    const Value& value = graph_.value(id);
    if (value.is_constant()) {
      known = place_constant(
          value, layout == Layout::plain ? value.constant : relayout(value.constant, layout));
      return known;
    }
    const Layout other = layout == Layout::plain ? Layout::channels_last : Layout::plain;
    const std::uint32_t from = slots_[id.index][static_cast<std::size_t>(other)];
    STROP_CHECK(from != kUnplaced, "a value is placed before it is read");
    known = is_same_order(*value.type.shape, layout, other) ? alias(id, from, layout)
                                                            : reorder(id, from, layout);
    return known;
  }

  std::uint32_t alias(ValueId id, std::uint32_t of, Layout layout) {
    const std::uint32_t index = place(id, SlotKind::alias, layout);
    plan_.slots[index].alias_of = of;
    return index;
  }

  // Axes of the tensor in its other layout, in the order in which this one has them.
  static std::vector<std::int64_t> reorder_axes(std::int64_t rank, Layout layout) {
    std::vector<std::int64_t> axes(static_cast<std::size_t>(rank));
    std::iota(axes.begin(), axes.end(), 0);
    if (layout == Layout::plain) {
      std::rotate(axes.begin() + 1, axes.end() - 1, axes.end());
    } else {
      std::rotate(axes.begin() + 1, axes.begin() + 2, axes.end());
    }
    return axes;
  }

  std::uint32_t reorder(ValueId id, std::uint32_t from, Layout layout) {
    Step step;
    step.name = "reorder of " + graph_.value(id).name;
    step.op = "reorder";
    step.backend = options_.backend;
    step.kernel = "reorder";
    step.parameters = layout == Layout::plain ? "to=plain" : "to=nhwc";
    if (options_.backend == "reference") {
      step.kernel = op_transpose().name;
      step.parameters =
          Attributes(TransposeAttributes{reorder_axes(graph_.value(id).type.rank(), layout)})
              .to_string();
    }
    step.tactic = "reorder";
    step.inputs = {from};
    NodeReport entry;
    entry.node = step.name;
    entry.op = step.op;
    entry.backend = step.backend;
    entry.tactic = step.tactic;
    report_.nodes.push_back(std::move(entry));
    const std::uint32_t index = place(id, SlotKind::arena, layout);
    step.outputs = {index};
    plan_.steps.push_back(std::move(step));
    return index;
  }

  // An operand of lower rank than the node's output, as if it had leading dimensions of 1.
  std::uint32_t extended_slot(ValueId id, std::size_t rank, Layout layout) {
    const Value& value = graph_.value(id);
    const auto [known, fresh] = extended_.try_emplace({id.index, rank}, kUnplaced);
    if (!fresh) return known->second;
    const SymShape shape = extended_shape(*value.type.shape, rank);
    if (value.is_constant()) {
      const Tensor reshaped = value.constant.reshaped(*to_concrete(shape));
      known->second = place_constant(value, relayout(reshaped, layout));
    } else {
      STROP_CHECK(is_same_order(shape, Layout::plain, layout),
                  "a tactic asks for no reorder of an operand of lower rank");
      const std::uint32_t plain = slot(id, Layout::plain);
      known->second = add_slot(value, SlotKind::alias, physical_shape(shape, layout));
      plan_.slots[known->second].alias_of = plain;
    }
    return known->second;
  }

  std::uint32_t input_slot(const Node& node, std::size_t i, const OperandLayouts& layouts) {
    if (layouts.input(i) != Layout::plain && has_lower_rank(node, i)) {
      const auto rank = static_cast<std::size_t>(graph_.value(node.outputs[0]).type.rank());
      return extended_slot(node.inputs[i], rank, layouts.input(i));
    }
    return slot(node.inputs[i], layouts.input(i));
  }

  void lower_node(const Node& node, const Way& way, NodeReport& entry) {
    for (const ShapeConstraint& constraint : node.constraints) {
      std::string why =
          node.name.empty() ? constraint.why : "node " + node.name + ", " + constraint.why;
      plan_.constraints.push_back({constraint.a, constraint.b, std::move(why)});
    }
    entry.backend = "runtime";
    switch (way.kind) {
      case Way::shape_value: {
        const std::uint32_t index = place(node.outputs[0], SlotKind::arena, Layout::plain);
        plan_.slots[index].elements = node.as<DimsAttributes>().values;
        entry.tactic = "shape";
        return;
      }
      case Way::view:
        alias(node.outputs[0], slot(node.inputs[0], way.layouts.input(0)), way.layouts.output(0));
        entry.tactic = "view";
        return;
      case Way::control_flow:
        return node.is(op_scan()) ? lower_scan(node, entry) : lower_control_flow(node, entry);
      case Way::candidate:
      case Way::reference:
        return lower_kernel(node, way, entry);
    }
  }

  void lower_control_flow(const Node& node, NodeReport& entry) {
    const bool is_branch = node.is(op_if_else());
    Step step = begin_step(node, {});
    step.kind = is_branch ? StepKind::branch : StepKind::loop;
    for (const auto& nested : node.subgraphs) step.nested.push_back(lower_nested(nested));
    // Outputs of a loop's body: condition, carried values, scan outputs; the node has all of them
    // but the condition.
    if (!is_branch) step.carried = node.as<LoopAttributes>().carried;
    step.cut = true;
    entry.tactic = is_branch ? "branch" : "loop";
    finish_step(node, std::move(step), {});
  }

  std::shared_ptr<const Plan> lower_nested(const std::shared_ptr<const Graph>& nested) {
    const auto settled = with_known_inputs(nested, steps_known_);
    LowerOptions options = options_;
    options.keep_all_values = false;  // its step has the outputs that the node has
    return std::make_shared<const Plan>(lower_graph(*settled, options, report_, steps_known_));
  }

  // A loop over places in the inputs of the scan. Their shapes alone tell how often it runs.
  void lower_scan(const Node& node, NodeReport& entry) {
    Slot trips;
    trips.name = node.name + "/iterations";
    trips.kind = SlotKind::arena;
    trips.type = "i64[]";
    trips.dtype = DType::i64;
    trips.shape = SymShape{};
    trips.elements = {*scan_trips(graph_, node)};
    Step step = begin_step(node, {});
    step.kind = StepKind::loop;
    step.inputs[0] = static_cast<std::uint32_t>(plan_.slots.size());
    step.inputs.insert(step.inputs.begin() + 1, kNoSlot);  // the condition
    plan_.slots.push_back(std::move(trips));
    step.nested.push_back(lower_nested(std::make_shared<const Graph>(scan_as_loop(graph_, node))));
    step.carried = node.as<ScanAttributes>().states;
    step.cut = true;
    entry.tactic = "loop";
    finish_step(node, std::move(step), {});
  }

  void lower_kernel(const Node& node, const Way& way, NodeReport& entry) {
    Step step = begin_step(node, way.layouts);
    if (way.kind == Way::reference) {
      step.backend = "reference";
      step.kernel = node.op->name;
      step.parameters = reference_parameters(node);
      step.tactic = "reference";
      if (options_.backend != "reference") {
        report_.notes.push_back("node " + (node.name.empty() ? entry.op : node.name) + " (" +
                                entry.op +
                                ") runs on the reference backend: " + refusal_text(entry.refusals));
      }
    } else {
      const Candidate& candidate = way.of_tactic;
      const Problem problem{&node, &graph_, options_.precise, candidate.layouts};
      KernelChoice kernel = candidate.tactic->lower(problem, candidate.config);
      step.backend = candidate.tactic->backend;
      step.kernel = std::move(kernel.kernel);
      step.parameters = std::move(kernel.parameters);
      step.tactic = candidate.name();
    }
    entry.backend = step.backend;
    entry.tactic = step.tactic;
    finish_step(node, std::move(step), way.layouts);
  }

  Step begin_step(const Node& node, const OperandLayouts& layouts) {
    Step step;
    step.name = node.name;
    step.op = node.op->name;
    step.origins = node.origins;
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
      step.inputs.push_back(input_slot(node, i, layouts));
    return step;
  }

  void finish_step(const Node& node, Step step, const OperandLayouts& layouts) {
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      const Value& value = graph_.value(node.outputs[i]);
      SlotKind kind = SlotKind::arena;
      if (value.type.is_boxed()) {
        kind = SlotKind::boxed;
      } else if (step.kind != StepKind::kernel || node.op->traits.data_dependent ||
                 !is_known(value.type, steps_known_)) {
        kind = SlotKind::dynamic;
      }
      if (kind != SlotKind::arena) step.cut = true;
      step.outputs.push_back(place(node.outputs[i], kind, layouts.output(i)));
    }
    for (const ValueId id : node.outputs) {
      if (!graph_.value(id).type.shape) continue;
      for (const Dim& dim : *graph_.value(id).type.shape) dim.collect_symbols(steps_known_);
    }
    plan_.steps.push_back(std::move(step));
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

  // Every tensor that a step writes becomes an output, plain.
  void keep_all_values() {
    for (const NodeId node : graph_.order()) {
      for (const ValueId id : graph_.node(node).outputs) {
        // Where one layout is another's memory, a step writes that one.
        const bool is_written = std::ranges::any_of(slots_[id.index], [&](std::uint32_t at) {
          if (at == kUnplaced || plan_.slots[at].elements) return false;
          const SlotKind kind = plan_.slots[at].kind;
          return kind == SlotKind::arena || kind == SlotKind::dynamic;
        });
        if (!is_written) continue;
        const std::uint32_t index = slot(id, Layout::plain);
        if (std::ranges::count(plan_.outputs, index) > 0) continue;
        plan_.outputs.push_back(index);
        plan_.output_names.push_back("value:" + std::to_string(index) + ":" +
                                     graph_.value(id).name);
      }
    }
  }

  const Graph& graph_;
  const LowerOptions& options_;
  LowerReport& report_;
  std::set<std::string> known_;                      // before the node whose ways are looked for
  std::set<std::string> steps_known_;                // before the step that is made
  std::vector<std::array<std::uint32_t, 2>> slots_;  // of a value, by layout
  std::map<std::pair<std::uint32_t, std::size_t>, std::uint32_t> extended_;  // by value and rank
  Plan plan_;
};

Plan lower_graph(const Graph& graph, const LowerOptions& options, LowerReport& report,
                 const std::set<std::string>& known_symbols) {
  Graph working = graph.clone();
  const std::vector<std::string> split =
      split_fused(working, [&](const Graph& inside, const Node& node) {
        return !list_candidates(Problem{&node, &inside, options.precise, {}}, options.tactics,
                                options.excluded_tactics)
                    .candidates.empty();
      });
  for (const std::string& name : split) {
    if (options.backend != "reference")
      report.notes.push_back("fused node " + name + " was split: no tactic takes it");
  }
  return Lowering(working, options, report, known_symbols).run();
}

// A plan of one step over the node's own inputs, each in the layout that the candidate wants.
Plan single_step_plan(const Problem& problem, Step step, const SymbolValues& sizes) {
  Plan plan;
  const Graph& graph = *problem.graph;
  const auto rank = static_cast<std::size_t>(problem.output_type(0).rank());
  const auto shape_of = [&](const Type& type, Layout layout) {
    const SymShape shape = to_symbolic(evaluate(*type.shape, sizes));
    return layout == Layout::plain ? shape : physical_shape(extended_shape(shape, rank), layout);
  };
  const auto add_slot = [&](ValueId id, SlotKind kind, Layout layout) {
    const Value& value = graph.value(id);
    Slot& slot = plan.slots.emplace_back(describe_slot(value, kind));
    slot.shape = shape_of(value.type, layout);
    slot.type = Type::tensor(slot.dtype, *slot.shape).to_string();
    if (kind == SlotKind::constant) {
      slot.constant = value.constant;
      if (layout != Layout::plain) {
        const SymShape whole = extended_shape(to_symbolic(value.constant.shape()), rank);
        slot.constant = relayout(value.constant.reshaped(*to_concrete(whole)), layout);
      }
    }
    return static_cast<std::uint32_t>(plan.slots.size() - 1);
  };
  for (std::size_t i = 0; i < problem.node->inputs.size(); ++i) {
    const ValueId id = problem.node->inputs[i];
    if (!id.exists()) {
      step.inputs.push_back(kNoSlot);
      continue;
    }
    const bool constant = graph.value(id).is_constant();
    const std::uint32_t index =
        add_slot(id, constant ? SlotKind::constant : SlotKind::input, problem.layouts.input(i));
    if (!constant) {
      plan.slots[index].name = "input" + std::to_string(i);
      plan.inputs.push_back(index);
    }
    step.inputs.push_back(index);
  }
  for (std::size_t i = 0; i < problem.node->outputs.size(); ++i) {
    const std::uint32_t index =
        add_slot(problem.node->outputs[i], SlotKind::arena, problem.layouts.output(i));
    step.outputs.push_back(index);
    plan.outputs.push_back(index);
    plan.output_names.push_back("output" + std::to_string(i));
  }
  step.op = problem.op().name;
  step.name = problem.node->name;
  plan.steps.push_back(std::move(step));
  return plan;
}

}  // namespace

Plan lower(const Graph& graph, const LowerOptions& options, LowerReport& report) {
  if (nesting(graph) > kMaxPlanDepth) {
    throw Error(
        ErrorCode::limit_exceeded, "graph " + graph.name(),
        "its branches and loops are nested more than " + std::to_string(kMaxPlanDepth) + " deep");
  }
  return lower_graph(graph, options, report, {});
}

Plan lower_single(const Problem& plain, const Candidate& candidate, const SymbolValues& sizes) {
  Problem problem = plain;
  problem.layouts = candidate.layouts;
  const KernelChoice kernel = candidate.tactic->lower(problem, candidate.config);
  Step step;
  step.backend = candidate.tactic->backend;
  step.kernel = kernel.kernel;
  step.parameters = kernel.parameters;
  step.tactic = candidate.name();
  return single_step_plan(problem, std::move(step), sizes);
}

}  // namespace strop
