// SPDX-License-Identifier: Apache-2.0
// The body of a fused node that moves elements (fuse_moves.cpp) as code for one element of its
// output: backwards from there, each move turns the element's coordinates into those of where it
// comes from, and each pointwise node computes on what its operands have at its own.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "backends/cuda/codegen/kernel_writer.hpp"

namespace strop::cuda {

struct RegionSource {
  // Lines that define the element, `element`, from its coordinates c<i> on the output's axes in
  // the order of memory (walk.hpp, coordinates).
  std::string code, element;
  // Inputs that are not small in which neighbours in the output come from places far apart.
  std::set<std::size_t> scattered;
};

// In the problem's layouts. Nothing, and why, where an operator has no code or an element would be
// made from too many.
std::optional<RegionSource> region_source(const Problem& problem, const LaunchShapes& shapes,
                                          KernelWriter& writer, std::string& refusal);

}  // namespace strop::cuda
