// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "passes/pass.hpp"

namespace strop {

// What becomes of the value between two nodes that are joined.
enum class Between : std::uint8_t {
  hidden,  // other readers of it keep the first node
  kept,    // it is output 0 of the joined node, for all its readers; the second's is output 1
};

// Makes one `fused` node of two, either of which may be fused itself: the second reads the only
// output of the first. References to nodes end with it.
void join_nodes(Graph& graph, const PassContext& context, const Node& first, const Node& second,
                Between between = Between::hidden);

// Of a node that is the anchor, or a fused one that holds it: what the node gives it as input i;
// nothing where that is absent or made in the body.
ValueId operand_of_anchor(const Node& node, const Node& anchor, std::size_t i);

}  // namespace strop
