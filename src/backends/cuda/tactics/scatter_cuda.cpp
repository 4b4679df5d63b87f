// SPDX-License-Identifier: Apache-2.0
// scatter_elements and scatter_nd: x is copied, then updates that may meet in one place are made
// one after the other by one thread, in the order of scatter_reduction.hpp. Indices out of range,
// which the reference refuses, change nothing.
#include <fmt/format.h>

#include "backends/cuda/codegen/scalar_source.hpp"
#include "backends/cuda/codegen/strided_copy.hpp"
#include "backends/cuda/codegen/walk.hpp"
#include "ops/scatter_elements.hpp"
#include "ops/scatter_nd.hpp"

namespace strop::cuda {
const Tactic& tactic_scatter_cuda();
namespace {

constexpr std::int64_t kMostTuples = 4096;  // that one thread goes through

ScatterReduction reduction_of(const Problem& problem) {
  return problem.is(op_scatter_nd()) ? problem.attributes<ScatterNdAttributes>().reduction
                                     : problem.attributes<ScatterElementsAttributes>().reduction;
}

// Of the indices: all axes but the last, which holds tuples.
Dim tuples_of(const SymShape& indices) {
  Dim out(1);
  for (std::size_t i = 0; i + 1 < indices.size(); ++i) out = out * indices[i];
  return out;
}

Acceptance accepts(const Problem& problem) {
  const DType dtype = problem.input_type(0).dtype;
  for (std::size_t i = 0; i < 3; ++i) {
    if (!problem.input_type(i).shape)
      return Acceptance::refuse("the rank of an input is not known");
  }
  const ScatterReduction reduction = reduction_of(problem);
  if (reduction == ScatterReduction::none) {
    if (const std::string why = not_moved(dtype); !why.empty()) return Acceptance::refuse(why);
  } else if (!has_element(dtype)) {
    return Acceptance::refuse("there are no kernels for " + std::string(to_string(dtype)));
  }
  const bool sums = reduction == ScatterReduction::add || reduction == ScatterReduction::mul;
  if (sums && is_half(dtype)) return Acceptance::refuse("sums of 16 bits are to be rounded once");
  if (!problem.is(op_scatter_nd())) {
    return problem.input_type(0).rank() > 0 ? Acceptance::accept()
                                            : Acceptance::refuse("x is a number");
  }
  const SymShape& indices = *problem.input_type(1).shape;
  if (!indices.back().is_constant())
    return Acceptance::refuse("the size of its tuples is not known");
  const Dim tuples = tuples_of(indices);
  if (!tuples.is_constant() || tuples.value() > kMostTuples)
    return Acceptance::refuse("its tuples are too many to go through one after the other");
  return Acceptance::accept();
}

class Source {
 public:
  Source(const Problem& problem, const LaunchShapes& shapes)
      : problem_(problem),
        shapes_(shapes),
        writer_(problem, shapes, "scatter"),
        reduction_(reduction_of(problem)),
        dtype_(problem.input_type(0).dtype),
        type_(reduction_ == ScatterReduction::none ? moved_type(dtype_) : element_type(dtype_)) {}

  LaunchStep step() {
    LaunchStep out;
    {
      KernelWriter copy(problem_, shapes_, "copy");
      copy.input(0, type_);
      copy.output(0, type_);
      copy.finish_items(out, "  y0[index] = x0[index];\n", product(shapes_.input(0)));
    }
    writer_.use("wide_functions");
    writer_.output(0, type_);
    writer_.input(1, element_type(problem_.input_type(1).dtype));
    writer_.input(2, type_);
    problem_.is(op_scatter_nd()) ? slices(out) : lines(out);
    return out;
  }

 private:
  // y0[to] joined with x2[from].
  std::string join() const {
    static constexpr std::array<std::string_view, 5> kNames = {"", "add", "mul", "min", "max"};
    if (reduction_ == ScatterReduction::none) return "y0[to] = x2[from];\n";
    return fmt::format("y0[to] = narrow<{}>(wide_{}<{}>(wide(y0[to]), wide(x2[from])));\n", type_,
                       kNames[static_cast<std::size_t>(reduction_)], compute_type(dtype_));
  }

  // Updates of one line along the axis.
  void lines(LaunchStep& out) {
    const SymShape &x = shapes_.input(0), &indices = shapes_.input(1);
    const auto axis = static_cast<std::size_t>(
        normalize_axis(problem_.attributes<ScatterElementsAttributes>().axis,
                       static_cast<std::int64_t>(x.size())));
    SymShape others = indices;
    others[axis] = Dim(1);
    std::string text = coordinates(writer_, "index", others), start = "0", line = "0";
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (i == axis) continue;
      start += fmt::format(" + c{} * {}", i, writer_.number(shapes_.input_strides(0)[i]));
      line += fmt::format(" + c{} * {}", i, writer_.number(shapes_.input_strides(1)[i]));
    }
    text += fmt::format(
        "  for (I k = 0; k < {count}; ++k) {{\n"
        "    const I from = {line} + k * {step};\n"
        "    long long place = x1[from];\n"
        "    if (place < 0) place += {size};\n"
        "    if (place < 0 || place >= {size}) continue;\n"
        "    const I to = {start} + static_cast<I>(place) * {stride};\n    {join}  }}\n",
        fmt::arg("count", writer_.number(indices[axis])), fmt::arg("line", line),
        fmt::arg("step", writer_.number(shapes_.input_strides(1)[axis])),
        fmt::arg("size", writer_.number(x[axis])), fmt::arg("start", start),
        fmt::arg("stride", writer_.number(shapes_.input_strides(0)[axis])),
        fmt::arg("join", join()));
    writer_.finish_items(out, text, product(others));
  }

  // Element `index` of all slices.
  void slices(LaunchStep& out) {
    const SymShape &x = shapes_.input(0), &indices = shapes_.input(1);
    const auto tuple = static_cast<std::size_t>(indices.back().value());
    Dim slice(1);
    for (std::size_t i = tuple; i < x.size(); ++i) slice = slice * x[i];
    std::string text =
        fmt::format("  for (I t = 0; t < {}; ++t) {{\n    bool inside = true;\n    I to = index;\n",
                    writer_.number(tuples_of(indices)));
    for (std::size_t i = 0; i < tuple; ++i) {
      text += fmt::format(
          "    long long p{i} = x1[t * {tuple} + {i}];\n    if (p{i} < 0) p{i} += {size};\n"
          "    if (p{i} < 0 || p{i} >= {size}) inside = false;\n"
          "    to += static_cast<I>(p{i}) * {stride};\n",
          fmt::arg("i", i), fmt::arg("tuple", tuple), fmt::arg("size", writer_.number(x[i])),
          fmt::arg("stride", writer_.number(shapes_.input_strides(0)[i])));
    }
    text += fmt::format("    const I from = t * {} + index;\n    if (inside) {}  }}\n",
                        writer_.number(slice), join());
    writer_.finish_items(out, text, slice);
  }

  const Problem& problem_;
  const LaunchShapes& shapes_;
  KernelWriter writer_;
  ScatterReduction reduction_;
  DType dtype_;
  std::string type_;
};

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  return to_choice(problem, Source(problem, shapes).step());
}

}  // namespace

const Tactic& tactic_scatter_cuda() {
  static const Tactic tactic{.name = "scatter_cuda",
                             .backend = "cuda",
                             .ops = {op_scatter_elements, op_scatter_nd},
                             .accepts = accepts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
