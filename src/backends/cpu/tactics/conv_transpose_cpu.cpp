// SPDX-License-Identifier: Apache-2.0
// Transposed convolution with bias and epilogue, f32, over tensors whose channels lie innermost.
#include <algorithm>

#include "backends/cpu/parameters.hpp"
#include "backends/cpu/tactics/anchor_support.hpp"
#include "backends/cpu/tactics/window_support.hpp"
#include "ops/conv_transpose.hpp"

namespace strop::cpu {
const Tactic& tactic_conv_transpose_cpu();
namespace {

constexpr std::int64_t kMostTaps = 512;
constexpr std::int64_t kMostStride = 64;

std::optional<AnchorView> read(const Problem& problem, std::string& refusal) {
  const auto refuse = [&](std::string why) {
    refusal = std::move(why);
    return std::nullopt;
  };
  auto view = view_as(problem, op_conv_transpose(), refusal);
  if (!view) return std::nullopt;
  if (std::string why = operand_not_f32(problem); !why.empty()) return refuse(std::move(why));
  const std::int64_t rank = problem.input_type(static_cast<std::size_t>(view->input(0))).rank();
  if (rank < 3 || rank > 4) return refuse("it takes one or two spatial axes");
  const Tensor* w = problem.constant(static_cast<std::size_t>(view->input(1)));
  if (w == nullptr || w->size() == 0) return refuse("its weights are not constant, or empty");
  if (view->input(2) >= 0 && problem.constant(static_cast<std::size_t>(view->input(2))) == nullptr)
    return refuse("its bias is not constant");
  const auto& attributes = view->anchor->as<ConvTransposeAttributes>();
  if (attributes.group != 1) return refuse("it has groups");
  std::int64_t taps = 1;
  for (std::int64_t axis = 2; axis < w->rank(); ++axis) taps *= w->dim(axis);
  if (taps > kMostTaps) return refuse("its window has too many elements");
  if (std::ranges::any_of(attributes.strides, [](std::int64_t s) { return s > kMostStride; }))
    return refuse("its stride is too large");
  if (!runs_take(problem, view->epilogue, refusal)) return std::nullopt;
  return view;
}

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  return read(problem, refusal) ? Acceptance::accept() : Acceptance::refuse(std::move(refusal));
}

AnchorView accepted_view(const Problem& problem) {
  std::string refusal;
  auto view = view_as(problem, op_conv_transpose(), refusal);
  STROP_CHECK(view.has_value(), "a problem is lowered after it was accepted");
  return std::move(*view);
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  const AnchorView view = accepted_view(problem);
  return channels_last_layouts(problem, view.input(0), view.epilogue);
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const AnchorView view = accepted_view(problem);
  const auto& conv = view.anchor->as<ConvTransposeAttributes>();
  const auto axes = static_cast<std::size_t>(
      problem.input_type(static_cast<std::size_t>(view.input(0))).rank() - 2);
  Parameters parameters;
  parameters.set("inputs", std::vector<std::int64_t>{view.input(0), view.input(1), view.input(2)});
  set_window(conv, axes, parameters);
  std::vector<std::int64_t> output_padding = conv.output_padding;
  output_padding.resize(axes, 0);
  parameters.set("output_padding", output_padding);
  const bool same = conv.auto_pad == AutoPad::same_upper || conv.auto_pad == AutoPad::same_lower;
  const char* begin = conv.auto_pad == AutoPad::same_upper      ? "upper"
                      : same || !conv.output_shape.empty()      ? "lower"
                      : conv.auto_pad == AutoPad::explicit_pads ? "pads"
                                                                : "none";
  parameters.set("begin", begin);
  parameters.set("epilogue", to_text(view.epilogue));
  return {"conv_transpose_f32", parameters.text()};
}

}  // namespace

const Tactic& tactic_conv_transpose_cpu() {
  static const Tactic tactic{.name = "conv_transpose_cpu",
                             .backend = "cpu",
                             .ops = {op_conv_transpose},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu
