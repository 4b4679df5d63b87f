// SPDX-License-Identifier: Apache-2.0
// Sums of blocks of rows that no product's kernel gives beside its results: a thread for each
// block.
#include <fmt/format.h>

#include "backends/cuda/codegen/kernel_writer.hpp"
#include "backends/cuda/codegen/scalar_source.hpp"
#include "ops/row_sums.hpp"

namespace strop::cuda {
const Tactic& tactic_row_sums_cuda();
namespace {

Acceptance accepts(const Problem& problem) {
  if (!has_element(problem.input_type(0).dtype)) return Acceptance::refuse("it takes floats");
  if (!problem.input_type(0).shape) return Acceptance::refuse("the rank of x is not known");
  return Acceptance::accept();
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  const DType dtype = problem.input_type(0).dtype;
  const std::int64_t block = problem.attributes<RowSumsAttributes>().block;
  const Dim& size = shapes.input(0).back();
  const Dim blocks = ceildiv(size, Dim(block));
  KernelWriter writer(problem, shapes, "sum_rows");
  const std::string x = writer.input(0, element_type(dtype)), y = writer.output(0, "float");
  Dim count = blocks;
  for (std::size_t axis = 0; axis + 1 < shapes.input(0).size(); ++axis)
    count = count * shapes.input(0)[axis];
  const std::string text = fmt::format(
      "  const I row = index / {blocks}, first = index % {blocks} * {block};\n"
      "  const I end = first + {block} < {size} ? first + {block} : {size};\n"
      "  {type} sum = 0, squares = 0;\n"
      "  for (I i = first; i < end; ++i) {{\n"
      "    const {type} value = wide({x}[row * {size} + i]);\n"
      "    sum += value;\n"
      "    squares += value * value;\n"
      "  }}\n"
      "  {y}[2 * index] = static_cast<float>(sum);\n"
      "  {y}[2 * index + 1] = static_cast<float>(squares);\n",
      fmt::arg("blocks", writer.number(blocks)), fmt::arg("block", block),
      fmt::arg("size", writer.number(size)), fmt::arg("type", compute_type(dtype)),
      fmt::arg("x", x), fmt::arg("y", y));
  LaunchStep step;
  writer.finish_items(step, text, count);
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_row_sums_cuda() {
  static const Tactic tactic{.name = "row_sums_cuda",
                             .backend = "cuda",
                             .ops = {op_row_sums},
                             .accepts = accepts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
