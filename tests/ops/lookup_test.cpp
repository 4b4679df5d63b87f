// SPDX-License-Identifier: Apache-2.0
#include "ops/lookup.hpp"

#include <limits>

#include "ops/run_op.hpp"

namespace strop {
namespace {

Tensor words(std::vector<std::string> values) {
  const auto count = static_cast<std::int64_t>(values.size());
  return Tensor::from_strings({count}, std::move(values));
}

TEST(Lookup, finds_strings_and_numbers) {
  const LookupAttributes to_number{.keys = words({"b", "a", std::string("a\0", 2)}),
                                   .values = Tensor::from<std::int64_t>({3}, {7, 8, 9}),
                                   .otherwise = Tensor::scalar<std::int64_t>(-1)};
  const Tensor y = run_op(op_lookup(), to_number,
                          {Tensor::from_strings({2, 2}, {"a", "", std::string("a\0", 2), "b"})});
  EXPECT_TRUE(y.identical(Tensor::from<std::int64_t>({2, 2}, {8, -1, 9, 7})));
  const LookupAttributes to_word{.keys = Tensor::from<std::int16_t>({2}, {-5, 5}),
                                 .values = words({"minus", "plus"}),
                                 .otherwise = words({"?"})};
  const Tensor text = run_op(op_lookup(), to_word, {Tensor::from<std::int16_t>({3}, {5, 0, -5})});
  EXPECT_EQ(values_of<std::string>(text), (std::vector<std::string>{"plus", "?", "minus"}));
}

TEST(Lookup, compares_floats_as_numbers_or_as_bits) {
  LookupAttributes attributes{
      .keys = floats({2}, {NAN, 0}), .values = floats({2}, {1, 2}), .otherwise = floats({1}, {3})};
  const Tensor x = floats({4}, {-std::numeric_limits<float>::quiet_NaN(), NAN, -0.0f, 0.0f});
  expect_near(run_op(op_lookup(), attributes, {x}), {4}, {1, 1, 2, 2});
  attributes.by_bits = true;
  expect_near(run_op(op_lookup(), attributes, {x}), {4}, {3, 1, 3, 2});
}

TEST(Lookup, takes_the_last_of_equal_keys) {
  const LookupAttributes attributes{.keys = floats({3}, {1, 2, 1}),
                                    .values = floats({3}, {4, 5, 6})};
  expect_near(run_op(op_lookup(), attributes, {floats({2}, {1, 2})}), {2}, {6, 5});
}

TEST(Lookup, refuses_unknown_keys_without_a_value_for_them) {
  const LookupAttributes attributes{.keys = words({"a"}), .values = words({"b"})};
  EXPECT_EQ(error_of(op_lookup(), attributes, {words({"c"})}), ErrorCode::bad_value);
  EXPECT_EQ(run_op(op_lookup(), attributes, {words({})}).size(), 0);
}

TEST(Lookup, refuses_lists_that_do_not_fit) {
  const Tensor x = floats({1}, {1});
  EXPECT_EQ(error_of(op_lookup(), LookupAttributes{}, {x}), ErrorCode::bad_attribute);
  EXPECT_EQ(error_of(op_lookup(), LookupAttributes{.keys = x, .values = floats({2}, {1, 2})}, {x}),
            ErrorCode::bad_attribute);
  EXPECT_EQ(error_of(op_lookup(),
                     LookupAttributes{.keys = x, .values = x, .otherwise = words({"a"})}, {x}),
            ErrorCode::bad_attribute);
  EXPECT_EQ(error_of(op_lookup(), LookupAttributes{.keys = x, .values = x}, {words({"a"})}),
            ErrorCode::bad_type);
}

}  // namespace
}  // namespace strop
