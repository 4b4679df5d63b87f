// SPDX-License-Identifier: Apache-2.0
#include "builder/sample_shapes.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <vector>

#include "base/error.hpp"

namespace strop {
namespace {

// For anything but a leading axis: pictures, sequences, sound; larger ones where smaller ones leave
// nothing after striding.
constexpr std::array<std::int64_t, 12> kUsualSizes{64,   224,   320, 48, 128, 512,
                                                   1280, 16000, 16,  8,  2,   1};

// For a leading axis, mostly the batch.
constexpr std::array<std::int64_t, 10> kLeadingSizes{1, 2, 3, 4, 5, 6, 7, 8, 16, 32};

// Every shape that depends on inputs alone keeps its constraints and has sizes of `least` or more.
bool is_valid(const Graph& graph, const SymbolValues& symbols, std::int64_t least = 1) {
  try {
    for (NodeId id : graph.order()) {
      const Node& node = graph.node(id);
      for (const ShapeConstraint& constraint : node.constraints) {
        const auto a = constraint.a.try_evaluate(symbols);
        const auto b = constraint.b.try_evaluate(symbols);
        if (a && b && *a != *b) return false;
      }
      for (ValueId output : node.outputs) {
        const Value& value = graph.value(output);
        if (!value.type.shape) continue;
        for (const Dim& dim : *value.type.shape) {
          const auto size = dim.try_evaluate(symbols);
          if (size && *size < least) return false;
        }
      }
    }
  } catch (const Error&) {
    return false;  // overflow, or sizes that do not broadcast
  }
  return true;
}

}  // namespace

std::optional<SymbolValues> find_sample_symbols(const Graph& graph, const WantedShapes& wanted) {
  SymbolValues symbols;
  std::set<std::string> leading;
  std::set<std::string> open;
  for (ValueId id : graph.inputs()) {
    const Value& input = graph.value(id);
    if (!input.type.shape) continue;
    const auto shape = wanted.find(input.name);
    if (shape != wanted.end() && shape->second.size() != input.type.shape->size()) {
      throw Error(ErrorCode::bad_option,
                  "shape " + to_string(shape->second) + " for input " + input.name,
                  "the input is " + input.type.to_string());
    }
    for (std::size_t axis = 0; axis < input.type.shape->size(); ++axis) {
      const Dim& dim = (*input.type.shape)[axis];
      const std::int64_t size = shape != wanted.end() ? shape->second[axis] : -1;
      if (dim.is_constant()) {
        if (size >= 0 && size != dim.value()) {
          throw Error(ErrorCode::bad_option,
                      "shape " + to_string(shape->second) + " for input " + input.name,
                      "the input is " + input.type.to_string());
        }
        continue;
      }
      if (dim.is_symbol() && size >= 0) symbols[dim.symbol_name()] = size;
      std::set<std::string> names;
      dim.collect_symbols(names);
      for (const std::string& name : names) {
        if (axis == 0 && input.type.shape->size() > 1) leading.insert(name);
        open.insert(name);
      }
    }
  }
  for (const auto& [name, size] : wanted) {
    const bool known = std::ranges::any_of(
        graph.inputs(), [&](ValueId id) { return graph.value(id).name == name; });
    if (!known)
      throw Error(ErrorCode::bad_option, "a shape was given for input " + name,
                  "the model has no such input");
  }
  std::vector<std::string> batches, rest;
  for (const std::string& name : open) {
    if (!symbols.contains(name)) (leading.contains(name) ? batches : rest).push_back(name);
  }
  if (batches.empty() && rest.empty())
    return symbols;  // what the user asked for is not second-guessed here
  const auto set = [&](const std::vector<std::string>& names, std::int64_t size) {
    for (const std::string& name : names) symbols[name] = size;
  };
  set(batches, 1);
  // One size for all first, then (for few symbols) every pair of sizes, then other batches.
  if (!rest.empty()) {
    for (std::int64_t size : kUsualSizes) {
      set(rest, size);
      if (is_valid(graph, symbols)) return symbols;
    }
    for (std::int64_t first : kUsualSizes) {
      for (std::int64_t others : kUsualSizes) {
        set(rest, others);
        symbols[rest.front()] = first;
        if (is_valid(graph, symbols)) return symbols;
      }
    }
  }
  for (const std::int64_t least : {1, 0}) {  // some models have empty tensors
    for (std::int64_t batch : kLeadingSizes) {
      set(batches, batch);
      for (std::int64_t size : kUsualSizes) {
        set(rest, size);
        if (is_valid(graph, symbols, least)) return symbols;
        if (rest.empty()) break;
      }
    }
  }
  return std::nullopt;
}

std::optional<SymbolValues> find_small_sample(const Graph& graph, const WantedShapes& wanted,
                                              std::int64_t batch) {
  WantedShapes small = wanted;
  for (const ValueId id : graph.inputs()) {
    const Value& input = graph.value(id);
    const auto shape = small.find(input.name);
    if (shape == small.end() || shape->second.size() < 2 || !input.type.shape ||
        input.type.shape->size() != shape->second.size() || (*input.type.shape)[0].is_constant())
      continue;
    if (shape->second[0] > batch) shape->second[0] = batch > 1 ? batch : -1;
  }
  return find_sample_symbols(graph, small);
}

}  // namespace strop
