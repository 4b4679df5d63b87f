// SPDX-License-Identifier: Apache-2.0
// What the runtime does with slots in the memory of a device, on a device that only acts when it is
// waited for (test_device.hpp).
#include <gtest/gtest.h>

#include "runtime/context.hpp"
#include "runtime/plan_maker.hpp"
#include "runtime/test_backend.hpp"
#include "runtime/test_device.hpp"

namespace strop::testing {
namespace {

class Device : public ::testing::Test {
 protected:
  void SetUp() override {
    register_test_backend();
    register_test_device();
    device().limit = 1 << 30;
    before_ = device().graphs;
  }
  // Nothing is left behind.
  void TearDown() override { EXPECT_EQ(device().graphs, before_); }

  static TestDevice& device() { return TestDevice::instance(); }

 private:
  int before_ = 0;
};

struct Maker : PlanMaker {
  std::uint32_t on_device(std::string name, std::string_view type) {
    const std::uint32_t slot = arena(std::move(name), type);
    devices.push_back(slot);
    return slot;
  }
  void copy(std::uint32_t from, std::uint32_t to) {
    step("", {from}, {to}, "", "").kind = StepKind::copy;
  }
  void order(std::string kernel, std::vector<std::uint32_t> in, std::uint32_t out) {
    step(std::move(kernel), std::move(in), {out}, "", "testdevice");
  }
  std::shared_ptr<const Engine> make() {
    Plan plan = take();
    plan.device = "testdevice";
    for (const std::uint32_t slot : devices) plan.slots[slot].space = MemorySpace::device;
    return std::make_shared<const Engine>(std::move(plan));
  }
  std::vector<std::uint32_t> devices;
};

// y = 2 x + w on the device, w a constant there.
std::shared_ptr<const Engine> twice_and_add() {
  Maker maker;
  const auto x = maker.input("x", "f32[n]");
  const auto dx = maker.on_device("dx", "f32[n]");
  const auto dt = maker.on_device("dt", "f32[n]");
  const auto dy = maker.on_device("dy", "f32[n]");
  const auto y = maker.arena("y", "f32[n]");
  maker.copy(x, dx);
  maker.order("twice", {dx}, dt);
  maker.order("add", {dt, dx}, dy);
  maker.copy(dy, y);
  maker.output("y", y);
  return maker.make();
}

void bind(Context& context, const std::vector<float>& x) {
  context.bind("x", DType::f32, Shape{static_cast<std::int64_t>(x.size())}, x.data(),
               x.size() * sizeof(float), BindMode::reference);
}

std::vector<float> output(const Context& context, std::string_view name = "y") {
  const StropAbiValue& value = context.output(name);
  const auto* data = static_cast<const float*>(value.data);
  return {data, data + value.bytes / sizeof(float)};
}

// Memory on the device with these numbers.
struct Block {
  explicit Block(const std::vector<float>& values, std::size_t shift = 0) {
    StropAbiError error{};
    bytes = values.size() * sizeof(float);
    EXPECT_EQ(test_device::allocate(nullptr, bytes + shift, &memory, &error), 0);
    data = static_cast<float*>(memory) + shift / sizeof(float);
    set(values);
  }
  ~Block() { test_device::release(nullptr, memory); }
  void set(const std::vector<float>& values) { std::memcpy(data, values.data(), bytes); }
  std::vector<float> values() const { return {data, data + bytes / sizeof(float)}; }

  void* memory = nullptr;
  float* data = nullptr;
  std::size_t bytes = 0;
};

TEST_F(Device, runs_are_ordered_one_by_one_then_as_a_graph) {
  Context context(twice_and_add());
  const int captures = device().captures, launches = device().launches;
  for (int run = 1; run <= 5; ++run) {
    const std::vector<float> x{1.0f * run, 2, 3};
    bind(context, x);
    context.run();
    EXPECT_EQ(output(context), (std::vector<float>{3.0f * run, 6, 9})) << run;
  }
  EXPECT_EQ(device().captures - captures, 1);
  EXPECT_EQ(device().launches - launches, 4);
}

TEST_F(Device, other_shapes_have_their_own_graphs_and_enough_workspace) {
  ContextOptions options;
  options.prepared_shapes = 2;
  Context context(twice_and_add(), options);
  for (const std::size_t count : {4u, 400u, 4u, 4000u, 4u, 400u, 4u}) {
    for (int run = 0; run < 3; ++run) {
      const std::vector<float> x(count, static_cast<float>(run + 1));
      bind(context, x);
      context.run();
      EXPECT_EQ(output(context), std::vector<float>(count, 3.0f * static_cast<float>(run + 1)));
    }
  }
}

TEST_F(Device, a_run_that_does_not_fit_leaves_the_next_one_whole) {
  Context context(twice_and_add());
  const std::vector<float> small(100, 1), large(100000, 1);
  bind(context, small);
  context.run();
  device().limit = 100000;
  bind(context, large);
  try {
    context.run();
    FAIL() << "it ran";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::out_of_memory);
    EXPECT_NE(error.message().find("free"), std::string::npos) << error.message();
  }
  bind(context, small);
  context.run();
  EXPECT_EQ(output(context), std::vector<float>(100, 3));
}

TEST_F(Device, memory_there_is_read_and_written_where_it_lies) {
  Context context(twice_and_add());
  Block in({1, 2}), other({5, 6}), out({0, 0});
  const Shape dims{2};
  context.bind("x", DType::f32, dims, in.data, in.bytes, BindMode::device);
  context.bind_output("y", out.data, out.bytes, true);
  const int copies = device().copies;
  for (float first = 1; first < 5; ++first) {
    in.set({first, 2});
    context.run();
    EXPECT_EQ(out.values(), (std::vector<float>{3 * first, 6}));
    EXPECT_EQ(context.output("y").data, out.data);
  }
  for (float first = 5; first < 9; ++first) {
    other.set({first, 6});
    context.bind("x", DType::f32, dims, other.data, other.bytes, BindMode::device);
    context.run();
    EXPECT_EQ(out.values(), (std::vector<float>{3 * first, 18}));
  }
  EXPECT_EQ(device().copies, copies);
  // The host's memory again.
  context.bind_output("y", nullptr, 0);
  const std::vector<float> x{7, 8};
  bind(context, x);
  context.run();
  EXPECT_EQ(output(context), (std::vector<float>{21, 24}));
}

TEST_F(Device, memory_there_that_is_not_aligned_is_copied) {
  Context context(twice_and_add());
  Block in({1, 2}, 4), out({0, 0}, 8);
  context.bind("x", DType::f32, Shape{2}, in.data, in.bytes, BindMode::device);
  context.bind_output("y", out.data, out.bytes, true);
  for (float first = 1; first < 5; ++first) {
    in.set({first, 2});
    context.run();
    context.synchronize();
    EXPECT_EQ(out.values(), (std::vector<float>{3 * first, 6}));
  }
}

TEST_F(Device, an_input_there_reaches_steps_of_the_host_in_every_run) {
  Maker maker;
  const auto x = maker.input("x", "f32[n]");
  const auto y = maker.arena("y", "f32[n]");
  const auto dx = maker.on_device("dx", "f32[n]");
  const auto dz = maker.on_device("dz", "f32[n]");
  const auto z = maker.arena("z", "f32[n]");
  maker.step("add_one", {x}, {y}, "", "test");
  maker.copy(x, dx);
  maker.order("twice", {dx}, dz);
  maker.copy(dz, z);
  maker.output("y", y);
  maker.output("z", z);
  Context context(maker.make());
  Block in({0});
  context.bind("x", DType::f32, Shape{1}, in.data, in.bytes, BindMode::device);
  for (float value = 1; value < 5; ++value) {
    in.set({value});
    context.run();
    EXPECT_EQ(output(context, "y"), std::vector<float>{value + 1});
    EXPECT_EQ(output(context, "z"), std::vector<float>{2 * value});
  }
}

TEST_F(Device, an_output_that_is_an_input_there_comes_to_the_host) {
  Maker maker;
  const auto x = maker.input("x", "f32[n]");
  maker.output("same", x);
  Context context(maker.make());
  Block in({4, 5});
  context.bind("x", DType::f32, Shape{2}, in.data, in.bytes, BindMode::device);
  context.run();
  EXPECT_FALSE(device().owns(context.output("same").data, 8));
  EXPECT_EQ(output(context, "same"), (std::vector<float>{4, 5}));
}

// A cut in the middle: what the first part has placed is read by a graph of the second.
std::shared_ptr<const Engine> cut_in_the_middle() {
  Maker maker;
  const auto x = maker.input("x", "f32[n]");
  const auto dx = maker.on_device("dx", "f32[n]");
  const auto some = maker.dynamic("some", "f32[m]");
  const auto dy = maker.on_device("dy", "f32[n]");
  const auto y = maker.arena("y", "f32[n]");
  const auto constant = maker.constant("c", Tensor::from<float>({2}, {1, -1}));
  maker.copy(x, dx);
  maker.step("positive", {constant}, {some}, "", "test");
  maker.order("add", {dx, dx}, dy);
  maker.copy(dy, y);
  maker.output("y", y);
  return maker.make();
}

TEST_F(Device, graphs_behind_a_cut_follow_what_was_placed_before_it) {
  Context context(cut_in_the_middle());
  Block a({1, 2}), b({10, 20});
  for (const Block* block : {&a, &a, &a, &b, &b, &b, &a}) {
    context.bind("x", DType::f32, Shape{2}, block->data, block->bytes, BindMode::device);
    context.run();
    EXPECT_EQ(output(context),
              (std::vector<float>{2 * block->values()[0], 2 * block->values()[1]}));
  }
}

TEST_F(Device, an_asynchronous_run_is_done_when_its_stream_is) {
  Context context(twice_and_add());
  TestStream mine;
  Block in({1}), out({0});
  context.bind("x", DType::f32, Shape{1}, in.data, in.bytes, BindMode::device);
  context.bind_output("y", out.data, out.bytes, true);
  for (float value = 1; value < 5; ++value) {
    in.set({value});
    out.set({-1});
    context.run_async(&mine);
    EXPECT_EQ(out.values(), std::vector<float>{-1}) << "nothing has waited yet";
    if (value < 3) {
      context.synchronize();
    } else {
      test_device::synchronize(&mine, nullptr);
    }
    EXPECT_EQ(out.values(), std::vector<float>{3 * value});
  }
  context.run();  // in its own stream again
  EXPECT_EQ(out.values(), std::vector<float>{12});
}

TEST_F(Device, constants_are_there_once_for_all_contexts) {
  Maker maker;
  const auto x = maker.input("x", "f32[2]");
  const auto dx = maker.on_device("dx", "f32[2]");
  const auto dw = maker.constant("w", Tensor::from<float>({2}, {10, 20}));
  maker.devices.push_back(dw);
  const auto dy = maker.on_device("dy", "f32[2]");
  const auto y = maker.arena("y", "f32[2]");
  maker.copy(x, dx);
  maker.order("add", {dx, dw}, dy);
  maker.copy(dy, y);
  maker.output("y", y);
  const auto engine = maker.make();
  const std::size_t blocks = device().memory.size();
  Context first(engine);
  const std::size_t with_constant = device().memory.size();
  Context second(engine);
  EXPECT_EQ(with_constant - blocks, 1u);
  EXPECT_EQ(device().memory.size(), with_constant);
  const std::vector<float> values{1, 2};
  for (Context* context : {&first, &second}) {
    bind(*context, values);
    context->run();
    EXPECT_EQ(output(*context), (std::vector<float>{11, 22}));
  }
}

TEST_F(Device, a_step_that_fails_names_itself_and_ends_the_capture) {
  Maker maker;
  const auto x = maker.input("x", "f32[n]");
  const auto dx = maker.on_device("dx", "f32[n]");
  const auto dy = maker.on_device("dy", "f32[n]");
  const auto y = maker.arena("y", "f32[n]");
  maker.copy(x, dx);
  maker.order("fail", {dx}, dy);
  maker.copy(dy, y);
  maker.output("y", y);
  Context context(maker.make());
  const std::vector<float> values{1};
  bind(context, values);
  for (int run = 0; run < 3; ++run) {
    try {
      context.run();
      FAIL() << "it ran";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::device_failure);
      EXPECT_NE(error.message().find("kernel fail of backend testdevice"), std::string::npos)
          << error.message();
    }
  }
}

TEST_F(Device, a_limit_of_its_memory_is_kept) {
  ContextOptions options;
  options.device_memory_bytes = 4096;
  Context context(twice_and_add(), options);
  const std::vector<float> large(10000, 1);
  bind(context, large);
  try {
    context.run();
    FAIL() << "it ran";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::limit_exceeded);
  }
}

TEST_F(Device, nothing_is_left_when_a_context_ends) {
  const std::size_t blocks = device().memory.size();
  {
    Context context(twice_and_add());
    const std::vector<float> values(100, 1);
    bind(context, values);
    for (int run = 0; run < 3; ++run) context.run();
    EXPECT_GT(device().memory.size(), blocks);
  }
  EXPECT_EQ(device().memory.size(), blocks);
}

TEST_F(Device, a_plan_that_gives_the_host_its_memory_is_refused) {
  Maker maker;
  const auto x = maker.input("x", "f32[n]");
  const auto dx = maker.on_device("dx", "f32[n]");
  const auto y = maker.arena("y", "f32[n]");
  maker.copy(x, dx);
  maker.step("add_one", {dx}, {y}, "", "test");
  maker.output("y", y);
  try {
    maker.make();
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::engine_invalid) << error.message();
  }
}

}  // namespace
}  // namespace strop::testing
