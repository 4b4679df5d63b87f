// SPDX-License-Identifier: Apache-2.0
// Attention, f32: the operator alone, or fused with the views that cut its heads out of columns and
// put them side by side again (packed_heads_support.hpp).
#include <algorithm>
#include <cmath>

#include "backends/cpu/parameters.hpp"
#include "ops/attention.hpp"
#include "ops/packed_heads_support.hpp"
#include "ops/reshape.hpp"
#include "ops/slice.hpp"
#include "ops/transpose.hpp"
#include "tactic/fused_view.hpp"
#include "tactic/tactic.hpp"

namespace strop::cpu {
const Tactic& tactic_attention_cpu();
namespace {

constexpr std::int64_t kMostValues = 256;  // floats of a head's value that the kernel takes

struct Attention {
  const Node* node = nullptr;
  // Per operand q, k, v: an input of the problem's node, and the heads in its columns.
  std::int64_t inputs[3] = {-1, -1, -1};
  std::optional<PackedHeads> heads[3];
  std::int64_t bias = -1;
  bool merged = false;
};

// Of a fused node's body, or of a plain node. Nothing where there is no attention (`refusal` stays
// empty) or it is not taken.
std::optional<Attention> read_attention(const Problem& problem, std::string& refusal) {
  const FusedView body(problem);
  const bool fused = problem.is(op_fused());
  Attention out;
  std::size_t last = 0;
  for (; last < body.nodes().size(); ++last) {
    if (body.nodes()[last]->is(op_attention())) break;
  }
  if (last == body.nodes().size()) return std::nullopt;
  out.node = body.nodes()[last];
  for (std::size_t i = 0; i < 4; ++i) {
    const ValueId operand = out.node->input(i);
    if (!operand.exists()) continue;
    std::int64_t index = body.input_index(operand);
    if (i < 3 && fused && index < 0) {
      out.heads[i] = packed_heads(*problem.node->subgraphs.at(0), operand);
      if (out.heads[i]) index = body.input_index(out.heads[i]->source);
    }
    if (index < 0) {
      refusal = "an operand is computed inside the fused node";
      return std::nullopt;
    }
    (i < 3 ? out.inputs[i] : out.bias) = index;
  }
  // After it nothing, or the heads side by side.
  ValueId y = out.node->outputs[0];
  if (last + 1 < body.nodes().size()) {
    const bool merges =
        last + 3 == body.nodes().size() && body.nodes()[last + 1]->is(op_transpose()) &&
        body.nodes()[last + 2]->is(op_reshape()) && body.nodes()[last + 1]->inputs[0] == y &&
        body.nodes()[last + 1]->as<TransposeAttributes>().perm ==
            std::vector<std::int64_t>{0, 2, 1, 3} &&
        body.nodes()[last + 2]->inputs[0] == body.nodes()[last + 1]->outputs[0];
    const Type& from = body.type(y);
    const Type& to = problem.output_type(0);
    const bool fits = merges && to.rank() == 3 && from.shape && (*from.shape)[1].is_constant() &&
                      (*from.shape)[3].is_constant() &&
                      (*to.shape)[2] == (*from.shape)[1] * (*from.shape)[3];
    if (!fits) {
      refusal = "its body is not attention with its layout";
      return std::nullopt;
    }
    out.merged = true;
    y = body.nodes()[last + 2]->outputs[0];
  }
  if (!body.ends_in(y)) {
    refusal = "its body has other outputs";
    return std::nullopt;
  }
  return out;
}

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  const auto view = read_attention(problem, refusal);
  if (!view) return Acceptance::refuse(refusal);
  for (std::size_t i = 0; i < problem.node->inputs.size(); ++i) {
    if (problem.has_input(i) && problem.input_type(i).dtype != DType::f32) {
      return Acceptance::refuse("input " + std::to_string(i) + " is " +
                                std::string(to_string(problem.input_type(i).dtype)) +
                                ", this tactic is for f32");
    }
  }
  const auto& attributes = view->node->as<AttentionAttributes>();
  if (view->node->outputs.size() > 1) return Acceptance::refuse("its scores are wanted");
  if (attributes.softcap != 0) return Acceptance::refuse("it has no softcap");
  if (attributes.left >= 0 || attributes.right >= 0)
    return Acceptance::refuse("it has no window of keys");
  if (view->node->inputs.size() > 4) return Acceptance::refuse("it has no lengths, start or sink");
  const Type& values = problem.input_type(static_cast<std::size_t>(view->inputs[2]));
  Dim size = view->heads[2] ? Dim(view->heads[2]->size) : Dim::symbol("unknown");
  if (!view->heads[2] && values.shape) size = values.shape->back();
  if (!size.is_constant() || size.value() < 1 || size.value() > kMostValues) {
    return Acceptance::refuse("its values have " + size.to_string() + " elements, not 1 to " +
                              std::to_string(kMostValues));
  }
  return Acceptance::accept();
}

KernelChoice lower(const Problem& problem, std::string_view) {
  std::string refusal;
  const auto view = read_attention(problem, refusal);
  STROP_CHECK(view.has_value(), "a problem is lowered after it was accepted");
  Parameters parameters;
  static constexpr const char* kNames[] = {"q", "k", "v"};
  for (std::size_t i = 0; i < 3; ++i) {
    std::vector<std::int64_t> list = {view->inputs[i]};
    if (const auto& heads = view->heads[i])
      list.insert(list.end(), {heads->offset, heads->stride, heads->heads, heads->size});
    parameters.set(kNames[i], list);
  }
  parameters.set("bias", view->bias);
  parameters.set("scale", view->node->as<AttentionAttributes>().scale);
  parameters.set("merged", std::int64_t{view->merged});
  return {"attention_f32", parameters.text()};
}

}  // namespace

const Tactic& tactic_attention_cpu() {
  static const Tactic tactic{.name = "attention_cpu",
                             .backend = "cpu",
                             .ops = {op_attention, op_reshape, op_slice},
                             .accepts = accepts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu
