// SPDX-License-Identifier: Apache-2.0
// Engines from files and memory run as the ones that were saved; what an engine may not ask of a
// backend.
#include "runtime/engine.hpp"

#include <gtest/gtest.h>

#include "backends/reference/reference_backend.hpp"
#include "runtime/backend_loader.hpp"
#include "runtime/context.hpp"
#include "runtime/plan_maker.hpp"
#include "support/temporary_folder.hpp"

namespace strop {
namespace {

using testing::error_of;
using testing::PlanMaker;

EngineContents contents() {
  register_backend(reference_backend());
  PlanMaker maker;
  const auto x = maker.input("x", "f32[N,C]");
  const auto sizes = maker.sizes("sizes", {Dim::parse("C"), Dim::parse("N")});
  const auto y = maker.arena("y", "f32[N,C]");
  const auto z = maker.arena("z", "f32[C,N]");
  maker.step("softmax", {x}, {y}, "{axis=0}");
  maker.step("reshape", {y, sizes}, {z});
  maker.output("z", z);
  EngineContents out;
  out.header.target = "reference";
  out.plan = maker.take();
  return out;
}

Tensor run(std::shared_ptr<const Engine> engine) {
  Context context(std::move(engine));
  context.bind("x", Tensor::from<float>({2, 3}, {1, 2, 3, 4, 5, 6}));
  context.run();
  return context.output_tensor("z").clone();
}

TEST(EngineFile, loaded_engine_gives_the_bytes_of_the_built_one) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path("model.strop");
  save_engine(contents(), path);
  const Tensor built = run(std::make_shared<const Engine>(contents()));
  EXPECT_EQ(built.shape(), (Shape{3, 2}));
  EXPECT_TRUE(run(Engine::load(path)).identical(built));
  const auto bytes = serialize_engine(contents());
  EXPECT_TRUE(run(Engine::load(bytes, nullptr)).identical(built));
  EXPECT_EQ(Engine::load(path)->inputs()[0].type, "f32[N,C]");
}

TEST(EngineFile, engine_for_other_instructions_is_refused) {
  EngineContents other = contents();
  other.header.instruction_sets = {"avx1024"};
  const testing::TemporaryFolder folder;
  const std::string path = folder.path("model.strop");
  save_engine(other, path);
  const Error error = error_of([&] { (void)Engine::load(path); });
  EXPECT_EQ(error.code(), ErrorCode::engine_other_target) << error.message();
}

// What a hostile engine may ask of the kernels of libstrop_cpu.
TEST(HostileEngine, cpu_kernel_with_a_string_input_is_an_error) {
  register_backend(reference_backend());
  PlanMaker maker;
  const auto s = maker.input("s", "string[2]");
  const auto y = maker.arena("y", "f32[2]");
  maker.step("pointwise", {s}, {y}, "body=neg(x0)", "cpu");
  maker.output("y", y);
  Context context(maker.engine());
  context.bind("s", Tensor::from_strings({2}, {"a", "b"}));
  EXPECT_NE(error_of([&] { context.run(); }).code(), ErrorCode::ok);
}

TEST(HostileEngine, reference_operator_with_wrong_types_is_an_error) {
  register_backend(reference_backend());
  PlanMaker maker;
  const auto x = maker.input("x", "i32[2]");
  const auto y = maker.arena("y", "i32[2]");
  maker.step("softmax", {x}, {y});
  maker.output("y", y);
  Context context(maker.engine());
  context.bind("x", Tensor::zeros(DType::i32, {2}));
  EXPECT_EQ(error_of([&] { context.run(); }).code(), ErrorCode::bad_type);
}

TEST(HostileEngine, parameters_that_cannot_be_read_are_an_error) {
  register_backend(reference_backend());
  for (const char* parameters : {"{axis=}", "{axi=1}", "{", "axis", "\ngraph", "{}\n{"}) {
    PlanMaker maker;
    const auto x = maker.input("x", "f32[2]");
    const auto y = maker.arena("y", "f32[2]");
    maker.step("softmax", {x}, {y}, parameters);
    maker.output("y", y);
    Context context(maker.engine());
    context.bind("x", Tensor::zeros(DType::f32, {2}));
    EXPECT_NE(error_of([&] { context.run(); }).code(), ErrorCode::ok) << parameters;
  }
}

}  // namespace
}  // namespace strop
