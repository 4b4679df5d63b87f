// SPDX-License-Identifier: Apache-2.0
// grid_sample of floats with one to three spatial axes: a thread for a position and a few channels.
#include <fmt/format.h>

#include "backends/cuda/codegen/kernel_writer.hpp"
#include "backends/cuda/codegen/scalar_source.hpp"
#include "ops/grid_sample.hpp"

namespace strop::cuda {
const Tactic& tactic_grid_sample_cuda();
namespace {

constexpr std::int64_t kMostAxes = 3;
constexpr std::int64_t kChannels = 8;  // of a thread, which finds its neighbours once

bool is_taken(DType dtype) { return dtype == DType::f32 || is_half(dtype); }

Acceptance accepts(const Problem& problem) {
  const Type &x = problem.input_type(0), &grid = problem.input_type(1);
  if (!is_taken(x.dtype) || !is_taken(grid.dtype))
    return Acceptance::refuse("it takes f32, f16 and bf16");
  if (!x.shape || !grid.shape)
    return Acceptance::refuse("the rank of x or of the grid is not known");
  if (x.rank() - 2 > kMostAxes) return Acceptance::refuse("it takes three spatial axes at most");
  return Acceptance::accept();
}

// The sum over the neighbours along all axes; `axes` of them.
std::string sum_source(std::size_t axes) {
  std::string head, tail;
  std::string offset = "0", weight = "1.f";
  for (std::size_t a = 0; a < axes; ++a) {
    const std::string indent(4 + 2 * a, ' ');
    head += fmt::format(
        "{0}for (int k{1} = 0; k{1} < Along::kNeighbours; ++k{1}) {{\n"
        "{0}  if (along{1}.index[k{1}] < 0) continue;\n"
        "{0}  const I offset{1} = {2} + along{1}.index[k{1}] * stride{1};\n"
        "{0}  const float weight{1} = {3} * along{1}.weight[k{1}];\n",
        indent, a, offset, weight);
    offset = fmt::format("offset{}", a);
    weight = fmt::format("weight{}", a);
    tail.insert(0, indent + "}\n");
  }
  return head + fmt::format("      sum += {} * wide(plane[{}]);\n", weight, offset) + tail;
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  const auto& attributes = problem.attributes<GridSampleAttributes>();
  const SymShape &x = shapes.input(0), &y = shapes.output(0);
  const std::size_t axes = x.size() - 2;
  const std::string type = element_type(problem.input_type(0).dtype);
  KernelWriter writer(problem, shapes, "grid_sample");
  writer.use("grid_sample");
  const std::string from = writer.input(0, type), to = writer.output(0, type);
  const std::string grid = writer.input(1, element_type(problem.input_type(1).dtype));
  const Dim positions = product({y.begin() + 2, y.end()});
  const Dim plane = product({x.begin() + 2, x.end()});
  const Dim groups = ceildiv(x[1], Dim(kChannels));
  std::string text = fmt::format(
      "  using Along = AlongAxis<{mode}, {padding}, {align}, I>;\n"
      "  const I position = index % {positions}, rest = index / {positions};\n"
      "  const I group = rest % {groups}, image = rest / {groups};\n",
      fmt::arg("mode", static_cast<int>(attributes.mode)),
      fmt::arg("padding", static_cast<int>(attributes.padding)),
      fmt::arg("align", attributes.align_corners), fmt::arg("positions", writer.number(positions)),
      fmt::arg("groups", writer.number(groups)));
  Dim stride(1);
  for (std::size_t a = axes; a-- > 0;) {
    text += fmt::format(
        "  const I stride{axis} = {stride};\n"
        "  const Along along{axis}(\n"
        "      wide({grid}[(image * {positions} + position) * {axes} + {place}]), {size});\n",
        fmt::arg("axis", a), fmt::arg("stride", writer.number(stride)), fmt::arg("grid", grid),
        fmt::arg("positions", writer.number(positions)), fmt::arg("axes", axes),
        fmt::arg("place", axes - 1 - a), fmt::arg("size", writer.number(x[a + 2])));
    stride = stride * x[a + 2];
  }
  text += fmt::format(
      "  for (I c = group * {some}; c < {channels} && c < (group + 1) * {some}; ++c) {{\n"
      "    const {type}* const plane = {from} + (image * {channels} + c) * {plane};\n"
      "    float sum = 0;\n{sum}"
      "    {to}[(image * {channels} + c) * {positions} + position] = narrow<{type}>(sum);\n  }}\n",
      fmt::arg("some", kChannels), fmt::arg("channels", writer.number(x[1])),
      fmt::arg("type", type), fmt::arg("from", from), fmt::arg("plane", writer.number(plane)),
      fmt::arg("sum", sum_source(axes)), fmt::arg("to", to),
      fmt::arg("positions", writer.number(positions)));
  LaunchStep step;
  writer.finish_items(step, text, y[0] * groups * positions);
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_grid_sample_cuda() {
  static const Tactic tactic{.name = "grid_sample_cuda",
                             .backend = "cuda",
                             .ops = {op_grid_sample},
                             .accepts = accepts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
