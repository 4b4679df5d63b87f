// SPDX-License-Identifier: Apache-2.0
// Runs what tactics offer for a graph of one node and compares it with the reference kernel, the
// oracle: every candidate, at several sizes with one prepared plan, on 1 and 2 threads (whose bytes
// must be equal), and with parameters that somebody else has written into the engine.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/dim.hpp"
#include "base/tensor.hpp"

namespace strop::testing {

struct TacticCheck {
  // Values of the symbols, one entry per run of the same plan; empty: one run without symbols.
  std::vector<SymbolValues> sizes = {};
  // Instead of made-up ones, by the order of the graph's inputs that are no constants. Only where
  // there is one set of sizes.
  std::vector<Tensor> inputs = {};
  // Contents of the inputs whose names begin with "const_"; made up where this list ends.
  std::vector<Tensor> constants = {};
  double tolerance = -1;  // negative: what base/tolerance.hpp says
};

// `graph` is text with one node. Inputs whose names begin with "const_" become constants.
// `candidates` are names that the tactics must offer; whatever else they offer is checked alike.
// None: all must refuse.
void check_tactics(const std::string& graph, const std::vector<std::string>& candidates,
                   const TacticCheck& check = {});

// The reasons of all refusals for the graph's node, joined.
std::string refusals(const std::string& graph);

}  // namespace strop::testing
