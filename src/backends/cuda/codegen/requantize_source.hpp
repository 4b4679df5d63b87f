// SPDX-License-Identifier: Apache-2.0
// The constants that kernels/requantize.cuh is made of.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tactic/quantized_view.hpp"

namespace strop::cuda {

// How bytes that were made of sums become others, with those of the residual.
struct GemmAddition {
  std::int64_t zero = 0;  // subtracted from the bytes
  float multiplier = 1, offset = 0;
  bool last = false;  // the residual's product is added to the offset first
  std::int64_t low = -128, high = 127;
  bool signed_entries = false;  // of the table that the bytes are looked up in first
};

// How sums become bytes (ops/requantize.hpp), beside a multiplier and an offset a channel.
struct GemmRequantize {
  std::int64_t low = -128, high = 127;
  bool corrected = false;  // something is added to the sums first
  bool residual = false;
  DType residual_type = DType::i8;
  std::int64_t residual_zero = 0;
  float residual_multiplier = 0;
  bool table = false;                      // the bytes are looked up in one, before an addition
  std::optional<GemmAddition> addition{};  // what the residual is for; without: part of the sum
};

// What a view says; nothing, and why, where its residual has another shape than the result.
std::optional<GemmRequantize> read_requantize(const Problem& problem, const QuantizedView& view,
                                              std::string& refusal);

std::string requantize_source(const GemmRequantize& requantize);

}  // namespace strop::cuda
