// SPDX-License-Identifier: Apache-2.0
// Lowers what the CUDA tactics offer for a graph of one node for several chips, and compares the
// kernels, run on the processor (host_kernels.hpp), with the reference kernel, the oracle.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/dim.hpp"
#include "base/tensor.hpp"

namespace strop::testing {

struct CudaCheck {
  std::vector<SymbolValues> sizes = {};  // one entry per run; empty: one run without symbols
  std::vector<Tensor> inputs = {};       // instead of made-up ones
  std::vector<Tensor> constants = {};    // of the inputs named const_...
  double tolerance = -1;                 // negative: what base/tolerance.hpp says
  std::int64_t multiprocessors = 132;    // that a grid is made for
  bool on_host = true;                   // false: compiled only
  std::string only = {};                 // candidates whose names begin so, and no others
  bool may_refuse = false;               // the candidates that must be offered
  std::vector<std::string> holds = {};   // texts in the source of each candidate that is named
};

// `candidates`: names that must be offered; whatever else is offered is checked alike.
void check_cuda(const std::string& graph, const std::vector<std::string>& candidates,
                const CudaCheck& check = {});

}  // namespace strop::testing
