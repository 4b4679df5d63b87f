// SPDX-License-Identifier: Apache-2.0
#include "ir/evaluate.hpp"

#include <algorithm>

namespace strop {
namespace {

Type type_of(const Datum& datum) {
  if (const auto* tensor = std::get_if<Tensor>(&datum.value)) {
    return Type::tensor(tensor->dtype(), to_symbolic(tensor->shape()));
  }
  if (const auto* sequence = std::get_if<Sequence>(&datum.value)) {
    // An empty sequence has lost its element type; operators that need one read it from their
    // attributes.
    if (sequence->empty()) return Type::sequence(Type::tensor_of_unknown_rank(DType::undefined));
    Type element = type_of(sequence->front());
    if (element.is_tensor()) element = Type::tensor_of_unknown_rank(element.dtype);
    return Type::sequence(std::move(element));
  }
  if (const auto* optional = std::get_if<Optional>(&datum.value)) {
    return Type::optional(optional->value ? type_of(*optional->value)
                                          : Type::tensor_of_unknown_rank(DType::undefined));
  }
  const auto* map = std::get_if<Map>(&datum.value);
  STROP_CHECK(map != nullptr, "an input has a value");
  return Type::map(map->keys.dtype(), map->values.empty()
                                          ? Type::tensor_of_unknown_rank(DType::undefined)
                                          : type_of(map->values.front()));
}

void check_tensor_bytes(const Type& type, const Shape& shape, const RunLimits& limits) {
  if (type.dtype == DType::string || limits.tensor_bytes == 0) return;
  const std::int64_t bytes = byte_size(type.dtype, shape);
  if (bytes > limits.tensor_bytes) {
    throw Error(ErrorCode::limit_exceeded, "a tensor of " + std::to_string(bytes) + " bytes",
                "the limit for one tensor is " + std::to_string(limits.tensor_bytes) + " bytes",
                "raise RunLimits::tensor_bytes if the model is trusted");
  }
}

// Gives symbols that stand alone as a dimension of `declared` the size found there.
void bind_symbols(const Type& declared, const Datum& datum, SymbolValues& symbols) {
  if (!declared.is_tensor() || !declared.shape || !datum.is_tensor()) return;
  const Shape& actual = datum.tensor().shape();
  if (actual.size() != declared.shape->size()) return;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const Dim& dim = (*declared.shape)[i];
    if (dim.is_symbol()) symbols.try_emplace(dim.symbol_name(), actual[i]);
  }
}

}  // namespace

Attributes with_values(const Attributes& attributes, const SymbolValues& symbols) {
  if (!attributes.has_symbols()) return attributes;
  return attributes.map_dims([&](const Dim& dim) { return Dim(dim.evaluate(symbols)); });
}

const Datum& KernelContext::datum(std::size_t i) const {
  STROP_CHECK(has_input(i), "a kernel reads inputs that are present");
  return *inputs_[i];
}

Tensor& KernelContext::output(std::size_t i) {
  STROP_CHECK(i < outputs_.size() && outputs_[i].is_tensor(),
              "an output is allocated before it is written");
  return std::get<Tensor>(outputs_[i].value);
}

Tensor& KernelContext::allocate(std::size_t i, DType dtype, Shape shape) {
  check_tensor_bytes(Type::tensor_of_unknown_rank(dtype), shape, limits_);
  if (i >= outputs_.size()) outputs_.resize(i + 1);
  const auto* present = std::get_if<Tensor>(&outputs_[i].value);
  if (present == nullptr || present->dtype() != dtype || present->shape() != shape) {
    outputs_[i] = Tensor::allocate(dtype, std::move(shape));
  }
  return std::get<Tensor>(outputs_[i].value);
}

void KernelContext::set_output(std::size_t i, Datum datum) {
  if (i < outputs_.size()) outputs_[i] = std::move(datum);
}

std::vector<Datum> KernelContext::run_subgraph(std::size_t which,
                                               std::span<const Datum> inputs) const {
  STROP_CHECK(which < subgraphs_.size(), "an operator runs nested graphs that it has");
  return evaluate_graph(*subgraphs_[which], inputs, limits_);
}

void KernelContext::check_deadline() const {
  if (limits_.deadline && std::chrono::steady_clock::now() > *limits_.deadline) {
    throw Error(ErrorCode::limit_exceeded, "the run passed its deadline",
                "RunLimits::deadline is over",
                "allow more time, or find the loop that does not end");
  }
}

void KernelContext::fail(std::string why, std::string hint) const {
  throw Error(ErrorCode::bad_value, "operator " + std::string(op_.name), std::move(why),
              std::move(hint));
}

void evaluate_op(const OpDef& op, const Attributes& attributes,
                 std::span<const Datum* const> inputs, std::span<const Graph* const> subgraphs,
                 std::size_t output_count, std::vector<Datum>& outputs, const RunLimits& limits) {
  std::vector<Type> types(inputs.size());
  std::vector<InferInput> known(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i] == nullptr) continue;
    types[i] = type_of(*inputs[i]);
    known[i].type = &types[i];
    if (inputs[i]->is_tensor()) known[i].constant = &inputs[i]->tensor();
  }
  InferContext infer(op, attributes, known, subgraphs, output_count, "run");
  infer_outputs(infer);
  outputs.resize(output_count);
  for (std::size_t i = 0; i < output_count; ++i) {
    const Type& type = infer.outputs()[i].type;
    const auto shape = type.is_tensor() && type.shape ? to_concrete(*type.shape) : std::nullopt;
    if (!shape) continue;  // the kernel allocates it
    check_tensor_bytes(type, *shape, limits);
    const auto* present = std::get_if<Tensor>(&outputs[i].value);
    if (present == nullptr || present->dtype() != type.dtype || present->shape() != *shape) {
      outputs[i] = Tensor::allocate(type.dtype, *shape);
    }
  }
  KernelContext context(op, attributes, inputs, subgraphs, outputs, limits);
  op.reference(context);
}

std::vector<Datum> evaluate_graph(const Graph& graph, std::span<const Datum> inputs,
                                  const RunLimits& limits) {
  return evaluate_graph(graph, inputs, limits, {});
}

std::vector<Datum> evaluate_graph(const Graph& graph, std::span<const Datum> inputs,
                                  const RunLimits& limits,
                                  const std::function<void(ValueId, const Datum&)>& observe) {
  if (inputs.size() != graph.inputs().size()) {
    throw Error(ErrorCode::missing_input, "graph " + graph.name() + " takes " +
                                              std::to_string(graph.inputs().size()) +
                                              " inputs, got " + std::to_string(inputs.size()));
  }
  std::vector<Datum> data(graph.value_count());
  std::vector<std::size_t> left(graph.value_count(), 0);
  SymbolValues symbols;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const ValueId id = graph.inputs()[i];
    const Type& declared = graph.value(id).type;
    if (declared.is_tensor() && inputs[i].is_tensor()) {
      const Tensor& tensor = inputs[i].tensor();
      if (tensor.dtype() != declared.dtype) {
        throw Error(ErrorCode::input_type,
                    "input " + graph.value(id).name + " is " + describe(tensor),
                    "it must be " + declared.to_string());
      }
      if (declared.shape && declared.shape->size() != tensor.shape().size()) {
        throw Error(ErrorCode::input_rank,
                    "input " + graph.value(id).name + " is " + describe(tensor),
                    "it must be " + declared.to_string());
      }
    }
    bind_symbols(declared, inputs[i], symbols);
    data[id.index] = inputs[i];
    if (observe) observe(id, data[id.index]);
  }
  for (std::size_t i = 0; i < graph.value_count(); ++i) {
    const ValueId id{static_cast<std::uint32_t>(i)};
    const Value& value = graph.value(id);
    left[i] = value.uses.size();
    if (value.is_constant()) data[i] = value.constant;
  }
  for (ValueId id : graph.outputs()) ++left[id.index];

  std::vector<const Datum*> arguments;
  std::vector<const Graph*> subgraphs;
  for (NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    arguments.clear();
    for (ValueId input : node.inputs)
      arguments.push_back(input.exists() ? &data[input.index] : nullptr);
    subgraphs.clear();
    for (const auto& nested : node.subgraphs) subgraphs.push_back(nested.get());
    std::vector<Datum> outputs;
    try {
      evaluate_op(*node.op, with_values(node.attributes, symbols), arguments, subgraphs,
                  node.outputs.size(), outputs, limits);
    } catch (Error& error) {
      error.add_context("node " + (node.name.empty() ? std::string(node.op->name) : node.name));
      throw;
    }
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      const ValueId output = node.outputs[i];
      if (observe) observe(output, outputs[i]);
      if (left[output.index] > 0) data[output.index] = std::move(outputs[i]);
    }
    for (ValueId input : node.inputs) {
      if (input.exists() && --left[input.index] == 0) data[input.index] = Datum();
    }
    if (limits.deadline && std::chrono::steady_clock::now() > *limits.deadline) {
      throw Error(ErrorCode::limit_exceeded, "the run passed its deadline",
                  "RunLimits::deadline is over",
                  "allow more time, or find the loop that does not end");
    }
  }
  std::vector<Datum> results;
  for (ValueId id : graph.outputs()) results.push_back(data[id.index]);
  return results;
}

}  // namespace strop
