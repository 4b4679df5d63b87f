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

// An operator that gives a sequence copies its elements, those that were there before too. So many
// cost about as much as an iteration of a small loop, and count as one.
constexpr std::int64_t kElementsPerIteration = 256;

void count_iterations(const RunLimits& limits, std::int64_t count) {
  if (limits.iterations == nullptr || limits.loop_iterations == 0) return;
  const auto sum = try_add(*limits.iterations, count);
  if (!sum || *sum > limits.loop_iterations) {
    throw Error(
        ErrorCode::limit_exceeded,
        "the loops of this run pass " + std::to_string(limits.loop_iterations) + " iterations",
        "RunLimits::loop_iterations bounds how often loops may run",
        "raise the limit if the model is trusted, or find the loop that does not end");
  }
  *limits.iterations = *sum;
}

void count_copy(const RunLimits& limits, const Datum& datum) {
  const auto* sequence = std::get_if<Sequence>(&datum.value);
  if (sequence == nullptr) return;
  count_iterations(limits, static_cast<std::int64_t>(sequence->size()) / kElementsPerIteration);
}

// The limits with a counter of their own where they have none.
class CountedLimits {
 public:
  explicit CountedLimits(const RunLimits& given) : limits_(given) {
    if (limits_.iterations == nullptr) limits_.iterations = &iterations_;
  }
  CountedLimits(const CountedLimits&) = delete;
  CountedLimits& operator=(const CountedLimits&) = delete;
  const RunLimits& get() const { return limits_; }

 private:
  RunLimits limits_;
  std::int64_t iterations_ = 0;
};

using Observer = std::function<void(ValueId, const Datum&)>;
std::vector<Datum> run_graph(const Graph& graph, std::span<const Datum* const> inputs,
                             const RunLimits& limits, const Observer& observe);

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
                                               std::span<const Datum* const> inputs) const {
  STROP_CHECK(which < subgraphs_.size(), "an operator runs nested graphs that it has");
  return run_graph(*subgraphs_[which], inputs, limits_, {});
}

void KernelContext::check_deadline() const {
  if (limits_.deadline && std::chrono::steady_clock::now() > *limits_.deadline) {
    throw Error(ErrorCode::limit_exceeded, "the run passed its deadline",
                "RunLimits::deadline is over",
                "allow more time, or find the loop that does not end");
  }
}

void KernelContext::count_iterations(std::int64_t count) const {
  check_deadline();
  strop::count_iterations(limits_, count);
}

void KernelContext::fail(std::string why, std::string hint) const {
  throw Error(ErrorCode::bad_value, "operator " + std::string(op_.name), std::move(why),
              std::move(hint));
}

void evaluate_op(const OpDef& op, const Attributes& attributes,
                 std::span<const Datum* const> inputs, std::span<const Graph* const> subgraphs,
                 std::size_t output_count, std::vector<Datum>& outputs, const RunLimits& given) {
  const CountedLimits counted(given);
  const RunLimits& limits = counted.get();
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
  for (const Datum& output : outputs) count_copy(limits, output);
}

namespace {

// An input whose type contradicts what the graph declares.
void check_input(const Graph& graph, ValueId id, const Datum& datum) {
  const Type& declared = graph.value(id).type;
  if (!declared.is_tensor() || !datum.is_tensor()) return;
  const Tensor& tensor = datum.tensor();
  if (tensor.dtype() != declared.dtype) {
    throw Error(ErrorCode::input_type, "input " + graph.value(id).name + " is " + describe(tensor),
                "it must be " + declared.to_string());
  }
  if (declared.shape && declared.shape->size() != tensor.shape().size()) {
    throw Error(ErrorCode::input_rank, "input " + graph.value(id).name + " is " + describe(tensor),
                "it must be " + declared.to_string());
  }
}

// One run of a graph.
class GraphRun {
 public:
  GraphRun(const Graph& graph, const RunLimits& limits, const Observer& observe)
      : graph_(graph),
        limits_(limits),
        observe_(observe),
        own_(graph.value_count()),
        at_(graph.value_count(), nullptr),
        left_(graph.value_count(), 0) {}

  std::vector<Datum> run(std::span<const Datum* const> inputs) {
    read_inputs(inputs);
    for (std::uint32_t i = 0; i < graph_.value_count(); ++i) {
      const Value& value = graph_.value(ValueId{i});
      left_[i] = value.uses.size();
      if (value.is_constant()) hold(ValueId{i}, value.constant);
    }
    for (const ValueId id : graph_.outputs()) ++left_[id.index];
    for (const NodeId id : graph_.order()) {
      run_node(graph_.node(id));
      check_deadline();
    }
    std::vector<Datum> results;
    for (const ValueId id : graph_.outputs()) {
      const bool last = --left_[id.index] == 0 && at_[id.index] == &own_[id.index];
      if (!last) count_copy(limits_, *at_[id.index]);
      results.push_back(last ? std::move(own_[id.index]) : *at_[id.index]);
    }
    return results;
  }

 private:
  void hold(ValueId id, Datum datum) {
    own_[id.index] = std::move(datum);
    at_[id.index] = &own_[id.index];
  }

  void read_inputs(std::span<const Datum* const> inputs) {
    if (inputs.size() != graph_.inputs().size()) {
      throw Error(ErrorCode::missing_input, "graph " + graph_.name() + " takes " +
                                                std::to_string(graph_.inputs().size()) +
                                                " inputs, got " + std::to_string(inputs.size()));
    }
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const ValueId id = graph_.inputs()[i];
      check_input(graph_, id, *inputs[i]);
      bind_symbols(graph_.value(id).type, *inputs[i], symbols_);
      at_[id.index] = inputs[i];
      if (observe_) observe_(id, *inputs[i]);
    }
  }

  void run_node(const Node& node) {
    arguments_.clear();
    for (const ValueId input : node.inputs)
      arguments_.push_back(input.exists() ? at_[input.index] : nullptr);
    subgraphs_.clear();
    for (const auto& nested : node.subgraphs) subgraphs_.push_back(nested.get());
    std::vector<Datum> outputs;
    try {
      evaluate_op(*node.op, with_values(node.attributes, symbols_), arguments_, subgraphs_,
                  node.outputs.size(), outputs, limits_);
    } catch (Error& error) {
      error.add_context("node " + (node.name.empty() ? std::string(node.op->name) : node.name));
      throw;
    }
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      const ValueId output = node.outputs[i];
      if (observe_) observe_(output, outputs[i]);
      if (left_[output.index] > 0) hold(output, std::move(outputs[i]));
    }
    for (const ValueId input : node.inputs) {
      if (input.exists() && --left_[input.index] == 0) own_[input.index] = Datum();
    }
  }

  void check_deadline() const {
    if (limits_.deadline && std::chrono::steady_clock::now() > *limits_.deadline) {
      throw Error(ErrorCode::limit_exceeded, "the run passed its deadline",
                  "RunLimits::deadline is over",
                  "allow more time, or find the loop that does not end");
    }
  }

  const Graph& graph_;
  const RunLimits& limits_;
  const Observer& observe_;
  std::vector<Datum> own_;         // per value, what this run made
  std::vector<const Datum*> at_;   // per value; an input of the run stays where it is
  std::vector<std::size_t> left_;  // per value, uses to come
  SymbolValues symbols_;
  std::vector<const Datum*> arguments_;
  std::vector<const Graph*> subgraphs_;
};

std::vector<Datum> run_graph(const Graph& graph, std::span<const Datum* const> inputs,
                             const RunLimits& limits, const Observer& observe) {
  const CountedLimits counted(limits);
  return GraphRun(graph, counted.get(), observe).run(inputs);
}

std::vector<const Datum*> pointers_to(std::span<const Datum> data) {
  std::vector<const Datum*> out;
  for (const Datum& datum : data) out.push_back(&datum);
  return out;
}

}  // namespace

std::vector<Datum> evaluate_graph(const Graph& graph, std::span<const Datum> inputs,
                                  const RunLimits& limits) {
  return run_graph(graph, pointers_to(inputs), limits, {});
}

std::vector<Datum> evaluate_graph(const Graph& graph, std::span<const Datum> inputs,
                                  const RunLimits& limits,
                                  const std::function<void(ValueId, const Datum&)>& observe) {
  return run_graph(graph, pointers_to(inputs), limits, observe);
}

}  // namespace strop
