// SPDX-License-Identifier: Apache-2.0
// The graph of one sample, of a graph whose batch is a number: for what does not depend on how many
// samples there are and takes as long as there are many.
#pragma once

#include <optional>

#include "ir/graph.hpp"

namespace strop {

// A copy in which the leading dimension that the inputs have in common is 1. Values keep their
// names. In every value that depends on such an input, exactly one dimension is divided by the
// batch; all other dimensions, and all other values, are as before. Constants that have the batch
// in them (a shape to reshape to, a mask for each sample) become those of the first sample.
//
// Nothing where the batch is 1 or open, where an operator may mix samples, or where the shapes of
// one sample do not follow.
std::optional<Graph> one_sample_of(const Graph& graph);

}  // namespace strop
