// SPDX-License-Identifier: Apache-2.0
// If and Loop. The types of the values that a loop carries are guessed to be those of the initial
// values; where the body returns something else, they are widened and the body is imported again.
#include <algorithm>

#include "ir/inline.hpp"
#include "onnx/converter_table.hpp"
#include "ops/identity.hpp"
#include "ops/if_else.hpp"
#include "ops/loop.hpp"

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

// `guess` with what the body does not keep widened: sizes become symbols that begin with `prefix`.
// `begin` is the guess sharpened by what the model declares, which stays. Nothing when no part of
// the guess has to go.
std::optional<Type> widened(const Type& guess, const Type& begin, const Type& end,
                            const std::string& prefix) {
  if (begin == end || guess.kind != end.kind) return std::nullopt;
  if (guess.kind == ValueKind::sequence && guess.element->is_tensor()) {
    const Type any = Type::sequence(Type::tensor_of_unknown_rank(guess.element->dtype));
    return guess == any ? std::nullopt : std::optional(any);
  }
  if (!guess.is_tensor() || !guess.shape) return std::nullopt;
  const std::size_t rank = guess.shape->size();
  if (begin.rank() != guess.rank()) return std::nullopt;
  if (!end.shape || end.shape->size() != rank) return Type::tensor_of_unknown_rank(guess.dtype);
  SymShape shape;
  bool changed = false;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    const Dim& guessed = (*guess.shape)[axis];
    const Dim& before = (*begin.shape)[axis];
    const Dim unknown = Dim::symbol(prefix + std::to_string(axis));
    const bool kept = before == (*end.shape)[axis] || !(before == guessed) || guessed == unknown;
    shape.push_back(kept ? guessed : unknown);
    changed = changed || !kept;
  }
  if (!changed) return std::nullopt;
  return Type::tensor(guess.dtype, std::move(shape));
}

void loop(ConvertContext& c) {
  const std::size_t carried = c.input_count() > 2 ? c.input_count() - 2 : 0;
  std::vector<Type> types{Type::tensor(DType::i64, {}), Type::tensor(DType::boolean, {})};
  std::vector<ValueId> inputs{c.optional_input(0), c.optional_input(1)};
  for (std::size_t i = 0; i < carried; ++i) {
    inputs.push_back(c.input(i + 2));
    types.push_back(c.type(inputs.back()));
  }
  std::vector<ValueId> captures;
  std::vector<std::shared_ptr<const Graph>> graphs;
  // Each round widens at least one size or rank; few loops need more than two.
  for (bool stable = false; !stable;) {
    c.import_subgraph("body", types);
    captures.clear();
    graphs = c.finish_subgraphs(captures);
    const Graph& body = *graphs.front();
    if (body.inputs().size() < carried + 2 || body.outputs().size() < carried + 1) {
      c.fail(ErrorCode::model_malformed,
             "its body has fewer inputs or outputs than the node carries values");
    }
    stable = true;
    for (std::size_t i = 0; i < carried; ++i) {
      const Type& begin = body.value(body.inputs()[i + 2]).type;
      const Type& end = body.value(body.outputs()[i + 1]).type;
      const std::string prefix = "#" + body.scope() + "carried" + std::to_string(i) + ".";
      auto wider = widened(types[i + 2], begin, end, prefix);
      if (!wider) continue;
      types[i + 2] = std::move(*wider);
      stable = false;
    }
  }
  inputs.insert(inputs.end(), captures.begin(), captures.end());
  c.set_outputs(c.emit_many(op_loop(), LoopAttributes{static_cast<std::int64_t>(carried)},
                            std::move(inputs), c.output_count(), std::move(graphs)));
}

}  // namespace

void register_control_flow(ConverterTable& table) {
  table.add("If", 1, if_else);
  table.add("Loop", 1, loop);
}

}  // namespace strop::onnx
