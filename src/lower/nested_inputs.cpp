// SPDX-License-Identifier: Apache-2.0
#include "lower/nested_inputs.hpp"

#include <algorithm>

#include "ir/inline.hpp"

namespace strop {

std::shared_ptr<const Graph> with_known_inputs(const std::shared_ptr<const Graph>& nested,
                                               const std::set<std::string>& known) {
  std::set<std::string> told = known;
  for (const ValueId id : nested->inputs()) {
    for (const Dim& dim : nested->value(id).type.shape.value_or(SymShape{})) {
      if (dim.is_symbol()) told.insert(dim.symbol_name());
    }
  }
  std::vector<Type> types;
  bool changed = false;
  for (std::size_t i = 0; i < nested->inputs().size(); ++i) {
    Type& type = types.emplace_back(nested->value(nested->inputs()[i]).type);
    for (std::size_t axis = 0; axis < (type.shape ? type.shape->size() : 0); ++axis) {
      Dim& dim = (*type.shape)[axis];
      std::set<std::string> needed;
      dim.collect_symbols(needed);
      if (std::ranges::includes(told, needed)) continue;
      dim = Dim::symbol("#" + nested->scope() + "input" + std::to_string(i) + "." +
                        std::to_string(axis));
      changed = true;
    }
  }
  if (!changed) return nested;
  GraphBuilder out(nested->name(), nested->scope());
  std::vector<ValueId> inputs;
  for (std::size_t i = 0; i < types.size(); ++i)
    inputs.push_back(out.add_input(nested->value(nested->inputs()[i]).name, std::move(types[i])));
  const std::vector<ValueId> results = emit_graph(out, *nested, inputs);
  for (std::size_t i = 0; i < results.size(); ++i)
    out.add_output(results[i], nested->output_name(i));
  return std::make_shared<const Graph>(out.take());
}

}  // namespace strop
