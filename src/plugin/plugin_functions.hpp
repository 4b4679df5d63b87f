// SPDX-License-Identifier: Apache-2.0
// Calls of the functions of a plugin: one object per call, which is what the plugin's host
// functions work on. Whatever goes wrong in a host function is kept in it and thrown here, after
// the plugin has returned, so that no exception passes through the plugin.
#pragma once

#include <strop/plugin.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/error.hpp"
#include "base/tensor.hpp"
#include "ir/evaluate.hpp"
#include "ir/infer.hpp"
#include "plugin/plugin.hpp"

// One call. The members that a function has no use for are empty: shapes are there for infer and
// accepts, tensors for all others.
struct strop_plugin_call {
  strop_plugin_call(const strop::PluginOperator& the_op, const strop::PluginValues& the_values)
      : op(the_op), values(the_values) {}

  const strop::PluginOperator& op;
  const strop::PluginValues& values;

  // Shapes: inputs as inference sees them, and dimensions by handle (handle n is dims[n - 1]).
  strop::InferContext* shapes = nullptr;
  bool may_set_outputs = false;
  bool precise = false;
  std::vector<strop::Dim> dims;
  std::vector<std::vector<strop_dim>> input_dims;  // made when first asked for

  // Tensors: dtype STROP_UNDEFINED where absent or not wanted.
  bool has_tensors = false;
  bool may_run = false;  // data is there, and loops make sense
  std::span<const strop_tensor> inputs;
  std::span<strop_tensor> outputs;
  // Of a data-dependent operator.
  void* (*allocate)(void* user, std::size_t output, strop::DType dtype, strop::Shape shape,
                    strop_tensor& made) = nullptr;
  void* allocate_user = nullptr;
  std::int64_t deadline_ns = 0;  // on the monotonic clock; 0: none

  // The first failure; later ones do not count.
  void record(strop::Error error) noexcept;
  std::atomic<bool> failed = false;
  std::mutex failure_mutex;
  std::optional<strop::Error> failure;
};

namespace strop {

const strop_plugin_host& plugin_host();

// Throws what the call recorded, or Error(plugin_failed) when the function returned a failure of
// which it said nothing. `function` is its name in plugin.h.
void finish_plugin_call(strop_plugin_call& call, strop_status status, const char* function);

// Calls `run` and turns an exception that left the plugin into a failure of the call.
template <class Run>
void call_plugin(strop_plugin_call& call, const char* function, Run&& run) {
  strop_status status = STROP_OK;
  try {
    status = run(&plugin_host(), &call);
  } catch (...) {
    call.record(Error(ErrorCode::plugin_failed, "operator " + call.op.ir_name,
                      std::string("an exception left its function ") + function,
                      "that is a fault of plugin " + call.op.library->name + ": tell its maker"));
  }
  finish_plugin_call(call, status, function);
}

// OpDef::infer and OpDef::reference of every operator of a plugin.
void infer_plugin_operator(InferContext& context);
void run_plugin_reference(KernelContext& context);

// A tensor as plugins see it; data is never null, not even of an empty one.
strop_tensor plugin_tensor(const Tensor& tensor);

// Whether a kernel takes a node whose inputs are those of `shapes`, with its reason. Throws what
// the plugin fails with otherwise.
struct PluginAnswer {
  bool yes = false;
  std::string reason;
};
PluginAnswer ask_plugin_kernel(const PluginOperator& op, const PluginKernel& kernel,
                               InferContext& shapes, bool precise);

}  // namespace strop
