// SPDX-License-Identifier: Apache-2.0
// Zeros that a pad adds around an image before a convolution become the convolution's own padding,
// which adds none. The result is the same to the bit where weights are finite (a zero times
// infinity is NaN, and padding may be left out of a sum). A pad stays for whoever else reads it.
#include <cmath>

#include "ops/conv.hpp"
#include "ops/pad.hpp"
#include "passes/passes.hpp"
#include "passes/uniform_constant.hpp"

namespace strop {
namespace {

constexpr std::int64_t kMostPads = 1 << 20;  // before or after an axis, so that sums stay small

std::optional<std::vector<std::int64_t>> constant_integers(const Graph& graph, ValueId id) {
  if (!id.exists() || !graph.value(id).is_constant()) return std::nullopt;
  return graph.value(id).constant.to_i64();
}

// Zeros before each spatial axis, then after each; nothing where the node does anything else.
std::optional<std::vector<std::int64_t>> zeros_around(const Graph& graph, const Node& pad) {
  const std::int64_t rank = graph.value(pad.inputs[0]).type.rank();
  if (pad.as<PadAttributes>().mode != PadMode::constant || rank < 3) return std::nullopt;
  if (pad.input(2).exists()) {
    const auto value = uniform_constant(graph.value(pad.inputs[2]));
    if (!value || *value != 0 || std::signbit(*value)) return std::nullopt;
  }
  const auto pads = constant_integers(graph, pad.inputs[1]);
  if (!pads) return std::nullopt;
  std::vector<std::int64_t> axes;
  if (pad.input(3).exists()) {
    const auto given = constant_integers(graph, pad.inputs[3]);
    if (!given) return std::nullopt;
    for (const std::int64_t axis : *given) axes.push_back(normalize_axis(axis, rank));
  } else {
    for (std::int64_t axis = 0; axis < rank; ++axis) axes.push_back(axis);
  }
  if (pads->size() != 2 * axes.size()) return std::nullopt;
  std::vector<std::int64_t> out(static_cast<std::size_t>(2 * (rank - 2)));
  for (std::size_t i = 0; i < pads->size(); ++i) {
    const std::int64_t count = (*pads)[i];
    const std::int64_t axis = axes[i % axes.size()];
    if (count == 0) continue;
    if (axis < 2 || count < 0 || count > kMostPads) return std::nullopt;
    out[static_cast<std::size_t>(axis - 2 + (i < axes.size() ? 0 : rank - 2))] = count;
  }
  return out;
}

bool fuse(Graph& graph, const PassContext& context, const Node& conv) {
  const Value& x = graph.value(conv.inputs[0]);
  if (!x.producer.exists() || !graph.node(x.producer).is(op_pad())) return false;
  auto attributes = conv.as<ConvAttributes>();
  if (attributes.auto_pad != AutoPad::explicit_pads) return false;
  const Node& pad = graph.node(x.producer);
  const auto zeros = zeros_around(graph, pad);
  if (!zeros) return false;
  attributes.pads.resize(zeros->size());
  for (std::size_t i = 0; i < zeros->size(); ++i) {
    if (attributes.pads[i] > kMostPads) return false;
    attributes.pads[i] += (*zeros)[i];
  }
  Patch patch(graph, "fuse the zeros before " + label_of(conv));
  patch.descend_from(pad);
  patch.descend_from(conv);
  std::vector<ValueId> inputs = conv.inputs;
  inputs[0] = pad.inputs[0];
  Emitter::Options options;
  options.name = conv.name;
  patch.replace(conv.outputs[0],
                patch.emit(op_conv(), attributes, std::move(inputs), 1, std::move(options))[0]);
  context.apply(patch, graph);
  return true;
}

int run(Graph& graph, const PassContext& context) {
  const std::vector<NodeId> order = graph.order();
  int fused = 0;
  for (const NodeId id : order) {
    if (graph.node(id).is(op_conv()) && fuse(graph, context, graph.node(id))) ++fused;
  }
  return fused;
}

}  // namespace

Pass fuse_pad() {
  return {
      .name = "fuse_pad",
      .summary = "makes zeros around an image the padding of the convolution that reads it",
      .run = run,
  };
}

}  // namespace strop
