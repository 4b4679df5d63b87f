// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/graph.hpp"

namespace strop {

// Emits the nodes and constants of `graph` through `into`, reading `inputs` (values of the
// emitter's graph, as many as `graph` has) for its inputs. Returns its outputs. Names and origins
// of the nodes are kept; symbols in attributes become what `inlined_symbols` says.
std::vector<ValueId> emit_graph(Emitter& into, const Graph& graph, std::span<const ValueId> inputs);

// What the symbols that stand alone in the types of `graph`'s inputs are when it reads `inputs`.
std::unordered_map<std::string, Dim> inlined_symbols(const Emitter& into, const Graph& graph,
                                                     std::span<const ValueId> inputs);

}  // namespace strop
