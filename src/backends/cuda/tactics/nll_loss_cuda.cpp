// SPDX-License-Identifier: Apache-2.0
// nll_loss: one thread a sample, or one block that sums all of them in an order of its own that is
// always the same. Classes out of range, which the reference refuses, count as nothing.
#include <fmt/format.h>

#include "backends/cuda/codegen/kernel_writer.hpp"
#include "backends/cuda/codegen/scalar_source.hpp"
#include "ops/nll_loss.hpp"

namespace strop::cuda {
const Tactic& tactic_nll_loss_cuda();
namespace {

Acceptance accepts(const Problem& problem) {
  if (!problem.input_type(0).shape) return Acceptance::refuse("the rank of x is not known");
  return Acceptance::accept();
}

// Defines `loss` and `weight` of sample `i`.
std::string sample(const Problem& problem, const LaunchShapes& shapes, KernelWriter& writer) {
  const SymShape& x = shapes.input(0);
  Dim inner(1);
  for (std::size_t i = 2; i < x.size(); ++i) inner = inner * x[i];
  const auto ignored = problem.attributes<NllLossAttributes>().ignore_index;
  const std::string values = writer.input(0, element_type(problem.input_type(0).dtype));
  const std::string classes = writer.input(1, element_type(problem.input_type(1).dtype));
  std::string weight = "1.0";
  if (problem.has_input(2)) {
    weight = fmt::format("static_cast<double>(wide({}[of]))",
                         writer.input(2, element_type(problem.input_type(2).dtype)));
  }
  return fmt::format(
      "  const long long of = {classes}[i];\n  double loss = 0, weight = 0;\n"
      "  if (of >= 0 && of < {count}{ignored}) {{\n"
      "    weight = {weight};\n"
      "    const I place = (i / {inner} * {count} + static_cast<I>(of)) * {inner} + i % {inner};\n"
      "    loss = -static_cast<double>(wide({values}[place])) * weight;\n  }}\n",
      fmt::arg("classes", classes), fmt::arg("count", writer.number(x[1])),
      fmt::arg("ignored",
               ignored ? " && of != " + literal(DType::i64, static_cast<double>(*ignored)) : ""),
      fmt::arg("weight", weight), fmt::arg("inner", writer.number(inner)),
      fmt::arg("values", values));
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  const LossReduction reduction = problem.attributes<NllLossAttributes>().reduction;
  const std::string type = element_type(problem.output_type(0).dtype);
  KernelWriter writer(problem, shapes, "nll_loss");
  writer.output(0, type);
  const Dim count = product(shapes.input(1));
  LaunchStep step;
  if (reduction == LossReduction::none) {
    writer.finish_items(step,
                        fmt::format("  const I i = index;\n{}  y0[index] = narrow<{}>(loss);\n",
                                    sample(problem, shapes, writer), type),
                        count);
    return to_choice(problem, std::move(step));
  }
  writer.use("block_reduce");
  const std::string text = fmt::format(
      "  double losses = 0, weights = 0;\n"
      "  for (I i = static_cast<I>(threadIdx.x); i < {count}; i += {threads}) {{\n{sample}"
      "  losses += loss, weights += weight;\n  }}\n"
      "  losses = reduce_group<{threads}, Add>(losses);\n"
      "  weights = reduce_group<{threads}, Add>(weights);\n"
      "  if (threadIdx.x == 0) y0[0] = narrow<{type}>({result});\n",
      fmt::arg("count", writer.number(count)), fmt::arg("threads", kItemThreads),
      fmt::arg("sample", sample(problem, shapes, writer)), fmt::arg("type", type),
      fmt::arg("result", reduction == LossReduction::sum ? "losses" : "losses / weights"));
  writer.finish(step, text, {Dim(1), Dim(1), Dim(1)}, kItemThreads);
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_nll_loss_cuda() {
  static const Tactic tactic{.name = "nll_loss_cuda",
                             .backend = "cuda",
                             .ops = {op_nll_loss},
                             .accepts = accepts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
