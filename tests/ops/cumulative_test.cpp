// SPDX-License-Identifier: Apache-2.0
#include "ops/cumulative.hpp"

#include <gtest/gtest.h>

#include "base/parallel.hpp"
#include "ops/run_op.hpp"

namespace strop {
namespace {

using F = CumulativeFunction;

Tensor axis(std::int64_t value) { return Tensor::scalar<std::int64_t>(value); }
Tensor run(const CumulativeAttributes& attributes, const Tensor& x, std::int64_t along) {
  return run_op(op_cumulative(), attributes, {x, axis(along)});
}

TEST(Cumulative, sums_and_multiplies_up_to_each_element) {
  const Tensor x = floats({3}, {2, 3, 4});
  expect_near(run({}, x, 0), {3}, {2, 5, 9});
  expect_near(run({.exclusive = true}, x, 0), {3}, {0, 2, 5});
  expect_near(run({.reverse = true}, x, 0), {3}, {9, 7, 4});
  expect_near(run({.exclusive = true, .reverse = true}, x, 0), {3}, {7, 4, 0});
  expect_near(run({.function = F::prod}, x, 0), {3}, {2, 6, 24});
  expect_near(run({.function = F::prod, .exclusive = true}, x, 0), {3}, {1, 2, 6});
  expect_near(run({.function = F::prod, .exclusive = true, .reverse = true}, x, 0), {3},
              {12, 4, 1});
}

TEST(Cumulative, goes_along_any_axis) {
  const Tensor x = ramp({2, 2, 2}, 1);
  expect_near(run({}, x, 0), {2, 2, 2}, {1, 2, 3, 4, 6, 8, 10, 12});
  expect_near(run({}, x, -2), {2, 2, 2}, {1, 2, 4, 6, 5, 6, 12, 14});
  expect_near(run({.reverse = true}, x, 2), {2, 2, 2}, {3, 2, 7, 4, 11, 6, 15, 8});
  const Tensor wide = run({}, ramp({2, 1300}), 0);
  EXPECT_EQ(wide.values<float>()[1300 + 1299], 1299 + 2599);
}

TEST(Cumulative, computes_in_float_and_wraps_integers) {
  // In f16 2048 + 1 is 2048, and so the sum would stay there.
  std::vector<float16> halves(5, float16(1));
  halves[0] = float16(2048);
  expect_near(run({}, Tensor::from<float16>({5}, halves), 0), {5}, {2048, 2048, 2050, 2052, 2052},
              0);
  EXPECT_EQ(
      values_of<std::int32_t>(run(
          {}, Tensor::from<std::int32_t>({2}, {std::numeric_limits<std::int32_t>::max(), 1}), 0)),
      (std::vector<std::int32_t>{std::numeric_limits<std::int32_t>::max(),
                                 std::numeric_limits<std::int32_t>::min()}));
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(values_of<std::int64_t>(run({}, Tensor::from<std::int64_t>({2}, {most, 1}), 0)),
            (std::vector<std::int64_t>{most, -most - 1}));
}

TEST(Cumulative, nan_stays) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  expect_near(run({}, floats({3}, {1, nan, 1}), 0), {3}, {1, nan, nan});
}

TEST(Cumulative, gives_the_same_bits_for_any_number_of_threads) {
  Tensor x = Tensor::allocate(DType::f32, {3, 400, 700});
  std::uint32_t state = 3;
  for (float& value : x.mutable_values<float>()) {
    value = static_cast<float>((state = state * 1664525u + 1013904223u) >> 8) * 1e-3f;
  }
  for (const std::int64_t along : {0, 1, 2}) {
    set_thread_count(1);
    const Tensor serial = run({}, x, along);
    set_thread_count(5);
    const Tensor parallel = run({}, x, along);
    set_thread_count(0);
    EXPECT_TRUE(serial.identical(parallel)) << along;
  }
}

TEST(Cumulative, of_nothing_is_empty) {
  EXPECT_EQ(run({}, Tensor::zeros(DType::f32, {0}), 0).shape(), (Shape{0}));
  EXPECT_EQ(run({}, Tensor::zeros(DType::f16, {2, 0, 3}), 0).shape(), (Shape{2, 0, 3}));
}

TEST(Cumulative, keeps_symbolic_contents) {
  const Dim n = Dim::symbol("N");
  const auto out =
      infer_op(op_cumulative(), CumulativeAttributes{}, {"i64[3]", "i64[]"}, 1, {{2, n, 3}, {0}});
  ASSERT_TRUE(out[0].elements);
  EXPECT_EQ(*out[0].elements, (std::vector<Dim>{2, n + 2, n + 5}));
  const auto product =
      infer_op(op_cumulative(), CumulativeAttributes{.function = F::prod, .reverse = true},
               {"i64[2]", "i64[]"}, 1, {{2, n}, {0}});
  EXPECT_EQ(*product[0].elements, (std::vector<Dim>{n * 2, n}));
  const Dim huge(std::int64_t{1} << 62);  // the sum wraps, which sizes do not
  EXPECT_FALSE(infer_op(op_cumulative(), CumulativeAttributes{}, {"i64[2]", "i64[]"}, 1,
                        {{huge, huge}, {0}})[0]
                   .elements);
}

TEST(Cumulative, refuses_what_does_not_fit) {
  const auto error = [](const Tensor& x, const Tensor& along) {
    return error_of(op_cumulative(), CumulativeAttributes{}, {x, along});
  };
  EXPECT_EQ(error(ramp({2}), axis(1)), ErrorCode::bad_attribute);
  EXPECT_EQ(error(ramp({}), axis(0)), ErrorCode::bad_shape);
  EXPECT_EQ(error(ramp({2}), Tensor::from<std::int64_t>({2}, {0, 0})), ErrorCode::bad_shape);
  EXPECT_EQ(error(ramp({2}), ramp({1})), ErrorCode::bad_type);
  EXPECT_EQ(error(Tensor::from<bool>({1}, {true}), axis(0)), ErrorCode::bad_type);
}

}  // namespace
}  // namespace strop
