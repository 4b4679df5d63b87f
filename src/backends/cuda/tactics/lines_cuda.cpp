// SPDX-License-Identifier: Apache-2.0
// arg_reduce, hardmax, cumulative, lrn: one thread a line of elements along an axis, or a warp
// where the extreme element of neighbours is wanted.
#include <fmt/format.h>

#include "backends/cuda/codegen/scalar_source.hpp"
#include "backends/cuda/codegen/walk.hpp"
#include "ops/arg_reduce.hpp"
#include "ops/cumulative.hpp"
#include "ops/hardmax.hpp"
#include "ops/lrn.hpp"

namespace strop::cuda {
const Tactic& tactic_lines_cuda();
namespace {

// x as [outer, size, inner].
struct Lines {
  Dim outer{1}, size{1}, inner{1};
};

std::int64_t axis_of(const Problem& problem) {
  const std::int64_t rank = problem.input_type(0).rank();
  if (problem.is(op_arg_reduce()))
    return normalize_axis(problem.attributes<ArgReduceAttributes>().axis, rank);
  if (problem.is(op_hardmax()))
    return normalize_axis(problem.attributes<HardmaxAttributes>().axis, rank);
  if (problem.is(op_lrn())) return 1;
  return normalize_axis(problem.constant(1)->to_i64().front(), rank);
}

Lines lines_of(const Problem& problem, const LaunchShapes& shapes) {
  Lines out;
  const auto axis = static_cast<std::size_t>(axis_of(problem));
  const SymShape& x = shapes.input(0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    Dim& part = i < axis ? out.outer : i == axis ? out.size : out.inner;
    part = part * x[i];
  }
  return out;
}

Acceptance accepts(const Problem& problem) {
  const Type& x = problem.input_type(0);
  if (!has_element(x.dtype)) return Acceptance::refuse("it takes numbers");
  if (!x.shape || x.rank() < 1) return Acceptance::refuse("the rank of x is not known");
  if (problem.is(op_cumulative()) && problem.constant(1) == nullptr)
    return Acceptance::refuse("its axis is not constant");
  return Acceptance::accept();
}

std::string arg_reduce(KernelWriter& writer, const ArgReduceAttributes& attributes, DType dtype,
                       const Lines& lines, int group) {
  writer.output(0, "long long");
  return fmt::format(
      "  const I line = index / {group};\n"
      "  const I lane = index % {group};\n"
      "  const I start = line / {inner} * {size} * {inner} + line % {inner};\n"
      "  long long best = lane < {size} ? lane : 0;\n"
      "  {compute} most = wide(x0[start + static_cast<I>(best) * {inner}]);\n"
      "  const auto take = [&]({compute} v, long long i) {{\n"
      "    const bool better = v {than} most || (v != v && most == most);\n"
      "    const bool equal = v == most || (v != v && most != most);\n"
      "    if (better || (equal && {order})) most = v, best = i;\n"
      "  }};\n"
      "  for (I i = lane + {group}; i < {size}; i += {group}) take(wide(x0[start + i * {inner}]), "
      "i);\n"
      "  for (int distance = {group} / 2; distance > 0; distance /= 2) {{\n"
      "    const {compute} other = __shfl_xor_sync(0xffffffffu, most, distance);\n"
      "    const long long place = __shfl_xor_sync(0xffffffffu, best, distance);\n"
      "    take(other, place);\n"
      "  }}\n"
      "  if (lane == 0) y0[line] = best;\n",
      fmt::arg("group", group), fmt::arg("inner", writer.number(lines.inner)),
      fmt::arg("size", writer.number(lines.size)), fmt::arg("compute", compute_type(dtype)),
      fmt::arg("than", attributes.largest ? ">" : "<"),
      fmt::arg("order", attributes.select_last ? "i > best" : "i < best"));
}

std::string hardmax(KernelWriter& writer, const Lines& lines, const std::string& type) {
  return fmt::format(
      "  const I start = index / {inner} * {size} * {inner} + index % {inner};\n"
      "  I largest = 0;\n"
      "  for (I i = 0; i < {size}; ++i) {{\n"
      "    const auto best = wide(x0[start + largest * {inner}]);\n"
      "    if (wide(x0[start + i * {inner}]) > best || best != best) largest = i;\n"
      "  }}\n"
      "  for (I i = 0; i < {size}; ++i)\n"
      "    y0[start + i * {inner}] = narrow<{type}>(i == largest ? 1.f : 0.f);\n",
      fmt::arg("inner", writer.number(lines.inner)), fmt::arg("size", writer.number(lines.size)),
      fmt::arg("type", type));
}

std::string cumulative(KernelWriter& writer, const CumulativeAttributes& attributes,
                       const Lines& lines, DType dtype) {
  writer.use("wide_functions");
  const bool adds = attributes.function == CumulativeFunction::sum;
  return fmt::format(
      "  const I start = index / {inner} * {size} * {inner} + index % {inner};\n"
      "  {compute} total = {first};\n"
      "  for (I k = 0; k < {size}; ++k) {{\n"
      "    const I at = start + {place} * {inner};\n"
      "    const {compute} before = total;\n"
      "    total = {join}(total, wide(x0[at]));\n"
      "    y0[at] = narrow<{type}>({result});\n"
      "  }}\n",
      fmt::arg("inner", writer.number(lines.inner)), fmt::arg("size", writer.number(lines.size)),
      fmt::arg("compute", compute_type(dtype)), fmt::arg("first", adds ? 0 : 1),
      fmt::arg("place",
               attributes.reverse ? fmt::format("({} - 1 - k)", writer.number(lines.size)) : "k"),
      fmt::arg("join", adds ? "wrapped_add" : "wrapped_mul"), fmt::arg("type", element_type(dtype)),
      fmt::arg("result", attributes.exclusive ? "before" : "total"));
}

std::string lrn(KernelWriter& writer, const LrnAttributes& attributes, const Lines& lines,
                DType dtype) {
  return fmt::format(
      "  const I c = index / {inner} % {size};\n"
      "  {compute} sum = 0;\n"
      "  for (I k = c < {before} ? 0 : c - {before}; k < {size} && k <= c + {after}; ++k) {{\n"
      "    const {compute} v = wide(x0[index + (k - c) * {inner}]);\n"
      "    sum += v * v;\n"
      "  }}\n"
      "  y0[index] = narrow<{type}>(wide(x0[index]) / pow({bias} + {scale} * sum, {beta}));\n",
      fmt::arg("inner", writer.number(lines.inner)), fmt::arg("size", writer.number(lines.size)),
      fmt::arg("compute", compute_type(dtype)),
      fmt::arg("before", std::min<std::int64_t>((attributes.size - 1) / 2, 1 << 20)),
      fmt::arg("after", std::min<std::int64_t>(attributes.size / 2, 1 << 20)),
      fmt::arg("type", element_type(dtype)), fmt::arg("bias", literal(dtype, attributes.bias)),
      fmt::arg("scale", literal(dtype, attributes.alpha / static_cast<double>(attributes.size))),
      fmt::arg("beta", literal(dtype, attributes.beta)));
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  const Lines lines = lines_of(problem, shapes);
  const DType dtype = problem.input_type(0).dtype;
  KernelWriter writer(problem, shapes, "lines");
  writer.input(0, element_type(dtype));
  Dim count = lines.outer * lines.inner;
  std::string text;
  if (problem.is(op_arg_reduce())) {
    const int group = lines.inner.is(1) ? 32 : 1;
    text = arg_reduce(writer, problem.attributes<ArgReduceAttributes>(), dtype, lines, group);
    count = count * Dim(group);
  } else {
    writer.output(0, element_type(dtype));
    if (problem.is(op_hardmax())) {
      text = hardmax(writer, lines, element_type(dtype));
    } else if (problem.is(op_cumulative())) {
      text = cumulative(writer, problem.attributes<CumulativeAttributes>(), lines, dtype);
    } else {
      text = lrn(writer, problem.attributes<LrnAttributes>(), lines, dtype);
      count = count * lines.size;
    }
  }
  LaunchStep step;
  writer.finish_items(step, text, count);
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_lines_cuda() {
  static const Tactic tactic{.name = "lines_cuda",
                             .backend = "cuda",
                             .ops = {op_arg_reduce, op_hardmax, op_cumulative, op_lrn},
                             .accepts = accepts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
