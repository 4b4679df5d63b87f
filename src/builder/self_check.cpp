// SPDX-License-Identifier: Apache-2.0
#include "builder/self_check.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <unordered_map>

#include "base/tolerance.hpp"
#include "builder/plan_execution.hpp"
#include "ir/evaluate.hpp"
#include "ops/cast.hpp"
#include "ops/dynamic_quantize_linear.hpp"
#include "ops/fused.hpp"
#include "ops/quantize_linear.hpp"
#include "tactic/work.hpp"

namespace strop {
namespace {

// Samples of an open batch that the automatic check runs with, rather than with what was tuned for:
// two, so that one's values in the place of the other's show.
constexpr std::int64_t kFewSamples = 2;
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

int ordinal_of(const LowerOptions& lowering) {
  return lowering.device ? lowering.device->ordinal : 0;
}

std::string verdict_text(double error, double tolerance) {
  char text[96];
  std::snprintf(text, sizeof text, "relative error %.3g, tolerance %.3g", error, tolerance);
  return text;
}

// Whether floats become bytes within the model: then two engines that are both right may differ by
// steps, and by more of them from layer to layer.
bool rounds_to_steps(const Graph& graph) {
  return std::ranges::any_of(graph.order(), [&](NodeId id) {
    const Node& node = graph.node(id);
    return node.is(op_quantize_linear()) || node.is(op_dynamic_quantize_linear()) ||
           std::ranges::any_of(node.subgraphs,
                               [](const auto& nested) { return rounds_to_steps(*nested); });
  });
}

// The coarsest of the half types that values of the graph have, else f32: the last bit of a sum may
// become the last bit of a half number, so that outputs are judged as that type, and by their steps
// where they differ by more.
DType coarsest_type(const Graph& graph) {
  DType out = DType::f32;
  const auto add = [&](DType type) {
    if (type == DType::bf16 || (type == DType::f16 && out == DType::f32)) out = type;
  };
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    for (const ValueId output : node.outputs) add(graph.value(output).type.dtype);
    for (const auto& nested : node.subgraphs) add(coarsest_type(*nested));
  }
  return out;
}

// What the reference makes of a node's inputs; nothing where a size is not known here.
std::vector<Datum> evaluate_node(const Node& node, const std::vector<const Datum*>& inputs,
                                 const SymbolValues& sample) {
  std::vector<const Graph*> nested;
  for (const auto& graph : node.subgraphs) nested.push_back(graph.get());
  std::vector<Datum> outputs;
  try {
    evaluate_op(*node.op, with_values(node.attributes, sample), inputs, nested, node.outputs.size(),
                outputs);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::bad_shape) throw;
    return {};
  }
  return outputs;
}

// The first node whose results in the engine are not what its reference kernel makes of the inputs
// that the node has in the engine; empty when there is none. `got` are the engine's results.
std::string first_divergence(const Graph& graph, const LowerOptions& lowering,
                             const SymbolValues& sample, const BuildConfig& config,
                             const std::vector<Tensor>& inputs, const std::vector<Datum>& data,
                             const std::vector<Tensor>& got) {
  LowerOptions all = lowering;
  all.keep_all_values = true;
  LowerReport report;
  const Plan debug = lower(graph, all, report);
  PlanExecution execution(debug, config.threads, ordinal_of(lowering));
  execution.bind(inputs);
  execution.run();
  const std::vector<Tensor> outputs = execution.outputs();
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (got[i].defined() && !(outputs.at(i).defined() && got[i].identical(outputs[i])))
      return "the same steps give another output when the values between them are kept";
  }
  std::unordered_map<std::string, Tensor> computed;  // by the value's name
  for (std::size_t i = got.size(); i < outputs.size(); ++i) {
    const std::string& label = debug.output_names[i];  // "value:<slot>:<name>"
    if (outputs[i].defined()) computed.emplace(label.substr(label.find(':', 6) + 1), outputs[i]);
  }
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (got[i].defined()) computed.emplace(graph.value(graph.outputs()[i]).name, got[i]);
  }
  std::unordered_map<std::uint32_t, Datum> known;
  for (std::size_t i = 0; i < data.size(); ++i) known.emplace(graph.inputs()[i].index, data[i]);
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    std::vector<Datum> constants(node.inputs.size());
    std::vector<const Datum*> arguments(node.inputs.size(), nullptr);
    bool complete = true;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (!node.inputs[i].exists()) continue;
      const Value& value = graph.value(node.inputs[i]);
      const auto at = known.find(node.inputs[i].index);
      if (value.is_constant()) {
        constants[i] = value.constant;
        arguments[i] = &constants[i];
      } else if (at != known.end()) {
        arguments[i] = &at->second;
      } else {
        complete = false;
      }
    }
    std::vector<Datum> expected;
    if (complete) expected = evaluate_node(node, arguments, sample);
    if (expected.empty()) return "node " + node.name + " could not be judged alone";
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      const Value& value = graph.value(node.outputs[i]);
      const auto at = computed.find(value.name);
      if (at == computed.end()) {  // a view, or boxed
        if (i < expected.size()) known.emplace(node.outputs[i].index, expected[i]);
        continue;
      }
      known.emplace(node.outputs[i].index, at->second);
      if (i >= expected.size() || !expected[i].is_tensor()) continue;
      // What a fused node gives beside its result is made before that is rounded.
      const bool beside = node.is(op_fused()) && value.type.dtype == DType::f32;
      const DType judged = beside ? graph.value(node.outputs[0]).type.dtype : value.type.dtype;
      const double tolerance = tolerance_of(judged, config.precise);
      const Difference difference = compare(at->second, expected[i].tensor(), tolerance);
      if (difference.largest_relative <= tolerance) continue;
      std::string tactic;
      for (const Step& step : debug.steps) {
        if (step.name == node.name && step.op == node.op->name) tactic = ", tactic " + step.tactic;
      }
      return "the first value that diverges is " + value.name + ", node " + node.name + " (" +
             std::string(node.op->name) + tactic +
             "): " + verdict_text(difference.largest_relative, tolerance);
    }
  }
  return {};
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

namespace {

// The sizes to check with, fewer samples than were tuned for where the check would take long.
SymbolValues check_sizes(const Graph& graph, const SymbolValues& tuned, const BuildConfig& config) {
  if (config.verify == Verify::always) return tuned;
  for (const std::int64_t batch : {kFewSamples, std::int64_t{1}}) {
    const auto small = find_small_sample(graph, config.shapes, batch);
    if (small && count_multiply_adds(graph, *small) <= kSelfCheckLimit) return *small;
  }
  return tuned;
}

std::string sizes_text(const Graph& graph, const SymbolValues& sizes) {
  std::string out;
  for (const ValueId id : graph.inputs()) {
    const Value& input = graph.value(id);
    if (input.type.shape)
      out += (out.empty() ? "" : ", ") + input.name + " " +
             to_string(evaluate(*input.type.shape, sizes));
  }
  return out;
}

}  // namespace

SelfCheckReport check_engine(const Graph& graph, const Plan& plan, const LowerOptions& lowering,
                             const std::optional<SymbolValues>& tuned, const BuildConfig& config) {
  SelfCheckReport report;
  const auto leave_out = [&](std::string why) {
    report.note = "self-check left out: " + std::move(why);
    return report;
  };
  if (config.verify == Verify::never) return leave_out("switched off");
  if (!tuned)
    return leave_out("no valid sizes were found for the open dimensions; give them with --shapes");
  if (draws_random_numbers(graph))
    return leave_out("the model draws random numbers, and two runs of it may differ");
  const SymbolValues sample = check_sizes(graph, *tuned, config);
  const double work = count_multiply_adds(graph, sample);
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
    inputs.push_back(random_tensor(input.type.dtype, evaluate(*input.type.shape, sample), i + 1));
    data.emplace_back(inputs.back());
  }
  // Of a loop nobody knows ahead how long it takes.
  RunLimits limits;
  if (config.verify == Verify::automatic) {
    limits.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kLongestMs);
  }
  PlanExecution execution(plan, config.threads, ordinal_of(lowering));
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
  if (sample != *tuned) report.note = "self-check: with " + sizes_text(graph, sample);
  std::string wrong;
  const DType coarsest = coarsest_type(graph);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (!expected[i].is_tensor() || !got[i].defined()) continue;
    const DType dtype = expected[i].tensor().dtype();
    const double tolerance = tolerance_of(dtype == DType::f32 ? coarsest : dtype, config.precise);
    const Difference difference = compare(got[i], expected[i].tensor(), tolerance);
    report.outputs.push_back({graph.output_name(i), difference.largest_relative, tolerance});
    if (wrong.empty() && !(difference.largest_relative <= tolerance)) {
      wrong = "output " + graph.output_name(i) + ": " + difference.text;
    }
  }
  if (wrong.empty()) return report;

  const std::string first = first_divergence(graph, lowering, sample, config, inputs, data, got);
  if (first.empty() && (coarsest != DType::f32 || rounds_to_steps(graph))) {
    report.note +=
        (report.note.empty() ? "self-check: " : "; ") + wrong +
        "; every step agrees with the reference on its own inputs, and what a model rounds "
        "to bytes or half floats may turn the last bit of a float into a whole step";
    return report;
  }
  throw Error(ErrorCode::self_check_failed, wrong,
              first.empty() ? "every step agrees with the reference on its own inputs" : first,
              "leave that tactic out with --tactics=-NAME and report it");
}

}  // namespace strop
