// SPDX-License-Identifier: Apache-2.0
// A kernel of a backend as the runtime holds it: created from its step, made ready for shapes, run.
// Errors of the backend come out as Error.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "plan/backend_abi.h"
#include "plan/plan.hpp"

namespace strop {

// A constant in the form that a step's kernel reads on this processor, to be kept in the engine.
struct PackedConstant {
  std::size_t input = 0;   // of the step
  std::string parameters;  // to be added to the step's, after a ';'
  Tensor form;
};

class StepInstance {
 public:
  StepInstance() = default;
  // Steps that are no kernels have an instance without a kernel. `values`: per slot, for constants.
  // Throws what the backend reports, Error(missing_library).
  // `device`: opened by the plan's device backend; null where it has none.
  StepInstance(const Plan& plan, const Step& step, std::span<const StropAbiValue> values,
               void* device = nullptr);
  ~StepInstance();
  StepInstance(StepInstance&& other) noexcept;
  StepInstance& operator=(StepInstance&& other) noexcept;

  // At most once, and before prepare.
  std::optional<PackedConstant> pack();
  // Bytes of workspace that run needs.
  std::int64_t prepare(std::span<const StropAbiValue> inputs,
                       std::span<const StropAbiValue> outputs, int threads);
  void run(std::span<const StropAbiValue> inputs, std::span<StropAbiValue> outputs,
           const StropAbiRun& run);

 private:
  const StropBackendTable* table_ = nullptr;
  void* instance_ = nullptr;
};

// Throws what a function of the backend's table returned and filled; nothing for 0.
void throw_reported(const StropBackendTable& table, std::int32_t code, StropAbiError& error);

// "step 3 /conv1 (operator conv, kernel conv_onednn of backend cpu)".
std::string step_text(const Plan& plan, const Step& step);

}  // namespace strop
