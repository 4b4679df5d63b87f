// SPDX-License-Identifier: Apache-2.0
// A convolution of single pixels and the depthwise one after it, as fuse_depthwise joins them, by
// an own kernel over tensors whose channels lie innermost.
#include <algorithm>

#include "backends/cpu/parameters.hpp"
#include "backends/cpu/tactics/anchor_support.hpp"
#include "backends/cpu/tactics/window_support.hpp"
#include "ops/conv.hpp"
#include "tactic/fused_view.hpp"

namespace strop::cpu {
const Tactic& tactic_conv_expand_depthwise();
namespace {

constexpr std::int64_t kMostTaps = 128;

struct Pair {
  const Node* depthwise = nullptr;
  std::int64_t x = -1, expand = -1, expand_bias = -1, window = -1, window_bias = -1;
  Epilogue middle, epilogue;
};

bool all_are(const std::vector<std::int64_t>& values, std::int64_t wanted) {
  return std::ranges::all_of(values, [wanted](std::int64_t value) { return value == wanted; });
}

// Nothing where the problem is none (`refusal` stays empty), or is not taken.
std::optional<Pair> read_pair(const Problem& problem, std::string& refusal) {
  if (!problem.is(op_fused())) return std::nullopt;
  const FusedView body(problem);
  const auto& nodes = body.nodes();
  const auto second = std::find_if(nodes.begin() + 1, nodes.end(),
                                   [](const Node* node) { return node->is(op_conv()); });
  if (second == nodes.end()) return std::nullopt;
  const auto at = static_cast<std::size_t>(second - nodes.begin());
  const auto refuse = [&](const char* why) {
    refusal = why;
    return std::nullopt;
  };
  if (body.casts()) return refuse("its operands are rounded");
  for (std::size_t i = 0; i < problem.node->inputs.size(); ++i) {
    if (problem.has_input(i) && problem.input_type(i).dtype != DType::f32)
      return refuse("it takes f32");
  }
  Pair out;
  const Node& first = *nodes[0];
  out.depthwise = *second;
  const auto input = [&](const Node& node, std::size_t i) {
    return node.input(i).exists() ? body.input_index(node.inputs[i]) : -1;
  };
  out.x = input(first, 0), out.expand = input(first, 1), out.expand_bias = input(first, 2);
  out.window = input(*out.depthwise, 1), out.window_bias = input(*out.depthwise, 2);
  if (out.x < 0 || out.expand < 0 || out.window < 0)
    return refuse("an operand is computed inside the fused node");
  const Tensor* expand = problem.constant(static_cast<std::size_t>(out.expand));
  const Tensor* window = problem.constant(static_cast<std::size_t>(out.window));
  if (expand == nullptr || window == nullptr) return refuse("its weights are not constant");
  const auto& a = first.as<ConvAttributes>();
  const auto& b = out.depthwise->as<ConvAttributes>();
  if (expand->rank() != 4 || expand->size() == 0 || expand->dim(2) != 1 || expand->dim(3) != 1 ||
      a.group != 1 || !all_are(a.strides, 1) || !all_are(a.pads, 0)) {
    return refuse("the first convolution is not of single pixels");
  }
  if (window->rank() != 4 || window->dim(0) != expand->dim(0) || window->dim(1) != 1 ||
      b.group != window->dim(0) || !all_are(b.dilations, 1)) {
    return refuse("the second convolution is not a depthwise one");
  }
  const bool small = window->dim(2) * window->dim(3) <= kMostTaps &&
                     std::ranges::all_of(b.strides, [](auto s) { return s <= kMostTaps; });
  if (!small || b.auto_pad != AutoPad::explicit_pads ||
      (!b.pads.empty() && (b.pads[0] >= window->dim(2) || b.pads[1] >= window->dim(3)))) {
    return refuse("its window or padding is too large");
  }
  ValueId running = first.outputs[0];
  auto middle = read_steps(body, 1, at, running, refusal);
  if (!middle) return std::nullopt;
  if (running != out.depthwise->inputs[0]) return refuse("its body is not a chain");
  for (const EpilogueStep& step : *middle) {
    if (step.kind == EpilogueStep::binary) return refuse("a step between reads a tensor");
  }
  running = out.depthwise->outputs[0];
  auto epilogue = read_steps(body, at + 1, nodes.size(), running, refusal);
  if (!epilogue) return std::nullopt;
  if (!body.ends_in(running)) return refuse("its body has other outputs");
  if (!runs_take(problem, *middle, refusal) || !runs_take(problem, *epilogue, refusal))
    return std::nullopt;
  out.middle = std::move(*middle);
  out.epilogue = std::move(*epilogue);
  return out;
}

Pair accepted_pair(const Problem& problem) {
  std::string refusal;
  auto pair = read_pair(problem, refusal);
  STROP_CHECK(pair.has_value(), "a problem is lowered after it was accepted");
  return std::move(*pair);
}

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  return read_pair(problem, refusal) ? Acceptance::accept() : Acceptance::refuse(refusal);
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  const Pair pair = accepted_pair(problem);
  return channels_last_layouts(problem, pair.x, pair.epilogue);
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const Pair pair = accepted_pair(problem);
  const auto& window = pair.depthwise->as<ConvAttributes>();
  Parameters parameters;
  parameters.set("inputs", std::vector<std::int64_t>{pair.x, pair.window, pair.window_bias});
  parameters.set("expand", std::vector<std::int64_t>{pair.expand, pair.expand_bias});
  set_window(window, 2, parameters);
  parameters.set("auto_pad",
                 enum_names(window.auto_pad)[static_cast<std::size_t>(window.auto_pad)]);
  parameters.set("group", window.group);
  parameters.set("middle", to_text(pair.middle));
  parameters.set("epilogue", to_text(pair.epilogue));
  return {"conv_expand_depthwise_f32", parameters.text()};
}

}  // namespace

const Tactic& tactic_conv_expand_depthwise() {
  static const Tactic tactic{.name = "conv_expand_depthwise",
                             .backend = "cpu",
                             .ops = {op_conv},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu
