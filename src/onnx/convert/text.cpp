// SPDX-License-Identifier: Apache-2.0
// StringNormalizer, StringSplit, RegexFullMatch and TfIdfVectorizer.
#include <array>

#include "onnx/convert/attribute_support.hpp"
#include "onnx/converter_table.hpp"
#include "ops/ngram_count.hpp"
#include "ops/regex_match.hpp"
#include "ops/string_normalize.hpp"
#include "ops/string_split.hpp"

namespace strop::onnx {
namespace {

// The place of a name in a list of them.
std::size_t choice_attribute(ConvertContext& c, const char* name, const std::string& value,
                             const std::array<std::string_view, 3>& choices) {
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (choices[i] == value) return i;
  }
  c.fail(ErrorCode::bad_attribute, std::string(name) + " is \"" + value + "\"; it may be " +
                                       std::string(choices[0]) + ", " + std::string(choices[1]) +
                                       " or " + std::string(choices[2]));
}

// Letters change case the same way in all languages but three.
void check_locale(ConvertContext& c) {
  const std::string locale = c.string_attribute("locale", "en_US");
  const std::string language = locale.substr(0, locale.find_first_of("_-.@"));
  if (language != "tr" && language != "az" && language != "lt") return;
  c.fail(ErrorCode::unsupported_operator, "locale is \"" + locale + "\"",
         "upper and lower case of Turkish, Azeri and Lithuanian are not supported");
}

void string_normalizer(ConvertContext& c) {
  c.expect_long_lists();
  check_locale(c);
  const std::string change = c.string_attribute("case_change_action", "NONE");
  StringNormalizeAttributes attributes;
  attributes.change = static_cast<CaseChange>(
      choice_attribute(c, "case_change_action", change, {"NONE", "LOWER", "UPPER"}));
  attributes.case_sensitive = c.int_attribute("is_case_sensitive", 0) != 0;
  attributes.stopwords = c.strings_attribute("stopwords");
  c.set_output(0, c.emit(op_string_normalize(), std::move(attributes), {c.input(0)}));
}

void string_split(ConvertContext& c) {
  StringSplitAttributes attributes{.delimiter = c.string_attribute("delimiter", "")};
  if (c.has_attribute("maxsplit")) {
    const std::int64_t most = c.int_attribute("maxsplit");
    if (most >= 0) attributes.most_splits = most;  // below 0: as if it were not there
  }
  c.set_outputs(c.emit_many(op_string_split(), std::move(attributes), {c.input(0)}, 2));
}

void regex_full_match(ConvertContext& c) {
  RegexMatchAttributes attributes{.pattern = c.string_attribute("pattern")};
  c.set_output(0, c.emit(op_regex_match(), std::move(attributes), {c.input(0)}));
}

void tf_idf_vectorizer(ConvertContext& c) {
  c.expect_long_lists();
  const std::string mode = c.string_attribute("mode");
  NgramCountAttributes attributes;
  attributes.mode =
      static_cast<NgramWeight>(choice_attribute(c, "mode", mode, {"TF", "IDF", "TFIDF"}));
  attributes.shortest = c.int_attribute("min_gram_length");
  attributes.longest = c.int_attribute("max_gram_length");
  attributes.most_skips = c.int_attribute("max_skip_count");
  attributes.begins = c.ints_attribute("ngram_counts");
  attributes.columns = c.ints_attribute("ngram_indexes");
  attributes.weights = c.floats_attribute("weights");
  const auto numbers = c.ints_attribute("pool_int64s");
  auto words = c.strings_attribute("pool_strings");
  if (numbers.empty() == words.empty()) {
    c.fail(ErrorCode::bad_attribute, "it needs one of pool_int64s and pool_strings, and not both");
  }
  const auto count = static_cast<std::int64_t>(numbers.size() + words.size());
  attributes.pool = words.empty() ? Tensor::from<std::int64_t>({count}, numbers)
                                  : Tensor::from_strings({count}, std::move(words));
  c.set_output(0, c.emit(op_ngram_count(), std::move(attributes), {c.input(0)}));
}

}  // namespace

void register_text(ConverterTable& table) {
  table.add("StringNormalizer", 10, string_normalizer);
  table.add("StringSplit", 20, string_split);
  table.add("RegexFullMatch", 20, regex_full_match);
  table.add("TfIdfVectorizer", 9, tf_idf_vectorizer);
}

}  // namespace strop::onnx
