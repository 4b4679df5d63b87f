// SPDX-License-Identifier: Apache-2.0
// dynamic_quantize_linear in three kernels: extremes of each of some blocks, scale and zero point,
// bytes. Extremes do not depend on the order in which they are found.
#include <fmt/format.h>

#include "backends/cuda/codegen/kernel_writer.hpp"
#include "ops/dynamic_quantize_linear.hpp"
#include "tactic/layout_support.hpp"

namespace strop::cuda {
const Tactic& tactic_dynamic_quantize_cuda();
namespace {

constexpr std::int64_t kBlocks = 256;

Acceptance accepts(const Problem& problem) {
  if (!problem.input_type(0).shape) return Acceptance::refuse("the rank of x is not known");
  return Acceptance::accept();
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  std::vector<OperandLayouts> out = any_layout(problem, 1);
  for (OperandLayouts& each : out) {
    if (!each.is_plain()) each.outputs = {Layout::channels_last, Layout::plain, Layout::plain};
  }
  return out;
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  const Dim count = product(shapes.input(0));
  LaunchStep step;
  step.record.workspace_bytes = Dim(kBlocks * 8);
  {
    KernelWriter writer(problem, shapes, "extremes");
    writer.use("block_reduce");
    writer.input(0, "float");
    const std::string parts = writer.workspace(0, "float");
    const std::string text = fmt::format(
        "  float low = 0, high = 0;\n"
        "  for (I i = static_cast<I>(blockIdx.x) * 256 + static_cast<I>(threadIdx.x); i < {0};\n"
        "       i += {1} * 256) {{\n"
        "    const float v = x0[i];\n"
        "    low = v < low ? v : low;\n"
        "    high = v > high ? v : high;\n"
        "  }}\n"
        "  low = reduce_group<256, Smallest>(low);\n"
        "  high = reduce_group<256, Largest>(high);\n"
        "  if (threadIdx.x == 0) {2}[2 * blockIdx.x] = low, {2}[2 * blockIdx.x + 1] = high;\n",
        writer.number(count), kBlocks, parts);
    writer.finish(step, text, {Dim(kBlocks), Dim(1), Dim(1)}, 256);
  }
  {
    KernelWriter writer(problem, shapes, "parameters");
    writer.use("block_reduce");
    const std::string parts = writer.workspace(0, "float");
    writer.output(1, "float");
    writer.output(2, "unsigned char");
    const std::string text = fmt::format(
        "  const float low = reduce_group<{0}, Smallest>({1}[2 * threadIdx.x]);\n"
        "  const float high = reduce_group<{0}, Largest>({1}[2 * threadIdx.x + 1]);\n"
        "  const float scale = low == high ? 1.f : (high - low) / 255.f;\n"
        "  const float exact = -low / scale;\n"
        "  const float raised = exact < 0.f ? 0.f : exact;\n"
        "  const float zero = exact != exact ? 0.f : rintf(raised > 255.f ? 255.f : raised);\n"
        "  if (threadIdx.x == 0) y1[0] = scale, y2[0] = static_cast<unsigned char>(zero);\n",
        kBlocks, parts);
    writer.finish(step, text, {Dim(1), Dim(1), Dim(1)}, static_cast<std::uint32_t>(kBlocks));
  }
  {
    KernelWriter writer(problem, shapes, "quantize");
    writer.use("wide_functions");
    writer.input(0, "float");
    writer.output(0, "unsigned char");
    writer.output(1, "float");
    writer.output(2, "unsigned char");
    writer.finish_items(step,
                        "  y0[index] = static_cast<unsigned char>(quantized<unsigned long long>(\n"
                        "      x0[index], y1[0], static_cast<float>(y2[0]), 0.f, 255.f));\n",
                        count);
  }
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_dynamic_quantize_cuda() {
  static const Tactic tactic{.name = "dynamic_quantize_cuda",
                             .backend = "cuda",
                             .ops = {op_dynamic_quantize_linear},
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
