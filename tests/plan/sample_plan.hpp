// SPDX-License-Identifier: Apache-2.0
// A small plan that holds one of everything: each kind of slot and step, symbolic sizes, nested
// plans, constants of plain, sub-byte, bool and string elements.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plan/engine_file.hpp"
#include "plan/plan.hpp"

namespace strop::testing {

inline Slot tensor_slot(SlotKind kind, std::string name, DType dtype, SymShape shape) {
  Slot out;
  out.name = std::move(name);
  out.kind = kind;
  out.dtype = dtype;
  out.shape = std::move(shape);
  return out;
}

inline Slot constant_slot(std::string name, Tensor tensor) {
  Slot out =
      tensor_slot(SlotKind::constant, std::move(name), tensor.dtype(), to_symbolic(tensor.shape()));
  out.constant = std::move(tensor);
  return out;
}

inline Step kernel_step(std::string kernel, std::vector<std::uint32_t> inputs,
                        std::vector<std::uint32_t> outputs) {
  Step out;
  out.backend = "reference";
  out.name = "/" + kernel;
  out.op = kernel;
  out.kernel = std::move(kernel);
  out.inputs = std::move(inputs);
  out.outputs = std::move(outputs);
  return out;
}

// f32[N] in, f32[N] out, one step.
inline std::shared_ptr<Plan> branch_plan(const std::string& name) {
  auto plan = std::make_shared<Plan>();
  plan->name = name;
  plan->slots = {tensor_slot(SlotKind::input, "x", DType::f32, {Dim::symbol("N")}),
                 tensor_slot(SlotKind::arena, "y", DType::f32, {Dim::symbol("N")})};
  plan->steps = {kernel_step(name, {0}, {1})};
  plan->inputs = {0};
  plan->outputs = {1};
  plan->output_names = {"y"};
  return plan;
}

// One carried value, one captured, one scan output.
inline std::shared_ptr<Plan> loop_body() {
  auto plan = std::make_shared<Plan>();
  plan->name = "body";
  plan->slots = {tensor_slot(SlotKind::input, "i", DType::i64, {}),
                 tensor_slot(SlotKind::input, "keep", DType::boolean, {}),
                 tensor_slot(SlotKind::input, "sum", DType::f32, {Dim::symbol("N")}),
                 tensor_slot(SlotKind::input, "w", DType::f32, {3}),
                 tensor_slot(SlotKind::arena, "next", DType::f32, {Dim::symbol("N")})};
  plan->steps = {kernel_step("add", {2, 3}, {4})};
  plan->inputs = {0, 1, 2, 3};
  plan->outputs = {1, 4, 4};
  plan->output_names = {"keep", "next", "scan"};
  return plan;
}

inline Plan sample_plan() {
  const Dim n = Dim::symbol("N");
  Plan plan;
  plan.slots = {
      tensor_slot(SlotKind::input, "x", DType::f32, {n}),                                // 0
      constant_slot("w", Tensor::from<float>({3}, {1, 2, 3})),                           // 1
      constant_slot("flag", Tensor::scalar<bool>(true)),                                 // 2
      constant_slot("text", Tensor::from_strings({2}, {"a", std::string("b\0c", 3)})),   // 3
      constant_slot("packed", Tensor::zeros(DType::i4, {5})),                            // 4
      tensor_slot(SlotKind::arena, "y", DType::f32, {n, floordiv(n, 2)}),                // 5
      tensor_slot(SlotKind::alias, "y2", DType::f32, {n * floordiv(n, 2)}),              // 6
      tensor_slot(SlotKind::alias, "y3", DType::f32, {1, n * floordiv(n, 2)}),           // 7
      tensor_slot(SlotKind::arena, "shape", DType::i64, {2}),                            // 8
      tensor_slot(SlotKind::dynamic, "found", DType::i64, {2, Dim::symbol("found:0")}),  // 9
      Slot{},                                                                            // 10
      tensor_slot(SlotKind::arena, "z", DType::f32, {n}),                                // 11
      tensor_slot(SlotKind::dynamic, "sum", DType::f32, {n}),                            // 12
      Slot{},                                                                            // 13
      constant_slot("w again", Tensor::from<float>({1, 3}, {1, 2, 3})),                  // 14
  };
  plan.slots[6].alias_of = 5;
  plan.slots[7].alias_of = 6;
  plan.slots[8].elements = std::vector<Dim>{n, 4};
  plan.slots[10].name = "list";
  plan.slots[10].kind = SlotKind::boxed;
  plan.slots[10].type = "seq(f32[*])";
  plan.slots[13].name = "scans";  // rank unknown
  plan.slots[13].kind = SlotKind::dynamic;
  plan.slots[13].dtype = DType::f32;

  Step first = kernel_step("conv", {0, 1, kNoSlot}, {5});
  first.parameters = "{pads=[1,1]}";
  first.tactic = "conv_reference";
  first.origins = {"Conv_0", "Relu_1"};
  Step find = kernel_step("nonzero", {7}, {9});
  find.cut = true;
  Step list = kernel_step("sequence_construct", {0, 3, 8}, {10});
  Step branch;
  branch.kind = StepKind::branch;
  branch.name = "if";
  branch.inputs = {2, 0};
  branch.outputs = {11};
  branch.nested = {branch_plan("neg"), branch_plan("abs")};
  Step loop;
  loop.kind = StepKind::loop;
  loop.name = "loop";
  loop.inputs = {kNoSlot, 2, 11, 1};
  loop.outputs = {12, 13};
  loop.carried = 1;
  loop.nested = {loop_body()};
  plan.steps = {first, find, list, branch, loop};
  plan.inputs = {0};
  plan.outputs = {7, 9, 10, 12, 14};
  plan.output_names = {"y", "found", "list", "sum", "w"};
  plan.constraints = {{n, Dim::symbol("M") * 2, "Concat of x and m"}};
  return plan;
}

inline EngineContents sample_engine() {
  EngineContents out;
  out.header.target = "reference";
  out.header.options = {{"precision", "fp32"}, {"device", "reference"}};
  out.header.libraries = {{"onednn", "3.7.0"}};
  out.header.plugins = {{"sample", 1, 4, {"test.sample::Affine:1", "test.sample::Sum:1"}}};
  out.plan = sample_plan();
  out.graph_text = "graph main { }\n";
  out.graph_tensors = {out.plan.slots[1].constant, Tensor::from<std::int64_t>({2}, {7, 8}),
                       Tensor::from<float>({3}, {1, 2, 3}), Tensor::zeros(DType::f32, {0, 3})};
  out.calibration = "x 1.5\n";
  out.self_check = "{\"verdict\": \"passed\"}";
  return out;
}

// With weights that fill a file of about `bytes`.
inline EngineContents sample_engine_of(std::int64_t bytes) {
  EngineContents out = sample_engine();
  Tensor weights = Tensor::allocate(DType::u8, {bytes});
  std::uint32_t state = 1;
  for (std::int64_t i = 0; i < bytes; ++i) {
    state = state * 1664525u + 1013904223u;
    weights.mutable_data()[i] = static_cast<std::byte>(state >> 24);
  }
  out.graph_tensors.push_back(weights);
  return out;
}

}  // namespace strop::testing
