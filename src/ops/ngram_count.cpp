// SPDX-License-Identifier: Apache-2.0
// Counts the n-grams of a pool in each row of tokens. The tokens of an n-gram are 1, 2, ...,
// most_skips
// + 1 places apart, the same distance between all of them; single tokens are counted once.
#include "ops/ngram_count.hpp"

#include <algorithm>
#include <map>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"

namespace strop {
namespace {

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorCode::bad_attribute, "operator ngram_count", why);
}

}  // namespace

// The pool as a trie over tokens, which are numbered. Ordered, not hashed: no choice of tokens
// makes it slow.
class NgramIndex {
 public:
  static constexpr std::int64_t kNone = -1;

  explicit NgramIndex(const NgramCountAttributes& a) {
    if (a.pool.dtype() == DType::string) {
      const auto words = a.pool.values<std::string>();
      words_.assign(words.begin(), words.end());
      std::ranges::sort(words_);
      words_.erase(std::ranges::unique(words_).begin(), words_.end());
    } else {
      const auto numbers = a.pool.values<std::int64_t>();
      numbers_.assign(numbers.begin(), numbers.end());
      std::ranges::sort(numbers_);
      numbers_.erase(std::ranges::unique(numbers_).begin(), numbers_.end());
    }
    read_pool(a);
    for (const std::int64_t column : a.columns) {
      if (column < 0 || column >= kMostColumns) refuse("column " + std::to_string(column));
      width_ = std::max(width_, column + 1);
    }
    if (!a.weights.empty() && a.weights.size() != a.columns.size()) {
      refuse("there are " + std::to_string(a.weights.size()) + " weights for " +
             std::to_string(a.columns.size()) + " n-grams");
    }
  }

  std::int64_t width() const { return width_; }
  std::int64_t token(const std::string& word) const { return place_of(words_, word); }
  std::int64_t token(std::int64_t number) const { return place_of(numbers_, number); }
  // From a place in the trie (0: the root) by a token; kNone where no n-gram goes on like this.
  std::int64_t next(std::int64_t at, std::int64_t token) const {
    const auto found = edges_.find({at, token});
    return found != edges_.end() ? found->second : kNone;
  }
  // The n-gram that ends there, or kNone.
  std::int64_t ngram(std::int64_t at) const { return ngram_at_[static_cast<std::size_t>(at)]; }

 private:
  static constexpr std::int64_t kMostColumns = std::int64_t{1} << 48;

  template <class T>
  static std::int64_t place_of(const std::vector<T>& sorted, const T& value) {
    const auto at = std::ranges::lower_bound(sorted, value);
    return at != sorted.end() && *at == value ? at - sorted.begin() : kNone;
  }

  void read_pool(const NgramCountAttributes& a) {
    const std::int64_t size = a.pool.size();
    if (a.begins.empty() || a.begins.front() != 0) refuse("begins does not start with 0");
    ngram_at_.push_back(kNone);
    std::int64_t ngram = 0;
    for (std::size_t i = 0; i < a.begins.size(); ++i) {
      const auto length = static_cast<std::int64_t>(i) + 1;
      const std::int64_t begin = a.begins[i];
      const std::int64_t end = i + 1 < a.begins.size() ? a.begins[i + 1] : size;
      if (begin < 0 || begin > end || end > size || (end - begin) % length != 0) {
        refuse("from " + std::to_string(begin) + " to " + std::to_string(end) + " a pool of " +
               std::to_string(size) + " tokens holds no n-grams of " + std::to_string(length));
      }
      const bool counts = length >= a.shortest && length <= a.longest;
      for (std::int64_t first = begin; first < end; first += length, ++ngram) {
        if (counts) add(a.pool, first, length, ngram);
      }
    }
    if (ngram != static_cast<std::int64_t>(a.columns.size())) {
      refuse("the pool holds " + std::to_string(ngram) + " n-grams, but there are columns for " +
             std::to_string(a.columns.size()));
    }
  }

  void add(const Tensor& pool, std::int64_t first, std::int64_t length, std::int64_t ngram) {
    std::int64_t at = 0;
    for (std::int64_t i = first; i < first + length; ++i) {
      const auto place = static_cast<std::size_t>(i);
      const std::int64_t id = pool.dtype() == DType::string
                                  ? token(pool.values<std::string>()[place])
                                  : token(pool.values<std::int64_t>()[place]);
      const auto fresh = static_cast<std::int64_t>(ngram_at_.size());
      const auto [edge, added] = edges_.try_emplace({at, id}, fresh);
      if (added) ngram_at_.push_back(kNone);
      at = edge->second;
    }
    std::int64_t& end = ngram_at_[static_cast<std::size_t>(at)];
    if (end != kNone) {
      refuse("n-grams " + std::to_string(end) + " and " + std::to_string(ngram) + " are the same");
    }
    end = ngram;
  }

  std::vector<std::string> words_;     // sorted
  std::vector<std::int64_t> numbers_;  // sorted
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> edges_;
  std::vector<std::int64_t> ngram_at_;  // per place
  std::int64_t width_ = 0;
};

namespace {

const NgramIndex& index_of(const NgramCountAttributes& attributes) {
  return attributes.index.get([&] { return NgramIndex(attributes); });
}

void infer(InferContext& context) {
  const auto& a = context.attributes<NgramCountAttributes>();
  const DType pool = a.pool.dtype();
  context.require(a.pool.rank() == 1 && (pool == DType::i64 || pool == DType::string),
                  ErrorCode::bad_attribute,
                  "the pool must be a vector of i64 or strings, but is " + describe(a.pool));
  context.require(a.shortest >= 1 && a.longest >= a.shortest && a.most_skips >= 0,
                  ErrorCode::bad_attribute,
                  "n-grams of " + std::to_string(a.shortest) + " to " + std::to_string(a.longest) +
                      " tokens and " + std::to_string(a.most_skips) + " skips");
  context.require((context.dtype(0) == DType::string) == (pool == DType::string),
                  ErrorCode::bad_type, "the pool is " + describe(a.pool));
  const NgramIndex& index = index_of(a);
  const SymShape* x = context.shape(0);
  if (x == nullptr) return context.set_output(0, Type::tensor_of_unknown_rank(DType::f32));
  context.require(x->size() == 1 || x->size() == 2, ErrorCode::bad_shape,
                  "x must be a vector or a matrix");
  SymShape y = *x;
  y.back() = Dim(index.width());
  context.set_output(0, DType::f32, std::move(y));
}

// Counts of one row of tokens, by n-gram.
void count_row(const KernelContext& context, const NgramCountAttributes& a, const NgramIndex& index,
               const std::int64_t* tokens, std::int64_t size, std::vector<std::int64_t>& counts) {
  std::int64_t shortest = a.shortest;
  for (std::int64_t distance = 1; distance - 1 <= a.most_skips; ++distance) {
    // With two tokens or more, no two lie further apart than the row is long.
    if (shortest > 1 && distance > (size - 1) / (shortest - 1)) break;
    context.check_deadline();
    for (std::int64_t first = 0; first < size; ++first) {
      std::int64_t at = 0;
      std::int64_t length = 1;
      for (std::int64_t i = first; i < size; i += distance, ++length) {
        at = index.next(at, tokens[i]);
        if (at == NgramIndex::kNone) break;
        const std::int64_t ngram = index.ngram(at);
        if (ngram != NgramIndex::kNone && length >= shortest) {
          ++counts[static_cast<std::size_t>(ngram)];
        }
      }
    }
    if (shortest == 1 && ++shortest > a.longest) break;
  }
}

void reference(KernelContext& context) {
  const auto& a = context.attributes<NgramCountAttributes>();
  const NgramIndex& index = index_of(a);
  const Tensor& x = context.input(0);
  std::vector<std::int64_t> tokens;
  tokens.reserve(static_cast<std::size_t>(x.size()));
  if (x.dtype() == DType::string) {
    for (const std::string& word : x.values<std::string>()) tokens.push_back(index.token(word));
  } else {
    for (const std::int64_t number : x.to_i64()) tokens.push_back(index.token(number));
  }
  const std::int64_t size = x.shape().back(), row_count = x.rank() == 1 ? 1 : x.dim(0);
  Tensor& y = context.output(0);
  float* out = y.mutable_values<float>().data();
  parallel_for(row_count, 4, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::int64_t> counts(a.columns.size());
    for (std::int64_t row = begin; row < end; ++row) {
      std::ranges::fill(counts, 0);
      count_row(context, a, index, tokens.data() + row * size, size, counts);
      float* to = out + row * index.width();
      std::fill_n(to, index.width(), 0.0f);
      for (std::size_t i = 0; i < counts.size(); ++i) {
        if (counts[i] == 0) continue;
        const float weight = a.mode == NgramWeight::tf || a.weights.empty() ? 1 : a.weights[i];
        const float times = a.mode == NgramWeight::idf ? 1 : static_cast<float>(counts[i]);
        to[a.columns[i]] += times * weight;
      }
    }
  });
}

}  // namespace

const OpDef& op_ngram_count() {
  static const OpDef def{
      .name = "ngram_count",
      .summary = "how often each n-gram of a pool is in a row of tokens, with weights",
      .attributes = &attribute_schema<NgramCountAttributes>(),
      .inputs = {{.name = "x", .types = {DType::string, DType::i32, DType::i64}}},
      .outputs = {{.name = "y", .types = {DType::f32}}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
