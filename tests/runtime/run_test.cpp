// SPDX-License-Identifier: Apache-2.0
// Steady state, limits, errors of kernels, threads, profile, backends that are missing.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <thread>

#include "backends/reference/reference_backend.hpp"
#include "runtime/backend_loader.hpp"
#include "runtime/context.hpp"
#include "runtime/plan_maker.hpp"
#include "runtime/test_backend.hpp"

namespace {
// Allocations of this thread while it counts.
thread_local bool counting = false;
thread_local int allocations = 0;

void* counted(std::size_t size, std::size_t alignment) noexcept {
  if (counting) ++allocations;
  void* memory =
      alignment <= alignof(std::max_align_t)
          ? std::malloc(size)
          : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  return memory;
}
}  // namespace

void* operator new(std::size_t size) {
  if (void* memory = counted(size, 1)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  if (void* memory = counted(size, static_cast<std::size_t>(alignment))) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return counted(size, 1); }
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return counted(size, static_cast<std::size_t>(alignment));
}
// Not inlined, where GCC would see free() meet memory of operator new and warn.
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace strop {
namespace {

using testing::error_of;
using testing::PlanMaker;

std::shared_ptr<const Engine> chain(int length) {
  testing::register_test_backend();
  PlanMaker maker;
  std::uint32_t at = maker.input("x", "f32[N,4]");
  for (int i = 0; i < length; ++i) {
    const std::uint32_t next = maker.arena("t" + std::to_string(i), "f32[N,4]");
    maker.step("add_one", {at}, {next}, "", "test");
    at = next;
  }
  maker.output("y", maker.alias("flat", at, "f32[4*N]"));
  return maker.engine();
}

TEST(SteadyState, prepared_shapes_allocate_nothing) {
  Context context(chain(10));
  std::vector<float> small(8, 0.0f), large(40, 0.0f);
  alignas(64) float memory[64];
  const Shape shapes[] = {{2, 4}, {10, 4}};
  const auto run = [&](std::size_t which, void* output) {
    auto& data = which == 0 ? small : large;
    context.bind("x", DType::f32, shapes[which], data.data(), data.size() * sizeof(float),
                 BindMode::reference);
    context.bind_output("y", output, output != nullptr ? sizeof memory : 0);
    context.run();
    return static_cast<const float*>(context.output("y").data)[0];
  };
  EXPECT_EQ(run(0, nullptr), 10.0f);
  EXPECT_EQ(run(1, nullptr), 10.0f);
  allocations = 0;
  counting = true;
  float sum = 0;
  for (int i = 0; i < 6; ++i) sum += run(static_cast<std::size_t>(i % 2), i < 3 ? nullptr : memory);
  counting = false;
  EXPECT_EQ(allocations, 0);
  EXPECT_EQ(sum, 60.0f);
}

TEST(SteadyState, counter_counts) {  // the test above can fail
  allocations = 0;
  counting = true;
  ::operator delete(::operator new(4));  // a new-expression may be left out by the compiler
  counting = false;
  EXPECT_EQ(allocations, 1);
}

TEST(Threads, contexts_of_one_engine_run_side_by_side) {
  const auto engine = chain(50);
  std::vector<std::thread> threads;
  std::vector<int> wrong(8, 0);
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      Context context(engine);
      for (std::int64_t i = 0; i < 50; ++i) {
        const std::int64_t n = 1 + (i + t) % 5;
        Tensor x = Tensor::zeros(DType::f32, {n, 4});
        x.mutable_values<float>()[0] = static_cast<float>(t);
        context.bind("x", x);
        context.run();
        const Tensor y = context.output_tensor("y");
        wrong[static_cast<std::size_t>(t)] +=
            y.shape() != Shape{4 * n} || y.values<float>()[0] != static_cast<float>(50 + t);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(8, 0));
}

TEST(Threads, context_keeps_its_engine_alive) {
  auto engine = chain(1);
  Context context(engine);
  engine.reset();
  context.bind("x", Tensor::zeros(DType::f32, {1, 4}));
  context.run();
  EXPECT_EQ(context.output_tensor("y").values<float>()[0], 1.0f);
}

TEST(Limits, tensor_bytes_bounds_planned_tensors) {
  ContextOptions options;
  options.tensor_bytes = 64;
  Context context(chain(1), options);
  context.bind("x", Tensor::zeros(DType::f32, {4, 4}));
  context.run();
  context.bind("x", Tensor::zeros(DType::f32, {5, 4}));
  EXPECT_EQ(error_of([&] { context.run(); }).code(), ErrorCode::limit_exceeded);
}

TEST(Limits, tensor_bytes_bounds_dynamic_tensors) {
  testing::register_test_backend();
  PlanMaker maker;
  const auto x = maker.input("x", "f32[N]");
  const auto y = maker.dynamic("y", "f32[#.0]");
  maker.step("positive", {x}, {y}, "", "test").cut = true;
  maker.output("y", y);
  ContextOptions options;
  options.tensor_bytes = 8;
  Context context(maker.engine(), options);
  context.bind("x", Tensor::from<float>({3}, {1, 1, -1}));
  context.run();
  context.bind("x", Tensor::from<float>({3}, {1, 1, 1}));
  const Error error = error_of([&] { context.run(); });
  EXPECT_EQ(error.code(), ErrorCode::limit_exceeded);
  EXPECT_NE(error.message().find("tensor_bytes"), std::string::npos) << error.message();
}

TEST(Limits, memory_bytes_bounds_the_context) {
  ContextOptions options;
  options.memory_bytes = 1 << 20;
  Context context(chain(3), options);
  context.bind("x", Tensor::zeros(DType::f32, {1000, 4}));
  context.run();
  EXPECT_EQ(error_of([&] {
              context.prepare(std::vector<NamedShape>{{"x", {1'000'000, 4}}});
            }).code(),
            ErrorCode::limit_exceeded);
  context.run();  // and goes on
  EXPECT_EQ(context.output_tensor("y").values<float>()[0], 3.0f);
}

TEST(Errors, kernel_errors_name_step_and_operator) {
  testing::register_test_backend();
  PlanMaker maker;
  const auto x = maker.input("x", "f32[4]");
  const auto y = maker.arena("y", "f32[4]");
  maker.step("fail", {x}, {y}, "index 7 is out of range", "test");
  maker.output("y", y);
  Context context(maker.engine());
  context.bind("x", Tensor::zeros(DType::f32, {4}));
  const Error error = error_of([&] { context.run(); });
  EXPECT_EQ(error.code(), ErrorCode::bad_value);
  EXPECT_NE(error.message().find("step 0 node0 (operator fail"), std::string::npos)
      << error.message();
  EXPECT_NE(error.message().find("index 7 is out of range"), std::string::npos);
  EXPECT_EQ(error.diagnostics().front().hint, "hint");
}

TEST(Errors, unknown_reference_operator_is_named) {
  register_backend(reference_backend());
  PlanMaker maker;
  const auto x = maker.input("x", "f32[4]");
  const auto y = maker.arena("y", "f32[4]");
  maker.step("softmacks", {x}, {y});
  maker.output("y", y);
  Context context(maker.engine());
  context.bind("x", Tensor::zeros(DType::f32, {4}));
  const Error error = error_of([&] { context.run(); });
  EXPECT_EQ(error.code(), ErrorCode::unknown_operator);
  EXPECT_NE(error.message().find("softmacks"), std::string::npos) << error.message();
}

TEST(Errors, plan_that_lies_about_a_shape_is_caught_by_the_reference) {
  register_backend(reference_backend());
  PlanMaker maker;
  const auto x = maker.input("x", "f32[2,4]");
  const auto y = maker.arena("y", "f32[4,4]");
  maker.step("softmax", {x}, {y});
  maker.output("y", y);
  Context context(maker.engine());
  context.bind("x", Tensor::zeros(DType::f32, {2, 4}));
  EXPECT_EQ(error_of([&] { context.run(); }).code(), ErrorCode::bad_shape);
}

TEST(Errors, missing_backend_names_its_library_and_the_places) {
  PlanMaker maker;
  const auto x = maker.input("x", "f32[4]");
  const auto y = maker.arena("y", "f32[4]");
  maker.step("conv", {x}, {y}, "", "quantum");
  maker.output("y", y);
  Context context(maker.engine());
  context.bind("x", Tensor::zeros(DType::f32, {4}));
  const Error error = error_of([&] { context.run(); });
  EXPECT_EQ(error.code(), ErrorCode::missing_library);
  EXPECT_NE(error.message().find("strop_quantum"), std::string::npos) << error.message();
  EXPECT_NE(error.message().find("/lib/"), std::string::npos) << error.message();
}

TEST(Errors, backend_name_is_no_path) {
  for (const char* name : {"../../evil", "", "A", "x/y"}) {
    EXPECT_EQ(error_of([&] { (void)find_backend(name); }).code(), ErrorCode::engine_invalid);
  }
}

TEST(Errors, backend_of_another_version_is_refused) {
  StropBackendTable table = *reference_backend();
  table.version = "0.0.1";
  const Error version = error_of([&] { register_backend(&table); });
  EXPECT_EQ(version.code(), ErrorCode::library_mismatch);
  EXPECT_NE(version.message().find("0.0.1"), std::string::npos);
  table = *reference_backend();
  table.abi_version = 99;
  EXPECT_EQ(error_of([&] { register_backend(&table); }).code(), ErrorCode::library_mismatch);
}

TEST(Errors, size_of_an_unknown_symbol_is_an_invalid_engine) {
  PlanMaker maker;
  const auto x = maker.input("x", "f32[N]");
  const auto y = maker.arena("y", "f32[M]");
  maker.step("add_one", {x}, {y}, "", "test");
  maker.output("y", y);
  EXPECT_EQ(error_of([&] { (void)maker.engine(); }).code(), ErrorCode::engine_invalid);
}

TEST(Errors, step_that_writes_an_input_is_an_invalid_engine) {
  PlanMaker maker;
  const auto x = maker.input("x", "f32[4]");
  maker.step("add_one", {x}, {x}, "", "test");
  maker.output("y", x);
  EXPECT_EQ(error_of([&] { (void)maker.engine(); }).code(), ErrorCode::engine_invalid);
}

TEST(Profile, counts_runs_and_time_of_each_step) {
  ContextOptions options;
  options.profile = true;
  Context context(chain(2), options);
  context.bind("x", Tensor::zeros(DType::f32, {1, 4}));
  context.run();
  context.run();
  const auto profile = context.profile();
  ASSERT_EQ(profile.size(), 2u);
  EXPECT_EQ(profile[1].step->name, "node1");
  EXPECT_EQ(profile[1].time.runs, 2u);
  EXPECT_GE(profile[1].time.total_ns, profile[1].time.last_ns);
}

}  // namespace
}  // namespace strop
