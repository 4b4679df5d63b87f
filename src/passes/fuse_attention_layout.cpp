// SPDX-License-Identifier: Apache-2.0
// An attention and the slices, reshapes and transposes that cut its heads out of the columns of a
// product, and those that put the heads of the result side by side again, become one `fused` node:
// its kernel reads and writes heads where they lie, and nothing is moved. The result is the same to
// the bit. The nodes before it stay for whoever else reads them.
//
// The body spells the views out in one form (packed_heads_support.hpp), with constant operands
// alone. Goes after all that looks at attention, because it hides it.
#include "passes/passes.hpp"

#include <algorithm>

#include "ops/attention.hpp"
#include "ops/fused.hpp"
#include "ops/packed_heads_support.hpp"
#include "ops/reshape.hpp"
#include "ops/transpose.hpp"

namespace strop {
namespace {

const std::vector<std::int64_t> kBatchFirst = {0, 2, 1, 3}, kRowsFirst = {2, 0, 1, 3};

class Fuser {
 public:
  Fuser(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {}

  int run() {
    return rewrite_each(graph_, op_attention(),
                        [&](const Node& node) { return node.outputs.size() == 1 && fuse(node); });
  }

 private:
  // The transpose and the reshape that make [B, L, heads * size] or [L, B, heads * size] of the
  // result, where nobody reads what is between. One alone is left where it is.
  std::vector<NodeId> merge_of(const Node& attention) const {
    const ValueId y = attention.outputs[0];
    if (!graph_.has_single_use(y)) return {};
    const NodeId first = graph_.value(y).uses[0].node;
    const Node& transpose = graph_.node(first);
    if (!transpose.is(op_transpose()) ||
        (transpose.as<TransposeAttributes>().perm != kBatchFirst &&
         transpose.as<TransposeAttributes>().perm != kRowsFirst) ||
        !graph_.has_single_use(transpose.outputs[0])) {
      return {};
    }
    const NodeId second = graph_.value(transpose.outputs[0]).uses[0].node;
    const Node& reshape = graph_.node(second);
    if (!reshape.is(op_reshape()) || reshape.inputs[0] != transpose.outputs[0]) return {};
    const Type& from = graph_.value(transpose.outputs[0]).type;
    const Type& to = graph_.value(reshape.outputs[0]).type;
    if (!from.shape || to.rank() != 3) return {};
    const SymShape &a = *from.shape, &b = *to.shape;
    const bool merges = a[0] == b[0] && a[1] == b[1] && a[2].is_constant() && a[3].is_constant() &&
                        b[2] == a[2] * a[3] && b[2].value() >= 1;
    return merges ? std::vector<NodeId>{first, second} : std::vector<NodeId>{};
  }

  bool fuse(const Node& attention) {
    std::vector<std::optional<PackedHeads>> heads;
    for (std::size_t i = 0; i < 3; ++i) heads.push_back(packed_heads(graph_, attention.inputs[i]));
    const std::vector<NodeId> merge = merge_of(attention);
    const bool any = std::ranges::any_of(heads, [](const auto& h) { return h.has_value(); });
    if (!any && merge.empty()) return false;

    Patch patch(graph_, "fuse the layout of " + label_of(attention));
    patch.descend_from(attention);
    for (const NodeId id : merge) patch.descend_from(graph_.node(id));
    GraphBuilder builder("body", graph_.scope() + std::to_string(graph_.node_slots()) + "body/");
    std::vector<ValueId> inputs, inside;
    const auto moved = [&](ValueId id) {
      const auto at = std::ranges::find(inputs, id);
      if (at != inputs.end()) return inside[static_cast<std::size_t>(at - inputs.begin())];
      inputs.push_back(id);
      inside.push_back(builder.add_input(graph_.value(id).name, graph_.value(id).type));
      return inside.back();
    };
    // All inputs first: a body begins with them.
    for (std::size_t i = 0; i < attention.inputs.size(); ++i) {
      if (!attention.inputs[i].exists()) continue;
      moved(i < 3 && heads[i] ? heads[i]->source : attention.inputs[i]);
    }
    std::vector<ValueId> operands;
    for (std::size_t i = 0; i < attention.inputs.size(); ++i) {
      ValueId operand = attention.inputs[i];
      if (i < 3 && heads[i]) {
        const auto view = emit_packed_heads(builder, *heads[i], moved(heads[i]->source));
        if (!view) return false;
        operands.push_back(*view);
      } else {
        operands.push_back(operand.exists() ? moved(operand) : operand);
      }
    }
    ValueId y = builder.emit(op_attention(), attention.attributes, operands);
    ValueId last = attention.outputs[0];
    if (!merge.empty()) {
      last = graph_.node(merge[1]).outputs[0];
      y = builder.emit(op_transpose(), graph_.node(merge[0]).attributes, {y});
      const std::int64_t columns = graph_.value(last).type.shape->back().value();
      y = builder.emit(op_reshape(), ReshapeAttributes{}, {y, builder.integers({0, 0, columns})});
    }
    builder.add_output(y, graph_.value(last).name);
    Emitter::Options options;
    options.name = attention.name;
    options.subgraphs.push_back(std::make_shared<const Graph>(builder.take()));
    const auto outputs =
        patch.emit(op_fused(), FusedAttributes{"attention"}, inputs, 1, std::move(options));
    patch.replace(last, outputs[0]);
    context_.apply(patch, graph_);
    return true;
  }

  Graph& graph_;
  const PassContext& context_;
};

int run(Graph& graph, const PassContext& context) { return Fuser(graph, context).run(); }

}  // namespace

Pass fuse_attention_layout() {
  return {
      .name = "fuse_attention_layout",
      .summary = "lets attention read and write heads where they lie, side by side in columns",
      .run = run,
  };
}

}  // namespace strop
