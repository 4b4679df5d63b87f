// SPDX-License-Identifier: Apache-2.0
#include "ops/nested_graph_support.hpp"

#include <algorithm>

#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

bool is_visible(const Dim& dim, const std::set<std::string>& visible) {
  std::set<std::string> symbols;
  dim.collect_symbols(symbols);
  return std::ranges::includes(visible, symbols);
}

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

std::set<std::string> visible_symbols(const InferContext& context) {
  std::set<std::string> out;
  for (std::size_t i = 0; i < context.input_count(); ++i) {
    if (!context.has_input(i)) continue;
    const Type& type = context.input(i);
    if (!type.is_tensor() || !type.shape) continue;
    for (const Dim& dim : *type.shape) dim.collect_symbols(out);
  }
  return out;
}

Type outside_type(InferContext& context, const Type& type, const std::set<std::string>& visible) {
  if (!type.is_tensor()) return element_type(type);
  Type out = type;
  if (out.shape) {
    for (Dim& dim : *out.shape) {
      if (!is_visible(dim, visible)) dim = context.fresh_dim();
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
