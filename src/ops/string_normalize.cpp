// SPDX-License-Identifier: Apache-2.0
// The strings of a vector, or of a matrix of one row, without stopwords and with letters of one
// case. Where nothing is left, one empty string is.
#include "ops/string_normalize.hpp"

#include <algorithm>

#include "ir/evaluate.hpp"
#include "ops/letter_case_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const auto& attributes = context.attributes<StringNormalizeAttributes>();
  const SymShape* x = context.shape(0);
  if (x == nullptr) return context.set_output(0, Type::tensor_of_unknown_rank(DType::string));
  context.require(x->size() == 1 || x->size() == 2, ErrorCode::bad_shape,
                  "x must be a vector or a matrix of one row");
  SymShape y = *x;
  if (y.size() == 2) y[0] = context.require_equal(y[0], Dim(1), "rows of x and 1");
  y.back() = attributes.stopwords.empty() ? max(y.back(), Dim(1)) : context.fresh_dim();
  context.set_output(0, DType::string, std::move(y));
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<StringNormalizeAttributes>();
  const auto comparable = [&](const std::string& text) {
    return attributes.case_sensitive ? text : to_lower(text);
  };
  std::vector<std::string> stopwords;
  for (const std::string& word : attributes.stopwords) stopwords.push_back(comparable(word));
  std::ranges::sort(stopwords);
  const Tensor& x = context.input(0);
  std::vector<std::string> kept;
  for (const std::string& text : x.values<std::string>()) {
    if (!stopwords.empty() && std::ranges::binary_search(stopwords, comparable(text))) continue;
    kept.push_back(attributes.change == CaseChange::none    ? text
                   : attributes.change == CaseChange::lower ? to_lower(text)
                                                            : to_upper(text));
  }
  if (kept.empty()) kept.emplace_back();
  Shape shape(x.shape().size(), 1);
  shape.back() = static_cast<std::int64_t>(kept.size());
  Tensor& y = context.allocate(0, DType::string, std::move(shape));
  std::ranges::move(kept, y.mutable_values<std::string>().begin());
}

}  // namespace

const OpDef& op_string_normalize() {
  static const OpDef def{
      .name = "string_normalize",
      .summary = "strings without stopwords, their letters in one case",
      .attributes = &attribute_schema<StringNormalizeAttributes>(),
      .inputs = {{.name = "x", .types = {DType::string}}},
      .outputs = {{.name = "y", .types = {DType::string}}},
      .subgraphs = {},
      .traits = {.data_dependent = true},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
