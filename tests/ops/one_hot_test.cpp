// SPDX-License-Identifier: Apache-2.0
#include "ops/one_hot.hpp"

#include <gtest/gtest.h>

#include "ops/run_op.hpp"

namespace strop {
namespace {

Tensor depth(std::int64_t value) { return Tensor::scalar<std::int64_t>(value); }
Tensor indices(Shape shape, const std::vector<std::int64_t>& values) {
  return Tensor::from<std::int64_t>(std::move(shape), values);
}
const Tensor kOffOn = floats({2}, {-1, 5});

TEST(OneHot, is_on_at_the_index) {
  const Tensor x = indices({2}, {2, 0});
  expect_near(run_op(op_one_hot(), OneHotAttributes{}, {x, depth(3), kOffOn}), {2, 3},
              {-1, -1, 5, 5, -1, -1});
  expect_near(run_op(op_one_hot(), OneHotAttributes{.axis = 0}, {x, depth(3), kOffOn}), {3, 2},
              {-1, 5, -1, -1, 5, -1});
  expect_near(run_op(op_one_hot(), OneHotAttributes{.axis = 1},
                     {indices({1, 2}, {1, 0}), depth(2), kOffOn}),
              {1, 2, 2}, {-1, 5, 5, -1});
  expect_near(run_op(op_one_hot(), OneHotAttributes{}, {indices({}, {1}), depth(2), kOffOn}), {2},
              {-1, 5});
}

TEST(OneHot, counts_from_the_end_or_not) {
  const Tensor x = indices({4}, {-1, -3, 2, std::numeric_limits<std::int64_t>::min()});
  expect_near(run_op(op_one_hot(), OneHotAttributes{}, {x, depth(2), kOffOn}), {4, 2},
              {-1, 5, -1, -1, -1, -1, -1, -1});
  expect_near(run_op(op_one_hot(), OneHotAttributes{.from_end = false}, {x, depth(2), kOffOn}),
              {4, 2}, std::vector<double>(8, -1));
}

TEST(OneHot, takes_unsigned_indices_and_any_values) {
  const Tensor x = Tensor::from<std::uint64_t>({2}, {1, ~std::uint64_t{0}});
  const Tensor words = Tensor::from_strings({2}, {"no", "yes"});
  EXPECT_EQ(values_of<std::string>(run_op(op_one_hot(), OneHotAttributes{}, {x, depth(2), words})),
            (std::vector<std::string>{"no", "yes", "no", "no"}));
  const Tensor bools = Tensor::from<bool>({2}, {true, false});
  EXPECT_EQ(values_of<bool>(run_op(op_one_hot(), OneHotAttributes{},
                                   {Tensor::from<std::uint8_t>({1}, {0}), depth(2), bools})),
            (std::vector<bool>{false, true}));
}

TEST(OneHot, of_nothing_is_empty) {
  EXPECT_EQ(
      run_op(op_one_hot(), OneHotAttributes{}, {indices({2}, {0, 0}), depth(0), kOffOn}).shape(),
      (Shape{2, 0}));
  EXPECT_EQ(run_op(op_one_hot(), OneHotAttributes{}, {indices({0}, {}), depth(3), kOffOn}).shape(),
            (Shape{0, 3}));
}

TEST(OneHot, refuses_what_does_not_fit) {
  const auto error = [](std::int64_t axis, const Tensor& x, const Tensor& size,
                        const Tensor& values) {
    return error_of(op_one_hot(), OneHotAttributes{.axis = axis}, {x, size, values});
  };
  const Tensor x = indices({1}, {0});
  EXPECT_EQ(error(2, x, depth(2), kOffOn), ErrorCode::bad_attribute);
  EXPECT_EQ(error(-3, x, depth(2), kOffOn), ErrorCode::bad_attribute);
  EXPECT_EQ(error(-1, x, depth(-1), kOffOn), ErrorCode::bad_value);
  EXPECT_EQ(error(-1, x, indices({2}, {1, 1}), kOffOn), ErrorCode::bad_shape);
  EXPECT_EQ(error(-1, x, indices({1, 1}, {2}), kOffOn), ErrorCode::bad_shape);
  EXPECT_EQ(error(-1, x, depth(2), floats({3}, {1, 2, 3})), ErrorCode::bad_shape);
  EXPECT_EQ(error(-1, ramp({1}), depth(2), kOffOn), ErrorCode::bad_type);
  EXPECT_EQ(error(-1, indices({4}, {0, 0, 0, 0}), depth(std::int64_t{1} << 62), kOffOn),
            ErrorCode::bad_shape);
}

TEST(OneHot, infers_its_new_axis) {
  const auto type = [](const std::string& x, std::vector<Dim> size, std::int64_t axis) {
    return infer_op(op_one_hot(), OneHotAttributes{.axis = axis}, {x, "i64[]", "f32[2]"}, 1,
                    {{}, size})[0]
        .type.to_string();
  };
  EXPECT_EQ(type("i64[N,3]", {Dim::symbol("D")}, -1), "f32[N,3,D]");
  EXPECT_EQ(type("i64[N,3]", {Dim(4)}, 1), "f32[N,4,3]");
  EXPECT_EQ(type("i64[N]", {}, 0), "f32[#test.0,N]");
  EXPECT_EQ(type("i64[*]", {Dim(4)}, 1), "f32[*]");
}

}  // namespace
}  // namespace strop
