// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/tactics/narrow_support.hpp"

#include "tactic/fused_view.hpp"

namespace strop::cpu {
namespace {

bool is_cast(const Graph& body, ValueId id, DType to) {
  const NodeId producer = body.value(id).producer;
  return producer.exists() && body.node(producer).is(op_cast()) && body.value(id).type.dtype == to;
}

// The anchor's operand is f32 that was cast from bf16: an input, or what rounds an f32 input.
bool is_rounded(const Graph& body, ValueId id) {
  if (!is_cast(body, id, DType::f32)) return false;
  const ValueId narrow = body.node(body.value(id).producer).inputs[0];
  if (body.value(narrow).type.dtype != DType::bf16) return false;
  if (!body.value(narrow).producer.exists()) return true;
  if (!is_cast(body, narrow, DType::bf16)) return false;
  const Value& wide = body.value(body.node(body.value(narrow).producer).inputs[0]);
  return wide.type.dtype == DType::f32 && !wide.producer.exists();
}

// Beside the anchor's operands casts only widen inputs, and perhaps round the result.
bool casts_at_the_ends(const Graph& body, const Node& anchor) {
  for (const NodeId id : body.order()) {
    const Node& node = body.node(id);
    if (!node.is(op_cast())) continue;
    const Value& from = body.value(node.inputs[0]);
    const Value& to = body.value(node.outputs[0]);
    const bool widens = from.type.dtype == DType::bf16 && to.type.dtype == DType::f32;
    const bool rounds = from.type.dtype == DType::f32 && to.type.dtype == DType::bf16;
    if (widens && !from.producer.exists()) continue;
    const bool of_operand = std::ranges::any_of(to.uses, [&](const Use& use) {
      const Node& next = body.node(use.node);
      return next.is(op_cast()) && to.uses.size() == 1 && next.outputs[0] == anchor.inputs[0];
    });
    const bool before_anchor = node.outputs[0] == anchor.inputs[0];
    if (widens && before_anchor && to.uses.size() == 1) continue;
    if (rounds && (of_operand || (to.uses.empty() && body.is_output(node.outputs[0])))) continue;
    return false;
  }
  return true;
}

}  // namespace

bool begins_with_cast(const Problem& problem) { return FusedView(problem).casts(); }

std::string not_bf16(const Problem& problem, const AnchorView& view, std::int64_t bias) {
  const Graph& body = *problem.node->subgraphs.at(0);
  if (!is_rounded(body, view.anchor->inputs[0]) || !is_rounded(body, view.anchor->inputs[1]) ||
      problem.input_type(static_cast<std::size_t>(view.input(1))).dtype != DType::bf16) {
    return "its operands are not rounded to bf16";
  }
  if (!casts_at_the_ends(body, *view.anchor)) return "it rounds something within";
  if (bias >= 0 && problem.input_type(static_cast<std::size_t>(bias)).dtype != DType::f32)
    return "its bias is not f32";
  for (std::size_t i = 0; i < problem.node->inputs.size(); ++i) {
    const Type& type = problem.input_type(i);
    if (type.rank() < 0) return "the rank of an input is not known";
    if (type.dtype != DType::f32 && type.dtype != DType::bf16) return "an input is no float";
  }
  return {};
}

std::int64_t take_narrow_residual(const Problem& problem, Epilogue& epilogue) {
  if (epilogue.empty() || epilogue[0].kind != EpilogueStep::binary ||
      epilogue[0].function != "add") {
    return -1;
  }
  const Type& type = problem.input_type(epilogue[0].input);
  if (type.dtype != DType::bf16 || type.shape != problem.output_type(0).shape) return -1;
  const std::int64_t input = epilogue[0].input;
  epilogue.erase(epilogue.begin());
  return input;
}

}  // namespace strop::cpu
