// SPDX-License-Identifier: Apache-2.0
// Operators that move elements to places that coordinates or indices say: pad, gather_elements,
// gather_nd, trilu, one_hot. One thread for each element of the result; indices out of range, which
// the reference refuses, give zeros.
#include <fmt/format.h>

#include "backends/cuda/codegen/scalar_source.hpp"
#include "backends/cuda/codegen/strided_copy.hpp"
#include "base/float_types.hpp"
#include "ops/gather_elements.hpp"
#include "ops/gather_nd.hpp"
#include "ops/one_hot.hpp"
#include "ops/pad.hpp"
#include "ops/trilu.hpp"

namespace strop::cuda {
const Tactic& tactic_place_cuda();
namespace {

Acceptance accepts(const Problem& problem) {
  const bool chooses = problem.is(op_one_hot());
  const std::size_t moved = chooses ? 2 : 0;
  if (const std::string why = not_moved(problem.input_type(moved).dtype); !why.empty())
    return Acceptance::refuse(why);
  if (!problem.output_type(0).shape) return Acceptance::refuse("the rank of y is not known");
  for (std::size_t i = 0; i < problem.node->inputs.size(); ++i) {
    if (problem.has_input(i) && !problem.input_type(i).shape)
      return Acceptance::refuse("the rank of an input is not known");
  }
  if (problem.is(op_pad())) {
    if (problem.constant(1) == nullptr || (problem.has_input(3) && problem.constant(3) == nullptr))
      return Acceptance::refuse("its pads are not constant");
    if (bits_of(problem.input_type(0).dtype) > 64)
      return Acceptance::refuse("its elements are wide");
    if (problem.has_input(2) && problem.constant(2) == nullptr)
      return Acceptance::refuse("its value is not constant");
  }
  if (problem.is(op_trilu()) && problem.has_input(1) && problem.constant(1) == nullptr)
    return Acceptance::refuse("its diagonal is not constant");
  if (problem.is(op_gather_nd()) && !problem.input_type(1).shape->back().is_constant())
    return Acceptance::refuse("the size of its tuples is not known");
  return Acceptance::accept();
}

class Source {
 public:
  Source(const Problem& problem, const LaunchShapes& shapes)
      : problem_(problem),
        shapes_(shapes),
        writer_(problem, shapes, "place"),
        type_(moved_type(problem.output_type(0).dtype)) {
    writer_.output(0, type_);
  }

  LaunchStep step() {
    std::string text;
    if (problem_.is(op_one_hot())) {
      text = one_hot();
    } else {
      writer_.input(0, type_);
      text = problem_.is(op_pad())               ? pad()
             : problem_.is(op_gather_elements()) ? gather_elements()
             : problem_.is(op_gather_nd())       ? gather_nd()
                                                 : trilu();
    }
    LaunchStep out;
    writer_.finish_items(out, text, product(shapes_.output(0)));
    return out;
  }

 private:
  std::string number(const Dim& dim) { return writer_.number(dim); }
  std::string all_coordinates() { return coordinates(writer_, "index", shapes_.output(0)); }

  // `place`, an index that counts from the end where it is negative, or -1 where it is out of
  // range.
  std::string wrapped_place(const std::string& name, const std::string& index, const Dim& size) {
    return fmt::format(
        "  long long {0} = {1};\n  if ({0} < 0) {0} += {2};\n  if ({0} < 0 || {0} >= {2}) inside = "
        "false;\n",
        name, index, number(size));
  }

  std::string pad() {
    const PadMode mode = problem_.attributes<PadAttributes>().mode;
    const SymShape& x = shapes_.input(0);
    const auto pads = problem_.constant(1)->to_i64();
    std::vector<std::int64_t> before(x.size(), 0), after(x.size(), 0);
    for (std::size_t i = 0; i < pads.size() / 2; ++i) {
      const auto axis = static_cast<std::size_t>(
          problem_.has_input(3) ? normalize_axis(problem_.constant(3)->to_i64()[i],
                                                 static_cast<std::int64_t>(x.size()))
                                : static_cast<std::int64_t>(i));
      before[axis] = pads[i];
      after[axis] = pads[i + pads.size() / 2];
    }
    std::string out = all_coordinates() + "  bool inside = true;\n  I from = 0;\n";
    for (std::size_t axis = 0; axis < x.size(); ++axis) {
      const std::string stride = number(shapes_.input_strides(0)[axis]);
      if (before[axis] == 0 && after[axis] == 0) {
        out += fmt::format("  from += c{} * {};\n", axis, stride);
        continue;
      }
      const bool whole = mode == PadMode::constant;
      const std::int64_t cut = whole ? 0 : -std::min<std::int64_t>(before[axis], 0);
      const Dim left =
          x[axis] + Dim(-cut) + Dim(whole ? 0 : std::min<std::int64_t>(after[axis], 0));
      out += fmt::format("  I p{0} = c{0} + ({1});\n  const I n{0}_left = {2};\n", axis,
                         -before[axis] - cut, number(left));
      out += fmt::format(
          fmt::runtime(
              mode == PadMode::constant ? "  if (p{0} < 0 || p{0} >= n{0}_left) inside = false;\n"
              : mode == PadMode::edge
                  ? "  p{0} = p{0} < 0 ? 0 : p{0} >= n{0}_left ? n{0}_left - 1 : p{0};\n"
              : mode == PadMode::wrap ? "  p{0} = (p{0} % n{0}_left + n{0}_left) % n{0}_left;\n"
                                      : "  if (n{0}_left == 1) {{\n    p{0} = 0;\n  }} else {{\n"
                                        "    const I period = 2 * (n{0}_left - 1);\n"
                                        "    p{0} = (p{0} % period + period) % period;\n"
                                        "    if (p{0} >= n{0}_left) p{0} = period - p{0};\n  }}\n"),
          axis);
      out += fmt::format("  from += (p{} + {}) * {};\n", axis, cut, stride);
    }
    std::uint64_t value = 0;
    if (problem_.has_input(2)) {
      const Tensor& given = *problem_.constant(2);
      for (int i = bits_of(given.dtype()) / 8; i-- > 0;)
        value = value << 8 | std::to_integer<std::uint64_t>(given.data()[i]);
    }
    return out +
           fmt::format("  y0[index] = inside ? x0[from] : static_cast<{}>({}ull);\n", type_, value);
  }

  std::string gather_elements() {
    const SymShape& x = shapes_.input(0);
    const auto axis = static_cast<std::size_t>(normalize_axis(
        problem_.attributes<GatherElementsAttributes>().axis, static_cast<std::int64_t>(x.size())));
    const std::string indices = writer_.input(1, element_type(problem_.input_type(1).dtype));
    std::string out = all_coordinates() + "  bool inside = true;\n" +
                      wrapped_place("place", indices + "[index]", x[axis]) + "  I from = 0;\n";
    for (std::size_t i = 0; i < x.size(); ++i) {
      out += fmt::format("  from += {} * {};\n",
                         i == axis ? "static_cast<I>(place)" : fmt::format("c{}", i),
                         number(shapes_.input_strides(0)[i]));
    }
    return out + fmt::format(
                     "  {} value = {{}};\n  if (inside) value = x0[from];\n  y0[index] = value;\n",
                     type_);
  }

  std::string gather_nd() {
    const SymShape& x = shapes_.input(0);
    const SymShape& indices = shapes_.input(1);
    const auto batches =
        static_cast<std::size_t>(problem_.attributes<GatherNdAttributes>().batch_dims);
    const auto tuple = static_cast<std::size_t>(indices.back().value());
    const std::string given = writer_.input(1, element_type(problem_.input_type(1).dtype));
    Dim slice(1), per_batch(1);
    for (std::size_t i = batches + tuple; i < x.size(); ++i) slice = slice * x[i];
    for (std::size_t i = batches; i + 1 < indices.size(); ++i) per_batch = per_batch * indices[i];
    std::string out = fmt::format(
        "  const I which = index / {};\n  bool inside = true;\n  I from = index % {};\n",
        number(slice), number(slice));
    if (batches > 0) {
      out += fmt::format("  from += which / {} * {};\n", number(per_batch),
                         number(shapes_.input_strides(0)[batches - 1]));
    }
    for (std::size_t i = 0; i < tuple; ++i) {
      out += wrapped_place(fmt::format("place{}", i),
                           fmt::format("{}[which * {} + {}]", given, tuple, i), x[batches + i]);
      out += fmt::format("  from += static_cast<I>(place{}) * {};\n", i,
                         number(shapes_.input_strides(0)[batches + i]));
    }
    return out + fmt::format(
                     "  {} value = {{}};\n  if (inside) value = x0[from];\n  y0[index] = value;\n",
                     type_);
  }

  std::string trilu() {
    const SymShape& x = shapes_.input(0);
    const std::int64_t diagonal =
        problem_.has_input(1)
            ? std::clamp<std::int64_t>(problem_.constant(1)->to_i64().front(), -(1 << 30), 1 << 30)
            : 0;
    const bool upper = problem_.attributes<TriluAttributes>().upper;
    return fmt::format(
        "  const long long column = index % {0}, row = index / {0} % {1};\n"
        "  {4} value = {{}};\n  if (column - row {2} {3}ll) value = x0[index];\n"
        "  y0[index] = value;\n",
        number(x[x.size() - 1]), number(x[x.size() - 2]), upper ? ">=" : "<=", diagonal, type_);
  }

  std::string one_hot() {
    const auto& attributes = problem_.attributes<OneHotAttributes>();
    const SymShape& y = shapes_.output(0);
    const auto axis = static_cast<std::size_t>(
        normalize_axis(attributes.axis, static_cast<std::int64_t>(y.size())));
    Dim inner(1);
    for (std::size_t i = axis + 1; i < y.size(); ++i) inner = inner * y[i];
    const std::string indices = writer_.input(0, element_type(problem_.input_type(0).dtype));
    const std::string values = writer_.input(2, type_);
    return fmt::format(
        "  const I place = index / {inner} % {depth};\n"
        "  const auto given = {indices}[index / {inner} / {depth} * {inner} + index % {inner}];\n"
        "  const bool on = given == place{negative};\n"
        "  y0[index] = {values}[on ? 1 : 0];\n",
        fmt::arg("inner", number(inner)), fmt::arg("depth", number(y[axis])),
        fmt::arg("indices", indices),
        fmt::arg("negative", attributes.from_end
                                 ? fmt::format(" || given + {} == place", number(y[axis]))
                                 : std::string()),
        fmt::arg("values", values));
  }

  const Problem& problem_;
  const LaunchShapes& shapes_;
  KernelWriter writer_;
  std::string type_;
};

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  return to_choice(problem, Source(problem, shapes).step());
}

}  // namespace

const Tactic& tactic_place_cuda() {
  static const Tactic tactic{
      .name = "place_cuda",
      .backend = "cuda",
      .ops = {op_pad, op_gather_elements, op_gather_nd, op_trilu, op_one_hot},
      .accepts = accepts,
      .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
