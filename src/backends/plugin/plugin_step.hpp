// SPDX-License-Identifier: Apache-2.0
// One step of the backend "plugin": a fast kernel of a plugin's operator. An engine may be
// anybody's, so operator, attributes, types and shapes are checked as at import before the kernel
// sees them. Throws Error; the C boundary is in plugin_backend.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "plan/backend_abi.h"
#include "plugin/plugin_functions.hpp"

namespace strop {

class PluginStep {
 public:
  // `kernel` is "domain::name:version/kernel", `parameters` the text of the attributes. Throws
  // Error(missing_plugin, bad_attribute, engine_other_target).
  PluginStep(std::string_view kernel, std::string_view parameters);
  ~PluginStep();
  PluginStep(const PluginStep&) = delete;
  PluginStep& operator=(const PluginStep&) = delete;

  // Concrete shapes; contents of constants alone. Returns the bytes of workspace.
  std::uint64_t prepare(std::span<const StropAbiValue> inputs,
                        std::span<const StropAbiValue> outputs);
  // With the shapes of the last prepare. Allocates nothing.
  void run(std::span<const StropAbiValue> inputs, std::span<const StropAbiValue> outputs,
           const StropAbiRun& run);

 private:
  const PluginOperator* op_ = nullptr;
  const PluginKernel* kernel_ = nullptr;
  Attributes attributes_;
  void* state_ = nullptr;
  std::vector<strop_tensor> inputs_, outputs_;
};

}  // namespace strop
