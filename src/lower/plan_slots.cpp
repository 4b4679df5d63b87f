// SPDX-License-Identifier: Apache-2.0
#include "lower/plan_slots.hpp"

namespace strop {

Slot constant_slot(const std::string& name, const Tensor& tensor, MemorySpace space) {
  Slot slot;
  slot.name = name;
  slot.kind = SlotKind::constant;
  slot.space = space;
  slot.dtype = tensor.dtype();
  slot.shape = to_symbolic(tensor.shape());
  slot.type = Type::tensor(slot.dtype, *slot.shape).to_string();
  slot.constant = tensor;
  return slot;
}

Slot describe_slot(const Value& value, SlotKind kind) {
  Slot slot;
  slot.name = value.name;
  slot.kind = kind;
  slot.type = value.type.to_string();
  if (value.type.is_tensor()) {
    slot.dtype = value.type.dtype;
    slot.shape = value.type.shape;
  }
  return slot;
}

}  // namespace strop
