// SPDX-License-Identifier: Apache-2.0
// Strings cut at a delimiter, or at white space (of ASCII), which then is cut off at both ends too.
// Strings of fewer pieces than others are filled up with empty ones; `counts` tells how many are
// real.
#include "ops/string_split.hpp"

#include <algorithm>
#include <limits>

#include "ir/evaluate.hpp"

namespace strop {
namespace {

constexpr std::string_view kSpace = " \t\n\v\f\r";

void infer(InferContext& context) {
  const auto& most = context.attributes<StringSplitAttributes>().most_splits;
  context.require(!most || *most >= 0, ErrorCode::bad_attribute, "most_splits is negative");
  const SymShape* x = context.shape(0);
  if (x == nullptr) {
    context.set_output(0, Type::tensor_of_unknown_rank(DType::string));
    return context.set_output(1, Type::tensor_of_unknown_rank(DType::i64));
  }
  SymShape pieces = *x;
  pieces.push_back(context.fresh_dim());
  context.set_output(0, DType::string, std::move(pieces));
  context.set_output(1, DType::i64, *x);
}

// Calls each(piece) for the pieces, in order.
template <class F>
void cut(std::string_view text, const StringSplitAttributes& attributes, F&& each) {
  std::int64_t left = attributes.most_splits.value_or(std::numeric_limits<std::int64_t>::max());
  const std::string_view delimiter = attributes.delimiter;
  if (!delimiter.empty()) {
    for (; left > 0; --left) {
      const std::size_t at = text.find(delimiter);
      if (at == std::string_view::npos) break;
      each(text.substr(0, at));
      text.remove_prefix(at + delimiter.size());
    }
    return each(text);
  }
  const std::size_t last = text.find_last_not_of(kSpace);
  text = text.substr(0, last == std::string_view::npos ? 0 : last + 1);
  const auto skip = [&] {
    text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  };
  skip();
  for (; left > 0 && !text.empty(); --left) {
    const std::size_t end = std::min(text.find_first_of(kSpace), text.size());
    each(text.substr(0, end));
    text.remove_prefix(end);
    skip();
  }
  if (!text.empty()) each(text);
}

void check_size(const KernelContext& context, std::int64_t strings, std::int64_t pieces) {
  const std::int64_t limit = context.limits().tensor_bytes;
  const auto count = try_mul(strings, pieces);
  const auto bytes = count ? try_mul(*count, std::int64_t{sizeof(std::string)}) : std::nullopt;
  if (bytes && (limit == 0 || *bytes <= limit)) return;
  throw Error(ErrorCode::limit_exceeded,
              std::to_string(strings) + " strings cut into as many pieces as the longest, " +
                  std::to_string(pieces),
              "the limit for one tensor is " + std::to_string(limit) + " bytes",
              "raise RunLimits::tensor_bytes if the model is trusted");
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<StringSplitAttributes>();
  const Tensor& x = context.input(0);
  const auto texts = x.values<std::string>();
  std::vector<std::int64_t> counts(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    cut(texts[i], attributes, [&](std::string_view) { ++counts[i]; });
  }
  const std::int64_t most = counts.empty() ? 0 : *std::ranges::max_element(counts);
  check_size(context, x.size(), most);
  Shape shape = x.shape();
  shape.push_back(most);
  Tensor& y = context.allocate(0, DType::string, std::move(shape));
  std::string* out = y.mutable_values<std::string>().data();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::string* piece = out + static_cast<std::int64_t>(i) * most;
    cut(texts[i], attributes, [&](std::string_view text) { *piece++ = text; });
    std::fill(piece, out + static_cast<std::int64_t>(i + 1) * most, std::string());
  }
  Tensor& z = context.allocate(1, DType::i64, x.shape());
  std::ranges::copy(counts, z.mutable_values<std::int64_t>().begin());
}

}  // namespace

const OpDef& op_string_split() {
  static const OpDef def{
      .name = "string_split",
      .summary = "each string cut into pieces, along a new last axis",
      .attributes = &attribute_schema<StringSplitAttributes>(),
      .inputs = {{.name = "x", .types = {DType::string}}},
      .outputs = {{.name = "pieces", .types = {DType::string}},
                  {.name = "counts", .types = {DType::i64}}},
      .subgraphs = {},
      .traits = {.data_dependent = true},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
