// SPDX-License-Identifier: Apache-2.0
// Weights that the builder packs: which constants a plan holds afterwards, and that kernels read
// them where they lie.
#include "builder/pack_constants.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <span>

#include "backends/cpu/kernels/backend.hpp"
#include "backends/cpu/kernels/pack_f32.hpp"
#include "backends/cpu/kernels/pack_s8.hpp"
#include "builder/plan_execution.hpp"
#include "ir/text.hpp"
#include "lower/lower.hpp"
#include "ops/op_list.hpp"
#include "plan/engine_file.hpp"
#include "runtime/backend_loader.hpp"

namespace strop::cpu {
std::span<const Tactic* const> cpu_tactics();

namespace {

Plan plan_of(const std::string& text) {
  register_backend(backend_table());
  const Graph graph = parse_graph(text, find_op, [](std::size_t i) {
    return random_tensor(DType::f32, i == 0 ? Shape{24, 24} : Shape{24, 24, 3, 3}, i);
  });
  LowerOptions options;
  options.tactics = cpu_tactics();
  options.excluded_tactics = {"onednn"};
  LowerReport report;
  return lower(graph, options, report);
}

std::vector<Tensor> results(const Plan& plan) {
  PlanExecution execution(plan, 1);
  std::vector<Tensor> inputs;
  for (const std::uint32_t input : plan.inputs)
    inputs.push_back(random_tensor(DType::f32, *to_concrete(*plan.slots[input].shape), 3));
  execution.bind(inputs);
  execution.run();
  return execution.outputs();
}

void expect_same_results(const Plan& a, const Plan& b) {
  const std::vector<Tensor> of_a = results(a), of_b = results(b);
  ASSERT_EQ(of_a.size(), of_b.size());
  for (std::size_t i = 0; i < of_a.size(); ++i) EXPECT_TRUE(of_a[i].identical(of_b[i])) << i;
}

std::int64_t constants(const Plan& plan) {
  return std::ranges::count(plan.slots, SlotKind::constant, &Slot::kind);
}

std::int64_t packed_steps(const Plan& plan) {
  return std::ranges::count_if(plan.steps, [](const Step& step) {
    return step.parameters.find(";packed=1") != std::string::npos;
  });
}

TEST(CpuPackConstants, takes_the_place_of_the_plain_constant) {
  const Plan plain = plan_of(R"(graph main(%x: f32[5,24]) -> (%y) {
    const %w: f32[24,24] = @0
    %y = matmul(%x, %w)
  })");
  Plan packed = plain;
  pack_constants(packed);
  verify(packed);
  EXPECT_EQ(packed_steps(packed), 1);
  EXPECT_EQ(constants(packed), constants(plain));
  expect_same_results(plain, packed);
}

TEST(CpuPackConstants, of_two_steps_are_packed_for_each) {
  const Plan plain = plan_of(R"(graph main(%x: f32[5,24]) -> (%y) {
    const %w: f32[24,24] = @0
    %a = matmul(%x, %w)
    %y = matmul(%a, %w)
  })");
  Plan packed = plain;
  pack_constants(packed);
  verify(packed);
  EXPECT_EQ(packed_steps(packed), 2);
  EXPECT_EQ(constants(packed), constants(plain) + 1);
  expect_same_results(plain, packed);
}

TEST(CpuPackConstants, stay_plain_for_whoever_else_reads_them) {
  const Plan plain = plan_of(R"(graph main(%x: f32[5,24]) -> (%y, %z, %w) {
    const %w: f32[24,24] = @0
    %y = matmul(%x, %w)
    %z = unary{function="round"}(%w)
  })");
  Plan packed = plain;
  pack_constants(packed);
  verify(packed);
  EXPECT_EQ(packed_steps(packed), 1);
  EXPECT_EQ(constants(packed), constants(plain) + 1);
  expect_same_results(plain, packed);
}

TEST(CpuPackConstants, of_nested_plans_are_packed_too) {
  const Plan plain = plan_of(R"(graph main(%x: f32[5,24], %n: i64[]) -> (%y) {
    %y = loop{carried=1}(%n, _, %x)
      body graph body(%i: i64[], %c: bool[], %v: f32[5,24]) -> (%c, %e) {
        const %w: f32[24,24] = @0
        %e = matmul(%v, %w)
      }
  })");
  Plan packed = plain;
  pack_constants(packed);
  verify(packed);
  const Plan& body = *packed.steps.at(0).nested.at(0);
  EXPECT_EQ(packed_steps(body), 1);
  EXPECT_EQ(packed_steps(*plain.steps.at(0).nested.at(0)), 0);
}

TEST(CpuPackConstants, make_equal_engines_and_are_read_back) {
  const std::string text = R"(graph main(%x: f32[1,24,9,9]) -> (%y) {
    const %w: f32[24,24,3,3] = @1
    %y = conv{strides=[1, 1], dilations=[1, 1], pads=[1, 1, 1, 1]}(%x, %w)
  })";
  EngineContents first, second;
  first.plan = plan_of(text);
  second.plan = plan_of(text);
  pack_constants(first.plan);
  pack_constants(second.plan);
  const std::vector<std::byte> bytes = serialize_engine(first);
  EXPECT_EQ(bytes, serialize_engine(second));
  const auto owner = std::make_shared<std::vector<std::byte>>(bytes);
  const EngineContents loaded = load_engine(*owner, owner);
  expect_same_results(first.plan, loaded.plan);
}

KernelInit init_of(const Tensor& form, const std::string& parameters) {
  KernelInit init;
  init.parameters = Parameters(parameters);
  init.inputs.push_back({form.dtype(), form.data(), form.shape()});
  return init;
}

TEST(CpuPackedF32, is_read_where_it_lies_and_repacked_for_other_panels) {
  constexpr std::int64_t kColumns = 37, kDepth = 11;
  const Tensor plain = random_tensor(DType::f32, {kColumns, kDepth}, 1);
  const auto of_plain =
      PlainWeights<float>::of_columns(reinterpret_cast<const float*>(plain.data()), kDepth);
  PackedF32 source;
  const KernelInit plain_init = init_of(plain, "");
  source.read(plain_init, plain_init.inputs[0], 1, kColumns, kDepth, of_plain, "test");
  const Tensor form = source.packed(16);
  const KernelInit init = init_of(form, packed_parameters({}, {kColumns, kDepth}));
  PackedF32 stored;
  stored.read(init, init.inputs[0], 1, kColumns, kDepth, of_plain, "test");
  stored.prepare(16);
  EXPECT_EQ(reinterpret_cast<const std::byte*>(stored.panel(0)), form.data());
  EXPECT_TRUE(stored.packed(48).identical(source.packed(48)));
  stored.prepare(48);
  EXPECT_NE(reinterpret_cast<const std::byte*>(stored.panel(0)), form.data());
}

TEST(CpuPackedS8, is_read_where_it_lies_and_repacked_for_other_forms) {
  constexpr std::int64_t kGroups = 2, kColumns = 70, kDepth = 18;
  Tensor plain = Tensor::allocate(DType::i8, {kGroups * kColumns, 2, 9});
  auto* values = reinterpret_cast<std::int8_t*>(plain.mutable_data());
  for (std::int64_t i = 0; i < plain.size(); ++i) values[i] = static_cast<std::int8_t>(i * 37);
  const auto of_window = PlainWeights<std::int8_t>::of_window(nullptr, 2, 9);
  const FormS8 forms[] = {{SumPacking::bytes, 16, 3, 9, 2},  {SumPacking::bytes, 16, 4, 3, 6},
                          {SumPacking::words, 4, 1, 9, 2},   {SumPacking::word_pairs, 8, 2, 9, 2},
                          {SumPacking::words, 16, 1, 1, 18}, {SumPacking::lanes, 64, 1, 1, 18}};
  const KernelInit plain_init = init_of(plain, "w_zero=0");
  PackedS8 source;
  source.read(plain_init, plain_init.inputs[0], kGroups, kColumns, kDepth, 131, of_window, "test");
  for (const FormS8& from : forms) {
    const Tensor form = source.packed(from);
    const KernelInit init =
        init_of(form, packed_parameters(PackedS8::numbers(from), {kGroups * kColumns, 2, 9}));
    for (const FormS8& to : forms) {
      PackedS8 stored;
      stored.read(init, init.inputs[0], kGroups, kColumns, kDepth, 131, of_window, "test");
      stored.prepare(to);
      const auto* got = static_cast<const std::byte*>(stored.panel(0));
      if (from == to) {
        EXPECT_EQ(got, form.data());
        continue;
      }
      const Tensor wanted = source.packed(to);
      EXPECT_TRUE(std::equal(wanted.data(), wanted.data() + wanted.bytes(), got));
    }
  }
}

TEST(CpuPackedS8, keeps_what_is_left_of_a_zero_point) {
  Tensor plain = Tensor::allocate(DType::u8, {5, 7});
  for (std::int64_t i = 0; i < plain.size(); ++i)
    plain.mutable_data()[i] = static_cast<std::byte>(i * 37);
  const auto of_matrix = PlainWeights<std::int8_t>::of_matrix(nullptr, 5, 7);
  const FormS8 form{SumPacking::bytes, 16, 1, 1, 5};
  const KernelInit plain_init = init_of(plain, "w_zero=150");
  PackedS8 source;
  source.read(plain_init, plain_init.inputs[0], 1, 7, 5, 0, of_matrix, "test");
  EXPECT_EQ(source.zero_left(), 22);
  const Tensor packed = source.packed(form);
  const std::string parameters = source.parameters(form, {5, 7});
  PackedS8 stored;
  const KernelInit init = init_of(packed, parameters);
  stored.read(init, init.inputs[0], 1, 7, 5, 0, of_matrix, "test");
  EXPECT_EQ(stored.zero_left(), 22);
  const KernelInit wrong = init_of(packed, parameters + "00");
  EXPECT_THROW(stored.read(wrong, wrong.inputs[0], 1, 7, 5, 0, of_matrix, "test"), Error);
}

TEST(CpuPackedWeights, that_do_not_fit_are_refused) {
  const Tensor form = Tensor::zeros(DType::f32, {3, 11, 16});
  const auto refuses = [&](const std::string& parameters, std::int64_t columns) {
    const KernelInit init = init_of(form, parameters);
    try {
      weights_shape(init, init.inputs[0], "test");
      PackedF32().read(init, init.inputs[0], 1, columns, 11, {}, "test");
    } catch (const Error& error) {
      return error.code() == ErrorCode::engine_invalid;
    }
    return false;
  };
  EXPECT_FALSE(refuses("packed=1;weights=37,11", 37));
  EXPECT_TRUE(refuses("packed=2;weights=37,11", 37));
  EXPECT_TRUE(refuses("packed=;weights=37,11", 37));
  EXPECT_TRUE(refuses("packed=1,16;weights=37,11", 37));
  EXPECT_TRUE(refuses("packed=1", 37));
  EXPECT_TRUE(refuses("packed=1;weights=37,11", 49));
  EXPECT_TRUE(refuses("packed=1;weights=4294967296,4294967296,37,11", 37));
  EXPECT_TRUE(refuses("packed=1;weights=0,11", 37));
}

}  // namespace
}  // namespace strop::cpu
