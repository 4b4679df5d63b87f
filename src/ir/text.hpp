// SPDX-License-Identifier: Apache-2.0
// The text form of a graph: what people read, tests are written in and engine files store.
//
//   graph main(%x: f32[N,3,224,224]) -> (%y "logits") {
//     const %w: f32[64,3,7,7] = @0
//     const %axes = i64[2]{2, 3}
//     %c: f32[N,64,112,112] = conv{strides=[2, 2]}(%x, %w) "layer1/Conv" from ["a", "b"]
//     %y: f32[] = if_else(%p, %c) then graph then(%c: ...) -> (%r) { ... } else graph ...
//   }
//
// An absent optional input is `_`; a node of several outputs lists them: "%a: t, %b: t =
// split(%x)". Names that are not words are quoted: %"gpu_0/conv1". docs/ir.md has the whole
// grammar.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.hpp"

namespace strop {

// What stands for a constant that is too large to be written out.
enum class ConstantText : std::uint8_t {
  references,  // @0, @1, ...: the only form that parses again
  hashes,      // XXH3 of its bytes, to compare graphs
  omitted,     // nothing, for people
};

struct TextOptions {
  ConstantText constants = ConstantText::references;
  // Constants of up to this many elements are literals; strings always are.
  std::int64_t literal_elements = 16;
  // Receives the constants that are references: @i is element i. Constants that share their memory
  // share the reference.
  std::vector<Tensor>* tensors = nullptr;
};

// Living nodes and the constants they or the outputs use, nested graphs included. Values that share
// a name, or have none, get one that is unique.
std::string to_text(const Graph& graph, const TextOptions& options = {});

using OpLookup = std::function<const OpDef*(std::string_view)>;  // nullptr: no such operator
using TensorResolver = std::function<Tensor(std::size_t)>;       // the tensor behind @i; may throw

// Reads what to_text prints with references. Types are inferred anew and must agree with the
// printed ones; the type of a node's output may be left out. Symbols of unknown sizes ("#7.0") are
// named after the node's place in the new graph. Any text is safe: throws Error(model_malformed)
// with line and column, or the operator's own Error, in time linear in the text.
Graph parse_graph(std::string_view text, const OpLookup& find_op,
                  const TensorResolver& resolve = {});

}  // namespace strop
