// SPDX-License-Identifier: Apache-2.0
// How large the values of a graph become in FP32 on made-up inputs, for passes that store them in a
// type of smaller range.
#pragma once

#include "builder/build_config.hpp"
#include "ir/graph.hpp"
#include "passes/target.hpp"

namespace strop {

// Multiply-adds beyond which values are not measured: minutes on the CPU backend.
inline constexpr double kMeasureLimit = 1e12;

// Runs the graph once on the CPU backend, or the reference where this build has none, with the
// inputs that the self-check makes up (in [-1, 1], integers 0 or 1) and a batch of 1 where the
// batch is open, or a number that one sample can do without (one_sample.hpp). Every tensor of the
// graph itself is measured, those of nested graphs are not. A graph that cannot be run so gives no
// ranges, and the note that says why. Throws what no other inputs would change:
// Error(out_of_memory, internal, ...).
ValueRanges measure_value_ranges(const Graph& graph, const BuildConfig& config);

}  // namespace strop
