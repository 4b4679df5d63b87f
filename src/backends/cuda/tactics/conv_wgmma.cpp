// SPDX-License-Identifier: Apache-2.0
// 1-D and 2-D convolutions with constant weights in f16 and bf16 on Hopper's tensor cores, channels
// innermost, with their bias and epilogue.
#include "backends/cuda/tactics/wgmma_support.hpp"
#include "base/error.hpp"
#include "ops/conv.hpp"

namespace strop::cuda {
const Tactic& tactic_conv_wgmma();
namespace {

// Zeros before and after an axis; nothing when they depend on a size that is open.
std::optional<std::pair<std::int64_t, std::int64_t>> pads_of(const ConvAttributes& conv,
                                                             std::size_t axis, std::size_t axes,
                                                             const Dim& size, std::int64_t kernel) {
  if (conv.auto_pad == AutoPad::valid) return std::pair{0, 0};
  if (conv.auto_pad == AutoPad::explicit_pads)
    return std::pair{at_or(conv.pads, axis, 0), at_or(conv.pads, axes + axis, 0)};
  if (!size.is_constant()) return std::nullopt;
  const std::int64_t stride = at_or(conv.strides, axis, 1);
  const std::int64_t extent = (kernel - 1) * at_or(conv.dilations, axis, 1) + 1;
  const std::int64_t positions = (size.value() + stride - 1) / stride;
  const std::int64_t all =
      std::max<std::int64_t>((positions - 1) * stride + extent - size.value(), 0);
  const std::int64_t less = all / 2, more = all - less;
  return conv.auto_pad == AutoPad::same_upper ? std::pair{less, more} : std::pair{more, less};
}

bool read_window(const Problem& problem, const ConvAttributes& conv, const Tensor& w,
                 WgmmaProblem& into, std::string& refusal) {
  const auto axes = static_cast<std::size_t>(w.rank() - 2);
  sm90::GemmWindow window;
  window.images = size_of_input(problem, into.a, 0);
  window.height = window.out_height = 1;
  bool is_product = true;  // each output reads one pixel, its own
  for (std::size_t i = 0; i < axes; ++i) {
    const std::size_t axis = 2 - axes + i;
    const Dim size = size_of_input(problem, into.a, i + 2);
    (axis == 0 ? window.height : window.width) = size;
    (axis == 0 ? window.out_height : window.out_width) = size_of_output(problem, i + 2);
    window.kernel[axis] = w.dim(static_cast<std::int64_t>(i) + 2);
    window.stride[axis] = at_or(conv.strides, i, 1);
    window.dilation[axis] = at_or(conv.dilations, i, 1);
    const auto pads = pads_of(conv, i, axes, size, window.kernel[axis]);
    if (!pads) refusal = "its pads depend on a size that is open";
    if (!pads) return false;
    window.pad_begin[axis] = pads->first;
    window.pad_end[axis] = pads->second;
    is_product = is_product && window.kernel[axis] == 1 && window.stride[axis] == 1 &&
                 pads->first == 0 && pads->second == 0;
  }
  into.gemm.rows = window.images * window.out_height * window.out_width;
  if (!is_product) into.gemm.window = window;
  return true;
}

std::optional<WgmmaProblem> read(const Problem& problem, std::string& refusal) {
  const auto view = view_as(problem, op_conv(), refusal);
  if (!view) return std::nullopt;
  if (refusal = wgmma_refusal(problem); !refusal.empty()) return std::nullopt;
  const auto& conv = view->anchor->as<ConvAttributes>();
  const auto x = static_cast<std::size_t>(view->input(0));
  const auto w = static_cast<std::size_t>(view->input(1));
  const Tensor* weights = problem.constant(w);
  const Type& output = problem.output_type(0);
  if (problem.input_type(x).rank() < 3 || problem.input_type(x).rank() > 4 || !output.shape) {
    refusal = "it takes 1-D and 2-D convolutions";
  } else if (weights == nullptr || weights->size() == 0) {
    refusal = "its weights are no constant, or empty";
  } else if (problem.input_type(x).dtype != output.dtype || weights->dtype() != output.dtype) {
    refusal = "its operands are of several types";
  } else if (conv.group != 1) {
    refusal = "it takes no groups";
  }
  if (!refusal.empty()) return std::nullopt;
  WgmmaProblem out;
  out.a = x;
  out.weights = w;
  out.gemm.element = output.dtype;
  out.gemm.columns = weights->dim(0);
  out.gemm.channels = weights->dim(1);
  const std::int64_t taps = weights->size() / (weights->dim(0) * weights->dim(1));
  out.weight_strides = {weights->dim(1) * taps, 1, taps};
  if (!read_window(problem, conv, *weights, out, refusal)) return std::nullopt;
  if (view->input(2) >= 0 &&
      !add_bias(problem, static_cast<std::size_t>(view->input(2)), out, refusal))
    return std::nullopt;
  if (!add_steps(problem, view->epilogue, 1, out, refusal)) return std::nullopt;
  if (refusal = sm90::refusal(out.gemm); !refusal.empty()) return std::nullopt;
  return out;
}

WgmmaProblem accepted(const Problem& problem) {
  std::string refusal;
  auto out = read(problem, refusal);
  STROP_CHECK(out.has_value(), "a problem is lowered after it was accepted");
  return std::move(*out);
}

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  return read(problem, refusal) ? Acceptance::accept() : Acceptance::refuse(refusal);
}

std::vector<std::string> configs(const Problem& problem) {
  return wgmma_configs(problem, accepted(problem));
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  const WgmmaProblem wgmma = accepted(problem);
  OperandLayouts out;
  out.outputs = {Layout::channels_last};
  out.inputs.assign(problem.node->inputs.size(), Layout::plain);
  out.inputs[wgmma.a] = Layout::channels_last;
  for (const std::uint32_t tensor : wgmma.tensors) out.inputs[tensor] = Layout::channels_last;
  return {out};
}

KernelChoice lower(const Problem& problem, std::string_view config) {
  return wgmma_choice(problem, accepted(problem), config);
}

}  // namespace

const Tactic& tactic_conv_wgmma() {
  static const Tactic tactic{.name = "conv_wgmma",
                             .backend = "cuda",
                             .ops = {op_conv},
                             .accepts = accepts,
                             .configs = configs,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
