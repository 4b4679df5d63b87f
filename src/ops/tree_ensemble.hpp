// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "ir/op_def.hpp"
#include "ops/lazy.hpp"

namespace strop {

enum class TreeAggregate : std::uint8_t { sum, average, min, max };

inline std::span<const std::string_view> enum_names(TreeAggregate) {
  static constexpr std::array<std::string_view, 4> names = {"sum", "average", "min", "max"};
  return names;
}

// How a node compares its feature with its split, as numbers in `node_mode`.
enum class TreeBranch : std::uint8_t {
  less_or_equal,
  less,
  greater_or_equal,
  greater,
  equal,
  not_equal,
  member,  // of a set
};
inline constexpr std::int64_t kTreeBranches = 7;

struct CompiledTrees;

// A reference is the place of a node, or -1 - place of a leaf.
struct TreeEnsembleAttributes {
  std::int64_t targets = 1;
  TreeAggregate aggregate = TreeAggregate::sum;
  std::vector<std::int64_t> roots{};
  std::vector<std::int64_t> node_feature{};
  std::vector<std::int64_t> node_mode{};
  Tensor node_split{};
  std::vector<std::int64_t> node_true{};
  std::vector<std::int64_t> node_false{};
  std::vector<std::int64_t> node_nan_is_true{};
  std::vector<std::int64_t> member_begin{};
  Tensor members{};
  std::vector<std::int64_t> leaf_begin{};
  std::vector<std::int64_t> weight_target{};
  Tensor weight{};
  Tensor base_values{};
  Lazy<CompiledTrees> compiled{};

  static void reflect(auto& field) {
    using A = TreeEnsembleAttributes;
    field("targets", &A::targets, "columns of y");
    field("aggregate", &A::aggregate, "what becomes of the weights of one target");
    field("roots", &A::roots, "per tree: reference to its root");
    field("node_feature", &A::node_feature, "per node: column of x that it looks at");
    field("node_mode", &A::node_mode,
          "per node: 0 <=, 1 <, 2 >=, 3 >, 4 ==, 5 !=, 6 member of its set");
    field("node_split", &A::node_split, "per node: number to compare with, f32 or f64");
    field("node_true", &A::node_true,
          "per node: reference to where it goes if the comparison holds");
    field("node_false", &A::node_false, "per node: reference to where it goes otherwise");
    field("node_nan_is_true", &A::node_nan_is_true,
          "per node: 1 if NaN goes where the comparison holds; empty: nowhere");
    field("member_begin", &A::member_begin,
          "per node, and one more: first element of its set in members; empty: no sets");
    field("members", &A::members, "the sets, one after the other, f32 or f64");
    field("leaf_begin", &A::leaf_begin, "per leaf, and one more: its first weight");
    field("weight_target", &A::weight_target, "per weight: column of y that it counts for");
    field("weight", &A::weight, "the weights, f32 or f64");
    field("base_values", &A::base_values, "per target: what is added at the end; none: 0");
  }
};

const OpDef& op_tree_ensemble();

}  // namespace strop
