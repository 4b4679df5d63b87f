// SPDX-License-Identifier: Apache-2.0
#include "ops/unique.hpp"

#include <gtest/gtest.h>

#include "ops/run_op.hpp"

namespace strop {
namespace {

using I64 = std::vector<std::int64_t>;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<Tensor> run(const UniqueAttributes& attributes, const Tensor& x) {
  return run_op_many(op_unique(), attributes, {x}, 4);
}

void expect_indices(const std::vector<Tensor>& out, const I64& first, const I64& inverse,
                    const I64& counts) {
  EXPECT_EQ(values_of<std::int64_t>(out[1]), first);
  EXPECT_EQ(values_of<std::int64_t>(out[2]), inverse);
  EXPECT_EQ(values_of<std::int64_t>(out[3]), counts);
}

TEST(Unique, finds_the_different_elements) {
  const Tensor x = floats({2, 3}, {2, 1, 1, 3, 4, 3});
  auto out = run({}, x);
  expect_near(out[0], {4}, {1, 2, 3, 4});
  expect_indices(out, {1, 0, 3, 4}, {1, 0, 0, 2, 3, 2}, {2, 1, 2, 1});
  out = run({.sorted = false}, x);
  expect_near(out[0], {4}, {2, 1, 3, 4});
  expect_indices(out, {0, 1, 3, 4}, {0, 1, 1, 2, 3, 2}, {1, 2, 2, 1});
}

TEST(Unique, finds_the_different_slices_along_an_axis) {
  const Tensor rows = floats({3, 2}, {2, 1, 1, 5, 2, 1});
  auto out = run({.axis = 0}, rows);
  expect_near(out[0], {2, 2}, {1, 5, 2, 1});
  expect_indices(out, {1, 0}, {1, 0, 1}, {1, 2});
  out = run({.axis = 0, .sorted = false}, rows);
  expect_near(out[0], {2, 2}, {2, 1, 1, 5});
  expect_indices(out, {0, 1}, {0, 1, 0}, {2, 1});
  // Slices across an outer axis compare in the order of the whole tensor.
  out = run({.axis = -1}, floats({2, 1, 3}, {1, 0, 1, 7, 9, 6}));
  expect_near(out[0], {2, 1, 3}, {0, 1, 1, 9, 6, 7});
  expect_indices(out, {1, 2, 0}, {2, 0, 1}, {1, 1, 1});
}

TEST(Unique, all_nans_are_one_and_the_greatest_and_zeros_are_equal) {
  const auto out = run({}, floats({6}, {kNan, -0.0f, 1, 0.0f, kNan, -1}));
  expect_near(out[0], {4}, {-1, 0, 1, kNan});
  EXPECT_TRUE(std::signbit(out[0].values<float>()[1]));  // the one that comes first
  expect_indices(out, {5, 1, 2, 0}, {3, 1, 2, 1, 3, 0}, {1, 2, 1, 2});
}

TEST(Unique, takes_strings_bools_and_complex_numbers) {
  auto out = run({}, Tensor::from_strings({4}, {"b", "", "a", "b"}));
  EXPECT_EQ(values_of<std::string>(out[0]), (std::vector<std::string>{"", "a", "b"}));
  expect_indices(out, {1, 2, 0}, {2, 0, 1, 2}, {1, 1, 2});
  out = run({}, Tensor::from<bool>({3}, {true, false, true}));
  EXPECT_EQ(values_of<bool>(out[0]), (std::vector<bool>{false, true}));
  Tensor complex = Tensor::allocate(DType::c64, {3});
  const float parts[] = {1, 2, 1, -2, 1, 2};
  std::copy(std::begin(parts), std::end(parts), reinterpret_cast<float*>(complex.mutable_data()));
  out = run({}, complex);
  expect_indices(out, {1, 0}, {1, 0, 1}, {1, 2});
  EXPECT_EQ(out[0].dtype(), DType::c64);
  EXPECT_EQ(reinterpret_cast<const float*>(out[0].data())[1], -2);
}

TEST(Unique, keeps_large_unsigned_integers_apart) {
  const std::uint64_t most = ~std::uint64_t{0};
  const auto out = run({}, Tensor::from<std::uint64_t>({3}, {most, most - 1, 1}));
  EXPECT_EQ(values_of<std::uint64_t>(out[0]), (std::vector<std::uint64_t>{1, most - 1, most}));
}

TEST(Unique, of_nothing_is_empty) {
  auto out = run({}, Tensor::zeros(DType::f32, {0, 3}));
  EXPECT_EQ(out[0].shape(), (Shape{0}));
  expect_indices(out, {}, {}, {});
  out = run({.axis = 0}, Tensor::zeros(DType::f32, {0, 3}));
  EXPECT_EQ(out[0].shape(), (Shape{0, 3}));
  expect_indices(out, {}, {}, {});
  // Slices without elements are all equal.
  out = run({.axis = 0}, Tensor::zeros(DType::f32, {3, 0}));
  EXPECT_EQ(out[0].shape(), (Shape{1, 0}));
  expect_indices(out, {0}, {0, 0, 0}, {3});
  out = run({}, floats({}, {5}));
  expect_near(out[0], {1}, {5});
}

TEST(Unique, may_leave_later_outputs_out) {
  expect_near(run_op(op_unique(), UniqueAttributes{}, {floats({3}, {2, 1, 2})}), {2}, {1, 2});
}

TEST(Unique, of_hundreds_of_thousands_takes_no_quadratic_time) {
  const std::int64_t size = 400'000;
  for (const float step : {0.0f, 1.0f}) {
    const auto out = run({.sorted = false}, ramp({size}, 0, step));
    EXPECT_EQ(out[0].size(), step == 0 ? 1 : size);
    EXPECT_EQ(out[3].values<std::int64_t>()[0], step == 0 ? size : 1);
  }
}

TEST(Unique, refuses_an_axis_beyond_the_rank) {
  EXPECT_EQ(error_of(op_unique(), UniqueAttributes{.axis = 1}, {ramp({2})}),
            ErrorCode::bad_attribute);
  EXPECT_EQ(error_of(op_unique(), UniqueAttributes{.axis = 0}, {ramp({})}),
            ErrorCode::bad_attribute);
}

TEST(Unique, infers_one_unknown_size) {
  const auto types = [](const UniqueAttributes& attributes, const std::string& x) {
    std::string out;
    for (const auto& each : infer_op(op_unique(), attributes, {x}, 4)) {
      out += each.type.to_string() + " ";
    }
    return out;
  };
  EXPECT_EQ(types({}, "f32[N,2]"), "f32[#test.0] i64[#test.0] i64[2*N] i64[#test.0] ");
  EXPECT_EQ(types({.axis = 1}, "f32[N,2]"), "f32[N,#test.0] i64[#test.0] i64[2] i64[#test.0] ");
  EXPECT_EQ(types({.axis = 1}, "f32[*]"), "f32[*] i64[#test.0] i64[#test.1] i64[#test.0] ");
}

}  // namespace
}  // namespace strop
