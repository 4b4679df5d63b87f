// SPDX-License-Identifier: Apache-2.0
// Concrete sizes for a model's open dimensions, where the builder needs some: to time candidates,
// to check itself. The user's
// --shapes come first; what they leave open is searched for among usual sizes until every shape of
// the graph is valid.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "ir/graph.hpp"

namespace strop {

// By input name: the shape to tune at (the OPT of --shapes). Dimensions that are -1 are open.
using WantedShapes = std::map<std::string, Shape>;

// Values for all symbols of the graph's inputs; nothing when no combination that was tried is
// valid. Throws Error(bad_option) when `wanted` contradicts the model.
std::optional<SymbolValues> find_sample_symbols(const Graph& graph, const WantedShapes& wanted);

// The same with at most `batch` samples wherever the leading dimension of an input is open; with 1,
// what find_sample_symbols takes where nothing is wanted of it.
std::optional<SymbolValues> find_small_sample(const Graph& graph, const WantedShapes& wanted,
                                              std::int64_t batch);

}  // namespace strop
