// SPDX-License-Identifier: Apache-2.0
#include "lower/assign_layouts.hpp"

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>
#include <utility>

#include "base/error.hpp"

namespace strop {
namespace {

constexpr int kSweeps = 16;
constexpr std::size_t kMostOperands = 64;  // of two nodes that are changed together

class Assignment {
 public:
  explicit Assignment(const LayoutProblem& problem)
      : problem_(problem),
        index_of_node_(problem.graph->node_slots(), kNone),
        reorder_(problem.graph->value_count(), 0) {
    for (std::size_t i = 0; i < problem.nodes.size(); ++i)
      index_of_node_[problem.nodes[i].index] = i;
    for (const NodeId id : problem.nodes) {
      const Node& node = problem.graph->node(id);
      for (const ValueId v : node.inputs) note_cost(v);
      for (const ValueId v : node.outputs) note_cost(v);
    }
  }

  std::vector<std::size_t> best() {
    Result all = best_of_starts();
    const bool opens = [&] {
      for (std::size_t i = 0; i < all.chosen.size(); ++i) {
        if (problem_.options[i][all.chosen[i]].opens_library) return true;
      }
      return false;
    }();
    if (!opens || !can_do_without_libraries()) return std::move(all.chosen);
    with_libraries_ = false;
    Result without = best_of_starts();
    return std::move(all.cost < without.cost * (1 - kLibraryGain) ? all.chosen : without.chosen);
  }

 private:
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

  struct Result {
    std::vector<std::size_t> chosen;
    double cost = std::numeric_limits<double>::infinity();
  };

  Result best_of_starts() {
    find_cheapest();
    Result best;
    for (int start = 0; start < 3; ++start) {
      chosen_ = start_from(start);
      improve();
      const double cost = total();
      if (cost < best.cost) best = {chosen_, cost};
    }
    return best;
  }

  bool can_do_without_libraries() const {
    return std::ranges::all_of(problem_.options, [](const auto& options) {
      return std::ranges::any_of(options,
                                 [](const NodeOption& option) { return !option.opens_library; });
    });
  }

  bool is_allowed(const NodeOption& option) const {
    return with_libraries_ || !option.opens_library;
  }

  void note_cost(ValueId id) {
    if (id.exists() && reorder_[id.index] == 0) reorder_[id.index] = problem_.reorder_cost(id);
  }

  std::vector<std::size_t> start_from(int start) const {
    std::vector<std::size_t> out;
    for (const auto& options : problem_.options) {
      // Among options of the wanted layout the cheapest; without one, the cheapest of all.
      const auto key = [&](const NodeOption& option) {
        const bool fits = start == 0 || option.layouts.is_plain() == (start == 1);
        return std::tuple(!is_allowed(option), !fits, option.cost);
      };
      out.push_back(
          static_cast<std::size_t>(std::ranges::min_element(options, {}, key) - options.begin()));
    }
    return out;
  }

  const NodeOption& option(std::size_t node) const { return problem_.options[node][chosen_[node]]; }

  // The layout in which a value comes to be.
  Layout made_as(ValueId id) const {
    const Value& value = problem_.graph->value(id);
    if (!value.producer.exists()) return Layout::plain;
    const std::size_t producer = index_of_node_[value.producer.index];
    return producer == kNone ? Layout::plain : option(producer).layouts.output(value.output_index);
  }

  // What the reorders of a value cost: one for each layout that somebody reads and it is not made
  // in. Graph outputs are read plain.
  double value_cost(ValueId id) const {
    const double cost = reorder_[id.index];
    if (cost == 0 || problem_.graph->value(id).is_constant()) return 0;
    const Layout made = made_as(id);
    bool wanted[2] = {};
    for (const Use& use : problem_.graph->value(id).uses) {
      const std::size_t user = index_of_node_[use.node.index];
      const Layout layout = user == kNone ? Layout::plain : option(user).layouts.input(use.input);
      wanted[static_cast<std::size_t>(layout)] = true;
    }
    if (problem_.graph->is_output(id)) wanted[0] = true;
    wanted[static_cast<std::size_t>(made)] = false;
    return cost * (static_cast<double>(wanted[0]) + static_cast<double>(wanted[1]));
  }

  // A node, or two, and the values they read and make.
  struct Part {
    std::vector<std::size_t> nodes;
    std::vector<ValueId> values;
  };

  Part part_of(std::vector<std::size_t> nodes) const {
    std::set<ValueId> values;
    for (const std::size_t node : nodes) {
      const Node& of = problem_.graph->node(problem_.nodes[node]);
      values.insert(of.inputs.begin(), of.inputs.end());
      values.insert(of.outputs.begin(), of.outputs.end());
    }
    values.erase(ValueId::none());
    return {std::move(nodes), {values.begin(), values.end()}};
  }

  double cost_of(const Part& part) const {
    double cost = 0;
    for (const std::size_t node : part.nodes) cost += option(node).cost;
    for (const ValueId v : part.values) cost += value_cost(v);
    return cost;
  }

  // The cheapest allowed option for each combination of layouts, by node.
  void find_cheapest() {
    cheapest_.assign(problem_.options.size(), {});
    for (std::size_t node = 0; node < problem_.options.size(); ++node) {
      const auto& options = problem_.options[node];
      std::vector<std::size_t>& found = cheapest_[node];
      for (std::size_t i = 0; i < options.size(); ++i) {
        if (!is_allowed(options[i])) continue;
        const auto same = std::ranges::find_if(
            found, [&](std::size_t other) { return options[other].layouts == options[i].layouts; });
        if (same == found.end()) {
          found.push_back(i);
        } else if (options[i].cost < options[*same].cost) {
          *same = i;
        }
      }
    }
  }

  // One node after the other, forwards and backwards in turn, so that a choice travels along
  // chains in both directions; then neighbours together, which a reorder between them holds where
  // they are; and so on.
  void improve() {
    for (int round = 0; round < kSweeps; ++round) {
      improve_nodes();
      if (!improve_neighbours()) return;
    }
  }

  void improve_nodes() {
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      bool changed = false;
      for (std::size_t i = 0; i < problem_.nodes.size(); ++i) {
        changed |= improve_node(sweep % 2 == 0 ? i : problem_.nodes.size() - 1 - i);
      }
      if (!changed) return;
    }
  }

  bool improve_neighbours() {
    bool changed = false;
    for (std::size_t i = 0; i < problem_.nodes.size(); ++i) {
      if (cheapest_[i].size() < 2) continue;
      for (const ValueId v : problem_.graph->node(problem_.nodes[i]).outputs) {
        for (const Use& use : problem_.graph->value(v).uses) {
          const std::size_t user = index_of_node_[use.node.index];
          if (user != kNone && cheapest_[user].size() > 1) changed |= improve_pair(i, user);
        }
      }
    }
    return changed;
  }

  bool improve_pair(std::size_t first, std::size_t second) {
    const std::pair before(chosen_[first], chosen_[second]);
    std::pair best = before;
    const auto operands_of = [&](std::size_t node) {
      const Node& of = problem_.graph->node(problem_.nodes[node]);
      return of.inputs.size() + of.outputs.size();
    };
    // What is said about every pair of a wide concat takes the square of its width.
    if (operands_of(first) + operands_of(second) > kMostOperands) return false;
    const Part part = part_of({first, second});
    double best_cost = cost_of(part);
    for (const std::size_t a : cheapest_[first]) {
      for (const std::size_t b : cheapest_[second]) {
        std::tie(chosen_[first], chosen_[second]) = std::tie(a, b);
        const double cost = cost_of(part);
        if (cost < best_cost) {
          best_cost = cost;
          best = {a, b};
        }
      }
    }
    std::tie(chosen_[first], chosen_[second]) = best;
    return best != before;
  }

  bool improve_node(std::size_t node) {
    const std::size_t before = chosen_[node];
    const auto& options = problem_.options[node];
    if (options.size() < 2) return false;
    std::size_t best = before;
    const Part part = part_of({node});
    double best_cost = cost_of(part);
    for (std::size_t i = 0; i < options.size(); ++i) {
      if (!is_allowed(options[i])) continue;
      chosen_[node] = i;
      const double cost = cost_of(part);
      if (cost < best_cost) {
        best_cost = cost;
        best = i;
      }
    }
    chosen_[node] = best;
    return best != before;
  }

  double total() const {
    double cost = 0;
    for (std::size_t i = 0; i < problem_.nodes.size(); ++i) cost += option(i).cost;
    for (std::uint32_t i = 0; i < problem_.graph->value_count(); ++i) {
      const Value& value = problem_.graph->value(ValueId{i});
      if (!value.uses.empty() || value.producer.exists()) cost += value_cost(ValueId{i});
    }
    return cost;
  }

  const LayoutProblem& problem_;
  std::vector<std::size_t> index_of_node_;
  std::vector<double> reorder_;
  std::vector<std::size_t> chosen_;
  std::vector<std::vector<std::size_t>> cheapest_;  // options
  bool with_libraries_ = true;
};

}  // namespace

std::vector<std::size_t> assign_layouts(const LayoutProblem& problem) {
  for (const auto& options : problem.options)
    STROP_CHECK(!options.empty(), "every node can run somehow");
  return Assignment(problem).best();
}

}  // namespace strop
