// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/graph.hpp"
#include "plan/plan.hpp"

namespace strop {

// A slot for a value of a graph, in host memory.
Slot describe_slot(const Value& value, SlotKind kind);
Slot constant_slot(const std::string& name, const Tensor& tensor, MemorySpace space);

}  // namespace strop
