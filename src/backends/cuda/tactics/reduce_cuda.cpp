// SPDX-License-Identifier: Apache-2.0
// reduce over any axes, in any layout. Where neighbouring results read neighbours, the threads of a
// block stand side by side and one below the other, each with 16 bytes at a time, or there is a
// thread for each result; else a warp, or a block where there is much to reduce.
#include <fmt/format.h>

#include <algorithm>

#include "backends/cuda/codegen/scalar_source.hpp"
#include "backends/cuda/codegen/walk.hpp"
#include "ops/reduce.hpp"
#include "tactic/layout_support.hpp"

namespace strop::cuda {
const Tactic& tactic_reduce_cuda();
namespace {

using R = ReduceFunction;
constexpr int kThreads = 256;
constexpr std::int64_t kWarpReduces = 1024;
constexpr std::int64_t kLeastInColumns = 32;  // elements of a result
constexpr std::int64_t kManyBlocks = 264;     // two on each of a large chip's multiprocessors

std::vector<bool> reduced_axes(const Problem& problem) {
  const auto rank = problem.input_type(0).rank();
  const auto& attributes = problem.attributes<ReduceAttributes>();
  std::vector<std::int64_t> axes;
  if (problem.has_input(1)) axes = problem.constant(1)->to_i64();
  std::vector<bool> out(static_cast<std::size_t>(rank),
                        axes.empty() && !attributes.noop_with_empty_axes);
  for (const std::int64_t axis : axes) {
    if (rank > 0) out[static_cast<std::size_t>(normalize_axis(axis, rank))] = true;
  }
  return out;
}

Acceptance accepts(const Problem& problem) {
  if (!has_element(problem.input_type(0).dtype)) return Acceptance::refuse("it takes numbers");
  if (!problem.input_type(0).shape) return Acceptance::refuse("the rank of x is not known");
  if (problem.has_input(1) && problem.constant(1) == nullptr)
    return Acceptance::refuse("its axes are not constant");
  return Acceptance::accept();
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  std::vector<OperandLayouts> out(1);
  const auto rank = problem.input_type(0).rank();
  if (rank < 3) return out;
  const bool keeps = problem.attributes<ReduceAttributes>().keep_dims;
  out.push_back({{Layout::channels_last}, {keeps ? Layout::channels_last : Layout::plain}});
  return out;
}

// How a function goes: the accumulator's type and start, what an element v adds, what comes out.
struct Recipe {
  std::string type, start, term, join, result;
};

Recipe recipe_of(R function, DType dtype, const std::string& count) {
  const std::string type = compute_type(dtype);
  const bool floats = is_floating(dtype);
  // A real function of an integer sum goes through double.
  const auto real = [&](const std::string& name) {
    return floats ? name + "(total)"
                  : fmt::format("narrow<{}>({}(static_cast<double>(total)))", type, name);
  };
  switch (function) {
    case R::max:
      return {type, lowest_literal(dtype), "v", "Largest", "total"};
    case R::min:
      return {type, highest_literal(dtype), "v", "Smallest", "total"};
    case R::prod:
      return {type, "1", "v", "Multiply", "total"};
    case R::l1:
      return {type, "0", floats ? "fabs(v)" : fmt::format("wide_abs<{}>(v, 0, 0)", type), "Add",
              "total"};
    case R::l2:
      return {type, "0", "v * v", "Add", real("sqrt")};
    case R::sum_square:
      return {type, "0", "v * v", "Add", "total"};
    case R::log_sum:
      return {type, "0", "v", "Add", real("log")};
    case R::mean:
      return {type, "0", "v", "Add",
              floats
                  ? fmt::format("total / static_cast<{}>({})", type, count)
                  : fmt::format("({0} == 0 ? static_cast<{1}>(0) : total / static_cast<{1}>({0}))",
                                count, type)};
    default:
      return {type, "0", "v", "Add", "total"};
  }
}

// What is walked through for one result, and the results.
struct Walks {
  Walk kept;     // operands: x, y
  Walk reduced;  // of x
};

Walks walks_of(const Problem& problem, const LaunchShapes& shapes) {
  const auto is_reduced = reduced_axes(problem);
  const bool keeps = problem.attributes<ReduceAttributes>().keep_dims;
  const SymShape& x = shapes.input(0);
  Walks out;
  out.kept.operands.resize(2);
  out.reduced.operands.resize(1);
  std::vector<std::size_t> place(x.size(), 0);  // of a kept axis in the output
  for (std::size_t i = 0, next = 0; i < x.size(); ++i) {
    if (!is_reduced[i] || keeps) place[i] = next++;
  }
  for (const std::size_t i :
       memory_order(static_cast<std::int64_t>(x.size()), problem.layouts.input(0))) {
    Walk& walk = is_reduced[i] ? out.reduced : out.kept;
    walk.sizes.push_back(x[i]);
    walk.operands[0].strides.push_back(shapes.input_strides(0)[i]);
    if (!is_reduced[i]) walk.operands[1].strides.push_back(shapes.output_strides(0)[place[i]]);
  }
  out.kept.collapse();
  out.reduced.collapse();
  return out;
}

// Neighbours that a thread takes at once where threads stand one below the other; 1 where they do
// not: a thread would have little to do, or the elements do not lie so.
int column_pack(const Problem& problem, const Walks& walks) {
  const Dim count = walks.reduced.count();
  const auto size = static_cast<int>(bits_of(problem.input_type(0).dtype) / 8);
  if (problem.attributes<ReduceAttributes>().function == R::log_sum_exp || size > 8 ||
      !count.is_constant() || count.value() < kLeastInColumns || walks.kept.sizes.empty() ||
      !is_multiple(walks.kept.sizes.back(), 16 / size)) {
    return 1;
  }
  int pack = walks.kept.pack(16 / size);
  for (const Dim& stride : walks.reduced.operands[0].strides) {
    while (pack > 1 && !is_multiple(stride, pack)) pack /= 2;
  }
  return pack;
}

// Threads side by side; few where there are few results, so that there are blocks enough.
int column_lanes(const Dim& packs) {
  int lanes = 8;
  while (lanes > 2 && packs.is_constant() && packs.value() / lanes < kManyBlocks) lanes /= 2;
  return lanes;
}

void add_columns(LaunchStep& step, KernelWriter& writer, const Walks& walks, const Recipe& recipe,
                 const std::string& element, int pack) {
  const Dim packs = floordiv(walks.kept.count(), Dim(pack));
  const int lanes = column_lanes(packs), rows = kThreads / lanes;
  std::string text = fmt::format(
      "  const int lane = threadIdx.x % {lanes}, row = threadIdx.x / {lanes};\n"
      "  const I result = static_cast<I>(blockIdx.x) * {lanes} + lane;\n"
      "  const bool valid = result < {packs};\n"
      "  __shared__ {type} part[{pack}][{rows}][{lanes}];\n"
      "  {type} total[{pack}];\n"
      "#pragma unroll\n  for (int k = 0; k < {pack}; ++k) total[k] = {start};\n",
      fmt::arg("lanes", lanes), fmt::arg("rows", rows), fmt::arg("pack", pack),
      fmt::arg("packs", writer.number(packs)), fmt::arg("type", recipe.type),
      fmt::arg("start", recipe.start));
  text += walks.kept.offsets(writer, "result", pack, {"at", "to"});
  text += fmt::format(
      "  if (valid) {{\n#pragma unroll 4\n  for (I item = row; item < {}; item += {}) {{\n",
      writer.number(walks.reduced.count()), rows);
  text += walks.reduced.offsets(writer, "item", 1, {"from"});
  text += fmt::format(
      "  const Pack<{element}, {pack}> read = *reinterpret_cast<const Pack<{element}, {pack}>*>(x0 "
      "+ at + from);\n"
      "#pragma unroll\n  for (int k = 0; k < {pack}; ++k) {{\n"
      "  const {type} v = wide(read.v[k]);\n"
      "  total[k] = {join}::of(total[k], static_cast<{type}>({term}));\n  }}\n  }}\n  }}\n"
      "#pragma unroll\n  for (int k = 0; k < {pack}; ++k) part[k][row][lane] = total[k];\n"
      "  __syncthreads();\n"
      "  for (int k = row; k < {pack}; k += {rows}) {{\n"
      "  {type} total = part[k][0][lane];\n"
      "  for (int i = 1; i < {rows}; ++i) total = {join}::of(total, part[k][i][lane]);\n"
      "  if (valid) y0[to + k] = narrow<{element}>({result});\n  }}\n",
      fmt::arg("element", element), fmt::arg("pack", pack), fmt::arg("type", recipe.type),
      fmt::arg("join", recipe.join), fmt::arg("term", recipe.term), fmt::arg("rows", rows),
      fmt::arg("result", recipe.result));
  writer.finish(step, text, {ceildiv(packs, Dim(lanes)), Dim(1), Dim(1)}, kThreads);
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  const DType dtype = problem.input_type(0).dtype;
  const auto& attributes = problem.attributes<ReduceAttributes>();
  const Walks walks = walks_of(problem, shapes);
  const auto& [kept, reduced] = walks;
  const Dim count = reduced.count(), results = kept.count();
  const bool side_by_side = !kept.sizes.empty() && kept.operands[0].strides.back().is(1) &&
                            !(kept.sizes.back().is_constant() && kept.sizes.back().value() < 8);
  int group = side_by_side ? 1 : 32;
  if (!side_by_side && (!count.is_constant() || count.value() > kWarpReduces)) group = kThreads;

  KernelWriter writer(problem, shapes, "reduce");
  writer.use("block_reduce");
  writer.use("wide_functions");
  const std::string element = element_type(dtype);
  writer.input(0, element);
  writer.output(0, element);
  const std::string size = writer.number(count);
  const Recipe recipe = recipe_of(attributes.function, dtype, size);
  LaunchStep step;
  if (const int pack = column_pack(problem, walks); pack > 1) {
    add_columns(step, writer, walks, recipe, element, pack);
    return to_choice(problem, std::move(step));
  }
  std::string text = fmt::format(
      "  const I result = static_cast<I>(blockIdx.x) * {0} + static_cast<I>(threadIdx.x) / {1};\n"
      "  const I lane = static_cast<I>(threadIdx.x) % {1};\n"
      "  if (result >= {2}) return;\n",
      kThreads / group, group, writer.number(results));
  text += kept.offsets(writer, "result", 1, {"at", "to"});
  const std::string loop =
      fmt::format("  for (I item = lane; item < {}; item += {}) {{\n", size, group) +
      reduced.offsets(writer, "item", 1, {"from"}) +
      fmt::format("  const {} v = wide(x0[at + from]);\n", recipe.type);
  if (attributes.function == R::log_sum_exp) {
    const std::string infinity = literal(DType::f64, std::numeric_limits<double>::infinity());
    const std::string number = is_floating(dtype) ? recipe.type : "double";
    text += fmt::format(
        "  {number} largest = -static_cast<{number}>({infinity});\n{loop}"
        "  largest = largest < static_cast<{number}>(v) ? static_cast<{number}>(v) : largest;\n"
        "  }}\n  largest = reduce_group<{group}, Largest>(largest);\n"
        "  if (largest == static_cast<{number}>({infinity}) || "
        "largest == -static_cast<{number}>({infinity})) largest = 0;\n"
        "  {number} total = 0;\n{loop}  total += exp(static_cast<{number}>(v) - largest);\n  }}\n"
        "  total = reduce_group<{group}, Add>(total);\n"
        "  if (lane == 0) y0[to] = narrow<{element}>(largest + log(total));\n",
        fmt::arg("number", number), fmt::arg("infinity", infinity), fmt::arg("loop", loop),
        fmt::arg("group", group), fmt::arg("element", element));
  } else {
    text += fmt::format(
        "  {type} total = {start};\n{loop}  total = {join}::of(total, "
        "static_cast<{type}>({term}));\n"
        "  }}\n  total = reduce_group<{group}, {join}>(total);\n"
        "  if (lane == 0) y0[to] = narrow<{element}>({result});\n",
        fmt::arg("type", recipe.type), fmt::arg("start", recipe.start), fmt::arg("loop", loop),
        fmt::arg("join", recipe.join), fmt::arg("term", recipe.term), fmt::arg("group", group),
        fmt::arg("element", element), fmt::arg("result", recipe.result));
  }
  writer.finish(step, text, {ceildiv(results, Dim(kThreads / group)), Dim(1), Dim(1)}, kThreads);
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_reduce_cuda() {
  static const Tactic tactic{.name = "reduce_cuda",
                             .backend = "cuda",
                             .ops = {op_reduce},
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
