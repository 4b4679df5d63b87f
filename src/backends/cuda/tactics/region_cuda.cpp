// SPDX-License-Identifier: Apache-2.0
// Moves of elements and the pointwise nodes among them (fuse_moves.cpp) in one kernel. A thread
// makes several neighbours of the output where they stay together on the way back: on the innermost
// axis, read and written at once, or else on an axis further out, so that neighbouring threads
// still touch neighbouring elements while indices are computed once for the group. Only where
// neighbours of the output are neighbours in the inputs: other moves are left to kernels with
// tiles.
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

constexpr int kStoreBytes = 16;
constexpr int kMostApart = 8;              // elements of a group that are not side by side
constexpr int kEnough = 4;                 // elements in such a group that need not be larger
constexpr int kEnoughBytes = 8;            // written at once
constexpr std::int64_t kShortestRun = 64;  // bytes that neighbouring threads write side by side

// Of the output, in the order of memory.
SymShape sizes_of(const Problem& problem, const LaunchShapes& shapes) {
  const SymShape& whole = shapes.output(0);
  SymShape out;
  for (const std::size_t axis :
       memory_order(static_cast<std::int64_t>(whole.size()), problem.layouts.output(0)))
    out.push_back(whole[axis]);
  return out;
}

// The last axis along which there are neighbours.
std::size_t innermost(const SymShape& sizes) {
  std::size_t out = sizes.empty() ? 0 : sizes.size() - 1;
  while (out > 0 && sizes[out].is(1)) --out;
  return out;
}

std::optional<RegionSource> source_in(const Problem& problem, const LaunchShapes& shapes,
                                      RegionGroup group, std::string& refusal) {
  KernelWriter writer(problem, shapes, "region");
  return region_source(problem, shapes, writer, group, refusal);
}

// A group on that axis of as many elements as can be, at most `most`, and whether it reads all
// inputs at once.
struct Widest {
  RegionGroup group;
  bool reads_at_once = false;
};

Widest widest(const Problem& problem, const LaunchShapes& shapes, const SymShape& sizes,
              std::size_t axis, int most) {
  std::string refusal;
  for (int count = most; count > 1; count /= 2) {
    if (!is_multiple(sizes[axis], count)) continue;
    if (const auto source = source_in(problem, shapes, {axis, count}, refusal))
      return {{axis, count}, source->apart.empty()};
  }
  return {{axis, 1}};
}

RegionGroup choose_group(const Problem& problem, const LaunchShapes& shapes,
                         const SymShape& sizes) {
  const std::size_t last = innermost(sizes);
  if (sizes.empty()) return {last, 1};
  const int bytes = bits_of(problem.output_type(0).dtype) / 8;
  const auto [own, reads_at_once] =
      widest(problem, shapes, sizes, last, std::max(1, kStoreBytes / bytes));
  if (own.count * bytes >= kEnoughBytes && reads_at_once) return own;
  RegionGroup best{last, 1};
  Dim inner(1);
  for (std::size_t axis = last; axis > 0 && best.count < kEnough; --axis) {
    inner = inner * sizes[axis];
    if (inner.is_constant() && inner.value() * bytes < kShortestRun) continue;
    const RegionGroup other = widest(problem, shapes, sizes, axis - 1, kMostApart).group;
    if (other.count > best.count) best = other;
  }
  return best.count >= own.count ? best : own;
}

std::optional<RegionSource> source_in(const Problem& problem, const OperandLayouts& layouts,
                                      std::string& refusal) {
  Problem laid_out = problem;
  laid_out.layouts = layouts;
  const LaunchShapes shapes(laid_out);
  return source_in(laid_out, shapes, {innermost(sizes_of(laid_out, shapes)), 1}, refusal);
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

// Lines that write the elements of item `index`.
std::string stores(KernelWriter& writer, const SymShape& sizes, RegionGroup group,
                   const std::string& y, const std::string& type, const std::string& value) {
  const std::string element = fmt::format("narrow<{}>({})", type, value);
  const auto [axis, count] = group;
  if (count == 1) return fmt::format("  {}[index] = {};\n", y, element);
  const std::string each = fmt::format("#pragma unroll\n  for (int k = 0; k < {}; ++k) ", count);
  Dim inner(1);
  for (std::size_t i = axis + 1; i < sizes.size(); ++i) inner = inner * sizes[i];
  if (inner.is(1)) {
    return fmt::format("  Pack<{0}, {1}> q;\n{2}q.v[k] = {3};\n", type, count, each, element) +
           fmt::format("  *reinterpret_cast<Pack<{0}, {1}>*>({2} + index * {1}) = q;\n", type,
                       count, y);
  }
  const std::string step = writer.number(inner);
  return fmt::format("  const I to = index + r{} * ({} * {});\n", axis + 1, step, count - 1) +
         each + fmt::format("{}[to + k * {}] = {};\n", y, step, element);
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  const SymShape sizes = sizes_of(problem, shapes);
  const RegionGroup group = choose_group(problem, shapes, sizes);
  KernelWriter writer(problem, shapes, "region");
  for (const char* used : {"pointwise_functions", "wide_functions", "groups"}) writer.use(used);
  std::string refusal;
  const auto region = region_source(problem, shapes, writer, group, refusal);
  STROP_CHECK(region.has_value(), "a problem is lowered after it was accepted");
  const std::string type = element_type(problem.output_type(0).dtype);
  const std::string y = writer.output(0, type);
  SymShape items = sizes;
  if (group.count > 1) items[group.axis] = floordiv(items[group.axis], Dim(group.count));
  const std::string body = coordinates(writer, "index", sizes, group.axis, group.count) +
                           region->code + stores(writer, sizes, group, y, type, region->element);
  LaunchStep step;
  writer.finish_items(step, body, product(items));
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
