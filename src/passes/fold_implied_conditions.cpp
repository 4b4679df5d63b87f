// SPDX-License-Identifier: Apache-2.0
// Exporters write "squeeze the axis if its size is 1" as an if_else, and with it no rank after it
// is known. Where the rest of the graph is impossible unless the condition holds (an operator after
// it takes no other rank), the condition becomes the constant true: `equal` of a size and a number,
// whose `then` branch itself requires that they are equal. A run that went well gives the same
// bits, any other one still ends in an error: by the requirement of the branch.
//
// Both sides are tried out in copies of the graph. Left alone: conditions past the first
// kMostTrials, and those on which only nested graphs depend.
#include <algorithm>

#include "ops/binary.hpp"
#include "ops/if_else.hpp"
#include "passes/passes.hpp"

namespace strop {
namespace {

constexpr int kMostTrials = 64;  // each infers the whole graph some times
constexpr int kMostRounds = 4;   // of folding in a trial

// The one element of a small integer tensor.
std::optional<Dim> only_element(const Value& value) {
  if (value.elements && value.elements->size() == 1) return value.elements->front();
  if (!value.is_constant() || value.constant.size() != 1) return std::nullopt;
  if (value.constant.dtype() != DType::i64 && value.constant.dtype() != DType::i32)
    return std::nullopt;
  return Dim(value.constant.to_i64()[0]);
}

struct Equality {
  ValueId condition;
  Dim a, b;
};

std::optional<Equality> read_equality(const Graph& graph, const Node& branch) {
  const ValueId condition = branch.inputs[0];
  const Node* node = graph.producer(condition);
  if (node == nullptr || !node->is(op_binary()) ||
      node->as<BinaryAttributes>().function != BinaryFunction::equal)
    return std::nullopt;
  const auto a = only_element(graph.value(node->inputs[0]));
  const auto b = only_element(graph.value(node->inputs[1]));
  if (!a || !b || (a->is_constant() && b->is_constant())) return std::nullopt;
  return Equality{condition, *a, *b};
}

ValueId constant_like(Patch& patch, const Type& type, bool value) {
  Tensor tensor = Tensor::allocate(DType::boolean, *to_concrete(*type.shape));
  tensor.mutable_values<bool>()[0] = value;
  return patch.constant(std::move(tensor));
}

void set_condition(Graph& graph, ValueId condition, bool value, Patch& patch) {
  patch.replace(condition, constant_like(patch, graph.value(condition).type, value));
}

struct Trial {
  bool possible = true;          // shapes fit, as far as is known
  std::optional<Graph> graph{};  // where everything could be inferred
};

// What the graph becomes where the condition is `value`. Nested graphs are left as they are: none
// of them need run.
Trial try_condition(const Graph& graph, ValueId condition, bool value, const PassContext& context) {
  PassContext quiet;
  quiet.target = context.target;
  Graph trial = graph.clone();
  Patch patch(trial, "try a condition");
  set_condition(trial, condition, value, patch);
  patch.apply(trial);
  const Pass rounds[] = {inline_constant_branch(), fold_shape_arithmetic(), fold_constants()};
  try {
    for (int round = 0; round < kMostRounds; ++round) {
      int rewrites = 0;
      for (const Pass& pass : rounds) {
        rewrites += pass.run(trial, quiet);
        remove_dead_nodes(trial);
        trial.infer();
      }
      if (rewrites == 0) break;
    }
  } catch (const Error& error) {
    switch (error.code()) {
      case ErrorCode::cancelled:
      case ErrorCode::internal:
      case ErrorCode::out_of_memory:
        throw;
      default:  // an axis that is not there, for example, says nothing about the sizes
        return {.possible = error.code() != ErrorCode::bad_shape, .graph = {}};
    }
  }
  return {.possible = true, .graph = std::move(trial)};
}

bool requires_equality(const Graph& graph, const Equality& equality) {
  return std::ranges::any_of(graph.order(), [&](NodeId id) {
    return std::ranges::any_of(graph.node(id).constraints, [&](const ShapeConstraint& constraint) {
      return (constraint.a == equality.a && constraint.b == equality.b) ||
             (constraint.a == equality.b && constraint.b == equality.a);
    });
  });
}

int run(Graph& graph, const PassContext& context) {
  int rewrites = 0, trials = 0;
  const std::vector<NodeId> order = graph.order();
  for (const NodeId id : order) {
    const Node& node = graph.node(id);
    if (!node.is(op_if_else()) || !graph.value(node.inputs[0]).type.is_static()) continue;
    const auto equality = read_equality(graph, node);
    if (!equality || ++trials > kMostTrials) continue;
    if (try_condition(graph, equality->condition, false, context).possible) continue;
    const Trial taken = try_condition(graph, equality->condition, true, context);
    if (!taken.graph || !requires_equality(*taken.graph, *equality)) continue;
    Patch patch(graph, "know that " + equality->a.to_string() + " is " + equality->b.to_string() +
                           " for " + label_of(node));
    patch.descend_from(node);
    set_condition(graph, equality->condition, true, patch);
    context.apply(patch, graph);
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

Pass fold_implied_conditions() {
  return {
      .name = "fold_implied_conditions",
      .summary = "turns a condition without which the rest of the graph is impossible into true",
      .run = run,
  };
}

}  // namespace strop
