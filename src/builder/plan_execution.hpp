// SPDX-License-Identifier: Apache-2.0
// Runs a plan in this process, for timing and the self-check.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/tensor.hpp"
#include "plan/plan.hpp"

namespace strop {

class PlanExecution {
 public:
  // threads 0: all processors. `device`: number of the GPU, of a plan for one.
  PlanExecution(Plan plan, int threads, int device = 0);
  ~PlanExecution();
  PlanExecution(PlanExecution&&) noexcept;

  // By the order of the plan's inputs. The tensors are kept.
  void bind(std::span<const Tensor> inputs);
  // Inputs that lie in the memory of the plan's device, aligned to 256 bytes.
  struct DeviceInput {
    DType dtype = DType::undefined;
    Shape shape;
    void* data = nullptr;
  };
  void bind_on_device(std::vector<DeviceInput> inputs);
  // The steps on the device alone, without copies of inputs and outputs, of a plan that is one
  // segment. After bind_on_device.
  void run_on_device();
  // Throws Error(limit_exceeded) when it takes longer than that; 0: no limit.
  void run(std::int64_t deadline_ms = 0);
  // Nanoseconds that the steps on the device take, the least of `samples` (PlanRunner's
  // time_device_steps). After a run, or run_on_device.
  double time_on_device(int copies, int launches, int samples);
  // Copies of the outputs that are tensors in plain memory; undefined tensors for the others.
  std::vector<Tensor> outputs() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Values for a type at given sizes, repeatable from the seed: floats in [-1, 1), integers 0 or 1,
// bools. Throws Error(bad_type) for what cannot be made up (sequences, maps).
Tensor random_tensor(DType dtype, const Shape& shape, std::uint64_t seed);

}  // namespace strop
