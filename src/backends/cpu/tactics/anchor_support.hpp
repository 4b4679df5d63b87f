// SPDX-License-Identifier: Apache-2.0
// Which epilogues of tactic/anchor_view.hpp there are kernels for.
#pragma once

#include <string>

#include "backends/cpu/epilogue.hpp"
#include "tactic/anchor_view.hpp"

namespace strop::cpu {

// Whether there are functions over runs of floats for all of it (pointwise_functions.hpp), and its
// operands can be had with channels innermost for nothing where they have less axes than the
// output.
bool runs_take(const Problem& problem, const Epilogue& epilogue, std::string& refusal);

// Whether oneDNN has post-ops for all of it.
bool onednn_takes(const Epilogue& epilogue, std::string& refusal);

}  // namespace strop::cpu
