// SPDX-License-Identifier: Apache-2.0
// What operators with nested graphs share: the types that come out of them, and their results.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/evaluate.hpp"
#include "ir/graph.hpp"
#include "ir/infer.hpp"

namespace strop {

// What a nested graph's symbols are outside. A nested graph names sizes of its inputs by symbols of
// its own; those that begin with '#' mean nothing outside, even where the name occurs there.
using OutsideNames = std::unordered_map<std::string, Dim>;

// All other symbols of the node's inputs, which stand for themselves.
OutsideNames outside_names(const InferContext& context);

// Adds the sizes of a nested graph's input (`inside`) that stand alone, where `outside` is what the
// node gives it. `keeps(axis)` says whether that size is the same each time the graph runs.
void name_sizes(OutsideNames& names, const Type& inside, const Type& outside,
                const std::function<bool(std::size_t axis)>& keeps = {});

// Which inputs and outputs of a loop's body are carried from one iteration to the next.
struct CarriedRange {
  std::size_t first_input = 0;
  std::size_t first_output = 0;
  std::size_t count = 0;
};

// name_sizes for carried values: a size is that of the initial value where every iteration hands it
// on as it got it; all others lose their names. The node's input is `node_offset` further than the
// body's.
void name_carried_sizes(OutsideNames& names, const InferContext& context, const Graph& body,
                        const CarriedRange& carried, std::size_t node_offset);

// `type` in terms of the outside, with a fresh symbol for each size that has none.
Type outside_type(InferContext& context, const Type& type, const OutsideNames& names);

// The type of a value that is of either type: sizes that differ become unknown, different ranks an
// unknown rank. Fails when kind or element type differ.
Type join_types(InferContext& context, const Type& a, const Type& b);

// Fails unless the nested graph has as many inputs and outputs.
void require_interface(const InferContext& context, std::size_t graph, std::size_t inputs,
                       std::size_t outputs);

// Output i becomes the datum; a tensor is copied into the memory that is there for it.
void deliver(KernelContext& context, std::size_t i, Datum datum);

// What a nested graph is run with, from input `first` of the node on.
std::vector<const Datum*> inputs_from(const KernelContext& context, std::size_t first);

// Adds what the symbols in the type of a nested graph's input are when it gets this shape.
void learn_sizes(const Graph& nested, std::size_t input, const Shape& shape, SymbolValues& sizes);

// The only element of a bool tensor.
bool truth(const KernelContext& context, const Datum& datum, const char* what);

}  // namespace strop
