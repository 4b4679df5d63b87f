// SPDX-License-Identifier: Apache-2.0
// The window of a convolution or pooling as kernels read it.
#pragma once

#include <vector>

#include "backends/cpu/parameters.hpp"

namespace strop::cpu {

// strides, dilations and pads of so many spatial axes, what is left out filled in. `Window` has
// them as lists (ConvAttributes, PoolAttributes).
template <class Window>
void set_window(const Window& window, std::size_t axes, Parameters& parameters) {
  const auto filled = [](std::vector<std::int64_t> values, std::size_t count,
                         std::int64_t otherwise) {
    values.resize(count, otherwise);
    return values;
  };
  parameters.set("strides", filled(window.strides, axes, 1));
  parameters.set("dilations", filled(window.dilations, axes, 1));
  parameters.set("pads", filled(window.pads, 2 * axes, 0));
}

}  // namespace strop::cpu
