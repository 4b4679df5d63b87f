// SPDX-License-Identifier: Apache-2.0
// TreeEnsemble of ai.onnx.ml 5, where inner nodes and leaves are lists of their own.
#include <algorithm>
#include <cmath>

#include "onnx/convert/ml_support.hpp"
#include "onnx/converter_table.hpp"
#include "ops/chunk.hpp"
#include "ops/tree_ensemble.hpp"

namespace strop::onnx {
namespace {

constexpr std::int64_t kMostTargets = std::int64_t{1} << 40;

// Numbers of an attribute as f32 or f64.
Tensor wide_tensor(ConvertContext& c, const char* name) {
  Tensor tensor = c.tensor_attribute(name);
  if (tensor.dtype() == DType::f32 || tensor.dtype() == DType::f64) return tensor;
  if (tensor.dtype() != DType::f16) {
    c.fail(ErrorCode::bad_attribute,
           std::string(name) + " must be f16, f32 or f64, but is " + describe(tensor));
  }
  Tensor out = Tensor::allocate(DType::f32, tensor.shape());
  const auto from = tensor.values<float16>();
  const auto to = out.mutable_values<float>();
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = static_cast<float>(from[i]);
  return out;
}

std::vector<std::int64_t> modes(ConvertContext& c) {
  const Tensor tensor = c.tensor_attribute("nodes_modes");
  if (tensor.dtype() != DType::u8) {
    c.fail(ErrorCode::bad_attribute, "nodes_modes must be u8, but is " + describe(tensor));
  }
  return tensor.to_i64();
}

// References to nodes and leaves: ids, and for each whether it is a leaf's.
std::vector<std::int64_t> references(ConvertContext& c, const char* ids_name,
                                     const char* leafs_name) {
  auto ids = c.ints_attribute(ids_name);
  const auto leafs = c.ints_attribute(leafs_name);
  if (ids.size() != leafs.size()) {
    c.fail(ErrorCode::bad_attribute, std::string(ids_name) + " and " + leafs_name +
                                         " differ in length: " + std::to_string(ids.size()) +
                                         " and " + std::to_string(leafs.size()));
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0) {
      c.fail(ErrorCode::bad_attribute, std::string(ids_name) + " has " + std::to_string(ids[i]));
    }
    if (leafs[i] != 0) ids[i] = -1 - ids[i];
  }
  return ids;
}

// The sets of the member nodes, each ended by NaN, in the order of these nodes.
void read_members(ConvertContext& c, TreeEnsembleAttributes& attributes) {
  std::vector<double> numbers;
  if (c.has_attribute("membership_values")) {
    std::vector<double> copy;
    const Tensor tensor = wide_tensor(c, "membership_values");
    const double* all = load_all<double>(tensor, copy);
    numbers.assign(all, all + tensor.size());
  }
  const auto is_member = static_cast<std::int64_t>(TreeBranch::member);
  std::vector<double> members;
  std::size_t at = 0, sets = 0;
  attributes.member_begin = {0};
  for (const std::int64_t mode : attributes.node_mode) {
    if (mode == is_member) {
      ++sets;
      while (at < numbers.size() && !std::isnan(numbers[at])) members.push_back(numbers[at++]);
      if (at++ >= numbers.size()) {
        c.fail(ErrorCode::bad_attribute, "membership_values has no set, ended by NaN, for node " +
                                             std::to_string(attributes.member_begin.size() - 1));
      }
    }
    attributes.member_begin.push_back(static_cast<std::int64_t>(members.size()));
  }
  if (at < numbers.size()) {
    c.fail(ErrorCode::bad_attribute, "membership_values has more sets than the " +
                                         std::to_string(sets) + " that nodes ask for");
  }
  if (sets == 0) attributes.member_begin.clear();
  const auto count = static_cast<std::int64_t>(members.size());
  if (sets > 0) attributes.members = Tensor::from<double>({count}, members);
}

void tree_ensemble(ConvertContext& c) {
  static constexpr TreeAggregate kAggregates[] = {TreeAggregate::average, TreeAggregate::sum,
                                                  TreeAggregate::min, TreeAggregate::max};
  static constexpr ScoreTransform kTransforms[] = {
      ScoreTransform::none, ScoreTransform::softmax, ScoreTransform::logistic,
      ScoreTransform::softmax_zero, ScoreTransform::probit};
  c.expect_long_lists();
  c.ignore_attribute("nodes_hitrates");
  const std::int64_t aggregate = c.int_attribute("aggregate_function", 1);
  const std::int64_t transform = c.int_attribute("post_transform", 0);
  if (aggregate < 0 || aggregate > 3) {
    c.fail(ErrorCode::bad_attribute,
           "aggregate_function is " + std::to_string(aggregate) + "; it may be 0 to 3");
  }
  if (transform < 0 || transform > 4) {
    c.fail(ErrorCode::bad_attribute,
           "post_transform is " + std::to_string(transform) + "; it may be 0 to 4");
  }
  TreeEnsembleAttributes attributes{.aggregate = kAggregates[aggregate]};
  attributes.roots = c.ints_attribute("tree_roots");
  for (const std::int64_t root : attributes.roots) {
    if (root < 0) c.fail(ErrorCode::bad_attribute, "tree_roots has " + std::to_string(root));
  }
  attributes.node_feature = c.ints_attribute("nodes_featureids");
  attributes.node_mode = modes(c);
  attributes.node_split = wide_tensor(c, "nodes_splits");
  attributes.node_true = references(c, "nodes_truenodeids", "nodes_trueleafs");
  attributes.node_false = references(c, "nodes_falsenodeids", "nodes_falseleafs");
  attributes.node_nan_is_true = c.ints_attribute("nodes_missing_value_tracks_true");
  read_members(c, attributes);
  attributes.weight_target = c.ints_attribute("leaf_targetids");
  attributes.weight = wide_tensor(c, "leaf_weights");
  for (std::size_t leaf = 0; leaf <= attributes.weight_target.size(); ++leaf) {
    attributes.leaf_begin.push_back(static_cast<std::int64_t>(leaf));
  }
  std::int64_t most = 0;
  for (const std::int64_t target : attributes.weight_target) most = std::max(most, target);
  attributes.targets = c.int_attribute("n_targets", std::min(most, kMostTargets) + 1);
  const std::int64_t targets = attributes.targets;
  const ValueId scores = c.emit(op_tree_ensemble(), std::move(attributes), {c.input(0)});
  c.set_output(0, transformed(c, kTransforms[transform], scores, targets));
}

}  // namespace

void register_ml_tree_ensemble(ConverterTable& table) {
  table.add("ai.onnx.ml", "TreeEnsemble", 5, tree_ensemble);
}

}  // namespace strop::onnx
