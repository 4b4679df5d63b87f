// SPDX-License-Identifier: Apache-2.0
// Importing models that a test has written, and operators of a domain of the tests' own with what
// the standard's do not show: nested graphs, optional inputs, tensor attributes.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "onnx/converter_table.hpp"
#include "onnx/importer.hpp"
#include "ops/softmax.hpp"
#include "support/model_writer.hpp"

namespace strop::onnx {

// An operator with one nested graph "body": its outputs are those of the body.
inline const OpDef& op_nest() {
  static const OpDef def{
      .name = "test_nest",
      .summary = "runs its body",
      .inputs =
          {{.name = "inputs", .types = kAny, .arity = Operand::variadic, .kind = Operand::any}},
      .outputs =
          {{.name = "outputs", .types = kAny, .arity = Operand::variadic, .kind = Operand::any}},
      .subgraphs = {"body"},
      .traits = {},
      .infer =
          [](InferContext& context) {
            const Graph& body = *context.subgraphs()[0];
            for (std::size_t i = 0; i < body.outputs().size(); ++i)
              context.set_output(i, body.value(body.outputs()[i]).type);
          },
      .reference = nullptr,
  };
  return def;
}

inline void convert_nest(ConvertContext& c) {
  std::vector<ValueId> inputs = c.all_inputs();
  std::vector<Type> types;
  for (const ValueId id : inputs) types.push_back(c.type(id));
  c.import_subgraph("body", types);
  if (c.has_attribute("other")) c.import_subgraph("other", types);
  auto graphs = c.finish_subgraphs(inputs);
  c.set_outputs(c.emit_many(op_nest(), NoAttributes{}, inputs, c.output_count(), {graphs.front()}));
}

// y = x, or the attribute "value"; a missing x must come with a value.
inline void convert_either(ConvertContext& c) {
  if (c.has_input(0)) {
    c.set_output(0, c.emit(op_softmax(), SoftmaxAttributes{}, {c.input(0)}));
  } else {
    c.set_output(0, c.emitter().constant(c.tensor_attribute("value")));
  }
}

inline const ConverterTable& test_converters() {
  static const ConverterTable table = [] {
    ConverterTable out;
    register_all_converters(out);
    out.add("test", "Nest", 1, convert_nest);
    out.add("test", "Either", 1, convert_either);
    return out;
  }();
  return table;
}

inline Graph import_bytes(const std::string& bytes, ImportOptions options = {}) {
  if (options.converters == nullptr) options.converters = &test_converters();
  const auto owner = std::make_shared<const std::string>(bytes);
  return import_model(wire::as_bytes(*owner), owner, options);
}

inline Graph import_parts(const wire::ModelParts& parts, const ImportOptions& options = {}) {
  return import_bytes(wire::model(parts), options);
}

// The problems of a model that must not be importable.
inline std::vector<Diagnostic> problems_of(const std::string& bytes,
                                           const ImportOptions& options = {}) {
  try {
    import_bytes(bytes, options);
  } catch (const Error& error) {
    return error.diagnostics();
  }
  ADD_FAILURE() << "the model was imported";
  return {Diagnostic{}};
}

// x: f32[N,3] and y: f32[N,3] around some nodes.
inline wire::ModelParts parts_of(std::vector<wire::Node> nodes) {
  wire::ModelParts parts;
  parts.graph.nodes = std::move(nodes);
  parts.graph.inputs = {wire::value_info("x", wire::tensor_type(wire::kFloat, {"N", 3}))};
  parts.graph.outputs = {wire::value_info("y", wire::tensor_type(wire::kFloat, {"N", 3}))};
  return parts;
}

}  // namespace strop::onnx
