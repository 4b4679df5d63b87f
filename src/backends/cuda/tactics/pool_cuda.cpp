// SPDX-License-Identifier: Apache-2.0
// pool: one thread for each output element, or for a pack of channels where they lie innermost.
#include <fmt/format.h>

#include <algorithm>

#include "backends/cuda/codegen/scalar_source.hpp"
#include "backends/cuda/codegen/walk.hpp"
#include "ops/pool.hpp"
#include "tactic/layout_support.hpp"

namespace strop::cuda {
const Tactic& tactic_pool_cuda();
namespace {

constexpr int kPackBytes = 16;

bool pads_itself(const PoolAttributes& attributes) {
  return attributes.auto_pad == AutoPad::same_upper || attributes.auto_pad == AutoPad::same_lower;
}

Acceptance accepts(const Problem& problem) {
  const auto& attributes = problem.attributes<PoolAttributes>();
  const Type& x = problem.input_type(0);
  if (!x.shape || !problem.output_type(0).shape)
    return Acceptance::refuse("the rank of x is not known");
  if (pads_itself(attributes)) {
    for (std::size_t i = 2; i < x.shape->size(); ++i) {
      if (!(*x.shape)[i].is_constant())
        return Acceptance::refuse("its padding depends on sizes that are not known");
    }
  }
  return Acceptance::accept();
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  if (problem.node->outputs.size() > 1) return std::vector<OperandLayouts>(1);
  return any_layout(problem, 1);
}

// begin and end of spatial axis i.
std::pair<std::int64_t, std::int64_t> padding(const Problem& problem, std::size_t i) {
  const auto& attributes = problem.attributes<PoolAttributes>();
  const std::size_t axes = attributes.kernel.size();
  if (attributes.auto_pad == AutoPad::valid) return {0, 0};
  if (!pads_itself(attributes))
    return {at_or(attributes.pads, i, 0), at_or(attributes.pads, i + axes, 0)};
  const std::int64_t in = (*problem.input_type(0).shape)[i + 2].value();
  const std::int64_t out = (*problem.output_type(0).shape)[i + 2].value();
  const std::int64_t stride = at_or(attributes.strides, i, 1);
  const std::int64_t extent = window_extent(attributes.window(), i, attributes.kernel[i]);
  const std::int64_t total = std::max<std::int64_t>(0, (out - 1) * stride + extent - in);
  const std::int64_t begin = (total + (attributes.auto_pad == AutoPad::same_lower ? 1 : 0)) / 2;
  return {begin, total - begin};
}

// What happens to each element `v` of a window, and what comes out of it.
struct Recipe {
  std::string start, step, result;
};

// The largest of small integers is found among ints, which the chip has instructions for.
std::string accumulator_type(const PoolAttributes& attributes, DType dtype) {
  const bool small = is_integer(dtype) && bits_of(dtype) <= 16;
  return small && attributes.function == PoolFunction::max ? "int" : compute_type(dtype);
}

Recipe recipe_of(const PoolAttributes& attributes, DType dtype) {
  const std::string type = compute_type(dtype);
  switch (attributes.function) {
    case PoolFunction::max: {
      const std::string lowest = dtype == DType::u8 ? "0ull" : lowest_literal(dtype);
      return {lowest,
              "if (seen == 0 || v > best[k] || (v != v && best[k] == best[k])) best[k] = v;",
              "best[k]"};
    }
    case PoolFunction::average:
      return {"0", "best[k] += v;",
              fmt::format("count > 0 ? best[k] / static_cast<{}>(count) : 0", type)};
    case PoolFunction::lp:
      break;
  }
  if (attributes.p == 1) return {"0", "best[k] += fabs(v);", "best[k]"};
  if (attributes.p == 2) return {"0", "best[k] += v * v;", "sqrt(best[k])"};
  return {"0", fmt::format("best[k] += pow(fabs(v), static_cast<{}>({}));", type, attributes.p),
          fmt::format("pow(best[k], 1 / static_cast<{}>({}))", type, attributes.p)};
}

class Source {
 public:
  Source(const Problem& problem, const LaunchShapes& shapes)
      : problem_(problem),
        attributes_(problem.attributes<PoolAttributes>()),
        shapes_(shapes),
        writer_(problem, shapes, "pool") {}

  LaunchStep step() {
    const DType dtype = problem_.input_type(0).dtype;
    const std::string type = element_type(dtype), compute = accumulator_type(attributes_, dtype);
    const bool indices = problem_.node->outputs.size() > 1;
    writer_.input(0, type);
    writer_.output(0, type);
    if (indices) writer_.output(1, "long long");
    const SymShape& y = shapes_.output(0);
    const auto order =
        memory_order(static_cast<std::int64_t>(y.size()), problem_.layouts.output(0));
    int pack = 1;
    if (order.back() == 1) {
      pack = std::max(1, kPackBytes * 8 / bits_of(dtype));
      while (pack > 1 && !is_multiple(y[1], pack)) pack /= 2;
    }
    std::string text = coordinates(order, pack);
    const Recipe recipe = recipe_of(attributes_, dtype);
    text += fmt::format(
        "  {0} best[{1}];\n#pragma unroll\n  for (int k = 0; k < {1}; ++k) best[k] = "
        "static_cast<{0}>({2});\n"
        "  int seen = 0;\n",
        compute, pack, recipe.start);
    if (indices) text += "  long long where = -1;\n";
    std::string element = fmt::format(
        "  const Pack<{0}, {1}> p = *reinterpret_cast<const Pack<{0}, {1}>*>(x0 + at);\n"
        "#pragma unroll\n  for (int k = 0; k < {1}; ++k) {{\n    const {2} v = "
        "static_cast<{2}>(wide(p.v[k]));\n",
        type, pack, compute);
    if (indices)
      element += "    if (seen == 0 || v > best[k] || (v != v && best[k] == best[k])) where = " +
                 index_of_tap() + ";\n";
    element += "    " + recipe.step + "\n  }\n  ++seen;\n";
    text += loops(0, element,
                  "c0 * " + writer_.number(shapes_.input_strides(0)[0]) + " + c1 * " +
                      writer_.number(shapes_.input_strides(0)[1]));
    text += count();
    text += fmt::format(
        "  Pack<{0}, {1}> q;\n#pragma unroll\n"
        "  for (int k = 0; k < {1}; ++k) q.v[k] = narrow<{0}>(static_cast<{3}>({2}));\n"
        "  *reinterpret_cast<Pack<{0}, {1}>*>(y0 + index * {1}) = q;\n",
        type, pack, recipe.result, compute_type(dtype));
    if (indices) {
      text += fmt::format("  y1[index] = (c0 * {0} + c1) * {1} + (where < 0 ? 0 : where);\n",
                          writer_.number(y[1]), writer_.number(plane()));
    }
    LaunchStep out;
    writer_.finish_items(out, text, floordiv(product(y), Dim(pack)));
    return out;
  }

 private:
  Dim plane() const {
    Dim out(1);
    for (std::size_t i = 2; i < shapes_.input(0).size(); ++i) out = out * shapes_.input(0)[i];
    return out;
  }

  // c<axis> of the output element.
  std::string coordinates(const std::vector<std::size_t>& order, int pack) {
    std::string out, rest = "index";
    for (std::size_t place = order.size(); place-- > 0;) {
      const std::size_t axis = order[place];
      Dim size = shapes_.output(0)[axis];
      const bool packed = place + 1 == order.size() && pack > 1;
      if (packed) size = floordiv(size, Dim(pack));
      const std::string number = writer_.number(size);
      std::string coordinate = rest;
      if (place > 0) {
        out += fmt::format("  const I s{0} = {1} / {2};\n", axis, rest, number);
        coordinate = fmt::format("{} - s{} * {}", rest, axis, number);
        rest = fmt::format("s{}", axis);
      }
      out += fmt::format("  const I c{} = ({}){};\n", axis, coordinate,
                         packed ? " * " + std::to_string(pack) : std::string());
    }
    return out;
  }

  // A loop over the taps of each spatial axis from `i` on.
  std::string loops(std::size_t i, const std::string& inside, const std::string& offset) {
    if (i == attributes_.kernel.size()) return "  const I at = " + offset + ";\n" + inside;
    const auto [begin, end] = padding(problem_, i);
    return fmt::format(
               "{unroll}  for (int t{i} = 0; t{i} < {kernel}; ++t{i}) {{\n"
               "  const I p{i} = c{axis} * {stride} - {begin} + t{i} * {dilation};\n"
               "  if (p{i} < 0 || p{i} >= {size}) continue;\n",
               fmt::arg("unroll", attributes_.kernel[i] <= 7 ? "#pragma unroll\n" : ""),
               fmt::arg("i", i), fmt::arg("kernel", attributes_.kernel[i]), fmt::arg("axis", i + 2),
               fmt::arg("stride", at_or(attributes_.strides, i, 1)), fmt::arg("begin", begin),
               fmt::arg("dilation", at_or(attributes_.dilations, i, 1)),
               fmt::arg("size", writer_.number(shapes_.input(0)[i + 2]))) +
           loops(i + 1, inside,
                 fmt::format("{} + p{} * {}", offset, i,
                             writer_.number(shapes_.input_strides(0)[i + 2]))) +
           "  }\n";
  }

  // The place of a tap within its channel, as indices count it.
  std::string index_of_tap() {
    std::string out = "0";
    const std::size_t axes = attributes_.kernel.size();
    for (std::size_t n = 0; n < axes; ++n) {
      const std::size_t i = attributes_.column_major ? axes - 1 - n : n;
      out = fmt::format("({} * {} + p{})", out, writer_.number(shapes_.input(0)[i + 2]), i);
    }
    return out;
  }

  // Elements that an average divides by.
  std::string count() {
    if (attributes_.function != PoolFunction::average) return {};
    if (!attributes_.count_include_pad) return "  const int count = seen;\n";
    std::string out = "  I count = 1;\n";
    for (std::size_t i = 0; i < attributes_.kernel.size(); ++i) {
      const auto [begin, end] = padding(problem_, i);
      out += fmt::format(
          "  {{\n    I inside = 0;\n    for (int t = 0; t < {kernel}; ++t) {{\n"
          "      const I p = c{axis} * {stride} - {begin} + t * {dilation};\n"
          "      inside += p >= -{begin} && p < {size} + {end} ? 1 : 0;\n    }}\n"
          "    count *= inside;\n  }}\n",
          fmt::arg("kernel", attributes_.kernel[i]), fmt::arg("axis", i + 2),
          fmt::arg("stride", at_or(attributes_.strides, i, 1)), fmt::arg("begin", begin),
          fmt::arg("dilation", at_or(attributes_.dilations, i, 1)), fmt::arg("end", end),
          fmt::arg("size", writer_.number(shapes_.input(0)[i + 2])));
    }
    return out;
  }

  const Problem& problem_;
  const PoolAttributes& attributes_;
  const LaunchShapes& shapes_;
  KernelWriter writer_;
};

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  return to_choice(problem, Source(problem, shapes).step());
}

}  // namespace

const Tactic& tactic_pool_cuda() {
  static const Tactic tactic{.name = "pool_cuda",
                             .backend = "cuda",
                             .ops = {op_pool},
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
