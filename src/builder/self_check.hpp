// SPDX-License-Identifier: Apache-2.0
// The engine against the reference of the final graph, on made-up inputs.
#pragma once

#include "builder/build_config.hpp"
#include "builder/report.hpp"
#include "ir/graph.hpp"
#include "plan/plan.hpp"

namespace strop {

// Multiply-adds of convolutions and matrix products at the given sizes.
double count_multiply_adds(const Graph& graph, const SymbolValues& sample);

// At the sizes that were tuned for, but with few samples of an open batch unless asked for always.
// Throws Error(self_check_failed) that names the first step whose result diverges.
SelfCheckReport check_engine(const Graph& graph, const Plan& plan, const LowerOptions& lowering,
                             const std::optional<SymbolValues>& tuned, const BuildConfig& config);

}  // namespace strop
