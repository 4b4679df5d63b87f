// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/launch_shapes.hpp"

#include <algorithm>
#include <set>

#include "backends/cuda/launch_record.hpp"
#include "base/error.hpp"
#include "tactic/layout_support.hpp"

namespace strop::cuda {
namespace {

constexpr std::int64_t kSmall = std::int64_t{1} << 30;

}  // namespace

SymShape strides_of(const SymShape& shape, Layout layout) {
  SymShape out(shape.size());
  const auto rank = static_cast<std::int64_t>(shape.size());
  std::vector<std::size_t> order(shape.size());  // axis by its place in memory
  for (std::int64_t axis = 0; axis < rank; ++axis) {
    const std::int64_t place = rank < 3 ? axis : physical_axis(axis, rank, layout);
    order[static_cast<std::size_t>(place)] = static_cast<std::size_t>(axis);
  }
  Dim stride(1);
  for (std::size_t place = shape.size(); place-- > 0;) {
    out[order[place]] = stride;
    stride = stride * shape[order[place]];
  }
  return out;
}

bool is_multiple(const Dim& dim, std::int64_t factor) { return mod(dim, Dim(factor)).is(0); }

LaunchShapes::LaunchShapes(const Problem& problem) {
  const auto learn = [&](const Type& type, Layout layout, bool is_input, std::size_t operand) {
    if (!type.shape) return;
    const auto rank = static_cast<std::int64_t>(type.shape->size());
    for (std::int64_t axis = 0; axis < rank; ++axis) {
      const Dim& dim = (*type.shape)[static_cast<std::size_t>(axis)];
      if (dim.is_constant()) continue;
      const auto place =
          static_cast<std::size_t>(rank < 3 ? axis : physical_axis(axis, rank, layout));
      words_.try_emplace(dim.to_string(),
                         is_input ? input_dim(operand, place) : output_dim(operand, place));
    }
  };
  const Node& node = *problem.node;
  for (std::size_t i = 0; i < node.outputs.size(); ++i)
    learn(problem.output_type(i), problem.layouts.output(i), false, i);
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (problem.has_input(i)) learn(problem.input_type(i), problem.layouts.input(i), true, i);
  }
  const auto known = [&](const Type& type, Layout layout) {
    Known out;
    if (!type.shape) return out;
    for (const Dim& dim : *type.shape) out.shape.push_back(translate(dim));
    out.strides = strides_of(out.shape, layout);
    return out;
  };
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    inputs_.push_back(problem.has_input(i) ? known(problem.input_type(i), problem.layouts.input(i))
                                           : Known{});
  }
  for (std::size_t i = 0; i < node.outputs.size(); ++i)
    outputs_.push_back(known(problem.output_type(i), problem.layouts.output(i)));
}

std::optional<Dim> LaunchShapes::find(const Dim& dim) const {
  if (dim.is_constant()) return dim;
  if (const auto found = words_.find(dim.to_string()); found != words_.end()) return found->second;
  // Made of symbols that stand alone somewhere.
  std::unordered_map<std::string, Dim> replacements;
  for (const auto& [text, word] : words_) {
    if (Dim::parse(text).is_symbol()) replacements.emplace(text, word);
  }
  std::set<std::string> symbols;
  dim.collect_symbols(symbols);
  const bool known = std::ranges::all_of(
      symbols, [&](const std::string& symbol) { return replacements.contains(symbol); });
  return known ? std::optional(dim.substitute(replacements)) : std::nullopt;
}

Dim LaunchShapes::translate(const Dim& dim) const {
  const std::optional<Dim> out = find(dim);
  STROP_CHECK(out.has_value(), "a size follows from those of the operands");
  return *out;
}

bool LaunchShapes::all_small() const {
  const auto is_small = [](const Known& operand) {
    const Dim count = product(operand.shape);
    return count.is_constant() && count.value() < kSmall;
  };
  return std::ranges::all_of(inputs_, is_small) && std::ranges::all_of(outputs_, is_small);
}

Dim LaunchShapes::large() const {
  Dim out(0);
  const auto add = [&](const Known& operand) {
    const Dim count = product(operand.shape);
    if (count.is_constant() && count.value() < kSmall) return;
    out = out + floordiv(count, Dim(kSmall));
  };
  for (const Known& operand : inputs_) add(operand);
  for (const Known& operand : outputs_) add(operand);
  return out;
}

}  // namespace strop::cuda
