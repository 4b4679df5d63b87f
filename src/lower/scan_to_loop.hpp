// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "ir/graph.hpp"

namespace strop {

// How often a scan runs. Nothing for a scan that ends at a length of its own, or the inputs of
// which have unknown ranks.
std::optional<Dim> scan_trips(const Graph& graph, const Node& scan);

// The body of a scan, which has a number of trips, as the body of a loop that takes its slices by
// itself: (iteration, condition, states..., scanned inputs..., captures...) ->
// (condition, states..., values...).
Graph scan_as_loop(const Graph& graph, const Node& scan);

}  // namespace strop
