// SPDX-License-Identifier: Apache-2.0
// conv of weights that are no constants, and conv_transpose: one thread sums all that one element
// of the result sees, in the order of the weights.
#include <fmt/format.h>

#include "backends/cuda/codegen/scalar_source.hpp"
#include "backends/cuda/codegen/walk.hpp"
#include "ops/conv.hpp"
#include "ops/conv_transpose.hpp"

namespace strop::cuda {
const Tactic& tactic_conv_plain();
namespace {

// Along one spatial axis; `begin`: padding, or what a transposed convolution cuts off.
struct Axis {
  std::int64_t stride = 1, dilation = 1;
  Dim begin{0};
};

bool pads_same(AutoPad pad) { return pad == AutoPad::same_upper || pad == AutoPad::same_lower; }

Acceptance accepts(const Problem& problem) {
  const bool transposed = problem.is(op_conv_transpose());
  if (!transposed && !problem.is(op_conv())) return Acceptance::refuse("it takes no fused nodes");
  const Type& x = problem.input_type(0);
  const Type& w = problem.input_type(1);
  if (!kFloats.contains(x.dtype)) return Acceptance::refuse("it takes floats");
  if (!x.shape || !w.shape) return Acceptance::refuse("the rank of an input is not known");
  const bool of_others = x.dtype == DType::f32 || x.dtype == DType::f16;
  if (!transposed && of_others && problem.constant(1) != nullptr)
    return Acceptance::refuse("others take constant weights");
  if (!to_concrete(*w.shape)) return Acceptance::refuse("the sizes of its weights are not known");
  return Acceptance::accept();
}

// Of one side, where windows that cover `most` elements are laid over `size`.
Dim padding(AutoPad pad, const Dim& most, const Dim& size, bool rounds_up) {
  if (pad == AutoPad::valid) return 0;
  const Dim total = max(most - size, Dim(0));
  return floordiv(total + Dim(rounds_up ? 1 : 0), Dim(2));
}

Axis axis_of(const ConvAttributes& a, std::size_t i, const Dim& x, const Dim& y,
             std::int64_t kernel) {
  Axis out{at_or(a.strides, i, 1), at_or(a.dilations, i, 1), Dim(at_or(a.pads, i, 0))};
  if (a.auto_pad == AutoPad::explicit_pads) return out;
  const Dim most = (y - Dim(1)) * Dim(out.stride) + Dim(window_extent(a.window(), i, kernel));
  out.begin = padding(a.auto_pad, most, x, a.auto_pad == AutoPad::same_lower);
  return out;
}

Axis axis_of(const ConvTransposeAttributes& a, std::size_t i, const Dim& x, const Dim& y,
             std::int64_t kernel) {
  Axis out{at_or(a.strides, i, 1), at_or(a.dilations, i, 1), Dim(at_or(a.pads, i, 0))};
  if (pads_same(a.auto_pad) || !a.output_shape.empty()) {
    const std::int64_t extent =
        window_extent({a.strides, a.dilations, a.pads, a.auto_pad}, i, kernel);
    const Dim most = (x - Dim(1)) * Dim(out.stride) + Dim(extent + at_or(a.output_padding, i, 0));
    const AutoPad as =
        a.auto_pad == AutoPad::same_upper ? AutoPad::same_upper : AutoPad::same_lower;
    out.begin = padding(as, most, y, as == AutoPad::same_lower);
  } else if (a.auto_pad == AutoPad::valid) {
    out.begin = Dim(0);
  }
  return out;
}

// Loops over the taps; in the innermost `from` and `tap` are places in a channel of x and of w.
template <class A>
std::string loops(const A& attributes, const LaunchShapes& shapes, KernelWriter& writer,
                  bool transposed, const std::string& inside) {
  const SymShape &x = shapes.input(0), &w = shapes.input(1), &y = shapes.output(0);
  std::string out, from = "0", tap = "0", ends;
  for (std::size_t i = 0; i + 2 < x.size(); ++i) {
    const Axis axis = axis_of(attributes, i, x[i + 2], y[i + 2], w[i + 2].value());
    out += fmt::format(
        fmt::runtime(transposed
                         ? "  for (I t{i} = 0; t{i} < {kernel}; ++t{i}) {{\n"
                           "  const I s{i} = c{c} + {begin} - t{i} * {dilation};\n"
                           "  if (s{i} < 0 || s{i} % {stride} != 0 || s{i} / {stride} >= {size}) "
                           "continue;\n  const I p{i} = s{i} / {stride};\n"
                         : "  for (I t{i} = 0; t{i} < {kernel}; ++t{i}) {{\n"
                           "  const I p{i} = c{c} * {stride} - {begin} + t{i} * {dilation};\n"
                           "  if (p{i} < 0 || p{i} >= {size}) continue;\n"),
        fmt::arg("i", i), fmt::arg("c", i + 2), fmt::arg("kernel", w[i + 2].value()),
        fmt::arg("begin", writer.number(axis.begin)), fmt::arg("dilation", axis.dilation),
        fmt::arg("stride", axis.stride), fmt::arg("size", writer.number(x[i + 2])));
    from = fmt::format("({} * {} + p{})", from, writer.number(x[i + 2]), i);
    tap = fmt::format("({} * {} + t{})", tap, w[i + 2].value(), i);
    ends += "  }\n";
  }
  return out + fmt::format("  const I from = {}, tap = {};\n", from, tap) + inside + ends;
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  const bool transposed = problem.is(op_conv_transpose());
  const SymShape &x = shapes.input(0), &w = shapes.input(1), &y = shapes.output(0);
  const DType dtype = problem.input_type(0).dtype;
  const std::string type = element_type(dtype);
  const std::int64_t group = transposed ? problem.attributes<ConvTransposeAttributes>().group
                                        : problem.attributes<ConvAttributes>().group;
  // Of one group: channels of x and of y, and elements of a channel of x and of w.
  const std::int64_t outputs = transposed ? w[1].value() : w[0].value() / group;
  const std::int64_t inputs = transposed ? w[0].value() / group : w[1].value();
  Dim plane(1);
  std::int64_t taps = 1;
  for (std::size_t i = 2; i < x.size(); ++i) plane = plane * x[i], taps *= w[i].value();
  KernelWriter writer(problem, shapes, "conv_plain");
  writer.input(0, type);
  writer.input(1, type);
  writer.output(0, type);
  const std::string bias =
      problem.has_input(2) ? writer.input(2, element_type(problem.input_type(2).dtype)) : "";
  std::string text = coordinates(writer, "index", y);
  text += fmt::format("  {} sum = {};\n  const I group = c1 / {};\n", compute_type(dtype),
                      problem.has_input(2) ? "wide(" + bias + "[c1])" : "0",
                      std::max<std::int64_t>(outputs, 1));
  text += fmt::format(
      "  for (I c = 0; c < {inputs}; ++c) {{\n"
      "  const I channel = group * {inputs} + c;\n"
      "  const {type}* __restrict__ image = x0 + (c0 * {channels} + channel) * {plane};\n"
      "  const {type}* __restrict__ weights = x1 + ({row}) * {taps};\n",
      fmt::arg("inputs", inputs), fmt::arg("type", type), fmt::arg("channels", inputs * group),
      fmt::arg("plane", writer.number(plane)), fmt::arg("taps", taps),
      fmt::arg("row", transposed ? fmt::format("channel * {0} + c1 % {0}",
                                               std::max<std::int64_t>(outputs, 1))
                                 : fmt::format("c1 * {} + c", inputs)));
  const std::string inside = "  sum += wide(image[from]) * wide(weights[tap]);\n";
  text += transposed
              ? loops(problem.attributes<ConvTransposeAttributes>(), shapes, writer, true, inside)
              : loops(problem.attributes<ConvAttributes>(), shapes, writer, false, inside);
  text += fmt::format("  }}\n  y0[index] = narrow<{}>(sum);\n", type);
  LaunchStep step;
  writer.finish_items(step, text, product(y));
  return to_choice(problem, std::move(step));
}

double slowdown(const Problem&, std::string_view) { return 8; }

}  // namespace

const Tactic& tactic_conv_plain() {
  static const Tactic tactic{.name = "conv_plain",
                             .backend = "cuda",
                             .ops = {op_conv, op_conv_transpose},
                             .accepts = accepts,
                             .slowdown = slowdown,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
