// SPDX-License-Identifier: Apache-2.0
// What tactics offer for a graph of one node, run on a GPU and compared with the reference.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <future>
#include <iterator>
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

// Compares every candidate of tactics whose names hold `tactic` with the reference kernel; or of
// the first such tactic those configurations, whether it offers them or not. `adjust` makes inputs
// of random tensors.
inline void check_on_gpu(std::string_view tactic, const std::string& text,
                         const std::vector<Tensor>& constants,
                         const std::vector<SymbolValues>& sizes,
                         const std::vector<std::string>& configs = {},
                         const std::function<void(std::vector<Tensor>&)>& adjust = {}) {
  const Graph graph = parse_graph(text, find_op, [&](std::size_t i) { return constants.at(i); });
  LowerOptions options;
  options.backend = "cuda";
  options.device = gpu()->device;
  options.tactics = gpu()->tactics;
  static std::vector<std::string> forced;
  Tactic with_forced;
  std::vector<const Tactic*> others;  // reorder its operands
  if (!configs.empty()) {
    forced = configs;
    with_forced = **std::ranges::find_if(options.tactics, [&](const Tactic* one) {
      return one->name.find(tactic) != std::string_view::npos;
    });
    with_forced.configs = [](const Problem&) { return forced; };
    std::ranges::copy_if(options.tactics, std::back_inserter(others), [&](const Tactic* one) {
      return one->name.find(tactic) == std::string_view::npos;
    });
    others.push_back(&with_forced);
    options.tactics = others;
  }
  std::vector<std::vector<Tensor>> inputs;
  std::vector<std::vector<Datum>> wanted;
  for (const SymbolValues& values : sizes) {
    std::vector<Tensor>& of_sizes = inputs.emplace_back();
    for (std::size_t i = 0; i < graph.inputs().size(); ++i) {
      const Type& type = graph.value(graph.inputs()[i]).type;
      of_sizes.push_back(random_tensor(type.dtype, evaluate(*type.shape, values), i + 1));
    }
    if (adjust) adjust(of_sizes);
    const std::vector<Datum> data(of_sizes.begin(), of_sizes.end());
    wanted.push_back(evaluate_graph(graph, data));
  }
  Problem problem{&graph.node(graph.order().front()), &graph};
  problem.device = &*options.device;
  // Lowered on all processors: compiling is most of it.
  const CandidateList offered = list_candidates(problem, options);
  std::vector<std::pair<std::string, std::future<Plan>>> plans;
  for (const Candidate& candidate : offered.candidates) {
    if (candidate.tactic->name.find(tactic) == std::string_view::npos) continue;
    const auto lowered = [&graph, one = options, name = candidate.name()]() mutable {
      one.choose = [&](const Problem&, std::span<const Candidate> all) {
        const auto at = std::ranges::find(all, name, &Candidate::name);
        return at == all.end() ? 0 : static_cast<std::size_t>(at - all.begin());
      };
      LowerReport report;
      return lower(graph, one, report);
    };
    plans.emplace_back(candidate.name(), std::async(std::launch::async, lowered));
  }
  for (auto& [name, plan] : plans) {
    PlanExecution execution(plan.get(), 0, options.device->ordinal);
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      execution.bind(inputs[i]);
      execution.run();
      for (std::size_t output = 0; output < wanted[i].size(); ++output) {
        const Tensor& expected = wanted[i][output].tensor();
        const bool bytes = expected.dtype() == DType::i8 || expected.dtype() == DType::u8;
        // What else it gives is made of output 0 before that is rounded.
        const double tolerance = bytes ? 0 : tolerance_of(wanted[i][0].tensor().dtype());
        const Difference difference = compare(execution.outputs().at(output), expected, tolerance);
        EXPECT_LE(difference.largest_relative, tolerance)
            << name << ", output " << output << ": " << difference.text;
      }
    }
  }
  EXPECT_GT(plans.size(), 1u);
}

}  // namespace strop::testing
