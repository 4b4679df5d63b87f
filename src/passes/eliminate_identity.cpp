// SPDX-License-Identifier: Apache-2.0
// Nodes whose output is their input, to the bit: the output's users read the input instead. Besides
// single nodes that change nothing it finds views that lead back to a shape they came from, and
// merges transposes and reshapes that follow each other.
//
// An output of the graph stays a value of its own: a node between a graph input, a constant or
// another output and it is kept.
#include "passes/passes.hpp"

#include <algorithm>
#include <cmath>

#include "ops/binary.hpp"
#include "ops/cast.hpp"
#include "ops/clip.hpp"
#include "ops/concat.hpp"
#include "ops/expand.hpp"
#include "ops/identity.hpp"
#include "ops/pad.hpp"
#include "ops/reshape.hpp"
#include "ops/resize.hpp"
#include "ops/slice.hpp"
#include "ops/split.hpp"
#include "ops/tile.hpp"
#include "ops/transpose.hpp"
#include "passes/uniform_constant.hpp"

namespace strop {
namespace {

// Views in a row that are looked through: bounds the time on a hostile chain.
constexpr int kMostViews = 64;

class IdentityRemover {
 public:
  IdentityRemover(Graph& graph, const PassContext& context)
      : graph_(graph), context_(context), is_output_(graph.value_count(), false) {
    for (const ValueId id : graph.outputs()) is_output_[id.index] = true;
  }

  int run() {
    const std::vector<NodeId> order = graph_.order();
    int removed = 0;
    for (const NodeId id : order) {
      const Node& node = graph_.node(id);
      if (node.outputs.size() != 1 || node.inputs.empty()) continue;
      const ValueId same = same_value(node);
      if (same.exists() && may_replace(node.outputs[0], same)) {
        Patch patch(graph_, "remove " + label_of(node) + " (" + std::string(node.op->name) + ")");
        const ValueId output = node.outputs[0];
        patch.replace(output, same);
        context_.apply(patch, graph_);
        if (is_output_[output.index]) is_output_[same.index] = true;
        ++removed;
      } else if (!same.exists() && (merge_transposes(node) || merge_reshapes(node))) {
        ++removed;
      }
    }
    return removed;
  }

 private:
  const Type& type(ValueId id) const { return graph_.value(id).type; }
  bool same_type(ValueId a, ValueId b) const { return type(a) == type(b); }

  bool may_replace(ValueId output, ValueId by) const {
    if (output.index >= is_output_.size() || !is_output_[output.index]) return true;
    const Value& value = graph_.value(by);
    return value.producer.exists() && by.index < is_output_.size() && !is_output_[by.index];
  }

  // Every element of a constant integer input is `number`; an absent one counts as `absent`.
  bool all_are(const Node& node, std::size_t i, double number, bool absent) const {
    if (!node.input(i).exists()) return absent;
    return uniform_constant(graph_.value(node.inputs[i])) == number;
  }

  // The value that the node's output equals; none when there is no such.
  ValueId same_value(const Node& node) const {
    const ValueId x = node.inputs[0];
    const ValueId y = node.outputs[0];
    if (node.is(op_binary())) return same_operand(node);
    if (!x.exists()) return ValueId::none();
    if (node.is(op_identity())) return x;
    if (node.op->traits.view) return same_view(node);
    if (!same_type(x, y) || !type(x).shape) return ValueId::none();
    const bool same =
        node.is(op_expand()) || node.is(op_cast()) ||
        (node.is(op_clip()) && node.inputs.size() == 1) ||
        (node.is(op_transpose()) && keeps_axes(node.as<TransposeAttributes>(), type(x).rank())) ||
        (node.is(op_slice()) && all_are(node, 4, 1, true)) ||
        (node.is(op_pad()) && all_are(node, 1, 0, false)) ||
        (node.is(op_tile()) && all_are(node, 1, 1, false)) ||
        (node.is(op_concat()) && node.inputs.size() == 1) || node.is(op_split()) ||
        (node.is(op_resize()) && copies(node));
    return same ? x : ValueId::none();
  }

  // Views keep the order of elements, so a value further up with the same type is the same tensor.
  ValueId same_view(const Node& node) const {
    ValueId found;
    const ValueId y = node.outputs[0];
    if (!type(y).shape) return found;
    const Node* at = &node;
    for (int views = 0; at != nullptr && at->op->traits.view && views < kMostViews; ++views) {
      const ValueId x = at->inputs[0];
      if (same_type(x, y)) found = x;
      at = graph_.producer(x);
    }
    return found;
  }

  static bool keeps_axes(const TransposeAttributes& attributes, std::int64_t rank) {
    if (attributes.perm.empty()) return rank <= 1;
    return std::ranges::is_sorted(attributes.perm);
  }

  // Nearest neighbour at scale 1 picks each element itself. Interpolation is left alone: it turns
  // -0 into 0 and spreads infinities.
  bool copies(const Node& node) const {
    const auto& attributes = node.as<ResizeAttributes>();
    if (attributes.mode != ResizeMode::nearest ||
        attributes.coordinates == ResizeCoordinates::tf_half_pixel_for_nn ||
        attributes.coordinates == ResizeCoordinates::tf_crop_and_resize) {
      return false;
    }
    return all_are(node, 2, 1, node.input(3).exists());
  }

  // x + -0, x - 0, x * 1, x / 1; of integers x + 0 too. (x + 0 turns -0 into 0.)
  ValueId same_operand(const Node& node) const {
    const BinaryFunction function = node.as<BinaryAttributes>().function;
    for (std::size_t i = 0; i < 2 && node.inputs.size() == 2; ++i) {
      const ValueId x = node.inputs[i];
      if (!same_type(x, node.outputs[0]) || !type(x).shape) continue;
      const auto other = uniform_constant(graph_.value(node.inputs[1 - i]));
      if (!other) continue;
      const bool integer = is_integer(type(x).dtype);
      const bool zero = *other == 0 && (integer || std::signbit(*other));
      const bool plain_zero = *other == 0 && (integer || !std::signbit(*other));
      if (function == BinaryFunction::add && zero) return x;
      if (function == BinaryFunction::mul && *other == 1) return x;
      if (i == 0 && function == BinaryFunction::sub && plain_zero) return x;
      if (i == 0 && function == BinaryFunction::div && *other == 1) return x;
    }
    return ValueId::none();
  }

  // transpose(transpose(x)) is one transpose.
  bool merge_transposes(const Node& node) {
    if (!node.is(op_transpose())) return false;
    const Node* before = graph_.producer(node.inputs[0]);
    if (before == nullptr || !before->is(op_transpose())) return false;
    const std::int64_t rank = type(node.inputs[0]).rank();
    if (rank < 0) return false;
    const std::vector<std::int64_t> first =
        reversed_if_empty(before->as<TransposeAttributes>(), rank);
    const std::vector<std::int64_t> second =
        reversed_if_empty(node.as<TransposeAttributes>(), rank);
    TransposeAttributes both;
    for (const std::int64_t axis : second)
      both.perm.push_back(first[static_cast<std::size_t>(axis)]);
    const ValueId x = before->inputs[0];
    const ValueId y = node.outputs[0];
    Patch patch(graph_, "merge transposes into " + label_of(node));
    patch.descend_from(*before);
    patch.descend_from(node);
    if (keeps_axes(both, rank) && may_replace(y, x)) {
      patch.replace(y, x);
    } else {
      patch.replace(y, patch.emit(op_transpose(), both, {x}));
    }
    context_.apply(patch, graph_);
    return true;
  }

  static std::vector<std::int64_t> reversed_if_empty(const TransposeAttributes& attributes,
                                                     std::int64_t rank) {
    std::vector<std::int64_t> perm = attributes.perm;
    if (!perm.empty()) return perm;
    for (std::int64_t i = rank; i-- > 0;) perm.push_back(i);
    return perm;
  }

  // reshape(views(x)) is reshape(x) where the new shape copies nothing from the one in between.
  bool merge_reshapes(const Node& node) {
    if (!node.is(op_reshape()) || !node.input(1).exists()) return false;
    const Value& shape = graph_.value(node.inputs[1]);
    if (!shape.is_constant()) return false;
    const std::vector<std::int64_t> sizes = shape.constant.to_i64();
    if (std::ranges::find(sizes, 0) != sizes.end()) return false;
    Patch patch(graph_, "merge reshapes into " + label_of(node));
    ValueId x = node.inputs[0];
    for (int views = 0; views < kMostViews; ++views) {
      const Node* above = graph_.producer(x);
      if (above == nullptr || !above->op->traits.view) break;
      patch.descend_from(*above);
      x = above->inputs[0];
    }
    if (x == node.inputs[0]) return false;
    patch.descend_from(node);
    patch.replace(node.outputs[0], patch.emit(op_reshape(), node.attributes, {x, node.inputs[1]}));
    context_.apply(patch, graph_);
    return true;
  }

  Graph& graph_;
  const PassContext& context_;
  std::vector<bool> is_output_;  // values of the graph before the pass
};

int run(Graph& graph, const PassContext& context) { return IdentityRemover(graph, context).run(); }

}  // namespace

Pass eliminate_identity() {
  return {
      .name = "eliminate_identity",
      .summary = "removes nodes whose output is their input, and merges transposes and reshapes",
      .run = run,
  };
}

}  // namespace strop
