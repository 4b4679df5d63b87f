// SPDX-License-Identifier: Apache-2.0
// Plans by hand with kernels by hand: what the runtime and the run side of the backend do with
// them.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <numeric>

#include "backends/cuda/codegen/nvrtc.hpp"
#include "backends/cuda/gpu.hpp"
#include "backends/cuda/host_copies_check.hpp"
#include "backends/cuda/launch_record.hpp"
#include "backends/cuda/module_image.hpp"
#include "runtime/backend_loader.hpp"
#include "runtime/context.hpp"
#include "runtime/engine.hpp"

namespace strop {
namespace {

using cuda::Launch;
using cuda::LaunchArgument;
using cuda::LaunchRecord;
using cuda::Operand;

constexpr const char* kSource = R"(
extern "C" __global__ void twice_plus(const float* x, const float* w, float* y, float b, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = 2.0f * x[i] + w[i % 4] + b;
}
)";

Slot slot(SlotKind kind, MemorySpace space, const char* name, SymShape shape) {
  Slot out;
  out.name = name;
  out.kind = kind;
  out.space = space;
  out.dtype = DType::f32;
  out.shape = std::move(shape);
  out.type = "f32" + to_string(*out.shape);
  return out;
}

Step copy_step(std::uint32_t from, std::uint32_t to) {
  Step step;
  step.kind = StepKind::copy;
  step.inputs = {from};
  step.outputs = {to};
  return step;
}

// y[n,4] = 2 x + w + b, twice in a row, with copies around.
Plan make_plan(int compute_capability) {
  const Dim n = Dim::symbol("n");
  Plan plan;
  plan.device = "cuda";
  plan.slots.push_back(slot(SlotKind::input, MemorySpace::host, "x", {n, 4}));
  plan.slots.push_back(slot(SlotKind::arena, MemorySpace::device, "x_device", {n, 4}));
  Slot weights = slot(SlotKind::constant, MemorySpace::device, "w", {4});
  weights.constant = Tensor::from<float>({4}, {1, 2, 3, 4});
  plan.slots.push_back(weights);
  Slot image;
  image.name = "image";
  image.kind = SlotKind::constant;
  image.constant = cuda::compile(kSource, compute_capability).image;
  image.dtype = DType::u8;
  image.shape = to_symbolic(image.constant.shape());
  image.type = "u8" + to_string(*image.shape);
  plan.slots.push_back(image);
  plan.slots.push_back(slot(SlotKind::arena, MemorySpace::device, "h", {n, 4}));
  plan.slots.push_back(slot(SlotKind::arena, MemorySpace::device, "y_device", {n, 4}));
  plan.slots.push_back(slot(SlotKind::arena, MemorySpace::host, "y", {n, 4}));
  LaunchRecord record;
  Launch& launch = record.launches.emplace_back();
  launch.entry = "twice_plus";
  launch.image = 2;
  const Dim elements = cuda::input_dim(0, 0) * cuda::input_dim(0, 1);
  launch.grid[0] = ceildiv(elements, 128);
  launch.block[0] = 128;
  launch.arguments = {LaunchArgument::pointer(Operand::in(0)),
                      LaunchArgument::pointer(Operand::in(1)),
                      LaunchArgument::pointer(Operand::out(0)), LaunchArgument::float32(0.5f),
                      LaunchArgument::int32(elements)};
  Step step;
  step.backend = "cuda";
  step.kernel = "launch";
  step.parameters = to_text(record);
  step.inputs = {1, 2, 3};
  step.outputs = {4};
  Step again = step;
  again.inputs = {4, 2, 3};
  again.outputs = {5};
  plan.steps = {copy_step(0, 1), step, again, copy_step(5, 6)};
  plan.inputs = {0};
  plan.outputs = {6};
  plan.output_names = {"y"};
  return plan;
}

std::vector<float> numbers(std::size_t count, float start) {
  std::vector<float> out(count);
  std::iota(out.begin(), out.end(), start);
  return out;
}

std::vector<float> expected(std::vector<float> x) {
  for (int time = 0; time < 2; ++time) {
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = 2 * x[i] + static_cast<float>(i % 4 + 1) + 0.5f;
  }
  return x;
}

std::vector<float> output_of(const Context& context) {
  const StropAbiValue& value = context.output("y");
  const auto* data = static_cast<const float*>(value.data);
  return {data, data + value.bytes / sizeof(float)};
}

std::shared_ptr<const Engine> engine_here() {
  return std::make_shared<const Engine>(make_plan(testing::gpu()->device->compute_capability));
}

void bind(Context& context, const std::vector<float>& x) {
  const Shape dims{static_cast<std::int64_t>(x.size()) / 4, 4};
  context.bind("x", DType::f32, dims, x.data(), x.size() * sizeof(float), BindMode::reference);
}

TEST(CudaLaunch, a_plan_runs_again_and_again) {
  STROP_SKIP_WITHOUT_GPU();
  Context context(engine_here());
  // Eager, captured, replayed; other memory; other sizes; the first size once more.
  for (const std::size_t count : {4000u, 4000u, 4000u, 8u, 40000u, 8u, 4000u, 4000u}) {
    for (int time = 0; time < 3; ++time) {
      const std::vector<float> x = numbers(count, static_cast<float>(time));
      bind(context, x);
      context.run();
      EXPECT_EQ(output_of(context), expected(x)) << count << " " << time;
    }
  }
}

TEST(CudaLaunch, nothing_is_launched_for_an_empty_tensor) {
  STROP_SKIP_WITHOUT_GPU();
  Context context(engine_here());
  const std::vector<float> none;
  context.bind("x", DType::f32, Shape{0, 4}, none.data(), 0, BindMode::reference);
  context.run();
  EXPECT_EQ(context.output("y").bytes, 0u);
}

TEST(CudaLaunch, steps_are_timed) {
  STROP_SKIP_WITHOUT_GPU();
  ContextOptions options;
  options.profile = true;
  Context context(engine_here(), options);
  const std::vector<float> x = numbers(400000, 0);
  bind(context, x);
  context.run();
  context.run();
  const std::vector<StepProfile> profile = context.profile();
  ASSERT_EQ(profile.size(), 4u);
  EXPECT_EQ(profile[1].time.runs, 2u);
  EXPECT_GT(profile[1].time.total_ns, 0);
  EXPECT_EQ(output_of(context), expected(x));
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<double> times = context.time_on_device(3, 4);
  const std::chrono::duration<double, std::nano> whole = std::chrono::steady_clock::now() - begin;
  ASSERT_EQ(times.size(), 4u);
  EXPECT_GT(times[0], 100);
  EXPECT_LT(times[0], whole.count());
}

TEST(CudaLaunch, memory_of_the_device_is_used_where_it_lies) {
  STROP_SKIP_WITHOUT_GPU();
  DeviceSession session("cuda", 0, 0);
  const std::vector<float> x = numbers(4000, 3);
  const std::int64_t bytes = 16000;
  void* in = session.allocate(bytes);
  void* out = session.allocate(bytes);
  session.copy(in, x.data(), bytes, STROP_ABI_TO_DEVICE);
  session.synchronize();
  Context context(engine_here());
  context.bind("x", DType::f32, Shape{1000, 4}, in, 16000, BindMode::device);
  context.bind_output("y", out, 16000, true);
  for (int time = 0; time < 4; ++time) {
    context.run_async();
    context.synchronize();
    EXPECT_EQ(context.output("y").data, out);
    std::vector<float> y(4000);
    session.copy(y.data(), out, bytes, STROP_ABI_TO_HOST);
    session.synchronize();
    EXPECT_EQ(y, expected(x)) << time;
  }
  // Back to the host's memory.
  context.bind_output("y", nullptr, 0);
  bind(context, x);
  context.run();
  EXPECT_EQ(output_of(context), expected(x));
  session.release(in, bytes);
  session.release(out, bytes);
}

TEST(CudaLaunch, copies_of_pageable_memory_are_whole) {
  STROP_SKIP_WITHOUT_GPU();
  testing::check_host_copies();
}

TEST(CudaLaunch, a_limit_of_memory_is_kept) {
  STROP_SKIP_WITHOUT_GPU();
  ContextOptions options;
  options.device_memory_bytes = 1 << 20;
  Context context(engine_here(), options);
  const std::vector<float> x = numbers(4000000, 0);
  bind(context, x);
  try {
    context.run();
    FAIL() << "it ran";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::limit_exceeded);
  }
}

TEST(CudaLaunch, code_for_another_chip_is_refused) {
  STROP_SKIP_WITHOUT_GPU();
  const int here = testing::gpu()->device->compute_capability;
  Context context(std::make_shared<const Engine>(make_plan(here == 90 ? 120 : 90)));
  const std::vector<float> x = numbers(8, 0);
  bind(context, x);
  try {
    context.run();
    FAIL() << "it ran";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::engine_other_target) << error.message();
  }
}

// Out of its PTX.
TEST(CudaLaunch, code_for_an_earlier_chip_runs) {
  STROP_SKIP_WITHOUT_GPU();
  const int here = testing::gpu()->device->compute_capability;
  if (here < 90) GTEST_SKIP() << "it runs the machine code of all that NVRTC knows before it";
  Context context(std::make_shared<const Engine>(make_plan(80)));
  const std::vector<float> x = numbers(400, 0);
  bind(context, x);
  context.run();
  EXPECT_EQ(output_of(context), expected(x));
}

TEST(CudaLaunch, an_image_comes_apart_as_it_was_joined) {
  const std::vector<std::byte> code(200, std::byte{7});
  for (const std::string ptx : {"", ".version 9.0"}) {
    const Tensor joined = cuda::join_image(code, ptx);
    const std::span image(joined.data(), static_cast<std::size_t>(joined.size()));
    const cuda::ImageParts parts = cuda::split_image(image);
    EXPECT_TRUE(std::ranges::equal(parts.machine_code, code));
    EXPECT_EQ(parts.ptx, ptx);
    EXPECT_TRUE(ptx.empty() || parts.ptx.data()[ptx.size()] == '\0');
    // Cut, or with a length that is not there: no PTX, and nothing beyond the bytes is read.
    for (std::size_t bytes = 0; bytes < image.size(); ++bytes)
      EXPECT_EQ(cuda::split_image(image.first(bytes)).ptx, "");
    std::vector<std::byte> wrong(image.begin(), image.end());
    for (std::size_t at = 0; at < 8; ++at) wrong[wrong.size() - 16 + at] = std::byte{0xff};
    EXPECT_EQ(cuda::split_image(wrong).machine_code.size(), wrong.size());
  }
}

TEST(CudaLaunch, kernels_of_chips_without_own_instructions_have_their_ptx) {
  if (cuda::nvrtc_version().empty()) GTEST_SKIP() << cuda::nvrtc_description();
  const auto ptx_of = [](int compute_capability) {
    const Tensor image = cuda::compile(kSource, compute_capability).image;
    return std::string(
        cuda::split_image({image.data(), static_cast<std::size_t>(image.size())}).ptx);
  };
  EXPECT_NE(ptx_of(80).find(".target sm_80"), std::string::npos);
  EXPECT_NE(ptx_of(89).find("twice_plus"), std::string::npos);
  EXPECT_EQ(ptx_of(90), "");
}

TEST(CudaLaunch, without_a_gpu_the_error_says_so) {
  std::string why;
  if (testing::gpu(&why)) GTEST_SKIP() << "there is one";
  EXPECT_NE(why.find("STROP-E602"), std::string::npos) << why;
  if (cuda::nvrtc_version().empty()) GTEST_SKIP() << cuda::nvrtc_description();
  const auto engine = std::make_shared<const Engine>(make_plan(90));
  try {
    Context context(engine);
    FAIL() << "a context was made";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::missing_device) << error.message();
  }
}

TEST(CudaLaunch, a_record_is_what_was_written) {
  LaunchRecord record;
  record.workspace_bytes = cuda::input_dim(0, 0) * Dim(4);
  Launch& zero = record.launches.emplace_back();
  zero.fill = Operand::work(16);
  zero.fill_bytes = 64;
  Launch& launch = record.launches.emplace_back();
  launch.entry = "gemm";
  launch.image = 3;
  launch.grid = {cuda::multiprocessors(), 2, 1};
  launch.block = {384, 1, 1};
  launch.cluster = {2, 1, 1};
  launch.shared_bytes = 200000;
  launch.programmatic = true;
  cuda::TensorMap map;
  map.operand = Operand::in(1);
  map.sizes = {64, cuda::input_dim(0, 2), cuda::input_dim(0, 1), cuda::input_dim(0, 0)};
  map.strides = {128, cuda::input_dim(0, 2) * Dim(128), Dim(4096)};
  map.element_strides = {1, 2, 2, 1};
  map.im2col = true;
  map.lower = {-1, -1};
  map.upper = {-1, -1};
  map.channels = 64;
  map.pixels = 128;
  map.swizzle = 128;
  map.l2_promotion = 256;
  launch.arguments = {LaunchArgument::tensor(map), LaunchArgument::pointer(Operand::out(0)),
                      LaunchArgument::float32(0.1f), LaunchArgument::int64(cuda::output_dim(0, 1))};
  const std::string text = to_text(record);
  EXPECT_EQ(to_text(cuda::parse_launch_record(text)), text);
}

TEST(CudaLaunch, a_record_that_is_none_is_refused) {
  for (const char* text :
       {"", "{", "[]", "{\"workspace\":0}", "{\"workspace\":\"(\",\"launches\":[]}",
        "{\"workspace\":0,\"launches\":[{\"entry\":\"\"}]}",
        "{\"workspace\":0,\"launches\":[{\"entry\":\"k\",\"image\":0,\"grid\":[1,1],\"block\":[1,1,"
        "1]"
        ",\"arguments\":[]}]}",
        "{\"workspace\":0,\"launches\":[{\"entry\":\"k\",\"image\":0,\"grid\":[1,1,1],\"block\":"
        "[0,1,1],\"arguments\":[]}]}",
        "{\"workspace\":0,\"launches\":[{\"entry\":\"k\",\"image\":-1,\"grid\":[1,1,1],\"block\":"
        "[1,1,1],\"arguments\":[{\"map\":{}}]}]}"}) {
    try {
      cuda::parse_launch_record(text);
      FAIL() << "accepted: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::engine_invalid) << error.message();
    }
  }
}

}  // namespace
}  // namespace strop
