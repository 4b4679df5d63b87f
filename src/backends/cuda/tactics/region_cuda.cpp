// SPDX-License-Identifier: Apache-2.0
// Moves of elements and the pointwise nodes among them (fuse_moves.cpp) in one kernel with a thread
// for each element of the output. Only where neighbouring threads read neighbouring elements: other
// moves are left to kernels with tiles.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "backends/cuda/codegen/region_source.hpp"
#include "backends/cuda/codegen/scalar_source.hpp"
#include "backends/cuda/codegen/walk.hpp"
#include "base/error.hpp"
#include "ops/fused.hpp"

namespace strop::cuda {
const Tactic& tactic_region_cuda();
namespace {

std::optional<RegionSource> source_in(const Problem& problem, const OperandLayouts& layouts,
                                      std::string& refusal) {
  Problem laid_out = problem;
  laid_out.layouts = layouts;
  const LaunchShapes shapes(laid_out);
  KernelWriter writer(laid_out, shapes, "region");
  return region_source(laid_out, shapes, writer, refusal);
}

// For this layout of the output: all inputs plain, and as many channels last as it takes that way.
std::vector<OperandLayouts> layouts_for(const Problem& problem, Layout output,
                                        std::string& refusal) {
  const std::size_t inputs = problem.node->inputs.size();
  OperandLayouts plain{.inputs = std::vector<Layout>(inputs, Layout::plain), .outputs = {output}};
  const auto of_plain = source_in(problem, plain, refusal);
  if (!of_plain) return {};
  std::vector<OperandLayouts> out;
  if (of_plain->scattered.empty()) out.push_back(plain);
  OperandLayouts last = plain;
  // An input of lower rank than the output would count as one of the output's rank.
  const std::int64_t least = std::max<std::int64_t>(3, problem.output_type(0).rank());
  for (std::size_t i = 0; i < inputs; ++i) {
    if (problem.has_input(i) && problem.constant(i) == nullptr &&
        problem.input_type(i).rank() >= least)
      last.inputs[i] = Layout::channels_last;
  }
  if (last == plain) return out;
  const auto of_last = source_in(problem, last, refusal);
  if (!of_last) return out;
  for (const std::size_t i : of_last->scattered) last.inputs[i] = Layout::plain;
  const bool works = std::ranges::none_of(
      of_plain->scattered, [&](std::size_t i) { return last.inputs[i] == Layout::plain; });
  if (works && !(last == plain)) out.push_back(last);
  return out;
}

// Those that it takes; none, and why.
std::vector<OperandLayouts> layouts_of(const Problem& problem, std::string& refusal) {
  std::vector<OperandLayouts> out = layouts_for(problem, Layout::plain, refusal);
  if (problem.output_type(0).rank() >= 3) {
    auto last = layouts_for(problem, Layout::channels_last, refusal);
    std::ranges::move(last, std::back_inserter(out));
  }
  if (out.empty() && refusal.empty())
    refusal = "neighbours of the output are far apart in an input";
  return out;
}

Acceptance accepts(const Problem& problem) {
  if (!problem.attributes<FusedAttributes>().moves) return {};
  for (std::size_t i = 0; i < problem.node->inputs.size(); ++i) {
    if (problem.has_input(i) && problem.input_type(i).rank() < 0)
      return Acceptance::refuse("the rank of an input is not known");
  }
  if (problem.output_type(0).rank() < 0)
    return Acceptance::refuse("the rank of its output is not known");
  std::string refusal;
  return layouts_of(problem, refusal).empty() ? Acceptance::refuse(refusal) : Acceptance::accept();
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  std::string refusal;
  return layouts_of(problem, refusal);
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  KernelWriter writer(problem, shapes, "region");
  writer.use("pointwise_functions");
  writer.use("wide_functions");
  std::string refusal;
  const auto region = region_source(problem, shapes, writer, refusal);
  STROP_CHECK(region.has_value(), "a problem is lowered after it was accepted");
  const std::string type = element_type(problem.output_type(0).dtype);
  const std::string y = writer.output(0, type);
  const SymShape& whole = shapes.output(0);
  SymShape sizes;
  for (const std::size_t axis :
       memory_order(static_cast<std::int64_t>(whole.size()), problem.layouts.output(0)))
    sizes.push_back(whole[axis]);
  LaunchStep step;
  writer.finish_items(step,
                      coordinates(writer, "index", sizes) + region->code +
                          fmt::format("  {}[index] = narrow<{}>({});\n", y, type, region->element),
                      product(sizes));
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_region_cuda() {
  static const Tactic tactic{.name = "region_cuda",
                             .backend = "cuda",
                             .ops = {op_fused},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
