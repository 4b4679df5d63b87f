// SPDX-License-Identifier: Apache-2.0
#include "tactic/quantized_view.hpp"

#include <algorithm>

#include "base/float_types.hpp"
#include "ops/cast.hpp"
#include "ops/conv.hpp"
#include "ops/conv_integer.hpp"
#include "ops/table_lookup.hpp"
#include "tactic/anchor_view.hpp"
#include "tactic/fused_view.hpp"

namespace strop {
namespace {

// The one value of a zero point; nothing when it is not constant or has several.
std::optional<std::int64_t> zero_of(const FusedView& body, ValueId id) {
  if (!id.exists()) return 0;
  const Tensor* zero = body.constant(id);
  if (zero == nullptr || zero->size() == 0) return std::nullopt;
  const double first = load_as_double(zero->dtype(), zero->data(), 0);
  for (std::int64_t i = 1; i < zero->size(); ++i) {
    if (load_as_double(zero->dtype(), zero->data(), i) != first) return std::nullopt;
  }
  return static_cast<std::int64_t>(first);
}

bool weights_fit(const Tensor& weights, std::int64_t zero) {
  if (zero == 0 && weights.dtype() == DType::i8) return true;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(weights.data());
  for (std::int64_t i = 0; i < weights.size(); ++i) {
    const std::int64_t value =
        (weights.dtype() == DType::i8 ? static_cast<std::int8_t>(bytes[i]) : bytes[i]) - zero;
    if (value < -128 || value > 127) return false;
  }
  return true;
}

// Whether the step is that function of one number, or of one per channel.
bool is_per_channel(const Problem& problem, const EpilogueStep& step, const char* function,
                    std::int64_t channel_axis) {
  if (step.kind != EpilogueStep::binary || step.function != function) return false;
  const Type& type = problem.input_type(step.input);
  const Type& result = problem.output_type(0);
  if (!type.shape || type.dtype != DType::f32 || type.rank() > result.rank()) return false;
  for (std::int64_t i = 0; i < type.rank(); ++i) {
    const Dim& size = (*type.shape)[static_cast<std::size_t>(i)];
    const std::int64_t axis = i + result.rank() - type.rank();
    if (!size.is(1) && axis != channel_axis) return false;
    if (!size.is(1) && !(size == (*result.shape)[static_cast<std::size_t>(axis)])) return false;
  }
  return true;
}

// The cast and the pointwise nodes after it.
bool view_floats(const Problem& problem, const FusedView& body, std::int64_t channel_axis,
                 std::size_t at, QuantizedView& view, std::string& refusal) {
  const Node& cast = *body.nodes()[at];
  if (cast.inputs[0] != view.anchor->outputs[0] || problem.output_type(0).dtype != DType::f32 ||
      !problem.output_type(0).shape) {
    refusal = "it is cast to something other than f32";
    return false;
  }
  view.floats = true;
  if (!read_epilogue(body, at + 1, cast.outputs[0], view.epilogue, refusal)) return false;
  std::size_t step = 0;
  if (step < view.epilogue.size() &&
      is_per_channel(problem, view.epilogue[step], "mul", channel_axis)) {
    view.scales = true;
    ++step;
  }
  view.adds = step < view.epilogue.size() &&
              is_per_channel(problem, view.epilogue[step], "add", channel_axis);
  return true;
}

// The requantisation of `bytes` and another tensor, by one factor each.
bool view_addition(const FusedView& body, const Node& node, ValueId bytes, QuantizedView& view,
                   std::string& refusal) {
  const auto refuse = [&](const char* why) {
    refusal = why;
    return false;
  };
  view.addition = &node;
  view.addend_last = node.inputs[0] != bytes;
  if (!node.input(3).exists() || (node.inputs[3] == bytes) != view.addend_last)
    return refuse("its body is not a chain");
  view.residual = body.input_index(node.inputs[view.addend_last ? 0 : 3]);
  if (view.residual < 0) return refuse("what is added to it is computed inside the fused node");
  for (const std::size_t factor : {1, 2}) {
    const Tensor* value = body.constant(node.inputs[factor]);
    if (value == nullptr || value->size() != 1)
      return refuse("what is added to it has factors of its own");
  }
  return true;
}

}  // namespace

std::optional<QuantizedView> view_as_quantized(const Problem& problem, const OpDef& anchor,
                                               std::int64_t channel_axis, std::string& refusal,
                                               Pieces pieces) {
  const FusedView body(problem);
  const bool joined = pieces == Pieces::viewed && begins_with_concat(body);
  // The anchor and what is behind it.
  const auto nodes = std::span(body.nodes()).subspan(joined ? 1 : 0);
  if (nodes.empty() || !nodes[0]->is(anchor)) return std::nullopt;
  const auto refuse = [&](const char* why) {
    refusal = why;
    return std::optional<QuantizedView>();
  };
  QuantizedView view;
  view.anchor = nodes[0];
  const std::size_t count = nodes.size();
  const bool floats = count >= 2 && nodes[1]->is(op_cast());
  const bool looks_up = !floats && count >= 3 && nodes[2]->is(op_table_lookup());
  const std::size_t before_addition = looks_up ? 3 : 2;
  const bool adds =
      !floats && count == before_addition + 1 && nodes[before_addition]->is(op_requantize());
  if (!floats && count >= 2 &&
      (!nodes[1]->is(op_requantize()) || count != before_addition + (adds ? 1 : 0))) {
    return refuse("something other than a requantisation and a table is fused to it");
  }
  if (view.anchor->input(4).exists()) return refuse("its bias is added to the sums");
  view.x = body.input_index(view.anchor->inputs[0]);
  if (joined && !view_pieces(body, *view.anchor, channel_axis, view.pieces))
    return refuse("its input is joined in another way");
  view.w = body.input_index(view.anchor->inputs[1]);
  const Tensor* weights = body.constant(view.anchor->inputs[1]);
  if ((view.x < 0 && !joined) || view.w < 0 || weights == nullptr)
    return refuse("its weights are not constant");
  if (weights->size() == 0) return refuse("there is nothing to sum over");
  auto x_zero = zero_of(body, view.anchor->input(2));
  if (!x_zero && (count == 1 || floats) && body.constant(view.anchor->inputs[2]) == nullptr) {
    const Type& zero = body.type(view.anchor->inputs[2]);
    if (zero.shape && std::ranges::all_of(*zero.shape, [](const Dim& d) { return d.is(1); })) {
      view.x_zero_input = body.input_index(view.anchor->inputs[2]);
      x_zero = 0;
    }
  }
  const auto w_zero = zero_of(body, view.anchor->input(3));
  if (!x_zero || !w_zero) return refuse("its zero points are not constant, or differ by channel");
  view.x_zero = *x_zero;
  view.w_zero = *w_zero;
  const bool grouped =
      view.anchor->is(op_conv_integer()) && view.anchor->as<ConvAttributes>().group != 1;
  if (grouped && !weights_fit(*weights, view.w_zero))
    return refuse("a weight less its zero point is no signed byte");
  if (count == 1) return view;
  if (floats) {
    if (!view_floats(problem, body, channel_axis, joined ? 2 : 1, view, refusal))
      return std::nullopt;
    return view;
  }

  view.requantize = nodes[1];
  const Node& last = *nodes.back();
  ValueId bytes = view.requantize->outputs[0];
  if (view.requantize->inputs[0] != view.anchor->outputs[0] || !body.ends_in(last.outputs[0]) ||
      (looks_up && nodes[2]->inputs[0] != bytes)) {
    return refuse("its body is not a chain");
  }
  if (looks_up) {
    view.table = body.input_index(nodes[2]->inputs[1]);
    if (view.table < 0 || body.constant(nodes[2]->inputs[1]) == nullptr)
      return refuse("its table is not constant");
    bytes = nodes[2]->outputs[0];
  }
  if (adds && !view_addition(body, last, bytes, view, refusal)) return std::nullopt;
  view.multiplier = body.input_index(view.requantize->inputs[1]);
  view.offset = body.input_index(view.requantize->inputs[2]);
  if (view.requantize->input(3).exists()) {
    if (adds) return refuse("it adds two tensors");
    view.residual = body.input_index(view.requantize->inputs[3]);
  }
  const Tensor* multiplier = body.constant(view.requantize->inputs[1]);
  const Tensor* offset = body.constant(view.requantize->inputs[2]);
  if (view.multiplier < 0 || view.offset < 0 || multiplier == nullptr || offset == nullptr ||
      (view.requantize->input(3).exists() && view.residual < 0)) {
    return refuse("its factors are not constant");
  }
  const bool single = multiplier->size() == 1 && offset->size() == 1;
  const auto& attributes = view.requantize->as<RequantizeAttributes>();
  const std::int64_t rank = problem.output_type(0).rank();
  if (!single && (rank < 0 || normalize_axis(attributes.axis, rank) != channel_axis))
    return refuse("its factors differ along another axis than the channels");
  return view;
}

}  // namespace strop
