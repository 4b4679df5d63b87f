// SPDX-License-Identifier: Apache-2.0
// The sizes of a problem's operands in the words of its launch record: numbers where they are
// known, else the dimensions of operands ("o0d1"). Equal sizes have equal words.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "tactic/tactic.hpp"

namespace strop::cuda {

class LaunchShapes {
 public:
  // The ranks of all operands are known.
  explicit LaunchShapes(const Problem& problem);

  // In the order of the operator's dimensions, whatever the layout.
  const SymShape& input(std::size_t i) const { return inputs_[i].shape; }
  const SymShape& output(std::size_t i) const { return outputs_[i].shape; }
  // How far apart in memory, in elements, neighbours along each of these dimensions are.
  const SymShape& input_strides(std::size_t i) const { return inputs_[i].strides; }
  const SymShape& output_strides(std::size_t i) const { return outputs_[i].strides; }
  // A size of the graph in these words; of one that is no operand's nothing, where it does not
  // follow from theirs.
  std::optional<Dim> find(const Dim& dim) const;
  // As above of one that is known to follow from them.
  Dim translate(const Dim& dim) const;

  // Whether every operand has a known number of elements, fewer than 2^30.
  bool all_small() const;
  // 0 where every operand has fewer than 2^30 elements, else 1 or more.
  Dim large() const;

 private:
  struct Known {
    SymShape shape, strides;
  };
  std::vector<Known> inputs_, outputs_;
  std::unordered_map<std::string, Dim> words_;  // by the text of a dimension of the graph
};

// The strides of a dense tensor whose dimensions lie in that order.
SymShape strides_of(const SymShape& shape, Layout layout);

bool is_multiple(const Dim& dim, std::int64_t factor);

}  // namespace strop::cuda
