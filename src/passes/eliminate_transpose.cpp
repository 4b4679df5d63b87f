// SPDX-License-Identifier: Apache-2.0
// A transpose of leading axes commutes with what works row by row along the last one: products with
// one matrix, sums with one vector, functions of an element. So
//
//   transpose(rows(reshape(transpose(x))))  →  rows(reshape(transpose(x)))
//
// with one transpose, or none where the two are inverse, and heads of attention that are cut out of
// rows(transpose(x)), [L, B, columns], are cut out of rows(x), [B, L, columns]. No bit changes, and
// nothing is moved where another transpose does not vanish by it.
//
// Goes after fuse_attention, which it looks for, and before what looks at projections and layouts.
#include "passes/passes.hpp"

#include <algorithm>
#include <map>

#include "ops/attention.hpp"
#include "ops/binary.hpp"
#include "ops/matmul.hpp"
#include "ops/packed_heads_support.hpp"
#include "ops/reshape.hpp"
#include "ops/transpose.hpp"
#include "ops/unary.hpp"

namespace strop {
namespace {

using Perm = std::vector<std::int64_t>;

constexpr int kMostNodes = 64;  // of a chain, or that read a value: bounds the time

class Eliminator {
 public:
  Eliminator(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {}

  int run() {
    const std::vector<NodeId> order = graph_.order();
    int rewrites = 0;
    for (const NodeId id : order) {
      const Node& node = graph_.node(id);
      const bool rewritten = node.is(op_transpose())   ? merge(node)
                             : node.is(op_attention()) ? reorder_heads(node)
                                                       : false;
      if (rewritten) ++rewrites;
    }
    return rewrites;
  }

 private:
  const Type& type(ValueId id) const { return graph_.value(id).type; }

  // Nodes that work by rows, from the last up; each reads the one before at `input`.
  struct Step {
    const Node* node;
    std::size_t input;
  };
  struct Chain {
    std::vector<Step> steps;
    ValueId from;
  };

  std::optional<std::size_t> row_input(const Node& node) const {
    if (node.outputs.size() != 1 || !type(node.outputs[0]).shape) return std::nullopt;
    const Type& out = type(node.outputs[0]);
    if (node.is(op_unary())) return 0;
    if (node.is(op_matmul())) {
      const bool fits = type(node.inputs[1]).rank() == 2 && type(node.inputs[0]).rank() >= 3;
      return fits ? std::optional<std::size_t>(0) : std::nullopt;
    }
    if (!node.is(op_binary()) || node.inputs.size() != 2) return std::nullopt;
    for (std::size_t i = 0; i < 2; ++i) {
      const Value& vector = graph_.value(node.inputs[1 - i]);
      const Type& x = type(node.inputs[i]);
      if (vector.is_constant() && vector.constant.rank() <= 1 && x.shape && *x.shape == *out.shape)
        return i;
    }
    return std::nullopt;
  }

  // Up from `id` through what nobody else reads.
  Chain rows_above(ValueId id) const {
    Chain out{{}, id};
    while (out.steps.size() < kMostNodes &&
           (out.steps.empty() || graph_.has_single_use(out.from))) {
      const Node* node = graph_.producer(out.from);
      const auto input = node != nullptr ? row_input(*node) : std::nullopt;
      if (!input) break;
      out.steps.push_back({node, *input});
      out.from = node->inputs[*input];
    }
    return out;
  }

  static ValueId emit_rows(Patch& patch, const Chain& chain, ValueId x) {
    for (auto step = chain.steps.rbegin(); step != chain.steps.rend(); ++step) {
      std::vector<ValueId> inputs = step->node->inputs;
      inputs[step->input] = x;
      x = patch.emit(*step->node->op, step->node->attributes, inputs);
    }
    return x;
  }

  static void descend_from(Patch& patch, const Chain& chain) {
    for (const Step& step : chain.steps) patch.descend_from(*step.node);
  }

  Perm perm_of(const Node& transpose) const {
    Perm perm = transpose.as<TransposeAttributes>().perm;
    for (std::int64_t i = type(transpose.inputs[0]).rank(); perm.empty() && i > 0; --i)
      perm.push_back(i - 1);
    return perm;
  }

  // Whether `reshape` leaves all axes but the last as they are, and makes that of numbers.
  bool joins_last_axes(const Node& reshape) const {
    const Type &in = type(reshape.inputs[0]), &out = type(reshape.outputs[0]);
    if (!in.shape || !out.shape || in.rank() < out.rank() || out.rank() < 2 ||
        !out.shape->back().is_constant() || out.shape->back().value() < 1) {
      return false;
    }
    const std::size_t rows = out.shape->size() - 1;
    for (std::size_t i = 0; i < rows; ++i) {
      if (!((*in.shape)[i] == (*out.shape)[i])) return false;
    }
    return product({in.shape->begin() + static_cast<std::ptrdiff_t>(rows), in.shape->end()}) ==
           out.shape->back();
  }

  bool merge(const Node& last) {
    const Perm perm = perm_of(last);
    const std::size_t rank = perm.size();
    if (rank < 3 || perm.back() + 1 != static_cast<std::int64_t>(rank) ||
        !graph_.has_single_use(last.inputs[0])) {
      return false;
    }
    const Chain chain = rows_above(last.inputs[0]);
    if (!graph_.has_single_use(chain.from)) return false;
    const Node* reshape = graph_.producer(chain.from);
    const bool joins = reshape != nullptr && reshape->is(op_reshape()) && joins_last_axes(*reshape);
    const ValueId moved = joins ? reshape->inputs[0] : chain.from;
    const Node* first = graph_.producer(moved);
    if (first == nullptr || !first->is(op_transpose()) || !graph_.has_single_use(moved) ||
        (!joins && chain.steps.empty())) {
      return false;
    }
    // `perm` of the moved axes, then the first transpose's.
    const Perm before = perm_of(*first);
    Perm both;
    for (std::size_t i = 0; i < before.size(); ++i)
      both.push_back(before[i + 1 < rank ? static_cast<std::size_t>(perm[i]) : i]);
    Patch patch(graph_, "merge transposes into " + label_of(last));
    patch.descend_from(*first);
    if (joins) patch.descend_from(*reshape);
    descend_from(patch, chain);
    patch.descend_from(last);
    ValueId x = first->inputs[0];
    if (!std::ranges::is_sorted(both))
      x = patch.emit(op_transpose(), TransposeAttributes{.perm = both}, {x});
    if (joins) {
      std::vector<std::int64_t> sizes(rank - 1, 0);  // as they are
      sizes.push_back(type(reshape->outputs[0]).shape->back().value());
      x = patch.emit(op_reshape(), ReshapeAttributes{}, {x, patch.integers(sizes)});
    }
    patch.replace(last.outputs[0], emit_rows(patch, chain, x));
    context_.apply(patch, graph_);
    return true;
  }

  // Whether all that reads `source` are views of heads of attention with rows first.
  bool only_heads_of_attention(ValueId source) const {
    std::vector<ValueId> left = {source};
    for (int seen = 0; !left.empty(); ++seen) {
      const ValueId id = left.back();
      left.pop_back();
      if (seen >= kMostNodes || graph_.value(id).uses.size() > kMostNodes || graph_.is_output(id))
        return false;
      for (const Use& use : graph_.value(id).uses) {
        const Node& node = graph_.node(use.node);
        if (!node.is(op_attention())) {
          if (use.input != 0) return false;
          left.insert(left.end(), node.outputs.begin(), node.outputs.end());
          continue;
        }
        const auto heads = use.input < 3 ? packed_heads(graph_, id) : std::nullopt;
        if (!heads || !heads->rows_first || heads->source != source) return false;
      }
    }
    return true;
  }

  // rows(x) where `source` is rows(transpose(x)) of [B, L, ...], and all its readers follow.
  ValueId batch_first(ValueId source, Patch& patch) {
    const auto known = batch_first_.find(source);
    if (known != batch_first_.end()) return known->second;
    const Chain chain = rows_above(source);
    const Node* transpose = graph_.producer(chain.from);
    if (chain.steps.empty() || transpose == nullptr || !transpose->is(op_transpose()) ||
        perm_of(*transpose) != Perm{1, 0, 2} || !only_heads_of_attention(source)) {
      return ValueId::none();
    }
    patch.descend_from(*transpose);
    descend_from(patch, chain);
    return batch_first_[source] = emit_rows(patch, chain, transpose->inputs[0]);
  }

  bool reorder_heads(const Node& attention) {
    Patch patch(graph_, "read rows as they come in " + label_of(attention));
    const auto known = batch_first_;
    std::vector<ValueId> done;
    for (std::size_t i = 0; i < 3; ++i) {
      const ValueId operand = attention.inputs[i];
      if (std::ranges::find(done, operand) != done.end()) continue;
      auto heads = packed_heads(graph_, operand);
      if (!heads || !heads->rows_first) continue;
      const ValueId source = batch_first(heads->source, patch);
      if (!source.exists()) continue;
      heads->rows_first = false;
      const auto view = emit_packed_heads(patch, *heads, source);
      if (!view) {
        batch_first_ = known;
        return false;
      }
      patch.replace(operand, *view);
      done.push_back(operand);
    }
    if (patch.empty()) return false;
    context_.apply(patch, graph_);
    return true;
  }

  Graph& graph_;
  const PassContext& context_;
  std::map<ValueId, ValueId> batch_first_;
};

int run(Graph& graph, const PassContext& context) { return Eliminator(graph, context).run(); }

}  // namespace

Pass eliminate_transpose() {
  return {
      .name = "eliminate_transpose",
      .summary = "merges transposes of leading axes with nodes between them that work by rows",
      .run = run,
  };
}

}  // namespace strop
