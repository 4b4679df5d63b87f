// SPDX-License-Identifier: Apache-2.0
// One of two nested graphs runs. Sizes in which the branches differ are unknown until then.
#include "ops/if_else.hpp"

#include "ops/nested_graph_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  context.require(context.subgraphs().size() == 2, ErrorCode::model_malformed,
                  "it needs two nested graphs");
  for (std::size_t i = 0; i < context.input_count(); ++i) {
    context.require(context.has_input(i), ErrorCode::model_malformed,
                    "input " + std::to_string(i) + " is missing");
  }
  if (const SymShape* condition = context.shape(0)) {
    context.require_equal(product(*condition), Dim(1), "the size of the condition and 1");
  }
  for (std::size_t branch = 0; branch < 2; ++branch) {
    require_interface(context, branch, context.input_count() - 1, context.output_count());
  }
  const auto type_in = [&](std::size_t branch, std::size_t i) {
    const Graph& graph = *context.subgraphs()[branch];
    OutsideNames names = outside_names(context);
    for (std::size_t input = 0; input < graph.inputs().size(); ++input)
      name_sizes(names, graph.value(graph.inputs()[input]).type, context.input(input + 1));
    return outside_type(context, graph.value(graph.outputs()[i]).type, names);
  };
  const Tensor* known = context.constant(0);
  for (std::size_t i = 0; i < context.output_count(); ++i) {
    const Type then = type_in(0, i);
    const Type otherwise = type_in(1, i);
    const Type joined = join_types(context, then, otherwise);
    const bool one = known != nullptr && known->size() == 1;
    context.set_output(i, !one ? joined : known->values<bool>()[0] ? then : otherwise);
  }
}

void reference(KernelContext& context) {
  const std::size_t branch = truth(context, context.datum(0), "the condition") ? 0 : 1;
  std::vector<Datum> results = context.run_subgraph(branch, inputs_from(context, 1));
  for (std::size_t i = 0; i < results.size(); ++i) deliver(context, i, std::move(results[i]));
}

}  // namespace

const OpDef& op_if_else() {
  static const OpDef def{
      .name = "if_else",
      .summary = "the results of `then` when the condition holds, else those of `else`",
      .inputs =
          {{.name = "condition", .types = kBool},
           {.name = "captures", .types = kAny, .arity = Operand::variadic, .kind = Operand::any}},
      .outputs = {{.name = "y", .types = kAny, .arity = Operand::variadic, .kind = Operand::any}},
      .subgraphs = {"then", "else"},
      .formal_inputs = [](const Attributes&) -> std::size_t { return 1; },
      .traits = {.data_dependent = true, .parameter_inputs = 1u << 0},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
