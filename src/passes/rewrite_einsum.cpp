// SPDX-License-Identifier: Apache-2.0
// An Einstein sum of one or two operands is what its equation spells: transposes and reshapes
// around a product that kernels are made for, and that fuse_attention knows.
//
//   "ij->ji"            transpose
//   "bij->bj"           reduce, over what the result does not have
//   "bi,bj->bij"        mul of operands with their axes in the result's order
//   "bqhd,bkhd->bhqk"   matmul([b, h, q, d], [b, h, d, k])
//   "bsd,dhk->bshk"     reshape(matmul([b, s, d], [d, h k]) → [b, s, h, k])
//
// A bias [h, k] that is added to the last goes between the product and the reshape, and a number
// that an operand is multiplied by behind its transpose, where others look for them.
//
// Left alone: letters twice in one operand, sizes of 1 that broadcast, sizes that no reshape can
// name, and letters that one of two operands sums by itself. Sums may be in another order: of
// floats a precise target keeps them.
#include "passes/passes.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "ops/binary.hpp"
#include "ops/einsum.hpp"
#include "ops/einsum_support.hpp"
#include "ops/matmul.hpp"
#include "ops/reduce.hpp"
#include "ops/reshape.hpp"
#include "ops/transpose.hpp"

namespace strop {
namespace {

using Letters = std::vector<std::int64_t>;

bool has(const Letters& letters, std::int64_t letter) {
  return std::ranges::find(letters, letter) != letters.end();
}

bool are_distinct(const Letters& letters) {
  return std::set<std::int64_t>(letters.begin(), letters.end()).size() == letters.size();
}

Letters filtered(const Letters& letters, const auto& keep) {
  Letters out;
  std::ranges::copy_if(letters, std::back_inserter(out), keep);
  return out;
}

Letters joined(std::initializer_list<const Letters*> parts) {
  Letters out;
  for (const Letters* part : parts) out.insert(out.end(), part->begin(), part->end());
  return out;
}

// What a reshape from sizes `from` to `to` is told; nothing when it cannot be. Beside an open size
// that stays as it is, and may be 0, none is left to be worked out.
std::optional<std::vector<std::int64_t>> reshape_sizes(const SymShape& from, const SymShape& to) {
  std::vector<std::int64_t> out;
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (to[i].is_constant()) {
      if (to[i].value() < 1) return std::nullopt;
      out.push_back(to[i].value());
    } else if (i < from.size() && from[i] == to[i]) {
      out.push_back(0);  // as it is
    } else {
      out.push_back(-1);
    }
  }
  const auto open = std::ranges::count(out, -1);
  if (open > 1 || (open == 1 && std::ranges::count(out, 0) > 0)) return std::nullopt;
  return out;
}

class Rewriter {
 public:
  Rewriter(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {}

  int run() {
    return rewrite_each(graph_, op_einsum(), [&](const Node& node) { return rewrite(node); });
  }

 private:
  // A value with a letter for each axis.
  struct Operand {
    ValueId value;
    Letters letters;
  };

  const SymShape* shape(ValueId id) const {
    const Type& type = graph_.value(id).type;
    return type.shape ? &*type.shape : nullptr;
  }

  // Fills in the operands, the result and the sizes; false when a rank is not known, or sizes of a
  // letter differ.
  bool read(const Node& node) {
    const EinsumEquation equation = parse_einsum(node.as<EinsumAttributes>().equation);
    std::size_t ellipsis = 0;
    for (std::size_t i = 0; i < equation.operands.size(); ++i) {
      const EinsumTerm& term = equation.operands[i];
      const SymShape* of = shape(node.inputs[i]);
      if (of == nullptr) return false;
      if (term.ellipsis) ellipsis = of->size() - term.letters();
    }
    operands_.clear();
    sizes_.clear();
    for (std::size_t i = 0; i < equation.operands.size(); ++i) {
      const SymShape& of = *shape(node.inputs[i]);
      operands_.push_back({node.inputs[i], equation.operands[i].indices(ellipsis)});
      const Letters& letters = operands_.back().letters;
      if (letters.size() != of.size() || !are_distinct(letters)) return false;
      for (std::size_t axis = 0; axis < letters.size(); ++axis) {
        const auto [at, fresh] = sizes_.try_emplace(letters[axis], of[axis]);
        if (!fresh && !(at->second == of[axis])) return false;
      }
    }
    result_ = equation.result.indices(ellipsis);
    return are_distinct(result_);
  }

  bool sums() const {
    return std::ranges::any_of(operands_, [&](const Operand& x) {
      return std::ranges::any_of(x.letters,
                                 [&](std::int64_t letter) { return !has(result_, letter); });
    });
  }

  SymShape sizes_of(const Letters& letters) const {
    SymShape out;
    for (const std::int64_t letter : letters) out.push_back(sizes_.at(letter));
    return out;
  }

  const Tensor* constant(ValueId id) const {
    return graph_.value(id).is_constant() ? &graph_.value(id).constant : nullptr;
  }

  // `x * number` that the sum alone reads: the node, and the place of x among its inputs.
  std::optional<std::pair<const Node*, std::size_t>> multiplied(ValueId id) const {
    if (std::ranges::find(operands_, id, &Operand::value) == operands_.end()) return std::nullopt;
    const Node* node = graph_.producer(id);
    if (node == nullptr || !graph_.has_single_use(id) || !node->is(op_binary()) ||
        node->as<BinaryAttributes>().function != BinaryFunction::mul)
      return std::nullopt;
    for (const std::size_t at : {0, 1}) {
      const Tensor* number = constant(node->inputs[1 - at]);
      if (number != nullptr && number->rank() == 0) return std::pair{node, at};
    }
    return std::nullopt;
  }

  ValueId arranged(Patch& patch, const Operand& from, const Letters& order) const {
    if (from.letters == order) return from.value;
    std::vector<std::int64_t> perm;
    for (const std::int64_t letter : order)
      perm.push_back(std::ranges::find(from.letters, letter) - from.letters.begin());
    const auto moved = [&](ValueId x) {
      return patch.emit(op_transpose(), TransposeAttributes{.perm = perm}, {x});
    };
    const auto product = multiplied(from.value);
    if (!product) return moved(from.value);
    const auto& [node, at] = *product;
    patch.descend_from(*node);
    std::vector<ValueId> factors = node->inputs;
    factors[at] = moved(factors[at]);
    return patch.emit(op_binary(), node->as<BinaryAttributes>(), factors);
  }

  // The node that alone reads `id` and adds a constant of these sizes, and that constant.
  std::optional<std::pair<const Node*, Tensor>> added(ValueId id, const SymShape& sizes) const {
    if (!graph_.has_single_use(id)) return std::nullopt;
    const Node& node = graph_.node(graph_.value(id).uses[0].node);
    if (!node.is(op_binary()) || node.as<BinaryAttributes>().function != BinaryFunction::add)
      return std::nullopt;
    const Tensor* bias = constant(node.inputs[node.inputs[0] == id ? 1 : 0]);
    if (bias == nullptr || !(to_symbolic(bias->shape()) == sizes)) return std::nullopt;
    return std::pair{&node, *bias};
  }

  static ValueId reshaped(Patch& patch, ValueId x, const std::vector<std::int64_t>& sizes) {
    return patch.emit(op_reshape(), ReshapeAttributes{}, {x, patch.integers(sizes)});
  }

  bool rewrite(const Node& node) {
    if (node.inputs.size() > 2 || !read(node)) return false;
    const bool floats = kFloats.contains(graph_.value(node.outputs[0]).type.dtype);
    if (context_.target.precise && floats && sums()) return false;
    Patch patch(graph_, "rewrite " + label_of(node) + " without an equation");
    patch.descend_from(node);
    replaced_ = node.outputs[0];
    const std::optional<ValueId> y = operands_.size() == 1 ? of_one(patch) : of_two(patch);
    if (!y) return false;
    patch.replace(replaced_, *y);
    context_.apply(patch, graph_);
    return true;
  }

  // Without the letters that do not stay.
  static Operand summed_up(Patch& patch, const Operand& x, const auto& stays) {
    std::vector<std::int64_t> axes;
    for (std::size_t axis = 0; axis < x.letters.size(); ++axis) {
      if (!stays(x.letters[axis])) axes.push_back(static_cast<std::int64_t>(axis));
    }
    const ValueId y = patch.emit(op_reduce(), ReduceAttributes{.keep_dims = false},
                                 {x.value, patch.integers(axes)});
    return {y, filtered(x.letters, stays)};
  }

  std::optional<ValueId> of_one(Patch& patch) const {
    const auto stays = [&](std::int64_t letter) { return has(result_, letter); };
    Operand x = operands_[0];
    if (!std::ranges::all_of(x.letters, stays)) x = summed_up(patch, x, stays);
    return arranged(patch, x, result_);
  }

  std::optional<ValueId> of_two(Patch& patch) {
    Operand a = operands_[0], b = operands_[1];
    // Constants are the second factor of a product, where kernels look for weights.
    if (graph_.value(a.value).is_constant() && !graph_.value(b.value).is_constant())
      std::swap(a, b);
    // What one of them sums by itself goes first; 16 bits would round the sums.
    const bool wide = bits_of(graph_.value(replaced_).type.dtype) >= 32;
    for (const auto& [one, other] : {std::pair{&a, &b}, std::pair{&b, &a}}) {
      const auto stays = [&](std::int64_t letter) {
        return has(result_, letter) || has(other->letters, letter);
      };
      if (std::ranges::all_of(one->letters, stays)) continue;
      if (!wide) return std::nullopt;
      *one = summed_up(patch, *one, stays);
    }
    const Letters summed =
        filtered(a.letters, [&](std::int64_t letter) { return !has(result_, letter); });
    return summed.empty() ? elementwise(patch, a, b) : product_of(patch, a, b, summed);
  }

  std::optional<ValueId> elementwise(Patch& patch, const Operand& a, const Operand& b) const {
    std::vector<ValueId> factors;
    for (const Operand* x : {&a, &b}) {
      const Letters order =
          filtered(result_, [&](std::int64_t letter) { return has(x->letters, letter); });
      SymShape sizes;
      for (const std::int64_t letter : result_)
        sizes.push_back(has(order, letter) ? sizes_.at(letter) : Dim(1));
      const auto told = reshape_sizes(sizes_of(order), sizes);
      if (!told) return std::nullopt;
      const ValueId moved = arranged(patch, *x, order);
      factors.push_back(order == result_ ? moved : reshaped(patch, moved, *told));
    }
    return patch.emit(op_binary(), BinaryAttributes{.function = BinaryFunction::mul}, factors);
  }

  // matmul([batch, rows, summed], [batch, summed, columns]). Without a batch, rows keep their axes.
  std::optional<ValueId> product_of(Patch& patch, const Operand& a, const Operand& b,
                                    const Letters& summed) {
    const Letters batch = filtered(result_, [&](std::int64_t letter) {
      return has(a.letters, letter) && has(b.letters, letter);
    });
    const Letters rows = filtered(result_, [&](std::int64_t letter) {
      return has(a.letters, letter) && !has(b.letters, letter);
    });
    const Letters columns =
        filtered(result_, [&](std::int64_t letter) { return !has(a.letters, letter); });
    const bool flat = batch.empty() && !rows.empty();
    const Dim depth = product(sizes_of(summed));
    SymShape left = sizes_of(batch), right = left;
    if (flat) {
      left = sizes_of(rows);
    } else {
      left.push_back(product(sizes_of(rows)));
    }
    SymShape result = left;
    left.push_back(depth);
    right.push_back(depth);
    right.push_back(product(sizes_of(columns)));
    result.push_back(right.back());
    const Letters of_a = joined({&batch, &rows, &summed}),
                  of_b = joined({&batch, &summed, &columns}),
                  of_y = joined({&batch, &rows, &columns});
    const auto told_a = reshape_sizes(sizes_of(of_a), left);
    const auto told_b = reshape_sizes(sizes_of(of_b), right);
    const auto told_y = reshape_sizes(result, sizes_of(of_y));
    if (!told_a || !told_b || !told_y) return std::nullopt;
    const auto shaped = [&](ValueId x, const Letters& from, const SymShape& to,
                            const std::vector<std::int64_t>& told) {
      return from.size() == to.size() && sizes_of(from) == to ? x : reshaped(patch, x, told);
    };
    const ValueId x = shaped(arranged(patch, a, of_a), of_a, left, *told_a);
    const ValueId w = shaped(arranged(patch, b, of_b), of_b, right, *told_b);
    ValueId y = patch.emit(op_matmul(), {}, {x, w});
    const auto bias = added(replaced_, sizes_of(columns));
    if (bias && columns.size() > 1 && of_y == result_) {
      patch.descend_from(*bias->first);
      const Tensor row = bias->second.reshaped({bias->second.size()});
      y = patch.emit(op_binary(), BinaryAttributes{.function = BinaryFunction::add},
                     {y, patch.constant(row)});
      replaced_ = bias->first->outputs[0];
    }
    if (!(sizes_of(of_y) == result)) y = reshaped(patch, y, *told_y);
    return arranged(patch, {y, of_y}, result_);
  }

  Graph& graph_;
  const PassContext& context_;
  // Of the node at hand.
  std::vector<Operand> operands_;
  Letters result_;
  std::map<std::int64_t, Dim> sizes_;
  ValueId replaced_;  // its output, or that of the node behind it
};

int run(Graph& graph, const PassContext& context) { return Rewriter(graph, context).run(); }

}  // namespace

Pass rewrite_einsum() {
  return {
      .name = "rewrite_einsum",
      .summary = "makes Einstein sums of one or two operands products, reductions and moves",
      .run = run,
  };
}

}  // namespace strop
