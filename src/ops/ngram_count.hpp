// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "ir/op_def.hpp"
#include "ops/lazy.hpp"

namespace strop {

enum class NgramWeight : std::uint8_t { tf, idf, tfidf };

inline std::span<const std::string_view> enum_names(NgramWeight) {
  static constexpr std::array<std::string_view, 3> names = {"tf", "idf", "tfidf"};
  return names;
}

class NgramIndex;

struct NgramCountAttributes {
  NgramWeight mode = NgramWeight::tf;
  std::int64_t shortest = 1;
  std::int64_t longest = 1;
  std::int64_t most_skips = 0;
  Tensor pool{};
  std::vector<std::int64_t> begins{};
  std::vector<std::int64_t> columns{};
  std::vector<float> weights{};
  Lazy<NgramIndex> index{};

  static void reflect(auto& field) {
    using A = NgramCountAttributes;
    field("mode", &A::mode,
          "tf: how often; idf: the weight if at all; tfidf: how often, times the weight");
    field("shortest", &A::shortest, "tokens of the shortest n-grams that count");
    field("longest", &A::longest, "tokens of the longest n-grams that count");
    field("most_skips", &A::most_skips, "tokens that may lie between two of an n-gram");
    field("pool", &A::pool, "vector of i64 or strings: the n-grams, those of 1 token first");
    field("begins", &A::begins, "where in the pool the n-grams of 1, 2, ... tokens begin");
    field("columns", &A::columns, "per n-gram: column of y");
    field("weights", &A::weights, "per n-gram; empty: 1");
  }
};

const OpDef& op_ngram_count();

}  // namespace strop
