// SPDX-License-Identifier: Apache-2.0
#include "onnx/convert/carried_values_support.hpp"

#include <algorithm>
#include <set>

#include "ir/inline.hpp"
#include "ops/optional_construct.hpp"

namespace strop::onnx {
namespace {

// The type without the shapes of tensors in it.
Type without_shapes(const Type& type) {
  Type out = type;
  out.shape.reset();
  if (out.element) out.element = std::make_shared<const Type>(without_shapes(*out.element));
  return out;
}

// `guess` with what the body does not keep widened: sizes become symbols that begin with `prefix`.
// `begin` is the guess sharpened by what the model declares, which stays. Nothing when no part of
// the guess has to go.
std::optional<Type> widened(const Type& guess, const Type& begin, const Type& end,
                            const std::string& prefix) {
  if (begin == end || guess.kind != end.kind) return std::nullopt;
  if (!guess.is_tensor()) {
    const Type any = without_shapes(guess);
    return guess == any ? std::nullopt : std::optional(any);
  }
  if (!guess.shape) return std::nullopt;
  const std::size_t rank = guess.shape->size();
  if (begin.rank() != guess.rank()) return std::nullopt;
  if (!end.shape || end.shape->size() != rank) return Type::tensor_of_unknown_rank(guess.dtype);
  SymShape shape;
  bool changed = false;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    const Dim& guessed = (*guess.shape)[axis];
    const Dim& before = (*begin.shape)[axis];
    const Dim unknown = Dim::symbol(prefix + std::to_string(axis));
    const bool kept = before == (*end.shape)[axis] || !(before == guessed) || guessed == unknown;
    shape.push_back(kept ? guessed : unknown);
    changed = changed || !kept;
  }
  if (!changed) return std::nullopt;
  return Type::tensor(guess.dtype, std::move(shape));
}

// The type as a body may have it: names of unknown sizes mean nothing in there unless they stand
// alone, where the value itself says what they are.
Type with_plain_sizes(Type type, const std::string& prefix) {
  if (!type.is_tensor() || !type.shape) return type;
  for (std::size_t axis = 0; axis < type.shape->size(); ++axis) {
    Dim& dim = (*type.shape)[axis];
    std::set<std::string> symbols;
    dim.collect_symbols(symbols);
    const auto unknown = [](const std::string& name) { return name.starts_with('#'); };
    if (!dim.is_symbol() && std::ranges::any_of(symbols, unknown))
      dim = Dim::symbol(prefix + std::to_string(axis));
  }
  return type;
}

// The same graph, some outputs of which are put into optionals.
Graph with_optionals(const Graph& body, const CarriedValues& carried,
                     const std::vector<bool>& made_optional) {
  GraphBuilder out(body.name(), body.scope());
  std::vector<ValueId> inputs;
  for (const ValueId id : body.inputs())
    inputs.push_back(out.add_input(body.value(id).name, body.value(id).type));
  std::vector<ValueId> results = emit_graph(out, body, inputs);
  for (std::size_t i = 0; i < carried.count; ++i) {
    ValueId& result = results[carried.first_output + i];
    if (made_optional[i])
      result = out.emit(op_optional_construct(), OptionalConstructAttributes{}, {result});
  }
  for (std::size_t i = 0; i < results.size(); ++i) out.add_output(results[i], body.output_name(i));
  return out.take();
}

}  // namespace

CarryingBody import_carrying_body(ConvertContext& c, std::vector<Type> types,
                                  const CarriedValues& carried) {
  CarryingBody out;
  const std::string scope = "#" + c.subgraph_scope("body") + "initial";
  for (std::size_t i = 0; i < types.size(); ++i)
    types[i] = with_plain_sizes(std::move(types[i]), scope + std::to_string(i) + ".");
  // Each round widens at least one size or rank; few bodies need more than two.
  for (bool stable = false; !stable;) {
    c.import_subgraph("body", types);
    out.captures.clear();
    out.graph = c.finish_subgraphs(out.captures).front();
    const Graph& body = *out.graph;
    if (body.inputs().size() < carried.first_input + carried.count ||
        body.outputs().size() < carried.first_output + carried.count) {
      c.fail(ErrorCode::model_malformed,
             "its body has fewer inputs or outputs than the node carries values");
    }
    stable = true;
    out.made_optional.assign(carried.count, false);
    for (std::size_t i = 0; i < carried.count; ++i) {
      const std::size_t input = carried.first_input + i;
      const Type& begin = body.value(body.inputs()[input]).type;
      Type end = body.value(body.outputs()[carried.first_output + i]).type;
      if (begin.kind == ValueKind::optional && end.kind == begin.element->kind) {
        out.made_optional[i] = true;
        end = Type::optional(std::move(end));
      }
      const std::string prefix = "#" + body.scope() + "carried" + std::to_string(i) + ".";
      auto wider = widened(types[input], begin, end, prefix);
      if (!wider) continue;
      types[input] = std::move(*wider);
      stable = false;
    }
  }
  if (std::ranges::find(out.made_optional, true) != out.made_optional.end()) {
    out.graph =
        std::make_shared<const Graph>(with_optionals(*out.graph, carried, out.made_optional));
  }
  return out;
}

}  // namespace strop::onnx
