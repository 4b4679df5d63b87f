// SPDX-License-Identifier: Apache-2.0
// Rows that are normalised by sums of their blocks, where no product's kernel does it. A row's
// statistics are in double: its variance may be far smaller than the squares it is made of.
#include <fmt/format.h>

#include "backends/cuda/codegen/row_kernel.hpp"
#include "backends/cuda/codegen/scalar_source.hpp"
#include "ops/normalize_by_sums.hpp"

namespace strop::cuda {
const Tactic& tactic_normalize_by_sums_cuda();
namespace {

Acceptance accepts(const Problem& problem) {
  if (!has_element(problem.input_type(0).dtype)) return Acceptance::refuse("it takes floats");
  for (std::size_t i = 0; i < problem.node->inputs.size(); ++i) {
    if (problem.has_input(i) && !problem.input_type(i).shape)
      return Acceptance::refuse("the rank of an operand is not known");
  }
  return Acceptance::accept();
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  const SymShape& x = shapes.input(0);
  const DType dtype = problem.input_type(0).dtype;
  Dim rows(1);
  for (std::size_t axis = 0; axis + 1 < x.size(); ++axis) rows = rows * x[axis];
  KernelWriter writer(problem, shapes, "normalise_by_sums");
  RowKernel kernel(writer, dtype, x.back(), rows);
  kernel.line(
      fmt::format("double sum = 0, squares = 0;\n"
                  "  for (I b = lane; b < {blocks}; b += {group}) {{\n"
                  "    sum += {sums}[(row * {blocks} + b) * 2];\n"
                  "    squares += {sums}[(row * {blocks} + b) * 2 + 1];\n"
                  "  }}",
                  fmt::arg("group", kernel.group()),
                  fmt::arg("blocks", writer.number(shapes.input(1)[x.size() - 1])),
                  fmt::arg("sums", writer.input(1, "float"))));
  kernel.reduce("sum", "Add");
  kernel.reduce("squares", "Add");
  kernel.line(fmt::format(
      "const double size = static_cast<double>({size}), exact = sum / size;\n"
      "  const double variance = squares / size - exact * exact;\n"
      "  const {type} mean = static_cast<{type}>(exact);\n"
      "  const {type} inverse = 1 / sqrt(static_cast<{type}>(variance > 0 ? variance : 0) + "
      "{epsilon});",
      fmt::arg("type", kernel.type()), fmt::arg("size", writer.number(x.back())),
      fmt::arg("epsilon",
               literal(dtype, problem.attributes<NormalizeBySumsAttributes>().epsilon))));
  std::string result = "(value - mean) * inverse";
  for (const std::size_t i : {2, 3}) {
    if (!problem.has_input(i)) continue;
    result += fmt::format(" {} static_cast<{}>(wide({}[i + k]))", i == 2 ? "*" : "+", kernel.type(),
                          writer.input(i, element_type(problem.input_type(i).dtype)));
  }
  kernel.store(result);
  LaunchStep step;
  kernel.finish(step);
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_normalize_by_sums_cuda() {
  static const Tactic tactic{.name = "normalize_by_sums_cuda",
                             .backend = "cuda",
                             .ops = {op_normalize_by_sums},
                             .accepts = accepts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
