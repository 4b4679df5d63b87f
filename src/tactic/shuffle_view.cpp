// SPDX-License-Identifier: Apache-2.0
#include "tactic/shuffle_view.hpp"

#include "ops/fused.hpp"
#include "ops/reshape.hpp"
#include "ops/transpose.hpp"
#include "tactic/fused_view.hpp"

namespace strop {

std::int64_t shuffle_groups(const Problem& problem) {
  if (!problem.is(op_fused())) return 0;
  const FusedView body(problem);
  const auto& nodes = body.nodes();
  if (nodes.size() != 3 || !nodes[0]->is(op_reshape()) || !nodes[1]->is(op_transpose()) ||
      !nodes[2]->is(op_reshape()) || body.input_index(nodes[0]->inputs[0]) != 0 ||
      nodes[1]->inputs[0] != nodes[0]->outputs[0] || nodes[2]->inputs[0] != nodes[1]->outputs[0] ||
      !body.ends_in(nodes[2]->outputs[0])) {
    return 0;
  }
  const Type& x = body.type(nodes[0]->inputs[0]);
  const Type& groups = body.type(nodes[0]->outputs[0]);
  if (!x.shape || !groups.shape || body.type(nodes[2]->outputs[0]).shape != x.shape ||
      groups.rank() != x.rank() + 1 || x.rank() < 3) {
    return 0;
  }
  const auto& perm = nodes[1]->as<TransposeAttributes>().perm;
  if (perm.size() != groups.shape->size()) return 0;
  for (std::size_t i = 0; i < perm.size(); ++i) {
    const std::size_t wanted = i == 1 ? 2 : i == 2 ? 1 : i;
    if (perm[i] != static_cast<std::int64_t>(wanted)) return 0;
    if (i != 1 && i != 2 && (*groups.shape)[i] != (*x.shape)[i > 2 ? i - 1 : i]) return 0;
  }
  const Dim &count = (*groups.shape)[1], &size = (*groups.shape)[2];
  return count.is_constant() && size.is_constant() ? count.value() : 0;
}

}  // namespace strop
