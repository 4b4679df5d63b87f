// SPDX-License-Identifier: Apache-2.0
// The first input tells how many elements there are; all mapped sequences are as long.
#include "ops/sequence_map.hpp"

#include "ops/nested_graph_support.hpp"
#include "ops/sequence_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  context.require(context.subgraphs().size() == 1, ErrorCode::model_malformed,
                  "it needs one nested graph");
  const std::int64_t mapped = context.attributes<SequenceMapAttributes>().mapped;
  context.require(mapped >= 1 && mapped <= static_cast<std::int64_t>(context.input_count()),
                  ErrorCode::bad_attribute,
                  "mapped is " + std::to_string(mapped) + ", but the node has " +
                      std::to_string(context.input_count()) + " inputs");
  for (std::size_t i = 0; i < context.input_count(); ++i) {
    context.require(context.has_input(i), ErrorCode::model_malformed,
                    "input " + std::to_string(i) + " is missing");
  }
  context.require(context.input(0).kind == ValueKind::sequence, ErrorCode::bad_type,
                  "its first input must be a sequence, but is " + context.input(0).to_string());
  require_interface(context, 0, context.input_count(), context.output_count());
  const Graph& body = *context.subgraphs()[0];
  for (std::size_t i = 0; i < context.output_count(); ++i) {
    const Type& element = body.value(body.outputs()[i]).type;
    context.set_output(i, outside_type(context, Type::sequence(element), {}));
  }
}

void reference(KernelContext& context) {
  const auto mapped = static_cast<std::size_t>(context.attributes<SequenceMapAttributes>().mapped);
  const auto sequence = [&](std::size_t i) {
    return std::get_if<Sequence>(&context.datum(i).value);
  };
  const std::size_t count = sequence(0)->size();
  for (std::size_t i = 1; i < mapped; ++i) {
    if (sequence(i) == nullptr || sequence(i)->size() == count) continue;
    context.fail("sequence " + std::to_string(i) + " has " + std::to_string(sequence(i)->size()) +
                     " elements",
                 "the first one has " + std::to_string(count));
  }
  context.count_iterations(static_cast<std::int64_t>(count));
  std::vector<const Datum*> arguments = inputs_from(context, 0);
  std::vector<Sequence> out(context.output_count());
  std::vector<std::int64_t> bytes(out.size(), 0);
  for (std::size_t at = 0; at < count; ++at) {
    context.check_deadline();
    for (std::size_t i = 0; i < mapped; ++i) {
      if (sequence(i) != nullptr) arguments[i] = &(*sequence(i))[at];
    }
    std::vector<Datum> results = context.run_subgraph(0, arguments);
    for (std::size_t i = 0; i < out.size(); ++i) {
      bytes[i] += bytes_of(results[i]);
      check_sequence_bytes(context, bytes[i]);
      out[i].push_back(std::move(results[i]));
    }
  }
  for (std::size_t i = 0; i < out.size(); ++i) context.set_output(i, std::move(out[i]));
}

}  // namespace

const OpDef& op_sequence_map() {
  static const OpDef def{
      .name = "sequence_map",
      .summary = "runs its body for each element of a sequence",
      .attributes = &attribute_schema<SequenceMapAttributes>(),
      .inputs =
          {{.name = "values", .types = kAny, .arity = Operand::variadic, .kind = Operand::any}},
      .outputs = {{.name = "sequences",
                   .types = kAny,
                   .arity = Operand::variadic,
                   .kind = Operand::sequence}},
      .subgraphs = {"body"},
      .formal_inputs =
          [](const Attributes& attributes) {
            return static_cast<std::size_t>(attributes.as<SequenceMapAttributes>().mapped);
          },
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
