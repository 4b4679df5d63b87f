// SPDX-License-Identifier: Apache-2.0
// TreeEnsembleClassifier and TreeEnsembleRegressor: nodes are named by (tree, id) there, leaves are
// nodes, and a leaf has any number of weights. The root of a tree is the first of its nodes.
//
// A classifier of two classes whose weights are all of one class is a single score: where that
// class is the first, the score is of the second class after all, and both columns are made from
// it.
#include <algorithm>
#include <limits>

#include "onnx/convert/ml_support.hpp"
#include "onnx/converter_table.hpp"
#include "ops/gather.hpp"
#include "ops/tree_ensemble.hpp"

namespace strop::onnx {
namespace {

// Weights of the leaves, as the model lists them.
struct LeafWeights {
  std::vector<std::int64_t> trees, nodes, targets;
  Tensor weights;
};

// Numbers that come as floats, or from opset 3 on as a tensor.
Tensor numbers(ConvertContext& c, const std::string& name) {
  if (c.opset() >= 3 && c.has_attribute(name + "_as_tensor")) {
    Tensor tensor = c.tensor_attribute(name + "_as_tensor");
    if (tensor.dtype() != DType::f32 && tensor.dtype() != DType::f64) {
      c.fail(ErrorCode::bad_attribute,
             name + "_as_tensor must be f32 or f64, but is " + describe(tensor));
    }
    if (!c.floats_attribute(name).empty()) {
      c.fail(ErrorCode::bad_attribute, name + " and " + name + "_as_tensor are both there");
    }
    return tensor;
  }
  const auto floats = c.floats_attribute(name);
  return Tensor::from<float>({static_cast<std::int64_t>(floats.size())}, floats);
}

LeafWeights leaf_weights(ConvertContext& c, const std::string& prefix) {
  LeafWeights out{.trees = c.ints_attribute(prefix + "_treeids"),
                  .nodes = c.ints_attribute(prefix + "_nodeids"),
                  .targets = c.ints_attribute(prefix + "_ids"),
                  .weights = numbers(c, prefix + "_weights")};
  const std::size_t count = out.trees.size();
  if (out.nodes.size() != count || out.targets.size() != count ||
      out.weights.size() != static_cast<std::int64_t>(count)) {
    c.fail(ErrorCode::bad_attribute, "the lists " + prefix + "_* differ in length: " + prefix +
                                         "_treeids has " + std::to_string(count) + " elements");
  }
  return out;
}

std::int64_t branch_of(ConvertContext& c, const std::string& name) {
  static constexpr std::string_view kNames[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE",
                                                "BRANCH_GT",  "BRANCH_EQ", "BRANCH_NEQ"};
  const auto at = std::ranges::find(kNames, name);
  if (at == std::end(kNames)) {
    c.fail(ErrorCode::bad_attribute, "nodes_modes has \"" + name.substr(0, 40) + "\"");
  }
  return at - std::begin(kNames);
}

// The nodes of all trees, found by (tree, id).
class Nodes {
 public:
  explicit Nodes(ConvertContext& c)
      : c_(c),
        trees_(c.ints_attribute("nodes_treeids")),
        ids_(c.ints_attribute("nodes_nodeids")),
        modes_(c.strings_attribute("nodes_modes")) {
    if (ids_.size() != trees_.size() || modes_.size() != trees_.size()) refuse_lengths();
    for (std::size_t i = 0; i < trees_.size(); ++i) {
      places_.push_back({trees_[i], ids_[i], static_cast<std::int64_t>(i)});
    }
    std::ranges::sort(places_);
    for (std::size_t i = 1; i < places_.size(); ++i) {
      if (places_[i].tree == places_[i - 1].tree && places_[i].id == places_[i - 1].id) {
        c.fail(ErrorCode::bad_attribute, "node " + std::to_string(places_[i].id) + " of tree " +
                                             std::to_string(places_[i].tree) +
                                             " is there more than once");
      }
    }
  }

  // Fills in everything but targets and aggregate.
  void convert(const LeafWeights& weights, TreeEnsembleAttributes& out) {
    count_nodes();
    const auto feature = c_.ints_attribute("nodes_featureids");
    const auto yes = c_.ints_attribute("nodes_truenodeids");
    const auto no = c_.ints_attribute("nodes_falsenodeids");
    const auto nan = c_.ints_attribute("nodes_missing_value_tracks_true");
    const Tensor split = numbers(c_, "nodes_values");
    c_.ignore_attribute("nodes_hitrates");
    if (c_.opset() >= 3) c_.ignore_attribute("nodes_hitrates_as_tensor");
    const std::size_t count = trees_.size();
    if (feature.size() != count || yes.size() != count || no.size() != count ||
        split.size() != static_cast<std::int64_t>(count) || (!nan.empty() && nan.size() != count)) {
      refuse_lengths();
    }
    out.node_split = Tensor::allocate(split.dtype(), {inner_});
    for (std::size_t i = 0; i < count; ++i) {
      if (reference_[i] < 0) continue;
      out.node_mode.push_back(branch_of(c_, modes_[i]));
      out.node_feature.push_back(feature[i]);
      out.node_true.push_back(reference(trees_[i], yes[i]));
      out.node_false.push_back(reference(trees_[i], no[i]));
      if (!nan.empty()) out.node_nan_is_true.push_back(nan[i] != 0 ? 1 : 0);
      store_from_double(split.dtype(), out.node_split.mutable_data(), reference_[i],
                        load_as_double(split.dtype(), split.data(), static_cast<std::int64_t>(i)));
    }
    find_roots(out);
    sort_weights(weights, out);
  }

 private:
  struct Place {
    std::int64_t tree, id, index;
    auto operator<=>(const Place&) const = default;
  };

  [[noreturn]] void refuse_lengths() {
    c_.fail(ErrorCode::bad_attribute, "the lists nodes_* differ in length: nodes_treeids has " +
                                          std::to_string(trees_.size()) + " elements");
  }

  void count_nodes() {
    for (const std::string& mode : modes_) {
      reference_.push_back(mode == "LEAF" ? -1 - leaves_++ : inner_++);
    }
  }

  std::int64_t reference(std::int64_t tree, std::int64_t id) {
    const auto at = std::ranges::lower_bound(
        places_, Place{tree, id, std::numeric_limits<std::int64_t>::min()});
    if (at == places_.end() || at->tree != tree || at->id != id) {
      c_.fail(ErrorCode::bad_attribute, "tree " + std::to_string(tree) + " has no node " +
                                            std::to_string(id) + ", but refers to it");
    }
    return reference_[static_cast<std::size_t>(at->index)];
  }

  void find_roots(TreeEnsembleAttributes& out) {
    std::vector<std::int64_t> first;  // places of the first nodes of trees
    for (std::size_t i = 0; i < places_.size();) {
      std::int64_t least = places_[i].index;
      const std::int64_t tree = places_[i].tree;
      for (; i < places_.size() && places_[i].tree == tree; ++i) {
        least = std::min(least, places_[i].index);
      }
      first.push_back(least);
    }
    std::ranges::sort(first);
    for (const std::int64_t place : first) {
      out.roots.push_back(reference_[static_cast<std::size_t>(place)]);
    }
  }

  // Weights by leaf, those of one leaf in their order. Those of inner nodes mean nothing.
  void sort_weights(const LeafWeights& weights, TreeEnsembleAttributes& out) {
    std::vector<std::pair<std::int64_t, std::int64_t>> order;
    for (std::size_t i = 0; i < weights.trees.size(); ++i) {
      const std::int64_t at = reference(weights.trees[i], weights.nodes[i]);
      if (at < 0) order.emplace_back(-1 - at, static_cast<std::int64_t>(i));
    }
    std::ranges::sort(order);
    const DType dtype = weights.weights.dtype();
    out.weight = Tensor::allocate(dtype, {static_cast<std::int64_t>(order.size())});
    std::int64_t next = 0;
    for (const auto& [leaf, from] : order) {
      out.leaf_begin.resize(static_cast<std::size_t>(leaf) + 1, next);
      out.weight_target.push_back(weights.targets[static_cast<std::size_t>(from)]);
      store_from_double(dtype, out.weight.mutable_data(), next++,
                        load_as_double(dtype, weights.weights.data(), from));
    }
    out.leaf_begin.resize(static_cast<std::size_t>(leaves_) + 1, next);
  }

  ConvertContext& c_;
  std::vector<std::int64_t> trees_, ids_;
  std::vector<std::string> modes_;
  std::vector<Place> places_;            // sorted
  std::vector<std::int64_t> reference_;  // per node
  std::int64_t inner_ = 0, leaves_ = 0;
};

ValueId scores_of(ConvertContext& c, TreeEnsembleAttributes attributes) {
  const ValueId y = c.emit(op_tree_ensemble(), std::move(attributes), {rows(c, 0)});
  return cast_to(c, y, DType::f32);
}

void regressor(ConvertContext& c) {
  c.expect_long_lists();
  static constexpr std::string_view kAggregates[] = {"SUM", "AVERAGE", "MIN", "MAX"};
  const std::string aggregate = c.string_attribute("aggregate_function", "SUM");
  const auto at = std::ranges::find(kAggregates, aggregate);
  if (at == std::end(kAggregates)) {
    c.fail(ErrorCode::bad_attribute,
           "aggregate_function is \"" + aggregate + "\"; it may be SUM, AVERAGE, MIN or MAX");
  }
  const ScoreTransform transform = post_transform_attribute(c);
  const LeafWeights weights = leaf_weights(c, "target");
  TreeEnsembleAttributes attributes{.aggregate =
                                        static_cast<TreeAggregate>(at - std::begin(kAggregates))};
  std::int64_t most = 0;
  for (const std::int64_t target : weights.targets) most = std::max(most, target);
  attributes.targets = c.int_attribute(
      "n_targets", std::min(most, std::numeric_limits<std::int64_t>::max() - 1) + 1);
  attributes.base_values = numbers(c, "base_values");
  Nodes(c).convert(weights, attributes);
  const std::int64_t targets = attributes.targets;
  c.set_output(0, transformed(c, transform, scores_of(c, std::move(attributes)), targets));
}

bool none_negative(const Tensor& weights) {
  for (std::int64_t i = 0; i < weights.size(); ++i) {
    if (load_as_double(weights.dtype(), weights.data(), i) < 0) return false;
  }
  return true;
}

// The base value of the only class that has weights.
Tensor base_of(ConvertContext& c, const Tensor& base_values, std::int64_t class_id) {
  if (base_values.size() == 0) return base_values;
  if (base_values.size() > 2) {
    c.fail(ErrorCode::bad_attribute,
           "base_values has " + std::to_string(base_values.size()) + " elements for two classes");
  }
  const std::int64_t at = std::min(class_id, base_values.size() - 1);
  Tensor out = Tensor::allocate(base_values.dtype(), {1});
  store_from_double(out.dtype(), out.mutable_data(), 0,
                    load_as_double(base_values.dtype(), base_values.data(), at));
  return out;
}

// One score of two classes. All weights are of class `class_id`, the first one.
void single_score(ConvertContext& c, TreeEnsembleAttributes attributes, const LeafWeights& weights,
                  const Tensor& labels, ScoreTransform transform) {
  const bool probability = none_negative(weights.weights);
  attributes.targets = 1;
  attributes.base_values = base_of(c, attributes.base_values, 0);
  Nodes(c).convert(weights, attributes);
  const ValueId score = scores_of(c, std::move(attributes));
  c.set_output(0, label_by_threshold(c, labels, score, probability ? 0.5f : 0.0f));
  c.set_output(1, two_class_scores(c, transform, score, probability));
}

void classifier(ConvertContext& c) {
  c.expect_long_lists();
  const Tensor labels = labels_attribute(c, "classlabels_int64s", "classlabels_strings");
  const ScoreTransform transform = post_transform_attribute(c);
  const LeafWeights weights = leaf_weights(c, "class");
  TreeEnsembleAttributes attributes{.targets = labels.size()};
  attributes.base_values = numbers(c, "base_values");
  const auto& ids = weights.targets;
  const bool one_class =
      labels.size() == 2 && !ids.empty() &&
      std::ranges::all_of(ids, [&](std::int64_t id) { return id == ids.front(); });
  if (one_class && ids.front() == 0) {
    return single_score(c, std::move(attributes), weights, labels, transform);
  }
  if (attributes.base_values.size() == 1 && labels.size() == 2) {
    c.fail(ErrorCode::bad_attribute, "base_values has one element for two classes");
  }
  Nodes(c).convert(weights, attributes);
  const ValueId scores = scores_of(c, std::move(attributes));
  if (labels.size() == 1) {
    c.set_output(0, label_by_threshold(c, labels, scores, 0));
  } else if (one_class) {
    const float threshold = none_negative(weights.weights) ? 0.5f : 0.0f;
    const ValueId second =
        c.emit(op_gather(), GatherAttributes{.axis = 1}, {scores, c.emitter().integers({1})});
    c.set_output(0, label_by_threshold(c, labels, second, threshold));
  } else {
    c.set_output(0, label_of_largest(c, labels, scores));
  }
  c.set_output(1, transformed(c, transform, scores, labels.size()));
}

}  // namespace

void register_ml_tree_ensemble_legacy(ConverterTable& table) {
  table.add("ai.onnx.ml", "TreeEnsembleClassifier", 1, classifier);
  table.add("ai.onnx.ml", "TreeEnsembleRegressor", 1, regressor);
}

}  // namespace strop::onnx
