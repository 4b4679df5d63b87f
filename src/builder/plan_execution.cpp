// SPDX-License-Identifier: Apache-2.0
#include "builder/plan_execution.hpp"

#include <algorithm>
#include <cstring>

#include "base/os/clock.hpp"
#include "plan/backend_abi.h"
#include "runtime/plan_layout.hpp"
#include "runtime/plan_runner.hpp"

namespace strop {

struct PlanExecution::State {
  State(Plan the_plan, int threads, int device)
      : plan(std::move(the_plan)),
        layout(make_layout(plan)),
        session(options_for(threads, device)),
        runner(*layout, session, 1) {}

  static ContextOptions options_for(int threads, int device) {
    ContextOptions options;
    options.device = device;
    options.threads = threads;
    return options;
  }

  Plan plan;
  std::unique_ptr<PlanLayout> layout;
  RunSession session;
  PlanRunner runner;
  std::vector<Tensor> inputs;
  std::vector<DeviceInput> device_inputs;
};

PlanExecution::PlanExecution(Plan plan, int threads, int device) {
  verify(plan);
  state_ = std::make_unique<State>(std::move(plan), threads, device);
}

PlanExecution::~PlanExecution() = default;
PlanExecution::PlanExecution(PlanExecution&&) noexcept = default;

void PlanExecution::bind(std::span<const Tensor> inputs) {
  STROP_CHECK(inputs.size() == state_->plan.inputs.size(), "every input of a plan is bound");
  state_->inputs.assign(inputs.begin(), inputs.end());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Tensor& tensor = state_->inputs[i];
    StropAbiValue value{};
    value.dtype = static_cast<std::uint32_t>(tensor.dtype());
    value.rank = static_cast<std::uint32_t>(tensor.rank());
    value.dims = tensor.shape().data();
    value.data = tensor.mutable_data();
    value.bytes = static_cast<std::uint64_t>(tensor.bytes());
    state_->runner.set_input(i, value);
  }
  state_->runner.prepare();
}

void PlanExecution::bind_on_device(std::vector<DeviceInput> inputs) {
  STROP_CHECK(inputs.size() == state_->plan.inputs.size(), "every input of a plan is bound");
  state_->device_inputs = std::move(inputs);
  for (std::size_t i = 0; i < state_->device_inputs.size(); ++i) {
    const DeviceInput& input = state_->device_inputs[i];
    StropAbiValue value{};
    value.dtype = static_cast<std::uint32_t>(input.dtype);
    value.rank = static_cast<std::uint32_t>(input.shape.size());
    value.dims = input.shape.data();
    value.data = input.data;
    value.bytes = static_cast<std::uint64_t>(byte_size(input.dtype, input.shape));
    state_->runner.set_input(i, value, true);
  }
  state_->runner.prepare();
}

void PlanExecution::run_on_device() { state_->runner.run_device_steps(); }

void PlanExecution::run(std::int64_t deadline_ms) {
  RunSession& session = state_->session;
  session.iterations = 0;
  session.options.deadline_ms = deadline_ms;
  session.deadline_ns = deadline_ms > 0 ? os::monotonic_ns() + deadline_ms * 1'000'000 : 0;
  state_->runner.run();
}

double PlanExecution::time_on_device(int copies, int launches, int samples) {
  const std::vector<double> times = state_->runner.time_device_steps(copies, launches, samples);
  return *std::ranges::min_element(times);
}

std::vector<Tensor> PlanExecution::outputs() const {
  std::vector<Tensor> out;
  for (std::size_t i = 0; i < state_->plan.outputs.size(); ++i) {
    const StropAbiValue& value = state_->runner.output(i);
    if (value.boxed != nullptr || value.dtype == 0) {
      out.emplace_back();
      continue;
    }
    Tensor copy = Tensor::allocate(static_cast<DType>(value.dtype),
                                   Shape(value.dims, value.dims + value.rank));
    if (copy.bytes() > 0)
      std::memcpy(copy.mutable_data(), value.data, static_cast<std::size_t>(copy.bytes()));
    out.push_back(std::move(copy));
  }
  return out;
}

namespace {

// SplitMix64 (Steele, Lea, Flood 2014): every seed gives a good sequence.
struct Random {
  std::uint64_t state;
  std::uint64_t next() {
    std::uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  float unit() { return static_cast<float>(next() >> 40) * 0x1p-24f; }
};

}  // namespace

Tensor random_tensor(DType dtype, const Shape& shape, std::uint64_t seed) {
  if (dtype == DType::string || dtype == DType::undefined || dtype == DType::c64 ||
      dtype == DType::c128) {
    throw Error(ErrorCode::bad_type, "a made-up tensor of type " + std::string(to_string(dtype)));
  }
  Tensor tensor = Tensor::allocate(dtype, shape);
  Random random{seed};
  const bool floating = is_floating(dtype);
  if (dtype == DType::f32) {
    for (float& value : tensor.mutable_values<float>()) value = random.unit() * 2 - 1;
    return tensor;
  }
  if (bits_of(dtype) < 8)
    std::memset(tensor.mutable_data(), 0, static_cast<std::size_t>(tensor.bytes()));
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    const double value = floating ? static_cast<double>(random.unit()) * 2 - 1
                                  : static_cast<double>(random.next() & 1);
    store_from_double(dtype, tensor.mutable_data(), i, value);
  }
  return tensor;
}

}  // namespace strop
