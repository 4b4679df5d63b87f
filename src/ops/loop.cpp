// SPDX-License-Identifier: Apache-2.0
// Runs while i < trip count and the condition holds; what is absent does not end the loop. The
// number of iterations, the time and the size of what is stacked are bounded by RunLimits.
#include "ops/loop.hpp"

#include <algorithm>

#include "ops/identity.hpp"
#include "ops/nested_graph_support.hpp"
#include "ops/stacked_output_support.hpp"

namespace strop {
namespace {

// How often a loop runs, where the types tell: it has a trip count, and no condition can end it.
std::optional<Dim> known_trips(const InferContext& context) {
  const auto trips = context.elements(0);
  if (!trips || trips->size() != 1 || !never_stops(*context.subgraphs()[0])) return std::nullopt;
  if (context.has_input(1)) {
    const Tensor* condition = context.constant(1);
    if (condition == nullptr || condition->size() != 1 || !condition->values<bool>()[0])
      return std::nullopt;
  }
  const Dim& count = trips->front();
  return count.is_symbol() ? count : max(count, Dim(0));  // sizes are never negative
}

void infer(InferContext& context) {
  context.require(context.subgraphs().size() == 1, ErrorCode::model_malformed,
                  "it needs one nested graph");
  const std::int64_t given = context.attributes<LoopAttributes>().carried;
  const std::size_t inputs = std::max<std::size_t>(context.input_count(), 2);
  context.require(given >= 0 && given <= static_cast<std::int64_t>(inputs) - 2,
                  ErrorCode::bad_attribute,
                  "carried is " + std::to_string(given) + ", but the node has " +
                      std::to_string(inputs - 2) + " inputs beside trip count and condition");
  const auto carried = static_cast<std::size_t>(given);
  for (std::size_t i = 0; i < context.input_count(); ++i) {
    context.require(i < 2 || context.has_input(i), ErrorCode::model_malformed,
                    "input " + std::to_string(i) + " is missing");
    if (i >= 2 || !context.has_input(i)) continue;
    if (const SymShape* shape = context.shape(i)) {
      context.require_equal(product(*shape), Dim(1), "the size of trip count or condition and 1");
    }
  }
  context.require(context.output_count() >= carried, ErrorCode::model_malformed,
                  "it has fewer outputs than carried values");
  require_interface(context, 0, inputs, context.output_count() + 1);

  const Graph& body = *context.subgraphs()[0];
  OutsideNames names = outside_names(context);
  name_carried_sizes(names, context, body, {.first_input = 2, .first_output = 1, .count = carried},
                     0);
  for (std::size_t i = carried + 2; i < context.input_count(); ++i)
    name_sizes(names, body.value(body.inputs()[i]).type, context.input(i));
  const std::optional<Dim> trips = known_trips(context);
  for (std::size_t i = 0; i < context.output_count(); ++i) {
    const Type& end = body.value(body.outputs()[i + 1]).type;
    if (i < carried) {
      // Without any iteration the value is still the initial one.
      context.set_output(
          i, join_types(context, context.input(i + 2), outside_type(context, end, names)));
      continue;
    }
    context.require(end.is_tensor(), ErrorCode::bad_type,
                    "scan output " + std::to_string(i - carried) + " is " + end.to_string() +
                        "; only tensors can be stacked");
    Type stacked = outside_type(context, end, names);
    if (stacked.shape) {
      stacked.shape->insert(stacked.shape->begin(), trips ? *trips : context.fresh_dim());
    }
    context.set_output(i, std::move(stacked));
  }
}

void reference(KernelContext& context) {
  const auto carried = static_cast<std::size_t>(context.attributes<LoopAttributes>().carried);
  const Graph& body = *context.subgraphs()[0];
  const std::size_t scans = body.outputs().size() - 1 - carried;
  std::optional<std::int64_t> trips;
  if (context.has_input(0)) trips = std::max<std::int64_t>(0, context.input(0).to_i64().at(0));
  bool go_on = !context.has_input(1) || truth(context, context.datum(1), "the condition");
  const bool counted = go_on && never_stops(body);
  if (counted) {  // what cannot end within the limits is not begun
    if (!trips) {
      throw Error(ErrorCode::limit_exceeded, "a loop never ends",
                  "it has no trip count, and its condition is always true",
                  "give the loop a trip count, or a condition that can become false");
    }
    context.count_iterations(*trips);
  }

  // Trip count and condition make room for what the body gets in their places.
  std::vector<Datum> formal(2 + carried);
  std::vector<const Datum*> arguments = {&formal[0], &formal[1]};
  const auto values = inputs_from(context, 2);
  arguments.insert(arguments.end(), values.begin(), values.end());
  std::vector<StackedOutput> stacks(scans);
  SymbolValues sizes;
  for (std::size_t i = 2; i < arguments.size() && scans > 0; ++i) {
    if (arguments[i]->is_tensor()) learn_sizes(body, i, arguments[i]->tensor().shape(), sizes);
  }
  for (std::int64_t i = 0; go_on && (!trips || i < *trips); ++i) {
    context.count_iterations(counted ? 0 : 1);
    formal[0] = Tensor::scalar<std::int64_t>(i);
    formal[1] = Tensor::scalar<bool>(true);
    std::vector<Datum> results = context.run_subgraph(0, arguments);
    go_on = truth(context, results[0], "the condition");
    for (std::size_t k = 0; k < carried; ++k) {
      formal[2 + k] = std::move(results[1 + k]);
      arguments[2 + k] = &formal[2 + k];
    }
    for (std::size_t k = 0; k < scans; ++k) {
      stacks[k].append(context, results[1 + carried + k]);
    }
  }
  for (std::size_t k = 0; k < carried; ++k) {
    const bool own = arguments[2 + k] == &formal[2 + k];
    deliver(context, k, own ? std::move(formal[2 + k]) : *arguments[2 + k]);
  }
  for (std::size_t k = 0; k < scans; ++k) {
    stacks[k].deliver(context, carried + k, body.value(body.outputs()[1 + carried + k]).type,
                      sizes);
  }
}

}  // namespace

bool never_stops(const Graph& body) {
  if (body.outputs().empty() || body.inputs().size() < 2) return false;
  ValueId condition = body.outputs()[0];
  for (const Node* node = body.producer(condition); node != nullptr && node->is(op_identity());
       node = body.producer(condition)) {
    condition = node->inputs[0];
  }
  const Value& value = body.value(condition);
  if (value.is_constant()) {
    const Tensor& constant = value.constant;
    return constant.dtype() == DType::boolean && constant.size() == 1 && constant.values<bool>()[0];
  }
  return condition == body.inputs()[1];  // true in every iteration
}

const OpDef& op_loop() {
  static const OpDef def{
      .name = "loop",
      .summary = "runs its body until the trip count is reached or the condition is false",
      .attributes = &attribute_schema<LoopAttributes>(),
      .inputs =
          {{.name = "trip_count", .types = {DType::i64}, .arity = Operand::optional},
           {.name = "condition", .types = kBool, .arity = Operand::optional},
           {.name = "carried", .types = kAny, .arity = Operand::variadic, .kind = Operand::any}},
      .outputs = {{.name = "y", .types = kAny, .arity = Operand::variadic, .kind = Operand::any}},
      .subgraphs = {"body"},
      .formal_inputs =
          [](const Attributes& attributes) {
            return 2 + static_cast<std::size_t>(attributes.as<LoopAttributes>().carried);
          },
      .traits = {.data_dependent = true, .parameter_inputs = 0b11},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
