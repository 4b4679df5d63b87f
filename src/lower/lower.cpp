// SPDX-License-Identifier: Apache-2.0
#include "lower/lower.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <tuple>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "base/parallel.hpp"
#include "ir/text.hpp"
#include "lower/assign_layouts.hpp"
#include "lower/host_integers.hpp"
#include "lower/nested_inputs.hpp"
#include "lower/node_ways.hpp"
#include "lower/plan_slots.hpp"
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
                 const std::set<std::string>& known_symbols, bool is_nested);

// Where a value lies and how: it may have a slot for each.
struct Home {
  Layout layout = Layout::plain;
  MemorySpace space = MemorySpace::host;

  std::size_t index() const {
    return 2 * static_cast<std::size_t>(space) + static_cast<std::size_t>(layout);
  }
  Home in(MemorySpace other) const { return {layout, other}; }
  Home as(Layout other) const { return {other, space}; }
};

struct SlotsOfValue {
  std::array<std::uint32_t, 4> at{kUnplaced, kUnplaced, kUnplaced, kUnplaced};
};

Layout other_layout(Layout layout) {
  return layout == Layout::plain ? Layout::channels_last : Layout::plain;
}
MemorySpace other_space(MemorySpace space) {
  return space == MemorySpace::host ? MemorySpace::device : MemorySpace::host;
}

class Lowering {
 public:
  Lowering(const Graph& graph, const LowerOptions& options, LowerReport& report,
           std::set<std::string> known_symbols, bool is_nested)
      : graph_(graph),
        options_(options),
        report_(report),
        known_(std::move(known_symbols)),
        host_integers_(options.device ? host_integers(graph, is_nested) : std::set<NodeId>()),
        slots_(graph.value_count(), SlotsOfValue{}) {}

  Plan run() {
    plan_.name = graph_.name();
    if (options_.device) plan_.device = options_.backend;
    for (ValueId id : graph_.inputs()) {
      learn_symbols(graph_.value(id));
      plan_.inputs.push_back(place(id, SlotKind::input, Home{}));
    }
    steps_known_ = known_;
    std::vector<NodeReport> entries;
    const std::vector<Way> ways = choose_ways(entries);
    std::vector<KernelChoice> kernels = choose_kernels(ways);
    const std::vector<NodeId>& order = graph_.order();
    for (std::size_t i = 0; i < order.size(); ++i) {
      lower_node(graph_.node(order[i]), ways[i], std::move(kernels[i]), entries[i]);
      report_.nodes.push_back(std::move(entries[i]));
    }
    for (std::size_t i = 0; i < graph_.outputs().size(); ++i) {
      plan_.outputs.push_back(slot(graph_.outputs()[i], Home{}));
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
      return reorder_cost(graph_.value(id).type, options_);
    };
    std::vector<std::vector<Way>> ways;
    entries.reserve(problem.nodes.size());
    for (const NodeId id : problem.nodes) {
      const Node& node = graph_.node(id);
      NodeReport& entry = entries.emplace_back();
      entry.node = node.name;
      entry.op = node.op->name;
      entry.origins = node.origins;
      entry.sizes = host_integers_.contains(id);
      ways.push_back(ways_of(graph_, node, options_, known_, entry.sizes, entry));
      for (const ValueId output : node.outputs) learn_symbols(graph_.value(output));
    }
    measure(ways, entries);
    for (std::size_t i = 0; i < ways.size(); ++i) {
      std::vector<NodeOption>& options = problem.options.emplace_back();
      for (const Way& way : ways[i]) {
        options.push_back({way.cost, value_layouts(graph_.node(problem.nodes[i]), way),
                           way.of_tactic.tactic != nullptr && way.of_tactic.tactic->opens_library});
      }
    }
    const std::vector<std::size_t> chosen = assign_layouts(problem);
    std::vector<Way> out;
    for (std::size_t i = 0; i < ways.size(); ++i) out.push_back(std::move(ways[i][chosen[i]]));
    return out;
  }

  // Puts measured costs in the place of estimates.
  void measure(std::vector<std::vector<Way>>& ways, std::vector<NodeReport>& entries) const {
    std::vector<CandidateQuestion> questions;
    std::vector<std::size_t> nodes;
    for (std::size_t i = 0; i < ways.size(); ++i) {
      auto question = question_of(graph_, graph_.node(graph_.order()[i]), options_, ways[i]);
      if (!question) continue;
      question->report = &entries[i];
      questions.push_back(std::move(*question));
      nodes.push_back(i);
    }
    if (questions.empty()) return;
    const std::vector<std::vector<double>> costs = options_.measure(questions);
    for (std::size_t q = 0; q < questions.size(); ++q) {
      for (std::size_t i = 0; i < costs.at(q).size(); ++i) ways[nodes[q]].at(i).cost = costs[q][i];
    }
  }

  // What the tactics make of the nodes that they were chosen for. Those of a device compile, so
  // several nodes at once.
  std::vector<KernelChoice> choose_kernels(const std::vector<Way>& ways) const {
    std::vector<KernelChoice> out(ways.size());
    std::vector<std::size_t> of_device;
    const auto make = [&](std::size_t i) {
      const Candidate& candidate = ways[i].of_tactic;
      Problem problem = problem_of(graph_.node(graph_.order()[i]), graph_, options_);
      problem.layouts = candidate.layouts;
      out[i] = candidate.tactic->lower(problem, candidate.config);
    };
    for (std::size_t i = 0; i < ways.size(); ++i) {
      if (ways[i].kind != Way::candidate) continue;
      const Problem problem = problem_of(graph_.node(graph_.order()[i]), graph_, options_);
      if (works_on_device(problem, *ways[i].of_tactic.tactic)) {
        of_device.push_back(i);
      } else {
        make(i);
      }
    }
    parallel_for(static_cast<std::int64_t>(of_device.size()), 1,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i)
                     make(of_device[static_cast<std::size_t>(i)]);
                 });
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

  std::uint32_t add_slot(const Value& value, SlotKind kind, std::optional<SymShape> shape,
                         MemorySpace space) {
    const auto index = static_cast<std::uint32_t>(plan_.slots.size());
    Slot& slot = plan_.slots.emplace_back(describe_slot(value, kind));
    slot.space = space;
    if (shape && value.type.is_tensor() && shape != slot.shape) {
      slot.type = Type::tensor(slot.dtype, *shape).to_string();
      slot.shape = std::move(shape);
    }
    return index;
  }

  std::uint32_t& known_slot(ValueId id, Home home) { return slots_[id.index].at[home.index()]; }

  std::uint32_t place(ValueId id, SlotKind kind, Home home) {
    const Value& value = graph_.value(id);
    std::optional<SymShape> shape = value.type.shape;
    if (home.layout != Layout::plain) shape = physical_shape(*shape, home.layout);
    const std::uint32_t index = add_slot(value, kind, std::move(shape), home.space);
    known_slot(id, home) = index;
    return index;
  }

  std::uint32_t place_constant(const Value& value, Tensor tensor, MemorySpace space) {
    const std::uint32_t index =
        add_slot(value, SlotKind::constant, to_symbolic(tensor.shape()), space);
    plan_.slots[index].constant = std::move(tensor);
    return index;
  }

  // A constant that a tactic made. Equal ones (machine code, mostly) are one.
  std::uint32_t place_step_constant(const std::string& name, const StepConstant& constant,
                                    MemorySpace space) {
    const Tensor& tensor = constant.tensor;
    if (constant.in_host_memory) space = MemorySpace::host;
    const Hash hash = Hasher()
                          .add(std::span(tensor.data(), static_cast<std::size_t>(tensor.bytes())))
                          .add(tensor.dtype())
                          .add(to_string(tensor.shape()))
                          .add(space)
                          .result();
    const auto [known, fresh] = step_constants_.try_emplace(hash, kUnplaced);
    if (!fresh) return known->second;
    known->second = static_cast<std::uint32_t>(plan_.slots.size());
    plan_.slots.push_back(constant_slot(name, tensor, space));
    return known->second;
  }

  // The slot that holds the value in that layout and memory, made if need be.
  std::uint32_t slot(ValueId id, Home home) {
    if (!id.exists()) return kNoSlot;
    if (known_slot(id, home) != kUnplaced) return known_slot(id, home);
    const Value& value = graph_.value(id);
    if (value.is_constant()) {
      return known_slot(id, home) = place_constant(value,
                                                   home.layout == Layout::plain
                                                       ? value.constant
                                                       : relayout(value.constant, home.layout),
                                                   home.space);
    }
    const Home twin = home.as(other_layout(home.layout));
    if (known_slot(id, twin) != kUnplaced) {
      const std::uint32_t from = known_slot(id, twin);
      return is_same_order(*value.type.shape, home.layout, twin.layout) ? alias(id, from, home)
                                                                        : reorder(id, from, home);
    }
    const Home away = home.in(other_space(home.space));
    if (known_slot(id, away) != kUnplaced) return copy(id, known_slot(id, away), home);
    STROP_CHECK(known_slot(id, away.as(twin.layout)) != kUnplaced,
                "a value is placed before it is read");
    // The device is the faster one to reorder on.
    if (home.space == MemorySpace::device) {
      copy(id, known_slot(id, away.as(twin.layout)), twin);
      return slot(id, home);
    }
    slot(id, away);
    return slot(id, home);
  }

  // Where a value lies that may be read in either memory.
  MemorySpace space_of(ValueId id) const {
    const SlotsOfValue& slots = slots_[id.index];
    const bool on_device =
        slots.at[Home{Layout::plain, MemorySpace::device}.index()] != kUnplaced ||
        slots.at[Home{Layout::channels_last, MemorySpace::device}.index()] != kUnplaced;
    return on_device ? MemorySpace::device : MemorySpace::host;
  }

  std::uint32_t alias(ValueId id, std::uint32_t of, Home home) {
    const std::uint32_t index = place(id, SlotKind::alias, home);
    plan_.slots[index].alias_of = of;
    return index;
  }

  std::uint32_t copy(ValueId id, std::uint32_t from, Home home) {
    Step step;
    step.kind = StepKind::copy;
    step.name = "copy of " + graph_.value(id).name;
    step.op = home.space == MemorySpace::device ? "to device" : "to host";
    step.tactic = "copy";
    step.inputs = {from};
    report_extra_step(step);
    const std::uint32_t index = place(id, SlotKind::arena, home);
    step.outputs = {index};
    plan_.steps.push_back(std::move(step));
    return index;
  }

  void report_extra_step(const Step& step) {
    NodeReport entry;
    entry.node = step.name;
    entry.op = step.op;
    entry.backend = step.backend;
    entry.tactic = step.tactic;
    report_.nodes.push_back(std::move(entry));
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

  std::uint32_t reorder(ValueId id, std::uint32_t from, Home home) {
    Step step;
    step.name = "reorder of " + graph_.value(id).name;
    step.op = "reorder";
    step.backend = home.space == MemorySpace::device ? options_.backend
                   : options_.device                 ? "cpu"
                                                     : options_.backend;
    step.kernel = "reorder";
    step.parameters = home.layout == Layout::plain ? "to=plain" : "to=nhwc";
    step.inputs = {from};
    if (step.backend == "reference") {
      step.kernel = op_transpose().name;
      step.parameters =
          Attributes(TransposeAttributes{reorder_axes(graph_.value(id).type.rank(), home.layout)})
              .to_string();
    } else if (home.space == MemorySpace::device) {
      choose_device_reorder(id, home.layout, step);
    }
    step.tactic = "reorder";
    report_extra_step(step);
    const std::uint32_t index = place(id, SlotKind::arena, home);
    step.outputs = {index};
    plan_.steps.push_back(std::move(step));
    return index;
  }

  // As the backend's tactics would transpose it.
  void choose_device_reorder(ValueId id, Layout to, Step& step) {
    const Type& type = graph_.value(id).type;
    GraphBuilder builder("reorder");
    const ValueId from = builder.add_input(
        "from", Type::tensor(type.dtype, physical_shape(*type.shape, other_layout(to))));
    builder.add_output(
        builder.emit(op_transpose(), TransposeAttributes{reorder_axes(type.rank(), to)}, {from}),
        "to");
    const Graph graph = builder.take();
    const Problem problem = problem_of(graph.node(graph.order().at(0)), graph, options_);
    const CandidateList list = list_candidates(problem, options_);
    if (list.candidates.empty() || !works_on_device(problem, *list.candidates[0].tactic)) {
      throw Error(ErrorCode::no_implementation, "reordering " + graph_.value(id).name,
                  "no tactic of " + options_.backend + " transposes " + type.to_string());
    }
    const Candidate& candidate = list.candidates[0];
    take_kernel(candidate.tactic->lower(problem, candidate.config), MemorySpace::device, step);
  }

  // What a tactic chose: the kernel, and the constants that it reads instead of, or after, the
  // node's inputs.
  void take_kernel(KernelChoice kernel, MemorySpace space, Step& step) {
    step.kernel = std::move(kernel.kernel);
    step.parameters = std::move(kernel.parameters);
    for (const auto& [input, constant] : kernel.replaced)
      step.inputs.at(input) = place_step_constant(step.name, constant, space);
    for (const StepConstant& constant : kernel.added)
      step.inputs.push_back(place_step_constant(step.name, constant, space));
  }

  // An operand of lower rank than the node's output, as if it had leading dimensions of 1.
  std::uint32_t extended_slot(ValueId id, std::size_t rank, Home home) {
    const Value& value = graph_.value(id);
    const auto [known, fresh] =
        extended_.try_emplace(std::tuple(id.index, rank, home.space), kUnplaced);
    if (!fresh) return known->second;
    const SymShape shape = extended_shape(*value.type.shape, rank);
    if (value.is_constant()) {
      const Tensor reshaped = value.constant.reshaped(*to_concrete(shape));
      known->second = place_constant(value, relayout(reshaped, home.layout), home.space);
    } else {
      STROP_CHECK(is_same_order(shape, Layout::plain, home.layout),
                  "a tactic asks for no reorder of an operand of lower rank");
      const std::uint32_t plain = slot(id, home.as(Layout::plain));
      known->second =
          add_slot(value, SlotKind::alias, physical_shape(shape, home.layout), home.space);
      plan_.slots[known->second].alias_of = plain;
    }
    return known->second;
  }

  std::uint32_t input_slot(const Node& node, std::size_t i, const OperandLayouts& layouts,
                           MemorySpace space) {
    const Home home{layouts.input(i), space};
    if (home.layout != Layout::plain && has_lower_rank(node, i)) {
      const auto rank = static_cast<std::size_t>(graph_.value(node.outputs[0]).type.rank());
      return extended_slot(node.inputs[i], rank, home);
    }
    return slot(node.inputs[i], home);
  }

  void lower_node(const Node& node, const Way& way, KernelChoice kernel, NodeReport& entry) {
    for (const ShapeConstraint& constraint : node.constraints) {
      std::string why =
          node.name.empty() ? constraint.why : "node " + node.name + ", " + constraint.why;
      plan_.constraints.push_back({constraint.a, constraint.b, std::move(why)});
    }
    entry.backend = "runtime";
    switch (way.kind) {
      case Way::shape_value: {
        const std::uint32_t index = place(node.outputs[0], SlotKind::arena, Home{});
        plan_.slots[index].elements = node.as<DimsAttributes>().values;
        entry.tactic = "shape";
        return;
      }
      case Way::view: {
        const MemorySpace space = space_of(node.inputs[0]);
        const std::uint32_t of = slot(node.inputs[0], {way.layouts.input(0), space});
        alias(node.outputs[0], of, {way.layouts.output(0), space});
        entry.tactic = "view";
        return;
      }
      case Way::control_flow:
        return node.is(op_scan()) ? lower_scan(node, entry) : lower_control_flow(node, entry);
      case Way::candidate:
      case Way::reference:
        return lower_kernel(node, way, std::move(kernel), entry);
    }
  }

  void lower_control_flow(const Node& node, NodeReport& entry) {
    const bool is_branch = node.is(op_if_else());
    Step step = begin_step(node, {}, MemorySpace::host);
    step.kind = is_branch ? StepKind::branch : StepKind::loop;
    for (const auto& nested : node.subgraphs) step.nested.push_back(lower_nested(nested));
    // Outputs of a loop's body: condition, carried values, scan outputs; the node has all of them
    // but the condition.
    if (!is_branch) step.carried = node.as<LoopAttributes>().carried;
    step.cut = true;
    entry.tactic = is_branch ? "branch" : "loop";
    finish_step(node, std::move(step), {}, MemorySpace::host);
  }

  std::shared_ptr<const Plan> lower_nested(const std::shared_ptr<const Graph>& nested) {
    const auto settled = with_known_inputs(nested, steps_known_);
    LowerOptions options = options_;
    options.keep_all_values = false;  // its step has the outputs that the node has
    return std::make_shared<const Plan>(
        lower_graph(*settled, options, report_, steps_known_, true));
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
    Step step = begin_step(node, {}, MemorySpace::host);
    step.kind = StepKind::loop;
    step.inputs[0] = static_cast<std::uint32_t>(plan_.slots.size());
    step.inputs.insert(step.inputs.begin() + 1, kNoSlot);  // the condition
    plan_.slots.push_back(std::move(trips));
    step.nested.push_back(lower_nested(std::make_shared<const Graph>(scan_as_loop(graph_, node))));
    step.carried = node.as<ScanAttributes>().states;
    step.cut = true;
    entry.tactic = "loop";
    finish_step(node, std::move(step), {}, MemorySpace::host);
  }

  void lower_kernel(const Node& node, const Way& way, KernelChoice kernel, NodeReport& entry) {
    const bool on_device =
        way.kind == Way::candidate &&
        works_on_device(problem_of(node, graph_, options_), *way.of_tactic.tactic);
    const MemorySpace space = on_device ? MemorySpace::device : MemorySpace::host;
    Step step = begin_step(node, way.layouts, space, kernel.replaced);
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
      step.backend = candidate.tactic->backend;
      step.tactic = candidate.name();
      take_kernel(std::move(kernel), space, step);
      if (options_.device && !on_device) {
        report_.notes.push_back("node " + (node.name.empty() ? entry.op : node.name) + " (" +
                                entry.op + ") runs on the CPU: " + refusal_text(entry.refusals));
      }
    }
    entry.backend = step.backend;
    entry.tactic = step.tactic;
    finish_step(node, std::move(step), way.layouts, space);
  }

  // Constants that the step reads in another form are not placed.
  Step begin_step(const Node& node, const OperandLayouts& layouts, MemorySpace space,
                  const std::map<std::size_t, StepConstant>& replaced = {}) {
    Step step;
    step.name = node.name;
    step.op = node.op->name;
    step.origins = node.origins;
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
      step.inputs.push_back(replaced.contains(i) ? kNoSlot : input_slot(node, i, layouts, space));
    return step;
  }

  void finish_step(const Node& node, Step step, const OperandLayouts& layouts, MemorySpace space) {
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
      step.outputs.push_back(place(node.outputs[i], kind, {layouts.output(i), space}));
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
        const bool is_written = std::ranges::any_of(slots_[id.index].at, [&](std::uint32_t at) {
          if (at == kUnplaced || plan_.slots[at].elements) return false;
          const SlotKind kind = plan_.slots[at].kind;
          return kind == SlotKind::arena || kind == SlotKind::dynamic;
        });
        if (!is_written) continue;
        const std::uint32_t index = slot(id, Home{});
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
  std::set<std::string> known_;  // before the node whose ways are looked for
  std::set<NodeId> host_integers_;
  std::set<std::string> steps_known_;  // before the step that is made
  std::vector<SlotsOfValue> slots_;    // of a value
  std::map<std::tuple<std::uint32_t, std::size_t, MemorySpace>, std::uint32_t>
      extended_;                                  // by value, rank and memory
  std::map<Hash, std::uint32_t> step_constants_;  // by contents
  Plan plan_;
};

Plan lower_graph(const Graph& graph, const LowerOptions& options, LowerReport& report,
                 const std::set<std::string>& known_symbols, bool is_nested) {
  Graph working = graph.clone();
  const std::vector<std::string> split =
      split_fused(working, [&](const Graph& inside, const Node& node) {
        const CandidateList list = list_candidates(problem_of(node, inside, options), options);
        return !list.candidates.empty() &&
               (!options.device ||
                works_on_device(problem_of(node, inside, options), *list.candidates[0].tactic));
      });
  for (const std::string& name : split) {
    if (options.backend != "reference")
      report.notes.push_back("fused node " + name + " was split: no tactic takes it");
  }
  return Lowering(working, options, report, known_symbols, is_nested).run();
}

}  // namespace

Plan lower(const Graph& graph, const LowerOptions& options, LowerReport& report) {
  if (nesting(graph) > kMaxPlanDepth) {
    throw Error(
        ErrorCode::limit_exceeded, "graph " + graph.name(),
        "its branches and loops are nested more than " + std::to_string(kMaxPlanDepth) + " deep");
  }
  return lower_graph(graph, options, report, {}, false);
}

}  // namespace strop
