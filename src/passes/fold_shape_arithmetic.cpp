// SPDX-License-Identifier: Apache-2.0
// Small integer tensors whose contents inference knows become a constant where all of it is
// numbers, else a `dims` node over the symbols. Chains of shape, gather, concat and arithmetic lose
// their users that way, and with them the data they hang on.
//
// Only symbols that stand alone as a dimension of a graph input may enter a `dims` node: those have
// a value as soon as the inputs' shapes are known. Sizes that a node finds out at run time stay
// with that node.
#include "passes/passes.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include "ops/cast.hpp"
#include "ops/dims.hpp"
#include "ops/dispatch.hpp"
#include "ops/reshape.hpp"

namespace strop {
namespace {

std::set<std::string> symbols_of_inputs(const Graph& graph) {
  std::set<std::string> out;
  for (const ValueId id : graph.inputs()) {
    const Type& type = graph.value(id).type;
    if (!type.is_tensor() || !type.shape) continue;
    for (const Dim& dim : *type.shape) {
      if (dim.is_symbol()) out.insert(dim.symbol_name());
    }
  }
  return out;
}

class ShapeFolder {
 public:
  ShapeFolder(Graph& graph, const PassContext& context)
      : graph_(graph), context_(context), symbols_(symbols_of_inputs(graph)) {}

  int run() {
    const std::vector<NodeId> order = graph_.order();
    std::vector<bool> vanishes(graph_.node_slots(), false);
    for (const NodeId id : order) {
      const Node& node = graph_.node(id);
      vanishes[id.index] =
          !is_folded(id) && std::ranges::all_of(node.outputs, [&](ValueId v) { return known(v); });
    }
    std::vector<bool> is_output(graph_.value_count(), false);
    for (const ValueId id : graph_.outputs()) is_output[id.index] = true;
    int folded = 0;
    for (const NodeId id : order) {
      if (is_folded(id)) continue;
      const std::vector<ValueId> outputs = graph_.node(id).outputs;
      for (const ValueId output : outputs) {
        const bool wanted = is_output[output.index] ||
                            std::ranges::any_of(graph_.value(output).uses, [&](const Use& use) {
                              // Nodes made by this pass read only what it made.
                              return use.node.index >= vanishes.size() || !vanishes[use.node.index];
                            });
        if (wanted && known(output)) {
          replace(id, output);
          ++folded;
        }
      }
    }
    return folded;
  }

 private:
  // What this pass leaves behind: dims, or dims under another type or shape.
  bool is_folded(NodeId id) const {
    const Node& node = graph_.node(id);
    if (node.is(op_dims())) return node.attributes.has_symbols();
    if (!node.is(op_cast()) && !node.is(op_reshape())) return false;
    const Value& input = graph_.value(node.inputs[0]);
    return input.producer.exists() && is_folded(input.producer);
  }

  bool known(ValueId id) const {
    const Value& value = graph_.value(id);
    if (!value.elements || !value.type.is_tensor() || value.type.rank() < 0) return false;
    if (value.type.rank() > 1 || !is_integer(value.type.dtype) || bits_of(value.type.dtype) < 8)
      return false;
    const auto shape = to_concrete(*value.type.shape);
    if (!shape || element_count(*shape) != static_cast<std::int64_t>(value.elements->size()))
      return false;
    bool fits = true;
    dispatch_integer(value.type.dtype, [&]<class T>() {
      for (const Dim& dim : *value.elements)
        fits = fits && (!dim.is_constant() || std::in_range<T>(dim.value()));
    });
    if (!fits) return false;
    std::set<std::string> needed;
    for (const Dim& dim : *value.elements) dim.collect_symbols(needed);
    return std::ranges::includes(symbols_, needed);
  }

  void replace(NodeId id, ValueId output) {
    const Value& value = graph_.value(output);
    const DType dtype = value.type.dtype;
    const Shape shape = *to_concrete(*value.type.shape);
    const std::vector<Dim> elements = *value.elements;
    Patch patch(graph_, "know " + (value.name.empty() ? label_of(graph_.node(id)) : value.name) +
                            " = " + to_string(elements));
    patch.descend_from(graph_.node(id));
    const bool numbers =
        std::ranges::all_of(elements, [](const Dim& dim) { return dim.is_constant(); });
    if (numbers) {
      Tensor tensor = Tensor::allocate(dtype, shape);
      dispatch_integer(dtype, [&]<class T>() {
        auto out = tensor.mutable_values<T>();
        for (std::size_t i = 0; i < elements.size(); ++i)
          out[i] = static_cast<T>(elements[i].value());
      });
      patch.replace(output, patch.constant(std::move(tensor)));
    } else {
      ValueId made = patch.emit(op_dims(), DimsAttributes{elements}, {});
      if (dtype != DType::i64) made = patch.emit(op_cast(), CastAttributes{.to = dtype}, {made});
      if (shape.empty())
        made = patch.emit(op_reshape(), ReshapeAttributes{}, {made, patch.integers({})});
      patch.replace(output, made);
    }
    context_.apply(patch, graph_);
  }

  Graph& graph_;
  const PassContext& context_;
  const std::set<std::string> symbols_;
};

int run(Graph& graph, const PassContext& context) { return ShapeFolder(graph, context).run(); }

}  // namespace

Pass fold_shape_arithmetic() {
  return {
      .name = "fold_shape_arithmetic",
      .summary =
          "turns integers that inference knows into constants or expressions over the inputs' "
          "dimensions",
      .run = run,
  };
}

}  // namespace strop
