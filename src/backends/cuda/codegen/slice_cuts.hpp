// SPDX-License-Identifier: Apache-2.0
// Where a slice with constant parameters starts, and its steps.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "base/tensor.hpp"
#include "ir/type.hpp"

namespace strop::cuda {

struct SliceCut {
  std::int64_t axis = 0, start = 0, step = 1;
};

// `parameters`: starts, ends, axes and steps; null: absent. Nothing where a start counts from an
// end that is not known.
std::optional<std::vector<SliceCut>> slice_cuts(const Type& x,
                                                const std::array<const Tensor*, 4>& parameters);

}  // namespace strop::cuda
