// SPDX-License-Identifier: Apache-2.0
// Several operators that one kernel may compute together. The body is a graph whose inputs are the
// node's inputs; its first node is the anchor (conv, matmul, ...), the others its epilogue. A
// concat of what the anchor reads or the normalisation of its rows may come before it, sums of the
// result's rows behind it. Or it is attention between the views that cut out its heads and put them
// together. To run the body is what the operator means. A body captures nothing and holds no nested
// graph.
#include "ops/fused.hpp"

#include "ir/evaluate.hpp"
#include "ir/inline.hpp"
#include "ir/patch.hpp"

namespace strop {
namespace {

// The dimensions that a body's output has for the sizes its inputs have now. Symbols of the body's
// own input types stand for the caller's dimensions at their places.
void infer(InferContext& context) {
  context.require(context.subgraphs().size() == 1, ErrorCode::model_malformed,
                  "it needs exactly one body");
  const Graph& body = *context.subgraphs()[0];
  context.require(body.inputs().size() == context.input_count() &&
                      body.outputs().size() == context.output_count(),
                  ErrorCode::model_malformed, "its body has other inputs or outputs than the node");
  // The body again with the caller's types; the values are kept by their index in the body.
  std::vector<Value> values(body.value_count());
  for (std::uint32_t i = 0; i < body.value_count(); ++i) {
    const Value& value = body.value(ValueId{i});
    if (value.is_constant()) values[i] = value;
  }
  for (std::size_t i = 0; i < body.inputs().size(); ++i) {
    context.require(context.has_input(i), ErrorCode::model_malformed,
                    "input " + std::to_string(i) + " is missing");
    const ValueId id = body.inputs()[i];
    const Type& declared = body.value(id).type;
    const Type& given = context.input(i);
    context.require(declared.kind == given.kind && declared.dtype == given.dtype,
                    ErrorCode::bad_type,
                    "input " + std::to_string(i) + " is " + given.to_string() +
                        ", but its body takes " + declared.to_string());
    values[id.index].type = given;
    if (const Tensor* constant = context.constant(i)) values[id.index].constant = *constant;
    values[id.index].elements = context.elements(i);
  }
  for (const NodeId id : body.order()) {
    const Node& node = body.node(id);
    context.require(node.subgraphs.empty(), ErrorCode::model_malformed,
                    "its body holds a node with nested graphs");
    std::vector<InferOutput> outputs;
    std::vector<ShapeConstraint> constraints;
    infer_node(
        node, [&values](ValueId v) -> const Value& { return values[v.index]; },
        body.scope() + std::to_string(id.index), node.outputs.size(), outputs, constraints);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      values[node.outputs[i].index].type = std::move(outputs[i].type);
      values[node.outputs[i].index].elements = std::move(outputs[i].elements);
    }
    for (ShapeConstraint& constraint : constraints)
      context.constraints().push_back(std::move(constraint));
  }
  for (std::size_t i = 0; i < body.outputs().size(); ++i)
    context.set_output(i, values[body.outputs()[i].index].type);
}

void reference(KernelContext& context) {
  std::vector<const Datum*> inputs;
  for (std::size_t i = 0; i < context.input_count(); ++i) inputs.push_back(&context.datum(i));
  std::vector<Datum> outputs = context.run_subgraph(0, inputs);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    // Memory that the caller supplied stays in use.
    if (outputs[i].is_tensor() && outputs[i].tensor().dtype() != DType::string) {
      const Tensor& result = outputs[i].tensor();
      Tensor& out = context.allocate(i, result.dtype(), result.shape());
      if (result.bytes() > 0)
        std::copy(result.data(), result.data() + result.bytes(), out.mutable_data());
    } else {
      context.set_output(i, std::move(outputs[i]));
    }
  }
}

}  // namespace

const OpDef& op_fused() {
  static const OpDef def{
      .name = "fused",
      .summary = "runs its body: operators that one kernel may compute together",
      .attributes = &attribute_schema<FusedAttributes>(),
      .inputs = {{.name = "inputs", .types = kAny, .arity = Operand::variadic}},
      .outputs = {{.name = "outputs", .types = kAny, .arity = Operand::variadic}},
      .subgraphs = {"body"},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

void inline_fused(Graph& graph, NodeId fused) {
  const Node& node = graph.node(fused);
  STROP_CHECK(node.is(op_fused()), "a fused node is inlined");
  const std::vector<ValueId> before = node.outputs;
  Patch patch(graph, "split " + node.as<FusedAttributes>().kind + " " + node.name);
  const std::vector<ValueId> after = emit_graph(patch, body_of(node), node.inputs);
  for (std::size_t i = 0; i < before.size(); ++i) patch.replace(before[i], after[i]);
  patch.apply(graph);
}

}  // namespace strop
