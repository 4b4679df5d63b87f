// SPDX-License-Identifier: Apache-2.0
// What operators with nested graphs share: the types that come out of them, and their results.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "ir/evaluate.hpp"
#include "ir/graph.hpp"
#include "ir/infer.hpp"

namespace strop {

// Symbols that the node's inputs are described with. Sizes of a nested graph may be told to the
// outside in terms of these alone; what else it knows has no meaning there.
std::set<std::string> visible_symbols(const InferContext& context);

// `type` with a fresh symbol for each size that other symbols describe.
Type outside_type(InferContext& context, const Type& type, const std::set<std::string>& visible);

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
