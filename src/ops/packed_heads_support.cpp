// SPDX-License-Identifier: Apache-2.0
#include "ops/packed_heads_support.hpp"

#include <algorithm>

#include "ops/gather.hpp"
#include "ops/reshape.hpp"
#include "ops/slice.hpp"
#include "ops/split.hpp"
#include "ops/squeeze.hpp"
#include "ops/transpose.hpp"
#include "ops/unsqueeze.hpp"

namespace strop {
namespace {

constexpr int kMostSteps = 16;

// What the axes of a view are made of: an axis of the source [first, second, columns], or some
// columns. Axes of one element are made of nothing.
struct Part {
  enum Kind : std::uint8_t { first, second, column } kind = column;
  Dim size{0};              // of a column a number
  std::int64_t stride = 0;  // of a column
};
using Axis = std::vector<Part>;

// A tensor seen as some of the elements of a source.
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

void add_part(Axis& axis, const Part& part) {
  if (!part.size.is(1)) axis.push_back(part);
}

// The one run of columns that an axis is made of; null where it is made of something else. An axis
// of one element is no run.
Part* only_column(Axis& axis) {
  return axis.size() == 1 && axis[0].kind == Part::column ? axis.data() : nullptr;
}

// A value whose last axis is a number.
std::optional<Seen> seen_as_source(const Graph& graph, ValueId id) {
  const Type& type = graph.value(id).type;
  if (type.rank() != 3 || !type.shape->back().is_constant()) return std::nullopt;
  const std::int64_t columns = type.shape->back().value();
  if (columns < 1) return std::nullopt;
  Seen out{id, columns, 0, std::vector<Axis>(3)};
  add_part(out.axes[0], {Part::first, (*type.shape)[0]});
  add_part(out.axes[1], {Part::second, (*type.shape)[1]});
  add_part(out.axes[2], {Part::column, columns, 1});
  return out;
}

// The divisor k of `size` with have * k = wanted; 0 where there is none.
std::int64_t divisor_for(const Dim& have, const Dim& wanted, std::int64_t size) {
  if (have.is_constant() && wanted.is_constant()) {
    if (have.value() < 1 || wanted.value() % have.value() != 0) return 0;
    const std::int64_t k = wanted.value() / have.value();
    return k >= 1 && size % k == 0 ? k : 0;
  }
  constexpr std::int64_t kMost = 1024;  // heads or the like
  for (std::int64_t k = 1; k <= std::min(size, kMost); ++k) {
    if (size % k == 0 && have * Dim(k) == wanted) return k;
  }
  return 0;
}

// Parts in a row, grouped anew; columns may be cut.
bool apply_reshape(const Type& out, Seen& seen) {
  if (!out.shape) return false;
  std::vector<Part> left;
  for (const Axis& axis : seen.axes) left.insert(left.end(), axis.begin(), axis.end());
  std::vector<Axis> axes;
  std::size_t at = 0;
  for (const Dim& wanted : *out.shape) {
    Axis axis;
    Dim have(1);
    while (!(have == wanted)) {
      if (at == left.size()) return false;
      Part& part = left[at];
      const std::int64_t k =
          part.kind == Part::column ? divisor_for(have, wanted, part.size.value()) : 0;
      if (k > 1 && !part.size.is(k)) {
        const std::int64_t rest = part.size.value() / k;
        axis.push_back({Part::column, k, part.stride * rest});
        part.size = rest;
        have = wanted;
      } else {
        have = have * part.size;
        axis.push_back(part);
        ++at;
      }
    }
    axes.push_back(std::move(axis));
  }
  seen.axes = std::move(axes);
  return at == left.size();
}

// Columns [start, start + size) of axis `at`.
bool cut(Seen& seen, std::size_t at, std::int64_t start, std::int64_t size) {
  Axis& axis = seen.axes[at];
  if (axis.empty()) return start == 0 && size == 1;
  Part* part = only_column(axis);
  if (part == nullptr || start < 0 || size < 1 || start > part->size.value() - size) return false;
  seen.offset += start * part->stride;
  part->size = size;
  if (size == 1) axis.clear();
  return true;
}

std::int64_t size_of(const Axis& axis) {
  return axis.size() == 1 && axis[0].size.is_constant() ? axis[0].size.value() : 1;
}

bool apply_split(const Graph& graph, const Node& node, std::uint32_t output, Seen& seen) {
  const auto rank = static_cast<std::int64_t>(seen.axes.size());
  const auto at = static_cast<std::size_t>(normalize_axis(node.as<SplitAttributes>().axis, rank));
  std::int64_t start = 0, size = 0;
  for (std::uint32_t i = 0; i <= output; ++i) {
    const Type& part = graph.value(node.outputs[i]).type;
    if (!part.shape || !(*part.shape)[at].is_constant()) return false;
    start += size;
    size = (*part.shape)[at].value();
  }
  return cut(seen, at, start, size);
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
  if (!(*out.shape)[at].is_constant()) return false;
  std::int64_t start = (*starts)[0];
  if (start < 0) start += size_of(seen.axes[at]);
  return cut(seen, at, start, (*out.shape)[at].value());
}

// One index is a slice without its axis.
bool apply_gather(const Graph& graph, const Node& node, Seen& seen) {
  const auto index = constant_integers(graph, node, 1);
  if (!index || index->size() != 1 || graph.value(node.inputs[1]).constant.rank() != 0)
    return false;
  const auto at = static_cast<std::size_t>(normalize_axis(
      node.as<GatherAttributes>().axis, static_cast<std::int64_t>(seen.axes.size())));
  const std::int64_t start = (*index)[0] < 0 ? (*index)[0] + size_of(seen.axes[at]) : (*index)[0];
  if (!cut(seen, at, start, 1)) return false;
  seen.axes.erase(seen.axes.begin() + static_cast<std::ptrdiff_t>(at));
  return true;
}

bool apply_squeeze(const Graph& graph, const Node& node, Seen& seen) {
  const auto axes = constant_integers(graph, node, 1);
  if (!axes) return false;
  std::vector<bool> gone(seen.axes.size(), false);
  for (const std::int64_t axis : *axes) {
    const auto at =
        static_cast<std::size_t>(normalize_axis(axis, static_cast<std::int64_t>(seen.axes.size())));
    if (!seen.axes[at].empty()) return false;
    gone[at] = true;
  }
  std::vector<Axis> kept;
  for (std::size_t i = 0; i < gone.size(); ++i) {
    if (!gone[i]) kept.push_back(seen.axes[i]);
  }
  seen.axes = std::move(kept);
  return true;
}

bool apply_unsqueeze(const Graph& graph, const Node& node, Seen& seen) {
  const auto axes = constant_integers(graph, node, 1);
  if (!axes) return false;
  std::vector<bool> fresh(seen.axes.size() + axes->size(), false);
  for (const std::int64_t axis : *axes)
    fresh[static_cast<std::size_t>(normalize_axis(axis, static_cast<std::int64_t>(fresh.size())))] =
        true;
  std::vector<Axis> all;
  std::size_t next = 0;
  for (const bool is_fresh : fresh) {
    if (!is_fresh && next == seen.axes.size()) return false;
    all.push_back(is_fresh ? Axis{} : seen.axes[next++]);
  }
  seen.axes = std::move(all);
  return next == seen.axes.size() - axes->size();
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
         node.is(op_gather()) || node.is(op_squeeze()) || node.is(op_unsqueeze()) ||
         node.is(op_transpose());
}

std::optional<Seen> see(const Graph& graph, ValueId id, int steps) {
  const Node* node = graph.producer(id);
  if (node == nullptr || steps == 0 || !is_step(*node)) return seen_as_source(graph, id);
  auto seen = see(graph, node->inputs[0], steps - 1);
  bool fits = false;
  if (seen) {
    if (node->is(op_reshape())) fits = apply_reshape(graph.value(id).type, *seen);
    if (node->is(op_split())) fits = apply_split(graph, *node, graph.value(id).output_index, *seen);
    if (node->is(op_slice())) fits = apply_slice(graph, *node, *seen);
    if (node->is(op_gather())) fits = apply_gather(graph, *node, *seen);
    if (node->is(op_squeeze())) fits = apply_squeeze(graph, *node, *seen);
    if (node->is(op_unsqueeze())) fits = apply_unsqueeze(graph, *node, *seen);
    if (node->is(op_transpose())) fits = apply_transpose(*node, *seen);
  }
  // What is no view of columns may be a source itself.
  return fits ? seen : seen_as_source(graph, id);
}

}  // namespace

std::optional<PackedHeads> packed_heads(const Graph& graph, ValueId id) {
  auto seen = see(graph, id, kMostSteps);
  if (!seen || seen->axes.size() != 4) return std::nullopt;
  std::vector<Axis>& axes = seen->axes;
  const SymShape& source = *graph.value(seen->source).type.shape;
  const auto is_whole = [&](const Axis& axis, Part::Kind kind) {
    if (axis.empty()) return source[kind == Part::first ? 0 : 1].is(1);
    return axis.size() == 1 && axis[0].kind == kind;
  };
  const bool batch_first = is_whole(axes[0], Part::first) && is_whole(axes[2], Part::second);
  const bool rows_first = is_whole(axes[0], Part::second) && is_whole(axes[2], Part::first);
  const Part *heads = only_column(axes[1]), *elements = only_column(axes[3]);
  if ((!batch_first && !rows_first) || (heads == nullptr && !axes[1].empty()) ||
      (elements == nullptr && !axes[3].empty()) || (elements != nullptr && elements->stride != 1)) {
    return std::nullopt;
  }
  PackedHeads out{.source = seen->source, .columns = seen->columns, .offset = seen->offset};
  out.size = elements != nullptr ? elements->size.value() : 1;
  out.heads = heads != nullptr ? heads->size.value() : 1;
  out.stride = heads != nullptr ? heads->stride : out.size;
  out.rows_first = !batch_first;
  return out;
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
  const std::vector<std::int64_t> perm = heads.rows_first ? std::vector<std::int64_t>{1, 2, 0, 3}
                                                          : std::vector<std::int64_t>{0, 2, 1, 3};
  return emitter.emit(op_transpose(), TransposeAttributes{.perm = perm}, {x});
}

}  // namespace strop
