// SPDX-License-Identifier: Apache-2.0
#include "ops/select.hpp"

#include "ops/clip.hpp"
#include "ops/run_op.hpp"

namespace strop {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(Select, takes_one_or_the_other_under_broadcasting) {
  const Tensor condition = Tensor::from<bool>({2, 1}, {true, false});
  expect_near(run_op(op_select(), {}, {condition, ramp({1, 3}), floats({}, {9})}), {2, 3},
              {0, 1, 2, 9, 9, 9});
  const Tensor words =
      run_op(op_select(), {},
             {Tensor::from<bool>({2}, {true, false}), Tensor::from_strings({2}, {"a", "b"}),
              Tensor::from_strings({1}, {"c"})});
  EXPECT_EQ(words.values<std::string>()[0], "a");
  EXPECT_EQ(words.values<std::string>()[1], "c");
  EXPECT_EQ(
      run_op(op_select(), {}, {Tensor::zeros(DType::boolean, {0}), ramp({1}), ramp({1})}).shape(),
      (Shape{0}));
}

TEST(Select, keeps_symbolic_contents) {
  const Dim n = Dim::symbol("N");
  const auto out = infer_op(op_select(), {}, {"bool[2]", "i64[2]", "i64[1]"}, 1,
                            {{Dim(0), Dim(1)}, {Dim(5), Dim(6)}, {n}});
  ASSERT_TRUE(out[0].elements);
  EXPECT_EQ(*out[0].elements, (std::vector<Dim>{n, Dim(6)}));
}

TEST(Select, refuses_what_does_not_fit) {
  const Tensor yes = Tensor::from<bool>({2}, {true, true});
  EXPECT_EQ(error_of(op_select(), {}, {yes, ramp({3}), ramp({1})}), ErrorCode::bad_shape);
  EXPECT_EQ(error_of(op_select(), {}, {ramp({2}), ramp({2}), ramp({2})}), ErrorCode::bad_type);
  EXPECT_EQ(error_of(op_select(), {}, {yes, ramp({2}), Tensor::zeros(DType::i32, {2})}),
            ErrorCode::bad_type);
}

TEST(Clip, bounds_from_both_sides) {
  const Tensor x = floats({4}, {-2, 0.5, 3, kNan}), low = floats({}, {0}), high = floats({}, {1});
  expect_near(run_op(op_clip(), {}, {x, low, high}), {4}, {0, 0.5, 1, kNan});
  expect_near(run_op(op_clip(), {}, {x, low}), {4}, {0, 0.5, 3, kNan});
  expect_near(run_op(op_clip(), {}, {x, Tensor(), high}), {4}, {-2, 0.5, 1, kNan});
  expect_near(run_op(op_clip(), {}, {x}), {4}, {-2, 0.5, 3, kNan});
  expect_near(run_op(op_clip(), {}, {x, high, low}), {4}, {0, 0, 0, kNan});  // high wins
  const Tensor bytes = Tensor::from<std::int8_t>({3}, {-128, 5, 127});
  EXPECT_EQ(values_of<std::int8_t>(run_op(
                op_clip(), {},
                {bytes, Tensor::from<std::int8_t>({1}, {-3}), Tensor::from<std::int8_t>({}, {6})})),
            (std::vector<std::int8_t>{-3, 5, 6}));
}

TEST(Clip, refuses_bounds_that_are_no_scalars) {
  EXPECT_EQ(error_of(op_clip(), {}, {ramp({2}), ramp({2})}), ErrorCode::bad_shape);
  EXPECT_EQ(error_of(op_clip(), {}, {ramp({2}), ramp({0})}), ErrorCode::bad_shape);
  EXPECT_EQ(error_of(op_clip(), {}, {ramp({2}), Tensor::zeros(DType::f64, {})}),
            ErrorCode::bad_type);
}

}  // namespace
}  // namespace strop
