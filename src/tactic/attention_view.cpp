// SPDX-License-Identifier: Apache-2.0
#include "tactic/attention_view.hpp"

#include "ops/attention.hpp"
#include "ops/reshape.hpp"
#include "ops/transpose.hpp"
#include "tactic/fused_view.hpp"

namespace strop {

std::optional<AttentionView> view_as_attention(const Problem& problem, std::string& refusal) {
  const FusedView body(problem);
  const bool fused = problem.is(op_fused());
  AttentionView out;
  std::size_t last = 0;
  for (; last < body.nodes().size(); ++last) {
    if (body.nodes()[last]->is(op_attention())) break;
  }
  if (last == body.nodes().size()) return std::nullopt;
  out.node = body.nodes()[last];
  for (std::size_t i = 0; i < 7; ++i) {
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
    std::int64_t* const places[] = {&out.inputs[0], &out.inputs[1], &out.inputs[2], &out.bias,
                                    &out.lengths,   &out.start,     &out.sink};
    *places[i] = index;
  }
  // After it nothing, or the heads side by side.
  ValueId y = out.node->outputs[0];
  if (last + 1 < body.nodes().size()) {
    std::vector<std::int64_t> perm;
    if (body.nodes()[last + 1]->is(op_transpose()))
      perm = body.nodes()[last + 1]->as<TransposeAttributes>().perm;
    const bool rows_first = perm == std::vector<std::int64_t>{2, 0, 1, 3};
    const bool merges =
        last + 3 == body.nodes().size() && body.nodes()[last + 1]->is(op_transpose()) &&
        body.nodes()[last + 2]->is(op_reshape()) && body.nodes()[last + 1]->inputs[0] == y &&
        (perm == std::vector<std::int64_t>{0, 2, 1, 3} || rows_first) &&
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
    out.merged_rows_first = rows_first;
    y = body.nodes()[last + 2]->outputs[0];
  }
  if (!body.ends_in(y)) {
    refusal = "its body has other outputs";
    return std::nullopt;
  }
  return out;
}

}  // namespace strop
