// SPDX-License-Identifier: Apache-2.0
#include "builder/self_check.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <unordered_map>

#include "base/tolerance.hpp"
#include "builder/plan_execution.hpp"
#include "ir/evaluate.hpp"
#include "ops/fused.hpp"
#include "tactic/work.hpp"

namespace strop {
namespace {

// Of either run, the reference's and the engine's. What kSelfCheckLimit lets pass takes less.
constexpr std::int64_t kLongestMs = 60'000;

bool draws_random_numbers(const Graph& graph) {
  return std::ranges::any_of(graph.order(), [&](NodeId id) {
    const Node& node = graph.node(id);
    return node.op->traits.nondeterministic ||
           std::ranges::any_of(node.subgraphs,
                               [](const auto& nested) { return draws_random_numbers(*nested); });
  });
}

std::string verdict_text(double error, double tolerance) {
  char text[96];
  std::snprintf(text, sizeof text, "relative error %.3g, tolerance %.3g", error, tolerance);
  return text;
}

}  // namespace

double count_multiply_adds(const Graph& graph, const SymbolValues& sample) {
  double sum = 0;
  for (NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    sum += work_of(graph, node, sample).multiply_adds;
    if (node.is(op_fused())) continue;  // its body is its work
    for (const auto& nested : node.subgraphs) sum += count_multiply_adds(*nested, sample);
  }
  return sum;
}

SelfCheckReport check_engine(const Graph& graph, const Plan& plan, const LowerOptions& lowering,
                             const std::optional<SymbolValues>& sample, const BuildConfig& config) {
  SelfCheckReport report;
  const auto leave_out = [&](std::string why) {
    report.note = "self-check left out: " + std::move(why);
    return report;
  };
  if (config.verify == Verify::never) return leave_out("switched off");
  if (!sample)
    return leave_out("no valid sizes were found for the open dimensions; give them with --shapes");
  if (draws_random_numbers(graph))
    return leave_out("the model draws random numbers, and two runs of it may differ");
  const double work = count_multiply_adds(graph, *sample);
  if (config.verify == Verify::automatic && work > kSelfCheckLimit) {
    char text[96];
    std::snprintf(text, sizeof text,
                  "the reference would need %.1f billion multiply-adds; --verify runs it",
                  work / 1e9);
    return leave_out(text);
  }
  std::vector<Tensor> inputs;
  std::vector<Datum> data;
  for (std::size_t i = 0; i < graph.inputs().size(); ++i) {
    const Value& input = graph.value(graph.inputs()[i]);
    if (input.type.is_boxed() || !input.type.shape)
      return leave_out("input " + input.name + " cannot be made up");
    inputs.push_back(random_tensor(input.type.dtype, evaluate(*input.type.shape, *sample), i + 1));
    data.emplace_back(inputs.back());
  }
  // Of a loop nobody knows ahead how long it takes.
  RunLimits limits;
  if (config.verify == Verify::automatic) {
    limits.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kLongestMs);
  }
  PlanExecution execution(plan, config.threads);
  std::vector<Datum> expected;
  try {
    expected = evaluate_graph(graph, data, limits);
    execution.bind(inputs);
    execution.run(config.verify == Verify::automatic ? kLongestMs : 0);
  } catch (const Error& error) {
    const Diagnostic& first = error.diagnostics().front();
    if (error.code() == ErrorCode::limit_exceeded)
      return leave_out("a limit ended it: " + first.what + ": " + first.why);
    if (!expected.empty()) throw;
    if (error.code() == ErrorCode::bad_value || error.code() == ErrorCode::bad_shape)
      return leave_out("the model refuses made-up inputs: " + first.why);
    throw;
  }
  const std::vector<Tensor> got = execution.outputs();
  report.done = true;
  std::string wrong;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (!expected[i].is_tensor() || !got[i].defined()) continue;
    const double tolerance = tolerance_of(expected[i].tensor().dtype(), config.precise);
    const Difference difference = compare(got[i], expected[i].tensor(), tolerance);
    report.outputs.push_back({graph.output_name(i), difference.largest_relative, tolerance});
    if (wrong.empty() && !(difference.largest_relative <= tolerance)) {
      wrong = "output " + graph.output_name(i) + ": " + difference.text;
    }
  }
  if (wrong.empty()) return report;

  // Where it begins: every value of the engine against every value of the reference, in order.
  LowerOptions all = lowering;
  all.keep_all_values = true;
  LowerReport ignored;
  const Plan debug = lower(graph, all, ignored);
  PlanExecution every(debug, config.threads);
  every.bind(inputs);
  every.run();
  const std::vector<Tensor> computed = every.outputs();
  std::unordered_map<std::string, Tensor> reference;
  evaluate_graph(graph, data, {}, [&](ValueId id, const Datum& datum) {
    if (datum.is_tensor()) reference.emplace(graph.value(id).name, datum.tensor());
  });
  std::string first;
  for (std::size_t i = expected.size(); i < computed.size() && first.empty(); ++i) {
    const std::string& label = debug.output_names[i];  // "value:<slot>:<name>"
    const std::string name = label.substr(label.find(':', 6) + 1);
    const auto at = reference.find(name);
    if (at == reference.end() || !computed[i].defined()) continue;
    const double tolerance = tolerance_of(at->second.dtype(), config.precise);
    const Difference difference = compare(computed[i], at->second, tolerance);
    if (difference.largest_relative <= tolerance) continue;
    first = "the first value that diverges is " + name;
    for (const Step& step : debug.steps) {
      if (std::ranges::find(step.outputs, debug.outputs[i]) != step.outputs.end()) {
        first += ", node " + step.name + " (" + step.op + ", tactic " + step.tactic + ")";
      }
    }
    first += ": " + verdict_text(difference.largest_relative, tolerance);
  }
  throw Error(ErrorCode::self_check_failed, wrong,
              first.empty() ? "every single value is within its tolerance" : first,
              "leave that tactic out with --tactics=-NAME and report it");
}

}  // namespace strop
