// SPDX-License-Identifier: Apache-2.0
// A problem seen as an exact integer product (conv_integer, matmul_integer), and what is made of
// its sums: bytes by requantisation, perhaps looked up in a table, then perhaps added to others by
// a second requantisation, or floats by a cast, which an epilogue follows. A plain node, or a fused
// one whose body is those.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ops/requantize.hpp"
#include "plan/epilogue.hpp"
#include "tactic/tactic.hpp"

namespace strop {

struct QuantizedView {
  const Node* anchor = nullptr;
  const Node* requantize = nullptr;  // null: the result is the sums
  // Inputs of the problem's node; -1: absent.
  std::int64_t x = -1, w = -1, multiplier = -1, offset = -1, residual = -1, table = -1;
  const Node* addition = nullptr;  // the second requantisation, whose other tensor is `residual`
  // Inputs that a concat along the channels joins to the anchor's x, which then is -1.
  std::vector<std::int64_t> pieces;
  bool addend_last = false;  // the bytes of the first are the residual of the second
  std::int64_t x_zero = 0, w_zero = 0;
  std::int64_t x_zero_input = -1;  // a single zero point that only running tells; not for bytes
  bool floats = false;
  Epilogue epilogue;  // of floats
  // The epilogue begins with a product with one factor, or one per channel, and a sum with one
  // number, or one per channel.
  bool scales = false, adds = false;
};

// Bodies that begin with a concat (passes/fuse_concat.cpp).
enum class Pieces : std::uint8_t { refused, viewed };

// Nothing when the main operator is another one (`refusal` stays empty), or when zero points,
// weights or factors are not constant, weights in groups are no signed bytes less their zero point,
// or something else is fused (`refusal` says so).
std::optional<QuantizedView> view_as_quantized(const Problem& problem, const OpDef& anchor,
                                               std::int64_t channel_axis, std::string& refusal,
                                               Pieces pieces = Pieces::refused);

}  // namespace strop
