// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/slice_cuts.hpp"

#include <algorithm>

#include "base/shape.hpp"

namespace strop::cuda {

std::optional<std::vector<SliceCut>> slice_cuts(const Type& x,
                                                const std::array<const Tensor*, 4>& parameters) {
  const auto [starts, ends, axes, steps] = parameters;
  if (starts == nullptr) return std::nullopt;
  std::vector<SliceCut> out;
  for (const std::int64_t start : starts->to_i64()) {
    const std::size_t i = out.size();
    SliceCut cut{static_cast<std::int64_t>(i), start};
    if (axes != nullptr) cut.axis = normalize_axis(axes->to_i64()[i], x.rank());
    if (steps != nullptr) cut.step = steps->to_i64()[i];
    const Dim& size = (*x.shape)[static_cast<std::size_t>(cut.axis)];
    if (size.is_constant()) {
      if (cut.start < 0) cut.start += size.value();
      const std::int64_t last = cut.step > 0 ? size.value() : size.value() - 1;
      cut.start = std::clamp<std::int64_t>(cut.start, 0, std::max<std::int64_t>(last, 0));
    } else if (cut.start < 0 || cut.step < 0) {
      return std::nullopt;
    }
    out.push_back(cut);
  }
  return out;
}

}  // namespace strop::cuda
