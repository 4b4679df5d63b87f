// SPDX-License-Identifier: Apache-2.0
// Plans written by hand, a line per slot and step, for the tests of the runtime.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "ir/type.hpp"
#include "plan/plan.hpp"
#include "runtime/engine.hpp"

namespace strop::testing {

class PlanMaker {
 public:
  explicit PlanMaker(std::string name = "main") { plan_.name = std::move(name); }

  std::uint32_t input(std::string name, std::string_view type) {
    const std::uint32_t slot = add(std::move(name), SlotKind::input, type);
    plan_.inputs.push_back(slot);
    return slot;
  }
  std::uint32_t arena(std::string name, std::string_view type) {
    return add(std::move(name), SlotKind::arena, type);
  }
  std::uint32_t dynamic(std::string name, std::string_view type) {
    return add(std::move(name), SlotKind::dynamic, type);
  }
  std::uint32_t boxed(std::string name, std::string_view type) {
    return add(std::move(name), SlotKind::boxed, type);
  }
  std::uint32_t alias(std::string name, std::uint32_t of, std::string_view type) {
    const std::uint32_t slot = add(std::move(name), SlotKind::alias, type);
    plan_.slots[slot].alias_of = of;
    return slot;
  }
  std::uint32_t constant(std::string name, Tensor tensor) {
    const std::string type = Type::tensor(tensor.dtype(), to_symbolic(tensor.shape())).to_string();
    const std::uint32_t slot = add(std::move(name), SlotKind::constant, type);
    plan_.slots[slot].constant = std::move(tensor);
    return slot;
  }
  // i64 of rank 1 whose contents are dimensions.
  std::uint32_t sizes(std::string name, std::vector<Dim> elements) {
    const std::uint32_t slot =
        add(std::move(name), SlotKind::arena, "i64[" + std::to_string(elements.size()) + "]");
    plan_.slots[slot].elements = std::move(elements);
    return slot;
  }
  Step& step(std::string kernel, std::vector<std::uint32_t> inputs,
             std::vector<std::uint32_t> outputs, std::string parameters = {},
             std::string backend = "reference") {
    Step step;
    step.backend = std::move(backend);
    step.op = kernel;
    step.name = "node" + std::to_string(plan_.steps.size());
    step.kernel = std::move(kernel);
    step.parameters = std::move(parameters);
    step.inputs = std::move(inputs);
    step.outputs = std::move(outputs);
    plan_.steps.push_back(std::move(step));
    return plan_.steps.back();
  }
  Step& branch(std::vector<std::uint32_t> inputs, std::vector<std::uint32_t> outputs, Plan then,
               Plan otherwise) {
    Step& made = step("", std::move(inputs), std::move(outputs), "", "");
    made.kind = StepKind::branch;
    made.op = "if";
    made.nested = {std::make_shared<const Plan>(std::move(then)),
                   std::make_shared<const Plan>(std::move(otherwise))};
    made.cut = true;
    return made;
  }
  Step& loop(std::vector<std::uint32_t> inputs, std::vector<std::uint32_t> outputs,
             std::int64_t carried, Plan body) {
    Step& made = step("", std::move(inputs), std::move(outputs), "", "");
    made.kind = StepKind::loop;
    made.op = "loop";
    made.carried = carried;
    made.nested = {std::make_shared<const Plan>(std::move(body))};
    made.cut = true;
    return made;
  }
  void constraint(std::string_view a, std::string_view b, std::string why) {
    plan_.constraints.push_back({Dim::parse(a), Dim::parse(b), std::move(why)});
  }
  void output(std::string name, std::uint32_t slot) {
    plan_.outputs.push_back(slot);
    plan_.output_names.push_back(std::move(name));
  }
  Plan take() { return std::move(plan_); }
  std::shared_ptr<const Engine> engine() {
    return std::make_shared<const Engine>(std::move(plan_));
  }

 private:
  std::uint32_t add(std::string name, SlotKind kind, std::string_view type_text) {
    const Type type = Type::parse(type_text);
    Slot slot;
    slot.name = std::move(name);
    slot.kind = kind;
    slot.type = type.to_string();
    if (type.is_tensor()) {
      slot.dtype = type.dtype;
      slot.shape = type.shape;
    }
    plan_.slots.push_back(std::move(slot));
    return static_cast<std::uint32_t>(plan_.slots.size() - 1);
  }

  Plan plan_;
};

// The error that `body` throws; its code is `ok` when it throws none.
template <class Body>
Error error_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::ok, "no error");
}

}  // namespace strop::testing
