// SPDX-License-Identifier: Apache-2.0
#include "lower/assign_layouts.hpp"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "base/error.hpp"

namespace strop {
namespace {

constexpr int kSweeps = 16;

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

  double node_and_values(std::size_t node) const {
    double cost = option(node).cost;
    const Node& of = problem_.graph->node(problem_.nodes[node]);
    for (const ValueId v : of.inputs) {
      if (v.exists()) cost += value_cost(v);
    }
    for (const ValueId v : of.outputs) cost += value_cost(v);
    return cost;
  }

  // One node after the other, forwards and backwards in turn, so that a choice travels along
  // chains in both directions.
  void improve() {
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      bool changed = false;
      for (std::size_t i = 0; i < problem_.nodes.size(); ++i) {
        changed |= improve_node(sweep % 2 == 0 ? i : problem_.nodes.size() - 1 - i);
      }
      if (!changed) return;
    }
  }

  bool improve_node(std::size_t node) {
    const std::size_t before = chosen_[node];
    const auto& options = problem_.options[node];
    if (options.size() < 2) return false;
    std::size_t best = before;
    double best_cost = node_and_values(node);
    for (std::size_t i = 0; i < options.size(); ++i) {
      if (!is_allowed(options[i])) continue;
      chosen_[node] = i;
      const double cost = node_and_values(node);
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
  bool with_libraries_ = true;
};

}  // namespace

std::vector<std::size_t> assign_layouts(const LayoutProblem& problem) {
  for (const auto& options : problem.options)
    STROP_CHECK(!options.empty(), "every node can run somehow");
  return Assignment(problem).best();
}

}  // namespace strop
