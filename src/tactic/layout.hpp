// SPDX-License-Identifier: Apache-2.0
// How the elements of a tensor lie in memory. Graphs know dimensions alone (N, C, spatial...);
// which layout a value has is decided when a graph is lowered, by cost over the whole graph. A
// plan's slot holds the physical shape, so a kernel sees nothing but a dense row-major tensor.
#pragma once

#include <cstdint>
#include <vector>

#include "base/dim.hpp"
#include "base/tensor.hpp"

namespace strop {

enum class Layout : std::uint8_t {
  plain,          // in the order of the dimensions
  channels_last,  // dimension 1 innermost: N, spatial..., C; for rank 3 and more
};

// The layouts of a node's operands, parallel to its inputs and outputs; what is missing is plain.
// An input of lower rank than the first output counts as if it had leading dimensions of 1.
struct OperandLayouts {
  std::vector<Layout> inputs, outputs;

  Layout input(std::size_t i) const { return i < inputs.size() ? inputs[i] : Layout::plain; }
  Layout output(std::size_t i) const { return i < outputs.size() ? outputs[i] : Layout::plain; }
  bool is_plain() const;
  bool operator==(const OperandLayouts&) const = default;
};

// Dimensions in memory order, outermost first.
SymShape physical_shape(const SymShape& shape, Layout layout);
Shape physical_shape(const Shape& shape, Layout layout);

// Whether both layouts put the elements of this shape in the same order (one channel, or one
// pixel), as far as its constant sizes tell.
bool is_same_order(const SymShape& shape, Layout a, Layout b);

// `shape` with leading dimensions of 1 up to that rank.
SymShape extended_shape(const SymShape& shape, std::size_t rank);

// The tensor's elements in another layout, under their physical shape. `tensor` is plain (when
// `to` is channels_last) or has the physical shape of channels_last (when `to` is plain).
Tensor relayout(const Tensor& tensor, Layout to);

}  // namespace strop
