// SPDX-License-Identifier: Apache-2.0
#include "ops/nested_graph_support.hpp"

#include <algorithm>
#include <set>

#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

// Of elements of sequences and the like: there a size is told only when it is a number, since one
// type stands for elements of many shapes.
Type element_type(const Type& type) {
  Type out = type;
  if (out.element) out.element = std::make_shared<const Type>(element_type(*type.element));
  if (out.shape && !to_concrete(*out.shape)) out.shape.reset();
  return out;
}

Type join_elements(InferContext& context, const Type& a, const Type& b) {
  Type out = join_types(context, a, b);
  return element_type(out);
}

}  // namespace

OutsideNames outside_names(const InferContext& context) {
  std::set<std::string> symbols;
  for (std::size_t i = 0; i < context.input_count(); ++i) {
    if (!context.has_input(i)) continue;
    const Type& type = context.input(i);
    if (!type.is_tensor() || !type.shape) continue;
    for (const Dim& dim : *type.shape) dim.collect_symbols(symbols);
  }
  OutsideNames out;
  for (const std::string& symbol : symbols) {
    if (!symbol.starts_with('#')) out.emplace(symbol, Dim::symbol(symbol));
  }
  return out;
}

void name_sizes(OutsideNames& names, const Type& inside, const Type& outside,
                const std::function<bool(std::size_t axis)>& keeps) {
  if (!inside.is_tensor() || !inside.shape || !outside.shape ||
      inside.shape->size() != outside.shape->size()) {
    return;
  }
  for (std::size_t axis = 0; axis < inside.shape->size(); ++axis) {
    const Dim& size = (*inside.shape)[axis];
    if (size.is_symbol() && (!keeps || keeps(axis)))
      names.try_emplace(size.symbol_name(), (*outside.shape)[axis]);
  }
}

void name_carried_sizes(OutsideNames& names, const InferContext& context, const Graph& body,
                        const CarriedRange& carried, std::size_t node_offset) {
  const auto before = [&](std::size_t i) -> const Type& {
    return body.value(body.inputs()[carried.first_input + i]).type;
  };
  const auto keeps = [&](std::size_t i, std::size_t axis) {
    const Type& after = body.value(body.outputs()[carried.first_output + i]).type;
    return after.shape && after.rank() == before(i).rank() &&
           (*after.shape)[axis] == (*before(i).shape)[axis];
  };
  for (std::size_t i = 0; i < carried.count; ++i) {
    if (!before(i).is_tensor() || !before(i).shape) continue;
    for (std::size_t axis = 0; axis < before(i).shape->size(); ++axis) {
      const Dim& size = (*before(i).shape)[axis];
      if (size.is_symbol() && !keeps(i, axis)) names.erase(size.symbol_name());
    }
  }
  for (std::size_t i = 0; i < carried.count; ++i) {
    name_sizes(names, before(i), context.input(carried.first_input + i + node_offset),
               [&](std::size_t axis) { return keeps(i, axis); });
  }
}

Type outside_type(InferContext& context, const Type& type, const OutsideNames& names) {
  if (!type.is_tensor()) return element_type(type);
  Type out = type;
  if (!out.shape) return out;
  for (Dim& dim : *out.shape) {
    std::set<std::string> symbols;
    dim.collect_symbols(symbols);
    const bool known = std::ranges::all_of(
        symbols, [&](const std::string& symbol) { return names.contains(symbol); });
    try {
      dim = known ? dim.substitute(names) : context.fresh_dim();
    } catch (const Error&) {
      dim = context.fresh_dim();  // sizes that do not fit are a fault only of a graph that runs
    }
  }
  return out;
}

Type join_types(InferContext& context, const Type& a, const Type& b) {
  // An empty sequence does not know what it holds when it runs.
  if (a.is_tensor() && a.dtype == DType::undefined) return b;
  if (b.is_tensor() && b.dtype == DType::undefined) return a;
  context.require(a.kind == b.kind && a.dtype == b.dtype, ErrorCode::bad_type,
                  "a value is " + a.to_string() + " or " + b.to_string() +
                      ", depending on the way the run takes");
  if (a.element && b.element) {
    Type out = a;
    out.element = std::make_shared<const Type>(join_elements(context, *a.element, *b.element));
    return out;
  }
  if (!a.shape || !b.shape || a.shape->size() != b.shape->size()) {
    return Type::tensor_of_unknown_rank(a.dtype);
  }
  SymShape shape;
  for (std::size_t axis = 0; axis < a.shape->size(); ++axis) {
    const Dim& size = (*a.shape)[axis];
    shape.push_back(size == (*b.shape)[axis] ? size : context.fresh_dim());
  }
  return Type::tensor(a.dtype, std::move(shape));
}

void require_interface(const InferContext& context, std::size_t graph, std::size_t inputs,
                       std::size_t outputs) {
  const Graph& nested = *context.subgraphs()[graph];
  const auto check = [&](std::size_t has, std::size_t needs, const char* what) {
    context.require(has == needs, ErrorCode::model_malformed,
                    "nested graph " + nested.name() + " has " + std::to_string(has) + " " + what +
                        ", but its node needs " + std::to_string(needs));
  };
  check(nested.inputs().size(), inputs, "inputs");
  check(nested.outputs().size(), outputs, "outputs");
}

std::vector<const Datum*> inputs_from(const KernelContext& context, std::size_t first) {
  std::vector<const Datum*> out;
  for (std::size_t i = first; i < context.input_count(); ++i) out.push_back(&context.datum(i));
  return out;
}

void learn_sizes(const Graph& nested, std::size_t input, const Shape& shape, SymbolValues& sizes) {
  const Type& declared = nested.value(nested.inputs()[input]).type;
  if (!declared.shape || declared.shape->size() != shape.size()) return;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    const Dim& dim = (*declared.shape)[axis];
    if (dim.is_symbol()) sizes.try_emplace(dim.symbol_name(), shape[axis]);
  }
}

void deliver(KernelContext& context, std::size_t i, Datum datum) {
  if (!context.has_output(i)) return;
  if (!datum.is_tensor()) return context.set_output(i, std::move(datum));
  const Tensor& tensor = datum.tensor();
  copy_whole(tensor, context.allocate(i, tensor.dtype(), tensor.shape()));
}

bool truth(const KernelContext& context, const Datum& datum, const char* what) {
  if (!datum.is_tensor() || datum.tensor().dtype() != DType::boolean ||
      datum.tensor().size() != 1) {
    context.fail(std::string(what) + " must be one bool" +
                 (datum.is_tensor() ? ", but is " + describe(datum.tensor()) : std::string()));
  }
  return datum.tensor().values<bool>()[0];
}

}  // namespace strop
