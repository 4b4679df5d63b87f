// SPDX-License-Identifier: Apache-2.0
// gather. An index out of range, which the reference refuses, gives zeros: a kernel has no way to
// refuse, and reads nothing outside of its operands.
#include <fmt/format.h>

#include "backends/cuda/codegen/scalar_source.hpp"
#include "backends/cuda/codegen/strided_copy.hpp"
#include "ops/gather.hpp"

namespace strop::cuda {
const Tactic& tactic_gather_cuda();
namespace {

Acceptance accepts(const Problem& problem) {
  if (const std::string why = not_moved(problem.input_type(0).dtype); !why.empty())
    return Acceptance::refuse(why);
  if (!problem.input_type(0).shape || !problem.input_type(1).shape)
    return Acceptance::refuse("the rank of an input is not known");
  return Acceptance::accept();
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  const SymShape& x = shapes.input(0);
  const auto axis = static_cast<std::size_t>(normalize_axis(
      problem.attributes<GatherAttributes>().axis, static_cast<std::int64_t>(x.size())));
  Dim outer(1), inner(1);
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (i < axis) outer = outer * x[i];
    if (i > axis) inner = inner * x[i];
  }
  const Dim chosen = product(shapes.input(1));
  // Operands: a row of x, the index, the output.
  Walk walk{{outer, chosen, inner},
            {{{x[axis] * inner, Dim(0), Dim(1)}},
             {{Dim(0), Dim(1), Dim(0)}},
             {{chosen * inner, inner, Dim(1)}}}};
  // The index adds a multiple of `inner`, which must keep packs whole.
  const DType dtype = problem.input_type(0).dtype;
  int pack = std::max(1, 128 / bits_of(dtype));
  while (pack > 1 && !is_multiple(inner, pack)) pack /= 2;
  KernelWriter writer(problem, shapes, "gather");
  const std::string type = moved_type(dtype);
  const std::string from = writer.input(0, type);
  const std::string indices = writer.input(1, element_type(problem.input_type(1).dtype));
  const std::string to = writer.output(0, type);
  std::string text = walk.offsets(writer, "index", pack, {"row", "which", "at"});
  text += fmt::format(
      "  long long place = {indices}[which];\n"
      "  if (place < 0) place += {size};\n"
      "  Pack<{type}, {pack}> value = {{}};\n"
      "  if (place >= 0 && place < {size})\n"
      "    value = *reinterpret_cast<const Pack<{type}, {pack}>*>(\n"
      "        {from} + row + static_cast<I>(place) * {inner});\n"
      "  *reinterpret_cast<Pack<{type}, {pack}>*>({to} + at) = value;\n",
      fmt::arg("indices", indices), fmt::arg("size", writer.number(x[axis])),
      fmt::arg("type", type), fmt::arg("pack", pack), fmt::arg("from", from),
      fmt::arg("inner", writer.number(inner)), fmt::arg("to", to));
  LaunchStep step;
  writer.finish_items(step, text, floordiv(walk.count(), Dim(pack)));
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_gather_cuda() {
  static const Tactic tactic{.name = "gather_cuda",
                             .backend = "cuda",
                             .ops = {op_gather},
                             .accepts = accepts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
