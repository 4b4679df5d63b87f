// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "ir/graph.hpp"
#include "ir/op_def.hpp"

namespace strop {

struct FusedAttributes {
  std::string kind{};  // for people: "conv+add+relu"
  bool moves = false;  // the body is no chain: fuse_moves.cpp

  static void reflect(auto& field) {
    field("kind", &FusedAttributes::kind, "operators of the body, for display alone");
    field("moves", &FusedAttributes::moves,
          "the body is any graph of moves of elements and pointwise operators, no chain");
  }
};

const OpDef& op_fused();

// The body of a fused node.
inline const Graph& body_of(const Node& fused) { return *fused.subgraphs[0]; }
// Puts the body's nodes in the place of a fused node, which is left without users (see
// remove_dead_nodes). Types beyond it are not inferred anew.
void inline_fused(Graph& graph, NodeId fused);

}  // namespace strop
