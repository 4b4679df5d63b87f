// SPDX-License-Identifier: Apache-2.0
// A problem seen as one main operator (the anchor: conv, matmul, ...) followed by a chain of
// pointwise steps. A plain node is an anchor with an empty chain; a fused node is one if its body
// has that form.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plan/epilogue.hpp"
#include "tactic/tactic.hpp"

namespace strop {

class FusedView;

// Of a body that begins with normalize_by_sums (passes/fold_layer_norm.cpp), by number of the
// problem's inputs; -1: absent.
struct NormalizedRows {
  std::int64_t sums = -1, scale = -1, bias = -1;
  double epsilon = 0;
};

struct AnchorView {
  const Node* anchor = nullptr;
  // Per input of the anchor: which input of the problem's node it is; -1: absent.
  std::vector<std::int64_t> inputs;
  // Inputs of the problem's node that a concat joins to input 0 of the anchor, which then is -1.
  std::vector<std::int64_t> pieces;
  Epilogue epilogue;
  std::optional<NormalizedRows> normalized;  // how the rows of input 0 are before they are read
  std::int64_t sums_block = 0;  // output 1 is row_sums of output 0, by so many; 0: there is none

  std::int64_t input(std::size_t i) const { return i < inputs.size() ? inputs[i] : -1; }
};

// The nodes [first, end) of a body as a chain that starts from `running`, which becomes their
// result. Nothing, and why, when they are none.
std::optional<Epilogue> read_steps(const FusedView& body, std::size_t first, std::size_t end,
                                   ValueId& running, std::string& refusal);

// The nodes of a body from `first` on, all to its end, as an epilogue of `running`; false, and why,
// when they are none.
bool read_epilogue(const FusedView& body, std::size_t first, ValueId running, Epilogue& epilogue,
                   std::string& refusal);

// Bodies that begin with casts (passes/assign_precision.cpp).
enum class Casts : std::uint8_t {
  refused,
  looked_through,  // as if the body's inputs and outputs were of the types it computes in
};

// Bodies that normalise rows before the anchor, or sum those of the result
// (passes/fold_layer_norm.cpp).
enum class RowSums : std::uint8_t { refused, taken };

// Nothing when the problem's main operator is another one (`refusal` stays empty), or when the
// chain cannot be written as an epilogue (`refusal` says why).
std::optional<AnchorView> view_as(const Problem& problem, const OpDef& anchor, std::string& refusal,
                                  Casts casts = Casts::refused,
                                  RowSums row_sums = RowSums::refused);

// As view_as for a fused node (passes/fuse_concat.cpp) whose body begins with a concat along that
// axis, which the anchor alone reads.
std::optional<AnchorView> view_as_joined(const Problem& problem, const OpDef& anchor,
                                         std::int64_t axis, std::string& refusal);

// As view_as for a problem that is nothing but a chain of pointwise steps: a plain pointwise node,
// or a fused one. `inputs[0]` is the value the chain starts from, `anchor` the first step's node.
std::optional<AnchorView> view_as_chain(const Problem& problem, std::string& refusal);

// Which operand is not f32, as a refusal; empty when all are.
std::string operand_not_f32(const Problem& problem);

// Input `x`, the output, and tensors that the epilogue reads channels last; the rest, parameters,
// plain.
std::vector<OperandLayouts> channels_last_layouts(const Problem& problem, std::int64_t x,
                                                  const Epilogue& epilogue);

}  // namespace strop
