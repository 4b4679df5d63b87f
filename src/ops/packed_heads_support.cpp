// SPDX-License-Identifier: Apache-2.0
#include "ops/packed_heads_support.hpp"

#include <limits>

#include "ops/reshape.hpp"
#include "ops/slice.hpp"
#include "ops/split.hpp"
#include "ops/squeeze.hpp"
#include "ops/transpose.hpp"

namespace strop {
namespace {

constexpr int kMostSteps = 8;

// A tensor seen as some of the elements of a source [B, L, columns].
struct Axis {
  enum Kind : std::uint8_t { batch, row, column } kind = column;
  std::int64_t size = 0, stride = 0;  // of a column
};
struct Seen {
  ValueId source;
  std::int64_t columns = 0;
  std::int64_t offset = 0;
  std::vector<Axis> axes;
};

std::optional<std::vector<std::int64_t>> constant_integers(const Graph& graph, const Node& node,
                                                           std::size_t i) {
  if (!node.input(i).exists() || !graph.value(node.inputs[i]).is_constant()) return std::nullopt;
  return graph.value(node.inputs[i]).constant.to_i64();
}

// A value whose last axis is a number; its first two axes are batches and rows.
std::optional<Seen> seen_as_source(const Graph& graph, ValueId id) {
  const Type& type = graph.value(id).type;
  if (type.rank() != 3 || !type.shape->back().is_constant()) return std::nullopt;
  const std::int64_t columns = type.shape->back().value();
  if (columns < 1) return std::nullopt;
  return Seen{id, columns, 0, {{Axis::batch}, {Axis::row}, {Axis::column, columns, 1}}};
}

// Columns cut into several axes.
bool apply_reshape(const Graph& graph, const Node& node, Seen& seen) {
  const SymShape* from = nullptr;
  const Type &in = graph.value(node.inputs[0]).type, &out = graph.value(node.outputs[0]).type;
  if (!in.shape || !out.shape || out.rank() < 3) return false;
  from = &*in.shape;
  const SymShape& to = *out.shape;
  if (seen.axes.size() != 3 || seen.axes[2].kind != Axis::column || seen.axes[1].kind != Axis::row)
    return false;
  if (!(to[0] == (*from)[0]) || !(to[1] == (*from)[1])) return false;
  std::int64_t stride = seen.axes[2].stride * seen.axes[2].size;
  std::int64_t left = seen.axes[2].size;
  std::vector<Axis> axes(seen.axes.begin(), seen.axes.begin() + 2);
  for (std::size_t i = 2; i < to.size(); ++i) {
    if (!to[i].is_constant() || to[i].value() < 1 || left % to[i].value() != 0) return false;
    left /= to[i].value();
    stride /= to[i].value();
    axes.push_back({Axis::column, to[i].value(), stride});
  }
  seen.axes = std::move(axes);
  return left == 1;
}

bool apply_split(const Graph& graph, const Node& node, std::uint32_t output, Seen& seen) {
  const auto rank = static_cast<std::int64_t>(seen.axes.size());
  const auto at = static_cast<std::size_t>(normalize_axis(node.as<SplitAttributes>().axis, rank));
  Axis& axis = seen.axes[at];
  if (axis.kind != Axis::column) return false;
  std::int64_t start = 0;
  for (std::uint32_t i = 0; i <= output; ++i) {
    const Type& part = graph.value(node.outputs[i]).type;
    if (!part.shape || !(*part.shape)[at].is_constant()) return false;
    if (i < output) {
      start += (*part.shape)[at].value();
    } else {
      axis.size = (*part.shape)[at].value();
    }
  }
  seen.offset += start * axis.stride;
  return axis.size >= 1;
}

bool apply_slice(const Graph& graph, const Node& node, Seen& seen) {
  const auto starts = constant_integers(graph, node, 1);
  const auto axes = constant_integers(graph, node, 3);
  const Type& out = graph.value(node.outputs[0]).type;
  if (!starts || !axes || starts->size() != 1 || axes->size() != 1 || !out.shape) return false;
  if (node.input(4).exists() && constant_integers(graph, node, 4) != std::vector<std::int64_t>{1})
    return false;
  const auto at = static_cast<std::size_t>(
      normalize_axis((*axes)[0], static_cast<std::int64_t>(seen.axes.size())));
  Axis& axis = seen.axes[at];
  if (axis.kind != Axis::column || !(*out.shape)[at].is_constant()) return false;
  std::int64_t start = (*starts)[0];
  if (start < 0) start += axis.size;
  const std::int64_t size = (*out.shape)[at].value();
  if (start < 0 || size < 1 || start > axis.size - size) return false;
  seen.offset += start * axis.stride;
  axis.size = size;
  return true;
}

bool apply_squeeze(const Graph& graph, const Node& node, Seen& seen) {
  auto axes = constant_integers(graph, node, 1);
  if (!axes) return false;
  std::vector<bool> gone(seen.axes.size(), false);
  for (const std::int64_t axis : *axes) {
    const auto at =
        static_cast<std::size_t>(normalize_axis(axis, static_cast<std::int64_t>(seen.axes.size())));
    if (seen.axes[at].kind != Axis::column || seen.axes[at].size != 1) return false;
    gone[at] = true;
  }
  std::vector<Axis> kept;
  for (std::size_t i = 0; i < gone.size(); ++i) {
    if (!gone[i]) kept.push_back(seen.axes[i]);
  }
  seen.axes = std::move(kept);
  return true;
}

bool apply_transpose(const Node& node, Seen& seen) {
  const auto& perm = node.as<TransposeAttributes>().perm;
  std::vector<Axis> axes(seen.axes.rbegin(), seen.axes.rend());
  for (std::size_t i = 0; i < perm.size(); ++i)
    axes[i] = seen.axes[static_cast<std::size_t>(perm[i])];
  seen.axes = std::move(axes);
  return true;
}

bool is_step(const Node& node) {
  return node.is(op_reshape()) || node.is(op_split()) || node.is(op_slice()) ||
         node.is(op_squeeze()) || node.is(op_transpose());
}

std::optional<Seen> see(const Graph& graph, ValueId id, int steps) {
  const Node* node = graph.producer(id);
  if (node == nullptr || steps == 0 || !is_step(*node)) return seen_as_source(graph, id);
  auto seen = see(graph, node->inputs[0], steps - 1);
  if (!seen) return std::nullopt;
  bool fits = false;
  if (node->is(op_reshape())) fits = apply_reshape(graph, *node, *seen);
  if (node->is(op_split())) fits = apply_split(graph, *node, graph.value(id).output_index, *seen);
  if (node->is(op_slice())) fits = apply_slice(graph, *node, *seen);
  if (node->is(op_squeeze())) fits = apply_squeeze(graph, *node, *seen);
  if (node->is(op_transpose())) fits = apply_transpose(*node, *seen);
  // What is no view of columns may be a source itself.
  return fits ? seen : seen_as_source(graph, id);
}

}  // namespace

std::optional<PackedHeads> packed_heads(const Graph& graph, ValueId id) {
  const auto seen = see(graph, id, kMostSteps);
  if (!seen || seen->axes.size() != 4) return std::nullopt;
  const std::vector<Axis>& axes = seen->axes;
  if (axes[0].kind != Axis::batch || axes[1].kind != Axis::column || axes[2].kind != Axis::row ||
      axes[3].kind != Axis::column || axes[3].stride != 1) {
    return std::nullopt;
  }
  return PackedHeads{seen->source, seen->columns,  seen->offset,
                     axes[1].size, axes[1].stride, axes[3].size};
}

std::optional<ValueId> emit_packed_heads(Emitter& emitter, const PackedHeads& heads,
                                         ValueId source) {
  const auto sliced = [&](ValueId x, std::int64_t axis, std::int64_t start, std::int64_t size) {
    return emitter.emit(
        op_slice(), {},
        {x, emitter.integers({start}), emitter.integers({start + size}), emitter.integers({axis})});
  };
  // Sizes of 0 stand for those of the source.
  const auto reshaped = [&](ValueId x, std::int64_t count, std::int64_t size) {
    return emitter.emit(op_reshape(), ReshapeAttributes{},
                        {x, emitter.integers({0, 0, count, size})});
  };
  ValueId x = source;
  if (heads.stride == heads.size || heads.heads == 1) {
    if (heads.heads * heads.size != heads.columns)
      x = sliced(x, 2, heads.offset, heads.heads * heads.size);
    x = reshaped(x, heads.heads, heads.size);
  } else {
    // Each head in a group of columns of its own, at the same place of every group.
    const bool fits = heads.stride > heads.size && heads.columns == heads.heads * heads.stride &&
                      heads.offset + heads.size <= heads.stride;
    if (!fits) return std::nullopt;
    x = sliced(reshaped(x, heads.heads, heads.stride), 3, heads.offset, heads.size);
  }
  return emitter.emit(op_transpose(), TransposeAttributes{.perm = {0, 2, 1, 3}}, {x});
}

}  // namespace strop
