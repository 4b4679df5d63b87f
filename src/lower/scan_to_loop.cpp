// SPDX-License-Identifier: Apache-2.0
#include "lower/scan_to_loop.hpp"

#include "ir/inline.hpp"
#include "ops/gather.hpp"
#include "ops/scan.hpp"
#include "ops/unary.hpp"

namespace strop {

std::optional<Dim> scan_trips(const Graph& graph, const Node& scan) {
  const auto& attributes = scan.as<ScanAttributes>();
  const auto first = 1 + static_cast<std::size_t>(attributes.states);
  if (scan.input(0).exists()) return std::nullopt;
  for (std::size_t i = 0; i < attributes.axes.size(); ++i) {
    if (!graph.value(scan.inputs[first + i]).type.shape) return std::nullopt;
  }
  const Type& type = graph.value(scan.inputs[first]).type;
  const std::int64_t axis = normalize_axis(attributes.axes[0], type.rank());
  return (*type.shape)[static_cast<std::size_t>(axis)];
}

Graph scan_as_loop(const Graph& graph, const Node& scan) {
  const auto& attributes = scan.as<ScanAttributes>();
  const Graph& inner = *scan.subgraphs[0];
  const auto states = static_cast<std::size_t>(attributes.states);
  GraphBuilder loop(inner.name(), inner.scope() + "loop/");
  const ValueId iteration = loop.add_input("iteration", Type::tensor(DType::i64, {}));
  const ValueId condition = loop.add_input("condition", Type::tensor(DType::boolean, {}));
  // The slice t from the end is slice -1 - t.
  ValueId backwards = ValueId::none();
  const auto place = [&](bool reverse) {
    if (reverse && !backwards.exists()) {
      backwards = loop.emit(op_unary(), UnaryAttributes{.function = UnaryFunction::bitwise_not},
                            {iteration});
    }
    return reverse ? backwards : iteration;
  };
  std::vector<ValueId> inputs;  // of the body of the scan
  for (std::size_t i = 0; i + 1 < scan.inputs.size(); ++i) {
    const Value& formal = inner.value(inner.inputs()[i]);
    if (i < states || i >= states + attributes.axes.size()) {
      inputs.push_back(loop.add_input(formal.name, formal.type));
      continue;
    }
    const std::size_t which = i - states;
    const Type& type = graph.value(scan.inputs[1 + i]).type;
    const std::int64_t axis = normalize_axis(attributes.axes[which], type.rank());
    const ValueId scanned = loop.add_input(formal.name + "/all", type);
    const bool reverse = !attributes.reverse.empty() && attributes.reverse[which] != 0;
    Emitter::Options options;
    options.name = formal.name;
    options.output_names = {formal.name};
    options.origins = scan.origins;
    inputs.push_back(loop.emit(op_gather(), GatherAttributes{.axis = axis},
                               {scanned, place(reverse)}, 1, std::move(options))[0]);
  }
  loop.add_output(condition, "condition");
  const std::vector<ValueId> results = emit_graph(loop, inner, inputs);
  for (std::size_t i = 0; i < results.size(); ++i)
    loop.add_output(results[i], inner.output_name(i));
  return loop.take();
}

}  // namespace strop
