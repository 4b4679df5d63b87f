// SPDX-License-Identifier: Apache-2.0
// If, Loop and SequenceMap.
#include <algorithm>

#include "ir/inline.hpp"
#include "onnx/convert/carried_values_support.hpp"
#include "onnx/converter_table.hpp"
#include "ops/identity.hpp"
#include "ops/if_else.hpp"
#include "ops/loop.hpp"
#include "ops/optional_get.hpp"
#include "ops/sequence_map.hpp"

namespace strop::onnx {
namespace {

// A branch that is always taken becomes part of the graph. The other one is not looked at: it need
// not make sense for the shapes that decided.
void only_branch(ConvertContext& c, const char* taken, const char* other) {
  c.import_subgraph(taken, {});
  c.ignore_attribute(other);
  std::vector<ValueId> captures;
  const auto graphs = c.finish_subgraphs(captures);
  const Graph& branch = *graphs.front();
  if (branch.outputs().size() != c.output_count()) {
    c.fail(ErrorCode::model_malformed,
           std::string(taken) + " has " + std::to_string(branch.outputs().size()) +
               " outputs, and the node " + std::to_string(c.output_count()));
  }
  std::vector<ValueId> results = emit_graph(c.emitter(), branch, captures);
  for (ValueId& result : results) {  // a value of the outside, or of two names
    if (std::ranges::count(captures, result) > 0 || std::ranges::count(results, result) > 1)
      result = c.emit(op_identity(), NoAttributes{}, {result});
  }
  c.set_outputs(results);
}

void if_else(ConvertContext& c) {
  if (const auto known = c.constant_integers(c.input(0)); known && known->size() == 1) {
    return known->front() != 0 ? only_branch(c, "then_branch", "else_branch")
                               : only_branch(c, "else_branch", "then_branch");
  }
  c.import_subgraph("then_branch", {});
  c.import_subgraph("else_branch", {});
  std::vector<ValueId> captures;
  auto graphs = c.finish_subgraphs(captures);
  std::vector<ValueId> inputs{c.input(0)};
  inputs.insert(inputs.end(), captures.begin(), captures.end());
  c.set_outputs(c.emit_many(op_if_else(), NoAttributes{}, std::move(inputs), c.output_count(),
                            std::move(graphs)));
}

void loop(ConvertContext& c) {
  const std::size_t carried = c.input_count() > 2 ? c.input_count() - 2 : 0;
  std::vector<Type> types{Type::tensor(DType::i64, {}), Type::tensor(DType::boolean, {})};
  std::vector<ValueId> inputs{c.optional_input(0), c.optional_input(1)};
  for (std::size_t i = 0; i < carried; ++i) {
    inputs.push_back(c.input(i + 2));
    types.push_back(c.type(inputs.back()));
  }
  const CarryingBody body = import_carrying_body(
      c, std::move(types), {.first_input = 2, .first_output = 1, .count = carried});
  inputs.insert(inputs.end(), body.captures.begin(), body.captures.end());
  const auto outputs = c.emit_many(op_loop(), LoopAttributes{static_cast<std::int64_t>(carried)},
                                   std::move(inputs), c.output_count(), {body.graph});
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const bool boxed = i < carried && body.made_optional[i] && c.has_output(i);
    c.set_output(i, boxed ? c.emit(op_optional_get(), NoAttributes{}, {outputs[i]}) : outputs[i]);
  }
}

// The type of any element of a sequence: the sizes that it tells as symbols may differ from one
// element to the next.
Type element_type(const Type& sequence, const std::string& prefix) {
  Type out = *sequence.element;
  if (!out.shape) return out;
  for (std::size_t axis = 0; axis < out.shape->size(); ++axis) {
    Dim& size = (*out.shape)[axis];
    if (!size.is_constant()) size = Dim::symbol(prefix + std::to_string(axis));
  }
  return out;
}

void sequence_map(ConvertContext& c) {
  std::vector<ValueId> inputs;
  std::vector<Type> types;
  for (std::size_t i = 0; i < c.input_count(); ++i) {
    inputs.push_back(c.input(i));
    const Type& type = c.type(inputs.back());
    const std::string prefix = "#" + c.subgraph_scope("body") + "element" + std::to_string(i) + ".";
    types.push_back(type.kind == ValueKind::sequence ? element_type(type, prefix) : type);
  }
  c.import_subgraph("body", std::move(types));
  const SequenceMapAttributes attributes{static_cast<std::int64_t>(inputs.size())};
  auto graphs = c.finish_subgraphs(inputs);
  c.set_outputs(c.emit_many(op_sequence_map(), attributes, std::move(inputs), c.output_count(),
                            std::move(graphs)));
}

}  // namespace

void register_control_flow(ConverterTable& table) {
  table.add("If", 1, if_else);
  table.add("Loop", 1, loop);
  table.add("SequenceMap", 17, sequence_map);
}

}  // namespace strop::onnx
