// SPDX-License-Identifier: Apache-2.0
#include "lower/node_ways.hpp"

#include <algorithm>

#include "lower/scan_to_loop.hpp"
#include "ops/dims.hpp"
#include "ops/if_else.hpp"
#include "ops/loop.hpp"
#include "ops/scan.hpp"
#include "ops/transpose.hpp"
#include "tactic/work.hpp"

namespace strop {
namespace {

// Rounded: what an estimate needs is the right order of magnitude.
struct Speed {
  double multiply_adds_per_ns, bytes_per_ns;
  double step_ns;  // of starting a step
};
constexpr Speed kOneCore{30, 8, 1000};
constexpr Speed kLargeGpu{200'000, 2'000, 2'000};
constexpr double kReferenceSlowdown = 30;  // of what is expected of a tactic

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

double estimate(const Graph& graph, const Node& node, const SymbolValues& sample,
                const Speed& speed) {
  const Work work = work_of(graph, node, sample);
  return speed.step_ns + work.multiply_adds / speed.multiply_adds_per_ns +
         work.bytes / speed.bytes_per_ns;
}

bool any_boxed(const Graph& graph, const Node& node) {
  const auto boxed = [&](ValueId v) { return v.exists() && graph.value(v).type.is_boxed(); };
  return std::ranges::any_of(node.inputs, boxed) || std::ranges::any_of(node.outputs, boxed);
}

// A transpose whose result is its input's memory, when the input (or output) lies channels last.
void add_transposes_without_work(const Graph& graph, const Node& node,
                                 const std::set<std::string>& known, std::vector<Way>& ways) {
  if (!node.is(op_transpose()) || !is_known(graph.value(node.outputs[0]).type, known)) return;
  const Shape& perm = node.as<TransposeAttributes>().perm;
  const auto rank = static_cast<std::int64_t>(perm.size());
  if (rank < 3 || perm[0] != 0) return;
  Shape to_last{0}, to_first{0, rank - 1};
  for (std::int64_t i = 2; i < rank; ++i) to_last.push_back(i);
  to_last.push_back(1);
  for (std::int64_t i = 1; i + 1 < rank; ++i) to_first.push_back(i);
  if (perm == to_last) {
    ways.push_back(
        {.kind = Way::view, .layouts = {{Layout::channels_last}, {Layout::plain}}, .cost = 0});
  }
  if (perm == to_first) {
    ways.push_back(
        {.kind = Way::view, .layouts = {{Layout::plain}, {Layout::channels_last}}, .cost = 0});
  }
}

std::vector<Way> kernel_ways(const Graph& graph, const Node& node, const LowerOptions& options,
                             const std::set<std::string>& known, bool on_host, NodeReport& entry) {
  const Problem problem = problem_of(node, graph, options);
  // Tactics write into memory that is planned, so sizes that only running tells are not for them.
  const bool dynamic =
      node.op->traits.data_dependent || std::ranges::any_of(node.outputs, [&](ValueId v) {
        return !is_known(graph.value(v).type, known);
      });
  CandidateList list;
  if (!any_boxed(graph, node) && !dynamic && !on_host) {
    list = list_candidates(problem, options);
  }
  entry.refusals = std::move(list.refusals);
  std::vector<Way> ways;
  const bool on_device =
      !list.candidates.empty() && works_on_device(problem, *list.candidates[0].tactic);
  const double guess = estimate(graph, node, options.sample, on_device ? kLargeGpu : kOneCore);
  if (list.candidates.empty()) {
    ways.push_back({.kind = Way::reference, .cost = guess * kReferenceSlowdown});
    return ways;
  }
  if (options.choose) {
    const std::size_t chosen = options.choose(problem, list.candidates);
    list.candidates = {list.candidates.at(chosen)};
  }
  for (Candidate& candidate : list.candidates) {
    double cost = guess;
    if (candidate.tactic->slowdown != nullptr)
      cost *= candidate.tactic->slowdown(problem, candidate.config);
    OperandLayouts layouts = candidate.layouts;
    ways.push_back({Way::candidate, std::move(candidate), std::move(layouts), cost});
  }
  return ways;
}

}  // namespace

CandidateList list_candidates(const Problem& problem, const LowerOptions& options) {
  CandidateList list = list_candidates(problem, options.tactics, options.excluded_tactics);
  const auto on_device = [&](const Candidate& candidate) {
    return works_on_device(problem, *candidate.tactic);
  };
  if (std::ranges::any_of(list.candidates, on_device))
    std::erase_if(list.candidates, [&](const Candidate& c) { return !on_device(c); });
  return list;
}

Problem problem_of(const Node& node, const Graph& graph, const LowerOptions& options) {
  Problem problem{&node, &graph, options.precise};
  if (options.device) problem.device = &*options.device;
  problem.sample = &options.sample;
  return problem;
}

bool is_known(const Type& type, const std::set<std::string>& known) {
  if (!type.shape) return false;
  std::set<std::string> symbols;
  for (const Dim& dim : *type.shape) dim.collect_symbols(symbols);
  return std::ranges::includes(known, symbols);
}

double reorder_cost(const Type& type, const LowerOptions& options) {
  if (!type.is_tensor() || !type.shape ||
      is_same_order(*type.shape, Layout::plain, Layout::channels_last)) {
    return 0;
  }
  // Written in another order than read: about half the speed of a copy.
  const Speed& speed = options.device ? kLargeGpu : kOneCore;
  return speed.step_ns + 4 * bytes_of(type, options.sample) / speed.bytes_per_ns;
}

std::vector<Way> ways_of(const Graph& graph, const Node& node, const LowerOptions& options,
                         const std::set<std::string>& known, bool on_host, NodeReport& entry) {
  if (node.is(op_dims())) return {{.kind = Way::shape_value}};
  if (node.op->traits.view && !any_boxed(graph, node) &&
      is_known(graph.value(node.outputs[0]).type, known)) {
    return {{.kind = Way::view}};
  }
  // Sequences and strings inside a nested graph live in the operator library, which then runs the
  // whole node.
  bool nested = node.is(op_if_else()) || node.is(op_loop());
  if (node.is(op_scan())) {
    const std::optional<Dim> trips = scan_trips(graph, node);
    nested = trips && is_known(Type::tensor(DType::i64, {*trips}), known);
  }
  if (nested && std::ranges::none_of(node.subgraphs,
                                     [](const auto& graph) { return touches_boxed(*graph); })) {
    return {{.kind = Way::control_flow}};
  }
  std::vector<Way> ways = kernel_ways(graph, node, options, known, on_host, entry);
  add_transposes_without_work(graph, node, known, ways);
  return ways;
}

std::optional<CandidateQuestion> question_of(const Graph& graph, const Node& node,
                                             const LowerOptions& options,
                                             const std::vector<Way>& ways) {
  if (!options.measure || options.choose) return std::nullopt;
  CandidateQuestion out;
  for (const Way& way : ways) {
    if (way.kind == Way::candidate) out.candidates.push_back(way.of_tactic);
  }
  if (out.candidates.size() < 2) return std::nullopt;
  out.problem = problem_of(node, graph, options);
  return out;
}

}  // namespace strop
