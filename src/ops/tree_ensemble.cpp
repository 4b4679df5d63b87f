// SPDX-License-Identifier: Apache-2.0
// Decision trees over the rows of x. Each tree leads a row to one leaf, whose weights are put
// together by target: added, averaged over the trees, or the least or greatest taken (0 where no
// leaf has a weight for the target). Comparisons and sums are in double, in the order of the trees.
#include "ops/tree_ensemble.hpp"

#include <algorithm>
#include <cmath>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {

// The attributes, checked: references lead to nodes and leaves that exist, and no path is endless.
struct CompiledTrees {
  struct Node {
    double split = 0;
    std::int32_t feature = 0, yes = 0, no = 0;
    TreeBranch mode = TreeBranch::less_or_equal;
    bool nan_is_yes = false;
  };
  std::vector<Node> nodes;
  std::vector<std::int32_t> roots;
  std::vector<std::int64_t> member_begin, leaf_begin, weight_target;
  std::vector<double> members, weight, base_values;
  std::int64_t features = 0;  // as many as the nodes ask for
};

namespace {

// No training program makes deeper trees.
constexpr std::int32_t kDeepest = 1 << 16;
// Nodes that one row may pass. Trees may share nodes, so their number alone does not bound it.
constexpr std::int64_t kMostSteps = std::int64_t{1} << 31;
constexpr std::int64_t kMostNodes = std::int64_t{1} << 30;

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorCode::bad_attribute, "operator tree_ensemble", why);
}

void require(bool condition, const std::string& why) {
  if (!condition) refuse(why);
}

std::vector<double> numbers(const Tensor& tensor, std::string_view name) {
  std::vector<double> out;
  if (!tensor.defined()) return out;
  require(tensor.dtype() == DType::f32 || tensor.dtype() == DType::f64,
          std::string(name) + " must be f32 or f64, but is " + describe(tensor));
  const double* values = load_all<double>(tensor, out);
  return tensor.dtype() == DType::f64 ? std::vector<double>(values, values + tensor.size()) : out;
}

// `begin` cuts `count` elements into `parts` ranges.
void require_ranges(const std::vector<std::int64_t>& begin, std::size_t parts, std::size_t count,
                    std::string_view name) {
  require(begin.size() == parts + 1 && begin.front() == 0 &&
              begin.back() == static_cast<std::int64_t>(count) && std::ranges::is_sorted(begin),
          std::string(name) + " does not cut " + std::to_string(count) + " elements into " +
              std::to_string(parts) + " ranges");
}

std::int32_t reference_in(std::int64_t value, std::size_t nodes, std::size_t leaves) {
  const std::int64_t leaf = -1 - value;  // does not overflow
  require(value >= 0 ? value < static_cast<std::int64_t>(nodes)
                     : leaf < static_cast<std::int64_t>(leaves),
          "reference " + std::to_string(value) + " leads to nothing: there are " +
              std::to_string(nodes) + " nodes and " + std::to_string(leaves) + " leaves");
  return static_cast<std::int32_t>(value);
}

// Walks every node once, with a stack of its own.
void require_finite_paths(const CompiledTrees& trees) {
  constexpr std::int32_t kUnknown = -1, kOpen = -2;
  std::vector<std::int32_t> depth(trees.nodes.size(), kUnknown);
  std::vector<std::int32_t> stack;
  const auto depth_of = [&](std::int32_t at) {
    return at < 0 ? 0 : depth[static_cast<std::size_t>(at)];
  };
  for (const std::int32_t root : trees.roots) {
    if (depth_of(root) != kUnknown) continue;
    stack.push_back(root);
    while (!stack.empty()) {
      const auto at = static_cast<std::size_t>(stack.back());
      const CompiledTrees::Node& node = trees.nodes[at];
      if (depth[at] == kUnknown) {
        depth[at] = kOpen;
        for (const std::int32_t next : {node.yes, node.no}) {
          require(depth_of(next) != kOpen,
                  "node " + std::to_string(next) + " leads back to itself");
          if (depth_of(next) == kUnknown) stack.push_back(next);
        }
        continue;
      }
      stack.pop_back();
      if (depth[at] != kOpen) continue;  // was on the stack twice
      depth[at] = 1 + std::max(depth_of(node.yes), depth_of(node.no));
      require(depth[at] <= kDeepest, "a path has more than " + std::to_string(kDeepest) + " nodes");
    }
  }
  std::int64_t steps = 0;
  for (const std::int32_t root : trees.roots) steps += depth_of(root);
  require(steps <= kMostSteps, "a row may pass " + std::to_string(steps) + " nodes");
}

CompiledTrees compile(const TreeEnsembleAttributes& a) {
  CompiledTrees out;
  const std::size_t nodes = a.node_feature.size();
  require(!a.leaf_begin.empty(), "there are no leaves");
  const std::size_t leaves = a.leaf_begin.size() - 1;
  require(nodes < kMostNodes && leaves < kMostNodes, "there are too many nodes");
  require(a.targets >= 1, "targets is " + std::to_string(a.targets) + "; it must be at least 1");
  require(!a.roots.empty(), "there is no tree");
  const std::vector<double> splits = numbers(a.node_split, "node_split");
  out.members = numbers(a.members, "members");
  out.weight = numbers(a.weight, "weight");
  out.base_values = numbers(a.base_values, "base_values");
  require(a.node_mode.size() == nodes && splits.size() == nodes && a.node_true.size() == nodes &&
              a.node_false.size() == nodes,
          "the lists of nodes differ in length: node_feature has " + std::to_string(nodes));
  require(a.node_nan_is_true.empty() || a.node_nan_is_true.size() == nodes,
          "node_nan_is_true has " + std::to_string(a.node_nan_is_true.size()) + " elements for " +
              std::to_string(nodes) + " nodes");
  require(a.weight_target.size() == out.weight.size(),
          "there are " + std::to_string(out.weight.size()) + " weights, but targets for " +
              std::to_string(a.weight_target.size()));
  require(out.base_values.empty() || static_cast<std::int64_t>(out.base_values.size()) == a.targets,
          "base_values has " + std::to_string(out.base_values.size()) + " elements for " +
              std::to_string(a.targets) + " targets");
  require_ranges(a.leaf_begin, leaves, out.weight.size(), "leaf_begin");
  if (!a.member_begin.empty()) {
    require_ranges(a.member_begin, nodes, out.members.size(), "member_begin");
  }
  for (const std::int64_t target : a.weight_target) {
    require(target >= 0 && target < a.targets, "target " + std::to_string(target) +
                                                   " of a weight is not one of " +
                                                   std::to_string(a.targets));
  }
  out.nodes.resize(nodes);
  for (std::size_t i = 0; i < nodes; ++i) {
    CompiledTrees::Node& node = out.nodes[i];
    require(a.node_feature[i] >= 0 && a.node_feature[i] < kMostNodes,
            "node " + std::to_string(i) + " looks at feature " + std::to_string(a.node_feature[i]));
    require(a.node_mode[i] >= 0 && a.node_mode[i] < kTreeBranches,
            "node " + std::to_string(i) + " has mode " + std::to_string(a.node_mode[i]));
    node.split = splits[i];
    node.feature = static_cast<std::int32_t>(a.node_feature[i]);
    node.mode = static_cast<TreeBranch>(a.node_mode[i]);
    require(node.mode != TreeBranch::member || !a.member_begin.empty(),
            "node " + std::to_string(i) + " asks for membership of a set that is not given");
    node.yes = reference_in(a.node_true[i], nodes, leaves);
    node.no = reference_in(a.node_false[i], nodes, leaves);
    node.nan_is_yes = !a.node_nan_is_true.empty() && a.node_nan_is_true[i] != 0;
    out.features = std::max(out.features, a.node_feature[i] + 1);
  }
  for (const std::int64_t root : a.roots) out.roots.push_back(reference_in(root, nodes, leaves));
  out.member_begin = a.member_begin;
  out.leaf_begin = a.leaf_begin;
  out.weight_target = a.weight_target;
  for (std::size_t i = 0; i + 1 < out.member_begin.size(); ++i) {
    const auto begin = out.members.begin();
    const auto first = begin + out.member_begin[i], last = begin + out.member_begin[i + 1];
    require(std::none_of(first, last, [](double member) { return std::isnan(member); }),
            "a set has a member NaN");
    std::sort(first, last);
  }
  require_finite_paths(out);
  return out;
}

const CompiledTrees& compiled(const TreeEnsembleAttributes& attributes) {
  return attributes.compiled.get([&] { return compile(attributes); });
}

void infer(InferContext& context) {
  const auto& attributes = context.attributes<TreeEnsembleAttributes>();
  const CompiledTrees& trees = compiled(attributes);
  context.require_rank(0, 2);
  const SymShape x = context.shape(0) != nullptr ? *context.shape(0) : context.fresh_shape(2);
  context.require(!x[1].is_constant() || x[1].value() >= trees.features, ErrorCode::bad_shape,
                  "the trees look at " + std::to_string(trees.features) +
                      " features, but a row of x has " + x[1].to_string());
  context.set_output(0, context.dtype(0), {x[0], Dim(attributes.targets)});
}

bool holds(const CompiledTrees& trees, std::int32_t at, double value) {
  const CompiledTrees::Node& node = trees.nodes[static_cast<std::size_t>(at)];
  if (std::isnan(value) && node.nan_is_yes) return true;
  switch (node.mode) {
    case TreeBranch::less_or_equal:
      return value <= node.split;
    case TreeBranch::less:
      return value < node.split;
    case TreeBranch::greater_or_equal:
      return value >= node.split;
    case TreeBranch::greater:
      return value > node.split;
    case TreeBranch::equal:
      return value == node.split;
    case TreeBranch::not_equal:
      return value != node.split;
    case TreeBranch::member:
      break;
  }
  const auto begin = trees.members.begin();
  const auto last = begin + trees.member_begin[static_cast<std::size_t>(at) + 1];
  const auto found =
      std::lower_bound(begin + trees.member_begin[static_cast<std::size_t>(at)], last, value);
  return found != last && *found == value;
}

// Puts together the weights of one row; `reached` tells which targets have one.
void score_row(const CompiledTrees& trees, TreeAggregate aggregate, const double* row,
               std::vector<double>& score, std::vector<bool>& reached) {
  std::ranges::fill(score, 0.0);
  reached.assign(score.size(), false);
  for (std::int32_t at : trees.roots) {
    while (at >= 0) {
      const CompiledTrees::Node& node = trees.nodes[static_cast<std::size_t>(at)];
      at = holds(trees, at, row[node.feature]) ? node.yes : node.no;
    }
    const auto leaf = static_cast<std::size_t>(-1 - at);
    for (std::int64_t w = trees.leaf_begin[leaf]; w < trees.leaf_begin[leaf + 1]; ++w) {
      const auto target =
          static_cast<std::size_t>(trees.weight_target[static_cast<std::size_t>(w)]);
      const double weight = trees.weight[static_cast<std::size_t>(w)];
      double& total = score[target];
      if (aggregate == TreeAggregate::min) {
        total = reached[target] ? std::min(total, weight) : weight;
      } else if (aggregate == TreeAggregate::max) {
        total = reached[target] ? std::max(total, weight) : weight;
      } else {
        total += weight;
      }
      reached[target] = true;
    }
  }
  for (std::size_t i = 0; i < score.size(); ++i) {
    if (aggregate == TreeAggregate::average) score[i] /= static_cast<double>(trees.roots.size());
    if (!trees.base_values.empty()) score[i] += trees.base_values[i];
  }
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<TreeEnsembleAttributes>();
  const CompiledTrees& trees = compiled(attributes);
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  const std::int64_t features = x.dim(1), targets = attributes.targets;
  dispatch_float(x.dtype(), [&]<class T>() {
    const T* in = x.values<T>().data();
    T* out = y.mutable_values<T>().data();
    const auto trees_a_row = static_cast<std::int64_t>(trees.roots.size());
    parallel_for(x.dim(0), 1 + 1024 / trees_a_row, [&](std::int64_t begin, std::int64_t end) {
      std::vector<double> row(static_cast<std::size_t>(features));
      std::vector<double> score(static_cast<std::size_t>(targets));
      std::vector<bool> reached;
      for (std::int64_t n = begin; n < end; ++n) {
        context.check_deadline();
        for (std::int64_t i = 0; i < features; ++i) {
          row[static_cast<std::size_t>(i)] = convert_number<double>(in[n * features + i]);
        }
        score_row(trees, attributes.aggregate, row.data(), score, reached);
        for (std::int64_t i = 0; i < targets; ++i) {
          out[n * targets + i] = convert_number<T>(score[static_cast<std::size_t>(i)]);
        }
      }
    });
  });
}

}  // namespace

const OpDef& op_tree_ensemble() {
  static constexpr DTypeSet kTypes{DType::f32, DType::f64, DType::f16};
  static const OpDef def{
      .name = "tree_ensemble",
      .summary = "y[n, target] = the weights of the leaves that row n of x reaches, put together",
      .attributes = &attribute_schema<TreeEnsembleAttributes>(),
      .inputs = {{.name = "x", .types = kTypes, .same_as = 'T'}},
      .outputs = {{.name = "y", .types = kTypes, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
