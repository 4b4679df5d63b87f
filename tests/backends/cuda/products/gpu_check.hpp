// SPDX-License-Identifier: Apache-2.0
// What tactics offer for a graph of one node, run on a GPU and compared with the reference.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>

#include "backends/cuda/gpu.hpp"
#include "base/tolerance.hpp"
#include "builder/plan_execution.hpp"
#include "ir/evaluate.hpp"
#include "ir/text.hpp"
#include "lower/lower.hpp"
#include "ops/op_list.hpp"

namespace strop::testing {

// Compares every candidate of tactics whose names hold `tactic` with the reference kernel.
inline void check_on_gpu(std::string_view tactic, const std::string& text,
                         const std::vector<Tensor>& constants,
                         const std::vector<SymbolValues>& sizes) {
  const Graph graph = parse_graph(text, find_op, [&](std::size_t i) { return constants.at(i); });
  LowerOptions options;
  options.backend = "cuda";
  options.device = gpu()->device;
  options.tactics = gpu()->tactics;
  Problem problem{&graph.node(graph.order().front()), &graph};
  problem.device = &*options.device;
  std::size_t checked = 0;
  const CandidateList offered = list_candidates(problem, options);
  for (const Candidate& candidate : offered.candidates) {
    if (candidate.tactic->name.find(tactic) == std::string_view::npos) continue;
    options.choose = [&](const Problem&, std::span<const Candidate> all) {
      const auto at = std::ranges::find(all, candidate.name(), &Candidate::name);
      return at == all.end() ? 0 : static_cast<std::size_t>(at - all.begin());
    };
    LowerReport report;
    PlanExecution execution(lower(graph, options, report), 0, options.device->ordinal);
    for (const SymbolValues& values : sizes) {
      std::vector<Tensor> inputs;
      for (std::size_t i = 0; i < graph.inputs().size(); ++i) {
        const Type& type = graph.value(graph.inputs()[i]).type;
        inputs.push_back(random_tensor(type.dtype, evaluate(*type.shape, values), i + 1));
      }
      std::vector<Datum> data(inputs.begin(), inputs.end());
      const Tensor wanted = evaluate_graph(graph, data).at(0).tensor();
      execution.bind(inputs);
      execution.run();
      const double tolerance = wanted.dtype() == DType::i8 || wanted.dtype() == DType::u8
                                   ? 0
                                   : tolerance_of(wanted.dtype());
      const Difference difference = compare(execution.outputs().at(0), wanted, tolerance);
      EXPECT_LE(difference.largest_relative, tolerance)
          << candidate.name() << ": " << difference.text;
    }
    ++checked;
  }
  EXPECT_GT(checked, 1u);
}

}  // namespace strop::testing
