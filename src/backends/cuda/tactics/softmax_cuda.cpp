// SPDX-License-Identifier: Apache-2.0
// softmax and its logarithm along any axis, in any layout.
#include <fmt/format.h>

#include "backends/cuda/codegen/row_kernel.hpp"
#include "backends/cuda/codegen/scalar_source.hpp"
#include "backends/cuda/codegen/walk.hpp"
#include "ops/softmax.hpp"
#include "tactic/layout_support.hpp"

namespace strop::cuda {
const Tactic& tactic_softmax_cuda();
namespace {

Acceptance accepts(const Problem& problem) {
  if (!has_element(problem.input_type(0).dtype)) return Acceptance::refuse("it takes floats");
  if (!problem.input_type(0).shape) return Acceptance::refuse("the rank of x is not known");
  return Acceptance::accept();
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return any_layout(problem, 1);
}

// Along rows of neighbours.
void along_rows(LaunchStep& step, KernelWriter& writer, const Problem& problem, const Dim& size,
                const Dim& rows) {
  const DType dtype = problem.input_type(0).dtype;
  RowKernel kernel(writer, dtype, size, rows);
  kernel.line(fmt::format("{} largest = {};", kernel.type(), lowest_literal(dtype)));
  kernel.each("largest = Largest::of(largest, value);");
  kernel.reduce("largest", "Largest");
  kernel.line(kernel.type() + " sum = 0;");
  kernel.each("sum += exp(value - largest);");
  kernel.reduce("sum", "Add");
  if (problem.attributes<SoftmaxAttributes>().log) {
    kernel.line("const " + kernel.type() + " log_sum = log(sum);");
    kernel.store("(value - largest) - log_sum");
  } else {
    kernel.line("const " + kernel.type() + " factor = 1 / sum;");
    kernel.store("exp(value - largest) * factor");
  }
  kernel.finish(step);
}

// One thread for each row, whose elements lie apart.
void across_rows(LaunchStep& step, KernelWriter& writer, const Problem& problem, Walk walk,
                 const Dim& size, const Dim& stride) {
  const DType dtype = problem.input_type(0).dtype;
  const std::string type = element_type(dtype), compute = compute_type(dtype);
  writer.input(0, type);
  writer.output(0, type);
  writer.use("block_reduce");
  walk.collapse();
  const Dim count = walk.count();
  std::string text = walk.offsets(writer, "index", 1, {"at"});
  text += fmt::format(
      "  {compute} largest = {lowest};\n"
      "  for (I i = 0; i < {size}; ++i)\n"
      "    largest = Largest::of(largest, wide(x0[at + i * {stride}]));\n"
      "  {compute} sum = 0;\n"
      "  for (I i = 0; i < {size}; ++i) sum += exp(wide(x0[at + i * {stride}]) - largest);\n"
      "  const {compute} last = {last};\n"
      "  for (I i = 0; i < {size}; ++i) {{\n"
      "    const {compute} shifted = wide(x0[at + i * {stride}]) - largest;\n"
      "    y0[at + i * {stride}] = narrow<{type}>({result});\n"
      "  }}\n",
      fmt::arg("compute", compute), fmt::arg("lowest", lowest_literal(dtype)),
      fmt::arg("size", writer.number(size)), fmt::arg("stride", writer.number(stride)),
      fmt::arg("type", type),
      fmt::arg("last", problem.attributes<SoftmaxAttributes>().log ? "log(sum)" : "1 / sum"),
      fmt::arg("result", problem.attributes<SoftmaxAttributes>().log ? "shifted - last"
                                                                     : "exp(shifted) * last"));
  writer.finish_items(step, text, count);
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  const SymShape& x = shapes.input(0);
  const auto rank = static_cast<std::int64_t>(x.size());
  const auto axis =
      static_cast<std::size_t>(normalize_axis(problem.attributes<SoftmaxAttributes>().axis, rank));
  const Dim& stride = shapes.input_strides(0)[axis];
  Walk walk;
  walk.operands.resize(1);
  for (const std::size_t i : memory_order(rank, problem.layouts.output(0))) {
    if (i == axis) continue;
    walk.sizes.push_back(x[i]);
    walk.operands[0].strides.push_back(shapes.input_strides(0)[i]);
  }
  KernelWriter writer(problem, shapes, "softmax");
  LaunchStep step;
  if (stride.is(1)) {
    along_rows(step, writer, problem, x[axis], walk.count());
  } else {
    across_rows(step, writer, problem, std::move(walk), x[axis], stride);
  }
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_softmax_cuda() {
  static const Tactic tactic{.name = "softmax_cuda",
                             .backend = "cuda",
                             .ops = {op_softmax},
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
