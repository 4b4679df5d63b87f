// SPDX-License-Identifier: Apache-2.0
// Which values of a node have their channels in common. Channels are axis 1. What works on each
// channel by itself ties its operands to its result: whoever changes how many channels one of them
// has changes the others. A convolution of one group, or a product, ends that: how many channels it
// reads and how many it makes are up to its weights.
#pragma once

#include <optional>
#include <vector>

#include "ir/graph.hpp"

namespace strop {

// A convolution of bytes by constant weights and zero points of them, in one group.
bool is_dense_conv_integer(const Graph& graph, const Node& node);
// The same with a group for each channel.
bool is_depthwise_conv_integer(const Graph& graph, const Node& node);
// A product of rows of bytes by a constant matrix and zero points of it.
bool is_product_of_rows(const Graph& graph, const Node& node);

// Values that have as many channels as `value`, which the node reads or makes; `value` may be among
// them. Nothing: the node looks at channels in another way, or its parameters are not constant.
std::optional<std::vector<ValueId>> tied_channels(const Graph& graph, const Node& node,
                                                  ValueId value);

}  // namespace strop
