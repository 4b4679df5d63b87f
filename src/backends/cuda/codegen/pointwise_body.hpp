// SPDX-License-Identifier: Apache-2.0
// A pointwise node, or a fused node made of pointwise nodes (quantisation among them), as code for
// one element. Floats of 16
// bits stay in f32 between the nodes; casts round.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tactic/tactic.hpp"

namespace strop::cuda {

class PointwiseBody {
 public:
  // Nothing, and why, when a node is something else or has no code; `refusal` stays empty where
  // the first node already is none.
  static std::optional<PointwiseBody> read(const Problem& problem, std::string& refusal);

  // Inputs of the problem's node that are read element by element; others are literals.
  const std::vector<std::size_t>& inputs() const { return inputs_; }
  // Of those, the ones that have one axis, which is this axis of the output (quantisation per
  // channel).
  const std::map<std::size_t, std::int64_t>& axes() const { return axes_; }
  // Inputs that are tables of 256 bytes, read as x<i>[byte].
  const std::vector<std::size_t>& tables() const { return tables_; }
  // Statements that turn numbers u<i> (compute types, i counts the node's inputs) into results
  // e<i>, one for each of the node's outputs, not yet narrowed.
  const std::string& code() const { return code_; }

 private:
  std::vector<std::size_t> inputs_, tables_;
  std::map<std::size_t, std::int64_t> axes_;
  std::string code_;
};

}  // namespace strop::cuda
