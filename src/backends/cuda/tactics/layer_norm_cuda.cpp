// SPDX-License-Identifier: Apache-2.0
// layer_norm (with and without centring) and group_norm: rows of neighbours, plain.
#include <fmt/format.h>

#include "backends/cuda/codegen/row_kernel.hpp"
#include "backends/cuda/codegen/scalar_source.hpp"
#include "ops/group_norm.hpp"
#include "ops/layer_norm.hpp"

namespace strop::cuda {
const Tactic& tactic_layer_norm_cuda();
namespace {

struct Rows {
  Dim size{1}, count{1};
  Dim plane{1};  // group_norm: elements of a channel
};

Rows rows_of(const Problem& problem, const LaunchShapes& shapes) {
  const SymShape& x = shapes.input(0);
  Rows out;
  if (problem.is(op_layer_norm())) {
    const auto axis = static_cast<std::size_t>(normalize_axis(
        problem.attributes<LayerNormAttributes>().axis, static_cast<std::int64_t>(x.size())));
    for (std::size_t i = 0; i < x.size(); ++i) {
      Dim& part = i < axis ? out.count : out.size;
      part = part * x[i];
    }
    return out;
  }
  for (std::size_t i = 2; i < x.size(); ++i) out.plane = out.plane * x[i];
  const std::int64_t groups = problem.attributes<GroupNormAttributes>().groups;
  out.count = x[0] * (groups > 0 ? Dim(groups) : x[1]);
  out.size = groups > 0 ? floordiv(x[1], Dim(groups)) * out.plane : out.plane;
  return out;
}

Acceptance accepts(const Problem& problem) {
  if (!has_element(problem.input_type(0).dtype)) return Acceptance::refuse("it takes floats");
  if (!problem.input_type(0).shape) return Acceptance::refuse("the rank of x is not known");
  const LaunchShapes shapes(problem);
  const Rows rows = rows_of(problem, shapes);
  for (std::size_t i = 1; i < 3; ++i) {
    if (!problem.has_input(i)) continue;
    if (!problem.input_type(i).shape)
      return Acceptance::refuse("the rank of a factor is not known");
    const Dim count = product(shapes.input(i));
    if (problem.is(op_layer_norm()) && !(count == rows.size) && !count.is(1))
      return Acceptance::refuse("a factor is broadcast within the row");
  }
  return Acceptance::accept();
}

// "wide(x1[...])" for element i + k of the row.
std::string factor(const Problem& problem, const LaunchShapes& shapes, KernelWriter& writer,
                   const RowKernel& kernel, std::size_t i, const Rows& rows, std::string& before) {
  const std::string type = element_type(problem.input_type(i).dtype);
  const std::string x = writer.input(i, type);
  const std::string cast = fmt::format("static_cast<{}>", kernel.type());
  if (problem.is(op_group_norm())) {
    const std::int64_t groups = problem.attributes<GroupNormAttributes>().groups;
    const Dim channels = groups > 0 ? floordiv(shapes.input(0)[1], Dim(groups)) : Dim(1);
    const Dim row_groups = groups > 0 ? Dim(groups) : shapes.input(0)[1];
    return fmt::format("{}(wide({}[row % {} * {} + (i + k) / {}]))", cast, x,
                       writer.number(row_groups), writer.number(channels),
                       writer.number(rows.plane));
  }
  if (product(shapes.input(i)).is(1)) return fmt::format("{}(wide({}[0]))", cast, x);
  before += fmt::format(
      "    const Pack<{0}, {1}> f{2} = *reinterpret_cast<const Pack<{0}, {1}>*>({3} + i);\n", type,
      kernel.pack(), i, x);
  return fmt::format("{}(wide(f{}.v[k]))", cast, i);
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  const Rows rows = rows_of(problem, shapes);
  const DType dtype = problem.input_type(0).dtype;
  const bool layer = problem.is(op_layer_norm());
  const bool centred = !layer || problem.attributes<LayerNormAttributes>().centred;
  const double epsilon = layer ? problem.attributes<LayerNormAttributes>().epsilon
                               : problem.attributes<GroupNormAttributes>().epsilon;
  KernelWriter writer(problem, shapes, "normalise");
  RowKernel kernel(writer, dtype, rows.size, rows.count);
  const std::string& type = kernel.type();
  const std::string size = fmt::format("static_cast<{}>({})", type, writer.number(rows.size));
  kernel.line(type + " mean = 0;");
  if (centred) {
    kernel.each("mean += value;");
    kernel.reduce("mean", "Add");
    kernel.line(fmt::format("mean = mean / {};", size));
  }
  kernel.line(type + " squares = 0;");
  kernel.each("squares += (value - mean) * (value - mean);");
  kernel.reduce("squares", "Add");
  kernel.line(fmt::format("const {} inverse = 1 / sqrt(squares / {} + {});", type, size,
                          literal(dtype, epsilon)));
  for (std::size_t i = 1; i < problem.node->outputs.size(); ++i) {
    const std::string statistic = element_type(problem.output_type(i).dtype);
    kernel.line(fmt::format("if (lane == 0) {}[row] = narrow<{}>({});", writer.output(i, statistic),
                            statistic, i == 1 ? "mean" : "inverse"));
  }
  std::string result = "(value - mean) * inverse", before;
  if (problem.has_input(1))
    result += " * " + factor(problem, shapes, writer, kernel, 1, rows, before);
  if (problem.has_input(2))
    result += " + " + factor(problem, shapes, writer, kernel, 2, rows, before);
  kernel.store(result, before);
  LaunchStep step;
  kernel.finish(step);
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_layer_norm_cuda() {
  static const Tactic tactic{.name = "layer_norm_cuda",
                             .backend = "cuda",
                             .ops = {op_layer_norm, op_group_norm},
                             .accepts = accepts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
