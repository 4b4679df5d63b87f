// SPDX-License-Identifier: Apache-2.0
#include "ops/top_k.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "ops/run_op.hpp"

namespace strop {
namespace {

using I64 = std::vector<std::int64_t>;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

Tensor count(std::int64_t k) { return Tensor::from<std::int64_t>({1}, {k}); }

void expect_top(const TopKAttributes& attributes, const Tensor& x, std::int64_t k,
                const Shape& shape, const std::vector<double>& values, const I64& indices) {
  const auto out = run_op_many(op_top_k(), attributes, {x, count(k)}, 2);
  expect_near(out[0], shape, values, 0);
  EXPECT_EQ(out[1].shape(), shape);
  EXPECT_EQ(values_of<std::int64_t>(out[1]), indices);
}

TEST(TopK, takes_the_largest_or_smallest_along_an_axis) {
  const Tensor x = floats({2, 4}, {3, 1, 4, 1, 5, 9, 2, 6});
  expect_top({}, x, 2, {2, 2}, {4, 3, 9, 6}, {2, 0, 1, 3});
  expect_top({.largest = false}, x, 3, {2, 3}, {1, 1, 3, 2, 5, 6}, {1, 3, 0, 2, 0, 3});
  expect_top({.axis = 0}, x, 1, {1, 4}, {5, 9, 4, 6}, {1, 1, 0, 1});
  expect_top({.axis = -2, .largest = false}, x, 2, {2, 4}, {3, 1, 2, 1, 5, 9, 4, 6},
             {0, 0, 1, 0, 1, 1, 0, 1});
  expect_top({.sorted = false}, x, 4, {2, 4}, {4, 3, 1, 1, 9, 6, 5, 2}, {2, 0, 1, 3, 1, 3, 0, 2});
}

TEST(TopK, of_equal_elements_the_lower_index_comes_first) {
  expect_top({}, floats({5}, {1, 1, 2, 1, 1}), 3, {3}, {2, 1, 1}, {2, 0, 1});
  expect_top({.largest = false}, floats({5}, {1, 1, 0, 1, 1}), 3, {3}, {0, 1, 1}, {2, 0, 1});
  expect_top({}, floats({3}, {-0.0f, 0.0f, -0.0f}), 2, {2}, {0, 0}, {0, 1});
}

TEST(TopK, nan_is_greater_than_every_number) {
  const Tensor x = floats({5}, {1, kNan, kInf, kNan, -kInf});
  expect_top({}, x, 4, {4}, {kNan, kNan, kInf, 1}, {1, 3, 2, 0});
  expect_top({.largest = false}, x, 5, {5}, {-kInf, 1, kInf, kNan, kNan}, {4, 0, 2, 1, 3});
}

TEST(TopK, takes_every_numeric_type) {
  const std::uint64_t most = ~std::uint64_t{0};
  const auto unsigned_top =
      run_op_many(op_top_k(), TopKAttributes{},
                  {Tensor::from<std::uint64_t>({3}, {most - 1, 5, most}), count(2)}, 2);
  EXPECT_EQ(values_of<std::uint64_t>(unsigned_top[0]),
            (std::vector<std::uint64_t>{most, most - 1}));
  expect_top({.largest = false}, Tensor::from<std::int8_t>({3}, {-128, 127, 0}), 2, {2}, {-128, 0},
             {0, 2});
  expect_top({}, Tensor::from<bfloat16>({2}, {bfloat16(1), bfloat16(2)}), 1, {1}, {2}, {1});
  expect_top({}, Tensor::from<float16>({2}, {float16(1), float16(-2)}), 1, {1}, {1}, {0});
  expect_top({}, Tensor::from<double>({2}, {1, 1 + 1e-12}), 1, {1}, {1 + 1e-12}, {1});
}

TEST(TopK, of_nothing_is_empty) {
  expect_top({}, ramp({2, 3}), 0, {2, 0}, {}, {});
  expect_top({}, Tensor::zeros(DType::f32, {0, 3}), 2, {0, 2}, {}, {});
  expect_top({}, Tensor::zeros(DType::f32, {2, 0}), 0, {2, 0}, {}, {});
}

TEST(TopK, may_leave_the_indices_out) {
  expect_near(run_op(op_top_k(), TopKAttributes{}, {ramp({4}), count(2)}), {2}, {3, 2});
}

// Rising and falling rows are the best and worst case of keeping the best so far; k is from 1 to
// all.
TEST(TopK, agrees_with_sorting_for_any_k) {
  const std::int64_t size = 1000;
  std::uint32_t state = 7;
  for (const int order : {-1, 0, 1}) {
    Tensor x = Tensor::allocate(DType::i32, {size});
    auto values = x.mutable_values<std::int32_t>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      state = state * 1664525u + 1013904223u;
      values[i] = order != 0 ? order * static_cast<std::int32_t>(i / 3)
                             : static_cast<std::int32_t>(state >> 24);
    }
    I64 wanted(values.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) wanted[i] = static_cast<std::int64_t>(i);
    std::ranges::stable_sort(wanted, std::greater<>(),
                             [&](std::int64_t i) { return values[static_cast<std::size_t>(i)]; });
    for (const std::int64_t k : {1, 2, 17, 499, 500, 501, 999, 1000}) {
      const auto out = run_op_many(op_top_k(), TopKAttributes{}, {x, count(k)}, 2);
      EXPECT_EQ(values_of<std::int64_t>(out[1]), I64(wanted.begin(), wanted.begin() + k))
          << "k " << k << ", order " << order;
    }
  }
}

TEST(TopK, of_millions_takes_no_quadratic_time) {
  const std::int64_t size = 4'000'000;
  const Tensor x = ramp({size}, 0, 1);
  const auto out = run_op_many(op_top_k(), TopKAttributes{}, {x, count(size / 2)}, 2);
  EXPECT_EQ(out[1].values<std::int64_t>()[0], size - 1);
  EXPECT_EQ(out[1].values<std::int64_t>().back(), size / 2);
}

TEST(TopK, refuses_what_does_not_fit) {
  const auto error = [](const Tensor& x, const Tensor& k, std::int64_t axis = -1) {
    return error_of(op_top_k(), TopKAttributes{.axis = axis}, {x, k}, 2);
  };
  EXPECT_EQ(error(ramp({3}), count(4)), ErrorCode::bad_value);
  EXPECT_EQ(error(ramp({3}), count(-1)), ErrorCode::bad_value);
  EXPECT_EQ(error(ramp({3}), count(1), 1), ErrorCode::bad_attribute);
  EXPECT_EQ(error(ramp({}), count(1)), ErrorCode::bad_attribute);
  EXPECT_EQ(error(ramp({3}), Tensor::from<std::int64_t>({2}, {1, 1})), ErrorCode::bad_shape);
  EXPECT_EQ(error(ramp({3}), Tensor::from<std::int64_t>({1, 1}, {1})), ErrorCode::bad_shape);
  EXPECT_EQ(error(ramp({3}), Tensor::from<std::int32_t>({1}, {1})), ErrorCode::bad_type);
  EXPECT_EQ(error(Tensor::from<bool>({1}, {true}), count(1)), ErrorCode::bad_type);
}

TEST(TopK, infers_sizes_known_symbolic_and_unknown) {
  const auto types = [](const std::string& x, std::vector<Dim> k) {
    std::string out;
    for (const auto& each : infer_op(op_top_k(), TopKAttributes{}, {x, "i64[1]"}, 2, {{}, k})) {
      out += each.type.to_string() + " ";
    }
    return out;
  };
  EXPECT_EQ(types("f32[N,10]", {Dim(3)}), "f32[N,3] i64[N,3] ");
  EXPECT_EQ(types("f32[N,M]", {min(Dim::symbol("M"), 100)}),
            "f32[N,min(100,M)] i64[N,min(100,M)] ");
  EXPECT_EQ(types("f32[N,M]", {}), "f32[N,#test.0] i64[N,#test.0] ");
  EXPECT_EQ(types("f32[*]", {Dim(3)}), "f32[*] i64[*] ");
}

}  // namespace
}  // namespace strop
