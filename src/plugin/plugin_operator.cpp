// SPDX-License-Identifier: Apache-2.0
// The two functions of an OpDef whose operator is a plugin's. What a model or an engine may get
// wrong is found here, before the plugin is called: attributes, operands (infer_outputs looked at
// them), ranks. What the plugin gets wrong is found after it.
#include <algorithm>
#include <chrono>

#include "plugin/plugin_functions.hpp"

namespace strop {
namespace {

const Operand& operand_at(const std::vector<Operand>& operands, std::size_t i) {
  return operands[std::min(i, operands.size() - 1)];
}

void check_attributes(const PluginOperator& op, const PluginValues& values,
                      const InferContext& context) {
  for (std::size_t i = 0; i < op.attribute_list.size(); ++i) {
    const std::string refusal = refusal_of(op.attribute_list[i], values.values[i]);
    if (!refusal.empty())
      context.fail(ErrorCode::bad_attribute,
                   "attribute " + op.attribute_list[i].name + ": " + refusal);
  }
}

void check_ranks(const PluginOperator& op, InferContext& context) {
  for (std::size_t i = 0; i < context.input_count(); ++i) {
    const std::uint32_t rank = PluginOperator::rank_of(op.input_ranks, i);
    if (rank != 0 && context.has_input(i)) context.require_rank(i, rank);
  }
}

[[noreturn]] void broke_contract(const PluginOperator& op, std::string why) {
  throw Error(ErrorCode::plugin_failed, "operator " + op.ir_name, std::move(why),
              "that is a fault of plugin " + op.library->name + ": tell its maker");
}

// An output has a type that its operand allows.
void check_output(const PluginOperator& op, InferContext& context, std::size_t i) {
  const Operand& operand = operand_at(op.outputs, i);
  const std::string name = "output " + std::to_string(i) + " (" + std::string(operand.name) + ")";
  const Type& type = context.outputs()[i].type;
  if (type.dtype == DType::undefined) broke_contract(op, "its infer gave " + name + " no type");
  if (!operand.types.contains(type.dtype))
    broke_contract(op, "its infer made " + name + " " + type.to_string());
  const std::uint32_t rank = PluginOperator::rank_of(op.output_ranks, i);
  if (rank != 0 && type.shape && type.shape->size() != rank)
    broke_contract(op, "its infer made " + name + " " + type.to_string() + ", not of rank " +
                           std::to_string(rank));
  if (operand.same_as == 0) return;
  for (std::size_t k = 0; k < i; ++k) {
    if (operand_at(op.outputs, k).same_as == operand.same_as &&
        context.outputs()[k].type.dtype != type.dtype)
      broke_contract(op, "its infer made " + name + " " + type.to_string() +
                             ", not of the element type of output " + std::to_string(k));
  }
  for (std::size_t k = 0; k < context.input_count(); ++k) {
    if (context.has_input(k) && operand_at(op.inputs, k).same_as == operand.same_as &&
        context.dtype(k) != type.dtype)
      broke_contract(op, "its infer made " + name + " " + type.to_string() +
                             ", not of the element type of input " + std::to_string(k));
  }
}

// Everything that infer may ask for is a number.
bool all_is_known(const PluginOperator& op, const InferContext& context) {
  for (std::size_t i = 0; i < context.input_count(); ++i) {
    if (!context.has_input(i)) continue;
    if (!context.input(i).is_static()) return false;
    const bool parameter = i < 32 && ((op.traits.parameter_inputs >> i) & 1u) != 0;
    if (parameter && context.constant(i) == nullptr) return false;
  }
  return true;
}

}  // namespace

void infer_plugin_operator(InferContext& context) {
  const PluginOperator& op = *plugin_operator(context.op());
  const PluginValues& values = plugin_values(context.all_attributes());
  check_attributes(op, values, context);
  check_ranks(op, context);
  strop_plugin_call call(op, values);
  call.shapes = &context;
  call.may_set_outputs = true;
  call_plugin(call, "infer", op.functions.infer);
  for (std::size_t i = 0; i < context.output_count(); ++i) check_output(op, context, i);
  if (op.traits.data_dependent || !all_is_known(op, context)) return;
  for (std::size_t i = 0; i < context.output_count(); ++i) {
    if (!context.outputs()[i].type.is_static())
      broke_contract(op, "its infer leaves output " + std::to_string(i) +
                             " open though all inputs are known, and it is not marked "
                             "STROP_OPERATOR_DATA_DEPENDENT");
  }
}

namespace {

// `user` is the KernelContext.
void* allocate_in(void* user, std::size_t output, DType dtype, Shape shape, strop_tensor& made) {
  Tensor& tensor = static_cast<KernelContext*>(user)->allocate(output, dtype, std::move(shape));
  made = plugin_tensor(tensor);
  return made.data;
}

// The reference of a data-dependent operator allocated what its infer foresaw, as far as that is
// known before the data is looked at.
void check_allocated(const PluginOperator& op, const KernelContext& context,
                     std::span<const strop_tensor> outputs) {
  std::vector<Type> types(context.input_count());
  std::vector<InferInput> known(context.input_count());
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (!context.has_input(i)) continue;
    const Tensor& tensor = context.input(i);
    types[i] = Type::tensor(tensor.dtype(), to_symbolic(tensor.shape()));
    known[i] = {.type = &types[i], .constant = &tensor};
  }
  InferContext infer(op, context.all_attributes(), known, {}, outputs.size(), "run");
  infer_outputs(infer);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Type& foreseen = infer.outputs()[i].type;
    const Shape made(outputs[i].dims, outputs[i].dims + outputs[i].rank);
    bool fits = outputs[i].dtype == static_cast<strop_dtype>(foreseen.dtype);
    if (foreseen.shape) {
      fits =
          fits && std::ranges::equal(*foreseen.shape, made, [](const Dim& dim, std::int64_t size) {
            return !dim.is_constant() || dim.value() == size;
          });
    }
    if (!fits)
      broke_contract(
          op,
          "its reference made output " + std::to_string(i) + " " +
              Type::tensor(static_cast<DType>(outputs[i].dtype), to_symbolic(made)).to_string() +
              ", its infer foresees " + foreseen.to_string());
  }
}

}  // namespace

void run_plugin_reference(KernelContext& context) {
  const PluginOperator& op = *plugin_operator(context.op());
  std::vector<strop_tensor> inputs(context.input_count());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (context.has_input(i)) inputs[i] = plugin_tensor(context.input(i));
  }
  std::vector<strop_tensor> outputs(context.output_count());
  strop_plugin_call call(op, plugin_values(context.all_attributes()));
  call.has_tensors = true;
  call.may_run = true;
  call.inputs = inputs;
  call.outputs = outputs;
  if (const auto deadline = context.limits().deadline) {
    call.deadline_ns =
        std::chrono::duration_cast<std::chrono::nanoseconds>(deadline->time_since_epoch()).count();
  }
  if (op.traits.data_dependent) {
    call.allocate = allocate_in;
    call.allocate_user = &context;
  } else {
    for (std::size_t i = 0; i < outputs.size(); ++i) outputs[i] = plugin_tensor(context.output(i));
  }
  call_plugin(call, "reference", op.functions.reference);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].dtype == STROP_UNDEFINED)
      broke_contract(op, "its reference left output " + std::to_string(i) + " unwritten");
  }
  if (op.traits.data_dependent) check_allocated(op, context, outputs);
}

PluginAnswer ask_plugin_kernel(const PluginOperator& op, const PluginKernel& kernel,
                               InferContext& shapes, bool precise) {
  if (const std::string missing = kernel.missing_instruction_set(); !missing.empty())
    return {false, "this processor has no " + missing};
  if (kernel.functions.accepts == nullptr) return {true, {}};
  strop_plugin_call call(op, plugin_values(shapes.all_attributes()));
  call.shapes = &shapes;
  call.precise = precise;
  try {
    call_plugin(call, "accepts", kernel.functions.accepts);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::no_implementation) throw;
    return {false, error.diagnostics().front().why};
  }
  return {true, {}};
}

}  // namespace strop
