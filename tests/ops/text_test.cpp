// SPDX-License-Identifier: Apache-2.0
// string_normalize, string_split, ngram_count.
#include "ops/letter_case_support.hpp"
#include "ops/ngram_count.hpp"
#include "ops/run_op.hpp"
#include "ops/string_normalize.hpp"
#include "ops/string_split.hpp"
#include "ops/utf8_support.hpp"

namespace strop {
namespace {

using Words = std::vector<std::string>;

Tensor words(Words values) {
  const auto count = static_cast<std::int64_t>(values.size());
  return Tensor::from_strings({count}, std::move(values));
}

TEST(Utf8, decodes_characters_and_takes_other_bytes_one_by_one) {
  const auto code = [](std::string_view text) { return decode_utf8(text).code; };
  EXPECT_EQ(code("a"), 0x61u);
  EXPECT_EQ(code("\u00e9x"), 0xe9u);
  EXPECT_EQ(code("\u20ac"), 0x20acu);
  EXPECT_EQ(code("\U0010ffff"), 0x10ffffu);
  for (const char* text : {"\x80", "\xc3", "\xc3x", "\xc1\x81", "\xe0\x80\x80", "\xf0\x80\x80\x80",
                           "\xf4\x90\x80\x80", "\xff", "\xe2\x82"}) {
    EXPECT_EQ(code(text), kNoCodePoint);
    EXPECT_EQ(decode_utf8(text).bytes, 1u);
  }
  for (const std::uint32_t each :
       {0u, 0x7fu, 0x80u, 0x7ffu, 0x800u, 0xffffu, 0x10000u, 0x10ffffu}) {
    std::string text;
    append_utf8(text, each);
    EXPECT_EQ(code(text), each);
    EXPECT_EQ(decode_utf8(text).bytes, text.size());
  }
}

TEST(LetterCase, maps_single_letters_of_every_script) {
  EXPECT_EQ(to_upper("stra\u00dfe \u00e9\u0451\u03c2\u0565"),
            "STRA\u00dfE \u00c9\u0401\u03a3\u0535");
  EXPECT_EQ(to_lower("\u00c9\u0401\u03a3\u0130\U00010400"), "\u00e9\u0451\u03c3i\U00010428");
  EXPECT_EQ(to_upper("\u01c5"), "\u01c4");
  EXPECT_EQ(to_lower("\u01c5"), "\u01c6");
  EXPECT_EQ(to_upper("a\xff\xc3z"), "A\xff\xc3Z");
  CodePointSet set = {{'k', 'k'}};
  add_other_case(set);
  EXPECT_EQ(normalized(set), (CodePointSet{{'K', 'K'}, {'k', 'k'}, {0x212a, 0x212a}}));
}

TEST(StringNormalize, leaves_out_stopwords_and_changes_case) {
  const Tensor x = words({"Monday", "tuesday", "MONDAY", "\u00c9t\u00e9"});
  const auto run = [&](StringNormalizeAttributes attributes) {
    return values_of<std::string>(run_op(op_string_normalize(), attributes, {x}));
  };
  EXPECT_EQ(run({.stopwords = {"monday"}, .case_sensitive = false}),
            (Words{"tuesday", "\u00c9t\u00e9"}));
  EXPECT_EQ(run({.change = CaseChange::upper, .stopwords = {"monday", "Monday"}}),
            (Words{"TUESDAY", "MONDAY", "\u00c9T\u00c9"}));
  EXPECT_EQ(
      run({.change = CaseChange::lower, .stopwords = {"\u00e9T\u00e9"}, .case_sensitive = false}),
      (Words{"monday", "tuesday", "monday"}));
}

TEST(StringNormalize, leaves_one_empty_string_of_nothing) {
  const StringNormalizeAttributes attributes{.stopwords = {"a"}};
  EXPECT_TRUE(
      run_op(op_string_normalize(), attributes, {words({"a", "a"})}).identical(words({""})));
  EXPECT_EQ(
      run_op(op_string_normalize(), attributes, {Tensor::from_strings({1, 1}, {"a"})}).shape(),
      (Shape{1, 1}));
  EXPECT_TRUE(run_op(op_string_normalize(), StringNormalizeAttributes{}, {words({})})
                  .identical(words({""})));
}

TEST(StringNormalize, refuses_other_shapes) {
  const auto code = [](Shape shape) {
    return error_of(op_string_normalize(), StringNormalizeAttributes{},
                    {Tensor::allocate(DType::string, std::move(shape))});
  };
  EXPECT_EQ(code({2, 1}), ErrorCode::bad_shape);
  EXPECT_EQ(code({}), ErrorCode::bad_shape);
  EXPECT_EQ(code({1, 1, 1}), ErrorCode::bad_shape);
  const auto y = infer_op(op_string_normalize(), StringNormalizeAttributes{}, {"string[M,N]"});
  EXPECT_EQ(y[0].type.rank(), 2);
}

std::pair<Tensor, Words> split(const StringSplitAttributes& attributes, const Tensor& x) {
  const auto y = run_op_many(op_string_split(), attributes, {x}, 2);
  Words counts;
  for (const std::int64_t count : y[1].to_i64()) counts.push_back(std::to_string(count));
  return {y[0], counts};
}

TEST(StringSplit, cuts_at_a_delimiter) {
  const auto [y, counts] = split({.delimiter = ",,"}, words({"a,,b,,,c", ",,", "", "abc"}));
  EXPECT_EQ(y.shape(), (Shape{4, 3}));
  EXPECT_EQ(values_of<std::string>(y),
            (Words{"a", "b", ",c", "", "", "", "", "", "", "abc", "", ""}));
  EXPECT_EQ(counts, (Words{"3", "2", "1", "1"}));
  const auto [once, once_counts] =
      split({.delimiter = "-", .most_splits = 1}, words({"a-b-c", "-", "x"}));
  EXPECT_EQ(values_of<std::string>(once), (Words{"a", "b-c", "", "", "x", ""}));
  EXPECT_EQ(once_counts, (Words{"2", "2", "1"}));
}

TEST(StringSplit, cuts_at_white_space) {
  const auto [y, counts] = split({}, words({"  hello \t world\n", "", " ", "a"}));
  EXPECT_EQ(values_of<std::string>(y), (Words{"hello", "world", "", "", "", "", "a", ""}));
  EXPECT_EQ(counts, (Words{"2", "0", "0", "1"}));
  const auto [once, once_counts] = split({.most_splits = 1}, words({"  a b  c ", "x "}));
  EXPECT_EQ(values_of<std::string>(once), (Words{"a", "b  c", "x", ""}));
  const auto [none, none_counts] = split({.most_splits = 0}, words({" a b "}));
  EXPECT_EQ(values_of<std::string>(none), (Words{"a b"}));
}

TEST(StringSplit, takes_any_rank_and_no_strings) {
  EXPECT_EQ(split({}, Tensor::from_strings({}, {"a b"})).first.shape(), (Shape{2}));
  EXPECT_EQ(split({}, words({})).first.shape(), (Shape{0, 0}));
  EXPECT_EQ(
      infer_op(op_string_split(), StringSplitAttributes{}, {"string[N,2]"}, 2)[1].type.to_string(),
      "i64[N,2]");
}

TEST(StringSplit, refuses_to_fill_up_without_end) {
  Words texts(2'000, "a");
  texts[0] = std::string(100'000, ',');
  const Datum x = words(std::move(texts));
  const Datum* inputs[] = {&x};
  RunLimits limits;
  limits.tensor_bytes = 1 << 20;
  std::vector<Datum> outputs;
  EXPECT_THROW(evaluate_op(op_string_split(), StringSplitAttributes{.delimiter = ","}, inputs, {},
                           2, outputs, limits),
               Error);
}

// 1-grams 2 3 5 4, 2-grams 5 6, 7 8, 6 7; as the standard's own example.
NgramCountAttributes grams() {
  NgramCountAttributes out;
  out.longest = 2;
  out.pool = Tensor::from<std::int64_t>({10}, {2, 3, 5, 4, 5, 6, 7, 8, 6, 7});
  out.begins = {0, 4};
  out.columns = {0, 1, 2, 3, 4, 5, 6};
  return out;
}

Tensor numbers(Shape shape, const std::vector<std::int64_t>& values) {
  return Tensor::from<std::int64_t>(std::move(shape), values);
}

TEST(NgramCount, counts_with_and_without_skips) {
  const Tensor x = numbers({2, 6}, {1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8});
  NgramCountAttributes attributes = grams();
  expect_near(run_op(op_ngram_count(), attributes, {x}), {2, 7},
              {0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1});
  attributes.most_skips = 5;
  expect_near(run_op(op_ngram_count(), attributes, {x}), {2, 7},
              {0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 1});
  attributes.shortest = 2;
  expect_near(run_op(op_ngram_count(), attributes, {x}), {2, 7},
              {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1});
  attributes.most_skips = INT64_MAX;  // no further than the row is long
  EXPECT_EQ(run_op(op_ngram_count(), attributes, {x}).dim(1), 7);
}

TEST(NgramCount, weighs_by_ngram) {
  NgramCountAttributes attributes;
  attributes.pool = words({"a", "b"});
  attributes.begins = {0};
  attributes.columns = {3, 0};
  attributes.weights = {2, 3};
  const auto run = [&](NgramWeight mode) {
    attributes.mode = mode;
    return run_op(op_ngram_count(), attributes, {words({"a", "x", "a", "b"})});
  };
  expect_near(run(NgramWeight::tf), {4}, {1, 0, 0, 2});
  expect_near(run(NgramWeight::idf), {4}, {3, 0, 0, 2});
  expect_near(run(NgramWeight::tfidf), {4}, {3, 0, 0, 4});
}

TEST(NgramCount, gives_zeros_of_no_tokens) {
  expect_near(run_op(op_ngram_count(), grams(), {numbers({0}, {})}), {7}, {0, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(run_op(op_ngram_count(), grams(), {numbers({0, 3}, {})}).shape(), (Shape{0, 7}));
  EXPECT_EQ(infer_op(op_ngram_count(), grams(), {"i32[N,C]"})[0].type.to_string(), "f32[N,7]");
}

TEST(NgramCount, refuses_pools_that_are_none) {
  const auto refused = [](auto change) {
    NgramCountAttributes attributes = grams();
    change(attributes);
    EXPECT_EQ(error_of(op_ngram_count(), attributes, {numbers({1}, {1})}),
              ErrorCode::bad_attribute);
  };
  refused([](auto& a) { a.begins = {}; });
  refused([](auto& a) { a.begins = {1, 4}; });
  refused([](auto& a) { a.begins = {0, 5}; });
  refused([](auto& a) { a.begins = {0, 12}; });
  refused([](auto& a) { a.begins = {0, -2}; });
  refused([](auto& a) { a.columns.pop_back(); });
  refused([](auto& a) { a.columns[0] = -1; });
  refused([](auto& a) { a.columns[0] = INT64_MAX; });
  refused([](auto& a) { a.weights = {1}; });
  refused([](auto& a) { a.shortest = 0; });
  refused([](auto& a) { a.longest = 0; });
  refused([](auto& a) { a.most_skips = -1; });
  refused([](auto& a) { a.pool = numbers({10}, {2, 2, 5, 4, 5, 6, 7, 8, 6, 7}); });
  refused([](auto& a) { a.pool = floats({1}, {1}); });
  EXPECT_EQ(error_of(op_ngram_count(), grams(), {words({"a"})}), ErrorCode::bad_type);
  EXPECT_EQ(error_of(op_ngram_count(), grams(), {numbers({}, {1})}), ErrorCode::bad_shape);
}

}  // namespace
}  // namespace strop
