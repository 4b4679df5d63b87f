// SPDX-License-Identifier: Apache-2.0
// Kernels that move elements from one operand to another, both by strides. Where neighbours of the
// one are not neighbours of the other, tiles go through shared memory, so that both sides are
// touched by runs.
#pragma once

#include "backends/cuda/codegen/walk.hpp"

namespace strop::cuda {

struct StridedCopy {
  SymShape sizes;  // in the order of the output's memory
  WalkOperand from, to;
  std::size_t input = 0, output = 0;
};

// Of elements of `dtype`, which has a moved_type (scalar_source.hpp). `name`: of the kernel.
void add_copy(LaunchStep& step, const Problem& problem, const LaunchShapes& shapes,
              StridedCopy copy, DType dtype, const std::string& name);

// As above from axes in the order of the operator's dimensions, which `order` sorts by the output's
// memory.
void add_copy(LaunchStep& step, const Problem& problem, const LaunchShapes& shapes,
              const StridedCopy& copy, const std::vector<std::size_t>& order, DType dtype,
              const std::string& name);

// Why elements of this type are not moved; empty where they are.
std::string not_moved(DType dtype);

}  // namespace strop::cuda
