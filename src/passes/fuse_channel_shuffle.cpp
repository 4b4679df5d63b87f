// SPDX-License-Identifier: Apache-2.0
// A channel shuffle that is spelled out, channels split into groups, groups and channels
// transposed, both put together again, becomes one `fused` node with that as its body: its kernel
// can shuffle channels that lie innermost, where a reshape needs them as they are written. The
// result is the same to the bit.
#include "ops/fused.hpp"
#include "ops/reshape.hpp"
#include "ops/transpose.hpp"
#include "passes/passes.hpp"

namespace strop {
namespace {

// The nodes of a shuffle, by its last one.
struct Shuffle {
  const Node* split = nullptr;      // [N, C, ...] to [N, G, C / G, ...]
  const Node* transpose = nullptr;  // to [N, C / G, G, ...]
};

const Node* made_by(const Graph& graph, ValueId id, const OpDef& op) {
  const Value& value = graph.value(id);
  if (!value.producer.exists()) return nullptr;
  const Node& node = graph.node(value.producer);
  return node.is(op) ? &node : nullptr;
}

bool all_constant(const SymShape& shape, std::size_t first) {
  return std::all_of(shape.begin() + static_cast<std::ptrdiff_t>(first), shape.end(),
                     [](const Dim& dim) { return dim.is_constant() && dim.value() >= 1; });
}

// Of `rank` axes. An empty perm reverses them.
bool swaps_groups(const std::vector<std::int64_t>& perm, std::size_t rank) {
  if (perm.size() != rank) return false;
  for (std::size_t i = 0; i < perm.size(); ++i) {
    const std::size_t wanted = i == 1 ? 2 : i == 2 ? 1 : i;
    if (perm[i] != static_cast<std::int64_t>(wanted)) return false;
  }
  return true;
}

std::optional<Shuffle> shuffle_ending_in(const Graph& graph, const Node& last) {
  if (!last.is(op_reshape())) return std::nullopt;
  Shuffle out;
  out.transpose = made_by(graph, last.inputs[0], op_transpose());
  if (out.transpose == nullptr) return std::nullopt;
  out.split = made_by(graph, out.transpose->inputs[0], op_reshape());
  if (out.split == nullptr) return std::nullopt;
  const Type& from = graph.value(out.split->inputs[0]).type;
  const Type& groups = graph.value(out.split->outputs[0]).type;
  const Type& to = graph.value(last.outputs[0]).type;
  if (!from.shape || !groups.shape || !to.shape || from.shape != to.shape) return std::nullopt;
  const SymShape &x = *from.shape, &g = *groups.shape;
  const bool fits = x.size() >= 3 && g.size() == x.size() + 1 && g[0] == x[0] &&
                    all_constant(x, 1) && all_constant(g, 1) &&
                    g[1].value() * g[2].value() == x[1].value() &&
                    std::equal(x.begin() + 2, x.end(), g.begin() + 3) &&
                    swaps_groups(out.transpose->as<TransposeAttributes>().perm, g.size());
  return fits ? std::optional(out) : std::nullopt;
}

// 0 takes the size of the batch over.
std::vector<std::int64_t> sizes(const Type& type) {
  std::vector<std::int64_t> out{0};
  for (std::size_t i = 1; i < type.shape->size(); ++i) out.push_back((*type.shape)[i].value());
  return out;
}

void fuse(Graph& graph, const PassContext& context, const Shuffle& shuffle, const Node& last) {
  Patch patch(graph, "fuse the channel shuffle before " + label_of(last));
  for (const Node* node : {shuffle.split, shuffle.transpose, &last}) patch.descend_from(*node);
  GraphBuilder builder("body", graph.scope() + std::to_string(graph.node_slots()) + "body/");
  const ValueId source = shuffle.split->inputs[0];
  const Value& result = graph.value(last.outputs[0]);
  ValueId y = builder.add_input(graph.value(source).name, graph.value(source).type);
  const Type& groups = graph.value(shuffle.split->outputs[0]).type;
  y = builder.emit(op_reshape(), ReshapeAttributes{}, {y, builder.integers(sizes(groups))});
  y = builder.emit(op_transpose(), shuffle.transpose->attributes, {y});
  y = builder.emit(op_reshape(), ReshapeAttributes{}, {y, builder.integers(sizes(result.type))});
  builder.add_output(y, result.name);
  Emitter::Options options;
  options.name = last.name;
  options.subgraphs.push_back(std::make_shared<const Graph>(builder.take()));
  const auto outputs =
      patch.emit(op_fused(), FusedAttributes{"channel_shuffle"}, {source}, 1, std::move(options));
  patch.replace(last.outputs[0], outputs[0]);
  context.apply(patch, graph);
}

int run(Graph& graph, const PassContext& context) {
  const std::vector<NodeId> order = graph.order();
  int fused = 0;
  for (const NodeId id : order) {
    const Node& last = graph.node(id);
    const auto shuffle = shuffle_ending_in(graph, last);
    if (!shuffle) continue;
    fuse(graph, context, *shuffle, last);
    ++fused;
  }
  return fused;
}

}  // namespace

Pass fuse_channel_shuffle() {
  return {
      .name = "fuse_channel_shuffle",
      .summary = "makes one node of the reshapes and the transpose that shuffle channels",
      .run = run,
  };
}

}  // namespace strop
