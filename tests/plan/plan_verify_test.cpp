// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <functional>

#include "base/error.hpp"
#include "plan/sample_plan.hpp"

namespace strop {
namespace {

using testing::sample_plan;
using testing::tensor_slot;

TEST(VerifyPlan, accepts_the_sample) { EXPECT_NO_THROW(verify(sample_plan())); }

struct Fault {
  const char* name;
  std::function<void(Plan&)> make;
};

void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }

class VerifyPlanRefuses : public ::testing::TestWithParam<Fault> {};

TEST_P(VerifyPlanRefuses, the_fault) {
  Plan plan = sample_plan();
  GetParam().make(plan);
  try {
    verify(plan);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::engine_invalid) << error.message();
  }
}

// A copy of a step's nested plan that may be changed.
Plan& nested(Plan& plan, std::size_t step, std::size_t i) {
  auto copy = std::make_shared<Plan>(*plan.steps[step].nested[i]);
  Plan& out = *copy;
  plan.steps[step].nested[i] = std::move(copy);
  return out;
}

const Fault kFaults[] = {
    {"slot_read_before_written", [](Plan& p) { p.steps[0].inputs[1] = 5; }},
    {"slot_read_before_written_through_alias", [](Plan& p) { p.steps[0].inputs[1] = 7; }},
    {"slot_written_twice", [](Plan& p) { p.steps[1].outputs[0] = 5; }},
    {"slot_written_twice_by_one_step",
     [](Plan& p) {
       p.steps[0].outputs = {5, 5};
     }},
    {"input_slot_out_of_range", [](Plan& p) { p.steps[0].inputs[0] = 15; }},
    {"output_slot_out_of_range", [](Plan& p) { p.steps[0].outputs[0] = 0xfffffffe; }},
    {"constant_written", [](Plan& p) { p.steps[0].outputs[0] = 1; }},
    {"input_written", [](Plan& p) { p.steps[0].outputs[0] = 0; }},
    {"alias_written", [](Plan& p) { p.steps[0].outputs[0] = 6; }},
    {"known_contents_written", [](Plan& p) { p.steps[0].outputs[0] = 8; }},
    {"alias_of_itself", [](Plan& p) { p.slots[6].alias_of = 6; }},
    {"alias_cycle", [](Plan& p) { p.slots[6].alias_of = 7; }},
    {"alias_out_of_range", [](Plan& p) { p.slots[6].alias_of = 99; }},
    {"alias_of_nothing", [](Plan& p) { p.slots[6].alias_of = kNoSlot; }},
    {"alias_of_another_type", [](Plan& p) { p.slots[6].dtype = DType::i32; }},
    {"alias_of_another_type_at_the_end", [](Plan& p) { p.slots[7].dtype = DType::f64; }},
    {"alias_of_boxed", [](Plan& p) { p.slots[6].alias_of = 10; }},
    {"alias_of_unknown_rank", [](Plan& p) { p.slots[6].shape.reset(); }},
    {"alias_of_another_size",
     [](Plan& p) {
       p.slots[6].shape = SymShape{4};
       p.slots[6].alias_of = 1;
     }},
    {"aliases_of_aliases_without_end",
     [](Plan& p) {
       for (std::uint32_t i = 0; i < 1100; ++i) {
         p.slots.push_back(p.slots[7]);
         p.slots.back().alias_of = i == 0 ? 7 : 14 + i;
       }
     }},
    {"arena_that_names_an_alias", [](Plan& p) { p.slots[5].alias_of = 0; }},
    {"constant_without_contents", [](Plan& p) { p.slots[1].constant = Tensor(); }},
    {"constant_smaller_than_its_shape", [](Plan& p) { p.slots[1].shape = SymShape{4}; }},
    {"constant_of_symbolic_shape", [](Plan& p) { p.slots[1].shape = SymShape{Dim::symbol("N")}; }},
    {"constant_of_another_type", [](Plan& p) { p.slots[1].dtype = DType::i32; }},
    {"contents_of_an_arena_slot", [](Plan& p) { p.slots[5].constant = p.slots[1].constant; }},
    {"arena_of_unknown_rank", [](Plan& p) { p.slots[5].shape.reset(); }},
    {"arena_of_strings", [](Plan& p) { p.slots[11].dtype = DType::string; }},
    {"arena_of_no_type", [](Plan& p) { p.slots[11].dtype = DType::undefined; }},
    {"negative_dimension", [](Plan& p) { p.slots[11].shape = SymShape{-1}; }},
    {"size_past_63_bits",
     [](Plan& p) {
       p.slots[11].shape = SymShape{std::int64_t{1} << 40, std::int64_t{1} << 40};
     }},
    {"too_many_dimensions", [](Plan& p) { p.slots[11].shape = SymShape(65, Dim(1)); }},
    {"kind_unknown", [](Plan& p) { p.slots[11].kind = static_cast<SlotKind>(6); }},
    {"element_type_unknown", [](Plan& p) { p.slots[11].dtype = static_cast<DType>(27); }},
    {"boxed_of_plain_memory", [](Plan& p) { p.slots[10].dtype = DType::f32; }},
    {"boxed_without_type", [](Plan& p) { p.slots[10].type.clear(); }},
    {"elements_of_another_count", [](Plan& p) { p.slots[8].elements->emplace_back(1); }},
    {"elements_of_another_type", [](Plan& p) { p.slots[8].dtype = DType::i32; }},
    {"elements_of_a_dynamic_slot",
     [](Plan& p) {
       p.slots[9].shape = SymShape{1};
       p.slots[9].elements = std::vector<Dim>{1};
     }},
    {"input_not_listed", [](Plan& p) { p.inputs.clear(); }},
    {"input_listed_twice",
     [](Plan& p) {
       p.inputs = {0, 0};
     }},
    {"input_out_of_range",
     [](Plan& p) {
       p.inputs = {0, 77};
     }},
    {"input_that_is_a_constant",
     [](Plan& p) {
       p.inputs = {0, 1};
     }},
    {"inputs_of_one_name",
     [](Plan& p) {
       p.slots.push_back(tensor_slot(SlotKind::input, "x", DType::f32, {1}));
       p.inputs.push_back(15);
     }},
    {"output_out_of_range", [](Plan& p) { p.outputs[0] = 77; }},
    {"output_never_written",
     [](Plan& p) {
       p.slots.push_back(tensor_slot(SlotKind::arena, "q", DType::f32, {1}));
       p.outputs[0] = 15;
     }},
    {"output_without_name", [](Plan& p) { p.output_names.pop_back(); }},
    {"outputs_of_one_name", [](Plan& p) { p.output_names[1] = "y"; }},
    {"step_kind_unknown", [](Plan& p) { p.steps[0].kind = static_cast<StepKind>(3); }},
    {"step_without_kernel", [](Plan& p) { p.steps[0].kernel.clear(); }},
    {"kernel_with_nested_plan", [](Plan& p) { p.steps[0].nested = p.steps[3].nested; }},
    {"kernel_that_carries", [](Plan& p) { p.steps[0].carried = 1; }},
    {"branch_without_condition", [](Plan& p) { p.steps[3].inputs[0] = kNoSlot; }},
    {"branch_on_a_number", [](Plan& p) { p.steps[3].inputs[0] = 1; }},
    {"branch_with_one_plan", [](Plan& p) { p.steps[3].nested.pop_back(); }},
    {"branch_with_too_few_inputs", [](Plan& p) { p.steps[3].inputs.pop_back(); }},
    {"branch_with_too_few_outputs", [](Plan& p) { p.steps[3].outputs.clear(); }},
    {"branch_of_another_input_type", [](Plan& p) { p.steps[3].inputs[1] = 8; }},
    {"branch_of_another_output_type", [](Plan& p) { nested(p, 3, 1).slots[1].dtype = DType::f64; }},
    {"branch_of_another_rank",
     [](Plan& p) {
       nested(p, 3, 1).slots[0].shape = SymShape{1, 2};
     }},
    {"fault_in_the_second_branch", [](Plan& p) { nested(p, 3, 1).steps.clear(); }},
    {"nested_output_out_of_range", [](Plan& p) { nested(p, 3, 0).outputs[0] = 9; }},
    {"nested_input_out_of_range", [](Plan& p) { nested(p, 3, 0).inputs[0] = 9; }},
    {"loop_without_inputs", [](Plan& p) { p.steps[4].inputs.clear(); }},
    {"loop_that_carries_too_many", [](Plan& p) { p.steps[4].carried = 3; }},
    {"loop_that_carries_less_than_none", [](Plan& p) { p.steps[4].carried = -1; }},
    {"loop_on_a_number", [](Plan& p) { p.steps[4].inputs[1] = 1; }},
    {"loop_with_a_trip_count_of_floats", [](Plan& p) { p.steps[4].inputs[0] = 1; }},
    {"loop_with_two_bodies", [](Plan& p) { p.steps[4].nested.push_back(testing::loop_body()); }},
    {"loop_whose_body_has_another_arity", [](Plan& p) { p.steps[4].inputs.push_back(1); }},
    {"loop_whose_body_counts_in_floats",
     [](Plan& p) { nested(p, 4, 0).slots[0].dtype = DType::f32; }},
    {"loop_whose_value_changes_type", [](Plan& p) { nested(p, 4, 0).slots[4].dtype = DType::i32; }},
    {"loop_whose_scan_changes_type", [](Plan& p) { p.slots[13].dtype = DType::i8; }},
    {"loop_whose_condition_is_a_number",
     [](Plan& p) {
       nested(p, 4, 0).outputs = {0, 4, 4};
     }},
    {"plans_nested_too_deeply",
     [](Plan& p) {
       std::shared_ptr<const Plan> inner = testing::branch_plan("leaf");
       for (int i = 0; i < 40; ++i) {
         auto outer = testing::branch_plan("level");
         outer->slots.push_back(testing::constant_slot("c", Tensor::scalar<bool>(true)));
         Step& step = outer->steps[0];
         step.kind = StepKind::branch;
         step.inputs = {2, 0};
         step.nested = {testing::branch_plan("leaf"), inner};
         inner = outer;
       }
       p.steps[3].nested[0] = inner;
     }},
};

INSTANTIATE_TEST_SUITE_P(, VerifyPlanRefuses, ::testing::ValuesIn(kFaults),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace strop
