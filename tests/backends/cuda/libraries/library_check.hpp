// SPDX-License-Identifier: Apache-2.0
// Graphs of one node as problems for a chip, and tactics for them run on the GPU against the
// reference kernel.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "backends/cuda/gpu.hpp"
#include "base/tolerance.hpp"
#include "builder/plan_execution.hpp"
#include "ir/evaluate.hpp"
#include "ir/text.hpp"
#include "lower/lower.hpp"
#include "ops/op_list.hpp"

namespace strop::testing {

using ConstantTypes = std::vector<std::pair<DType, Shape>>;

inline std::vector<Tensor> made_up(const ConstantTypes& types) {
  std::vector<Tensor> out;
  for (const auto& [dtype, shape] : types)
    out.push_back(random_tensor(dtype, shape, 100 + out.size()));
  return out;
}

// The only node of a graph with these constants @0, @1 ...
struct Question {
  Graph graph;
  DeviceProperties device;
  Problem problem;

  Question(const Question&) = delete;
  Question(const std::string& text, const std::vector<Tensor>& constants,
           const DeviceProperties& chip)
      : graph(parse_graph(text, find_op, [&](std::size_t i) { return constants.at(i); })),
        device(chip) {
    problem.node = &graph.node(graph.order().front());
    problem.graph = &graph;
    problem.device = &device;
  }
};

// sm_90, and none of it here.
inline DeviceProperties some_chip() {
  DeviceProperties out;
  out.backend = "cuda";
  out.compute_capability = 90;
  out.multiprocessors = 132;
  out.ordinal = -1;
  return out;
}

inline std::vector<Tensor> run_plan(PlanExecution& execution, const std::vector<Tensor>& inputs) {
  execution.bind(inputs);
  execution.run();
  return execution.outputs();
}

inline bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() &&
         (a.bytes() == 0 ||
          std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.bytes())) == 0);
}

// The first `most` configurations that the tactic offers, in every layout: close to the reference,
// and the same bytes every time, eagerly and as a graph of the GPU.
inline void check_on_gpu(const Tactic& tactic, Question& question, const SymbolValues& sizes = {},
                         std::size_t most = 100) {
  const Acceptance acceptance = tactic.accepts(question.problem);
  ASSERT_TRUE(acceptance.yes) << acceptance.reason;
  const Node& node = *question.problem.node;
  const auto shape_of = [&](ValueId id) {
    return evaluate(*question.graph.value(id).type.shape, sizes);
  };
  LowerReport report;
  LowerOptions options;
  options.backend = "reference";
  std::vector<Tensor> plain;
  for (const ValueId id : question.graph.inputs())
    plain.push_back(
        random_tensor(question.graph.value(id).type.dtype, shape_of(id), plain.size() + 1));
  PlanExecution reference(lower(question.graph, options, report), 2);
  const Tensor expected = run_plan(reference, plain).at(0);
  std::vector<std::string> configs = tactic.configs(question.problem);
  configs.resize(std::min(configs.size(), most));
  for (const std::string& config : configs) {
    const auto layouts = tactic.layouts != nullptr ? tactic.layouts(question.problem, config)
                                                   : std::vector<OperandLayouts>(1);
    for (const OperandLayouts& layout : layouts) {
      const Candidate candidate{&tactic, config, layout};
      SCOPED_TRACE(candidate.name());
      std::vector<Tensor> inputs;
      for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        const auto at = std::ranges::find(question.graph.inputs(), node.inputs[i]);
        if (at == question.graph.inputs().end()) continue;
        const Tensor& tensor =
            plain[static_cast<std::size_t>(at - question.graph.inputs().begin())];
        inputs.push_back(layout.input(i) == Layout::plain ? tensor
                                                          : relayout(tensor, layout.input(i)));
      }
      try {
        PlanExecution execution(lower_single(question.problem, candidate, sizes), 2,
                                question.device.ordinal);
        const Tensor first = run_plan(execution, inputs).at(0);
        if (expected.size() > 0) execution.time_on_device(4, 1, 2);
        for (int time = 0; time < 3; ++time)
          EXPECT_TRUE(same_bytes(run_plan(execution, inputs).at(0), first));
        const Tensor got =
            layout.output(0) == Layout::plain ? first : relayout(first, Layout::plain);
        const double tolerance = tolerance_of(expected.dtype());
        const Difference difference = compare(got, expected, tolerance);
        EXPECT_LE(difference.largest_relative, tolerance) << difference.text;
      } catch (const Error& error) {
        ADD_FAILURE() << error.message();
      }
    }
  }
}

// A plan whose step on the library has other parameters ends in an error of the engine, whenever it
// is noticed.
inline void expect_refused(const Tactic& tactic, Question& question, const std::string& from,
                           const std::string& to) {
  Candidate candidate{&tactic, "0", {}};
  if (tactic.layouts != nullptr) candidate.layouts = tactic.layouts(question.problem, "0").at(0);
  Plan plan = lower_single(question.problem, candidate, {});
  for (Step& step : plan.steps) {
    const std::size_t at = step.parameters.find(from);
    if (at != std::string::npos) step.parameters.replace(at, from.size(), to);
  }
  std::vector<Tensor> inputs;
  for (const std::uint32_t input : plan.inputs)
    inputs.push_back(random_tensor(plan.slots[input].dtype, *to_concrete(*plan.slots[input].shape),
                                   inputs.size()));
  try {
    PlanExecution execution(std::move(plan), 2, question.device.ordinal);
    run_plan(execution, inputs);
    ADD_FAILURE() << "it ran with " << to;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::engine_invalid) << error.message();
  }
}

}  // namespace strop::testing
