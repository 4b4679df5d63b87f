// SPDX-License-Identifier: Apache-2.0
// rotary_embedding: one thread for each element of the result.
#include <fmt/format.h>

#include "backends/cuda/codegen/scalar_source.hpp"
#include "backends/cuda/codegen/walk.hpp"
#include "ops/rotary_embedding.hpp"

namespace strop::cuda {
const Tactic& tactic_rotary_cuda();
namespace {

Acceptance accepts(const Problem& problem) {
  if (!problem.input_type(0).shape || !problem.input_type(1).shape)
    return Acceptance::refuse("the rank of an input is not known");
  return Acceptance::accept();
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  const auto& attributes = problem.attributes<RotaryEmbeddingAttributes>();
  const SymShape& angles = shapes.input(1);
  const DType dtype = problem.input_type(0).dtype;
  KernelWriter writer(problem, shapes, "rotary");
  writer.input(0, element_type(dtype));
  for (std::size_t i = 1; i < 3; ++i) writer.input(i, element_type(problem.input_type(i).dtype));
  writer.output(0, element_type(dtype));
  const std::string half = writer.number(angles[2]);
  std::string text = coordinates(writer, "index", shapes.output(0));
  text += fmt::format(
      "  if (c3 >= 2 * {half}) {{\n    y0[index] = x0[index];\n    return;\n  }}\n"
      "  const I pair = {pair};\n  const bool second = {second};\n"
      "  const I at = ((c0 % {batches}) * {positions} + c{axis}) * {half} + pair;\n"
      "  const {compute} cosine = static_cast<{compute}>(wide(x1[at]));\n"
      "  const {compute} sine = static_cast<{compute}>(wide(x2[at]));\n"
      "  const {compute} own = wide(x0[index]);\n"
      "  const {compute} other = wide(x0[second ? index - {distance} : index + {distance}]);\n"
      "  y0[index] = narrow<{type}>(second ? sine * other + cosine * own\n"
      "                                    : cosine * own - sine * other);\n",
      fmt::arg("half", half), fmt::arg("axis", attributes.sequence_axis),
      fmt::arg("pair", attributes.interleaved ? "c3 / 2" : "c3 % " + half),
      fmt::arg("second", attributes.interleaved ? "c3 % 2 == 1" : "c3 >= " + half),
      fmt::arg("batches", writer.number(angles[0])),
      fmt::arg("positions", writer.number(angles[1])), fmt::arg("compute", compute_type(dtype)),
      fmt::arg("type", element_type(dtype)),
      fmt::arg("distance", attributes.interleaved ? "1" : half));
  LaunchStep step;
  writer.finish_items(step, text, product(shapes.output(0)));
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_rotary_cuda() {
  static const Tactic tactic{.name = "rotary_cuda",
                             .backend = "cuda",
                             .ops = {op_rotary_embedding},
                             .accepts = accepts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
