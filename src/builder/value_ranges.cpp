// SPDX-License-Identifier: Apache-2.0
#include "builder/value_ranges.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <mutex>
#include <span>

#include "base/parallel.hpp"
#include "builder/one_sample.hpp"
#include "builder/plan_execution.hpp"
#include "builder/self_check.hpp"
#include "builder/targets.hpp"
#include "lower/lower.hpp"

namespace strop {
namespace {

constexpr std::int64_t kLongestMs = 60'000;
constexpr std::int64_t kGrain = 1 << 16;  // elements

ValueRanges no_ranges(const std::string& why) {
  return {.of = {}, .note = "no value was measured, so none is known to overflow: " + why};
}

BuildTarget measuring_target(const BuildConfig& given) {
  BuildConfig config = given;
  config.device = "cpu";
  try {
    return find_target(config);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::missing_device) throw;
    return {"reference", {}};
  }
}

ValueRange range_of(const Tensor& tensor) {
  const std::span<const float> values = tensor.values<float>();
  std::mutex mutex;
  ValueRange out;
  parallel_for(tensor.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    float lowest = 0, highest = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      const float v = values[static_cast<std::size_t>(i)];
      if (!std::isfinite(v)) continue;  // the narrower type has those too
      lowest = std::min(lowest, v);
      highest = std::max(highest, v);
    }
    const std::scoped_lock lock(mutex);
    out.lowest = std::min(out.lowest, static_cast<double>(lowest));
    out.highest = std::max(out.highest, static_cast<double>(highest));
  });
  return out;
}

void add(ValueRanges& ranges, const std::string& name, const Tensor& tensor) {
  if (!tensor.defined() || tensor.dtype() != DType::f32) return;
  const ValueRange range = range_of(tensor);
  const auto [at, fresh] = ranges.of.emplace(name, range);
  if (fresh) return;
  at->second.lowest = std::min(at->second.lowest, range.lowest);
  at->second.highest = std::max(at->second.highest, range.highest);
}

// A view holds what its input holds.
void add_views(const Graph& graph, ValueRanges& ranges) {
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (!node.op->traits.view) continue;
    const auto from = ranges.of.find(graph.value(node.inputs[0]).name);
    if (from != ranges.of.end())
      ranges.of.emplace(graph.value(node.outputs[0]).name, ValueRange(from->second));
  }
}

ValueRanges measure(const Graph& graph, const WantedShapes& shapes, const BuildConfig& config) {
  auto sample = find_small_sample(graph, shapes, 1);
  if (!sample) sample = find_sample_symbols(graph, shapes);
  if (!sample)
    return no_ranges("no valid sizes were found for the open dimensions; give them with --shapes");
  const BuildTarget target = measuring_target(config);
  const double work = count_multiply_adds(graph, *sample);
  if (work > (target.tactics.empty() ? kSelfCheckLimit : kMeasureLimit)) {
    char text[64];
    std::snprintf(text, sizeof text, "it would take %.0f billion multiply-adds", work / 1e9);
    return no_ranges(text);
  }
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < graph.inputs().size(); ++i) {
    const Value& input = graph.value(graph.inputs()[i]);
    if (input.type.is_boxed() || !input.type.shape)
      return no_ranges("input " + input.name + " cannot be made up");
    inputs.push_back(random_tensor(input.type.dtype, evaluate(*input.type.shape, *sample), i + 1));
  }
  LowerOptions options;
  options.backend = target.backend;
  options.tactics = target.tactics;
  options.keep_all_values = true;
  options.sample = *sample;
  LowerReport report;
  const Plan plan = lower(graph, options, report);
  PlanExecution execution(plan, config.threads);
  try {
    execution.bind(inputs);
    execution.run(kLongestMs);
  } catch (const Error& error) {
    const ErrorCode code = error.code();
    if (code != ErrorCode::limit_exceeded && code != ErrorCode::bad_value &&
        code != ErrorCode::bad_shape) {
      throw;
    }
    const Diagnostic& first = error.diagnostics().front();
    return no_ranges(first.what + ": " + first.why);
  }
  ValueRanges ranges;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    add(ranges, graph.value(graph.inputs()[i]).name, inputs[i]);
  const std::vector<Tensor> outputs = execution.outputs();
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (i < graph.outputs().size()) {
      add(ranges, graph.value(graph.outputs()[i]).name, outputs[i]);
      continue;
    }
    const std::string& label = plan.output_names[i];  // "value:<slot>:<name>"
    add(ranges, label.substr(label.find(':', 6) + 1), outputs[i]);
  }
  add_views(graph, ranges);
  return ranges;
}

// What is wanted of the inputs, where that of one sample leaves it to the graph how many there are.
WantedShapes shapes_of_one(const Graph& one, WantedShapes shapes) {
  for (const ValueId id : one.inputs()) {
    const Value& input = one.value(id);
    const auto shape = shapes.find(input.name);
    if (shape != shapes.end() && !shape->second.empty() && !input.type.shape->empty() &&
        (*input.type.shape)[0].is(1))
      shape->second[0] = -1;
  }
  return shapes;
}

}  // namespace

ValueRanges measure_value_ranges(const Graph& graph, const BuildConfig& config) {
  if (const auto one = one_sample_of(graph)) {
    ValueRanges ranges = measure(*one, shapes_of_one(*one, config.shapes), config);
    if (ranges.note.empty()) return ranges;
  }
  return measure(graph, config.shapes, config);
}

}  // namespace strop
