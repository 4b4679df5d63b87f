// SPDX-License-Identifier: Apache-2.0
#include "backends/plugin/plugin_step.hpp"

#include <algorithm>
#include <limits>

#include "plugin/plugin_registry.hpp"

namespace strop {
namespace {

strop_tensor tensor_of(const StropAbiValue& value) {
  return {value.dtype, value.rank, value.dims, value.data, value.bytes};
}

Type type_of(const StropAbiValue& value) {
  if (value.dtype >= static_cast<std::uint32_t>(kDTypeCount) || value.boxed != nullptr ||
      value.rank == STROP_ABI_UNKNOWN_RANK ||
      std::any_of(value.dims, value.dims + value.rank, [](std::int64_t dim) { return dim < 0; })) {
    throw Error(ErrorCode::engine_invalid, "a kernel of a plugin",
                "it is given a value that is no tensor of known shape",
                "build the engine again from its model");
  }
  return Type::tensor(static_cast<DType>(value.dtype),
                      to_symbolic(Shape(value.dims, value.dims + value.rank)));
}

}  // namespace

PluginStep::PluginStep(std::string_view kernel, std::string_view parameters) {
  const std::size_t slash = std::min(kernel.find('/'), kernel.size());
  const std::string_view name = kernel.substr(0, slash);
  const OpDef* op = is_plugin_operator_name(name) ? find_operator(name) : nullptr;
  op_ = op != nullptr ? plugin_operator(*op) : nullptr;
  if (op_ == nullptr) {
    throw Error(ErrorCode::missing_plugin,
                "the engine needs operator " + std::string(name.substr(0, 200)),
                "no plugin that was loaded has it", "load its plugin first: --plugin FILE");
  }
  const std::string_view wanted = kernel.substr(std::min(slash + 1, kernel.size()));
  kernel_ = op_->find_kernel(wanted);
  if (kernel_ == nullptr) {
    throw Error(
        ErrorCode::plugin_mismatch,
        "the engine needs kernel " + std::string(wanted.substr(0, 200)) + " of operator " +
            op_->ir_name,
        "plugin " + op_->library->name + " " + op_->library->version() + " has none of that name",
        "build the engine again with this version of the plugin");
  }
  if (const std::string missing = kernel_->missing_instruction_set(); !missing.empty()) {
    throw Error(ErrorCode::engine_other_target,
                "kernel " + kernel_->name + " of operator " + op_->ir_name,
                "it needs " + missing + ", which this processor has not",
                "build the engine on a machine of this kind");
  }
  attributes_ = Attributes::parse(*op_->attributes, parameters);
}

PluginStep::~PluginStep() {
  if (state_ != nullptr && kernel_->functions.release != nullptr)
    kernel_->functions.release(state_);
}

std::uint64_t PluginStep::prepare(std::span<const StropAbiValue> inputs,
                                  std::span<const StropAbiValue> outputs) {
  std::vector<Type> types(inputs.size());
  std::vector<Tensor> constants(inputs.size());
  std::vector<InferInput> known(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].dtype == 0 && inputs[i].boxed == nullptr) continue;
    types[i] = type_of(inputs[i]);
    known[i].type = &types[i];
    if (inputs[i].data == nullptr) continue;
    constants[i] =
        Tensor::wrap(types[i].dtype, *to_concrete(*types[i].shape), inputs[i].data, nullptr);
    known[i].constant = &constants[i];
  }
  InferContext context(*op_, attributes_, known, {}, outputs.size(), "run");
  infer_outputs(context);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Type foreseen = type_of(outputs[i]);
    if (foreseen == context.outputs()[i].type) continue;
    throw Error(ErrorCode::engine_invalid, "operator " + op_->ir_name,
                "its output " + std::to_string(i) + " is " + context.outputs()[i].type.to_string() +
                    ", the engine foresees " + foreseen.to_string(),
                "build the engine again from its model");
  }
  const PluginAnswer answer = ask_plugin_kernel(*op_, *kernel_, context, false);
  if (!answer.yes) {
    throw Error(ErrorCode::no_implementation,
                "kernel " + kernel_->name + " of operator " + op_->ir_name, answer.reason,
                "build the engine again with these shapes: --shapes");
  }
  inputs_.clear();
  outputs_.clear();
  for (const StropAbiValue& value : inputs) inputs_.push_back(tensor_of(value));
  for (const StropAbiValue& value : outputs) outputs_.push_back(tensor_of(value));
  if (kernel_->functions.prepare == nullptr) return 0;
  strop_plugin_call call(*op_, plugin_values(attributes_));
  call.has_tensors = true;
  call.inputs = inputs_;
  call.outputs = outputs_;
  std::uint64_t workspace = 0;
  call_plugin(call, "prepare", [&](const strop_plugin_host* host, strop_plugin_call* self) {
    return kernel_->functions.prepare(host, self, &state_, &workspace);
  });
  if (workspace > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    throw Error(ErrorCode::plugin_failed, "operator " + op_->ir_name,
                "its kernel " + kernel_->name + " asks for " + std::to_string(workspace) +
                    " bytes of workspace");
  }
  return workspace;
}

void PluginStep::run(std::span<const StropAbiValue> inputs, std::span<const StropAbiValue> outputs,
                     const StropAbiRun& run) {
  STROP_CHECK(inputs.size() == inputs_.size() && outputs.size() == outputs_.size(),
              "a step runs with the values it was prepared for");
  for (std::size_t i = 0; i < inputs.size(); ++i) inputs_[i] = tensor_of(inputs[i]);
  for (std::size_t i = 0; i < outputs.size(); ++i) outputs_[i] = tensor_of(outputs[i]);
  strop_plugin_call call(*op_, plugin_values(attributes_));
  call.has_tensors = true;
  call.may_run = true;
  call.inputs = inputs_;
  call.outputs = outputs_;
  call.deadline_ns = run.deadline_ns;
  call_plugin(call, "run", [&](const strop_plugin_host* host, strop_plugin_call* self) {
    return kernel_->functions.run(host, self, state_, run.workspace);
  });
}

}  // namespace strop
