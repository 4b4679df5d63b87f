// SPDX-License-Identifier: Apache-2.0
// The body of a fused node that moves elements (fuse_moves.cpp) as code for one element of its
// output, or a group of neighbours: backwards from there, each move turns the element's coordinates
// into those of where it comes from, and each pointwise node computes on what its operands have at
// its own. A group goes one way through all branches, and its elements lie a constant step apart
// in every operand.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "backends/cuda/codegen/kernel_writer.hpp"

namespace strop::cuda {

// What one thread makes: `count` neighbours on an axis of the output, counted in the order of
// memory, from a multiple of the count on; a power of two.
struct RegionGroup {
  std::size_t axis = 0;
  int count = 1;
};

struct RegionSource {
  // Lines that define the element, `element`, from its coordinates c<i> on the output's axes in
  // the order of memory (walk.hpp, coordinates). Of a group: an expression of `k`, the element's
  // number, from the coordinates of the first.
  std::string code, element;
  // Inputs that are not small in which neighbours in the output come from places far apart.
  std::set<std::size_t> scattered;
  // Inputs that are not small which a group reads one element at a time.
  std::set<std::size_t> apart;
};

// In the problem's layouts. Nothing, and why, where an operator has no code, an element would be
// made from too many, or a group would not stay together. A group of one is on the innermost axis.
// The text uses kernels/groups.cuh.
std::optional<RegionSource> region_source(const Problem& problem, const LaunchShapes& shapes,
                                          KernelWriter& writer, RegionGroup group,
                                          std::string& refusal);

}  // namespace strop::cuda
