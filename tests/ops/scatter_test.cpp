// SPDX-License-Identifier: Apache-2.0
// Operators that write elements by index: scatter_elements, scatter_nd, tensor_scatter.
#include <gtest/gtest.h>

#include "base/parallel.hpp"
#include "ops/run_op.hpp"
#include "ops/scatter_elements.hpp"
#include "ops/scatter_nd.hpp"
#include "ops/tensor_scatter.hpp"

namespace strop {
namespace {

using R = ScatterReduction;
using I64 = std::vector<std::int64_t>;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Tensor indices(Shape shape, const I64& values) {
  return Tensor::from<std::int64_t>(std::move(shape), values);
}

Tensor scattered(const Tensor& x, const Tensor& at, const Tensor& updates, std::int64_t axis = 0,
                 R reduction = R::none) {
  return run_op(op_scatter_elements(),
                ScatterElementsAttributes{.axis = axis, .reduction = reduction}, {x, at, updates});
}

Tensor scattered_nd(const Tensor& x, const Tensor& at, const Tensor& updates,
                    R reduction = R::none) {
  return run_op(op_scatter_nd(), ScatterNdAttributes{.reduction = reduction}, {x, at, updates});
}

TEST(ScatterElements, writes_each_update_into_its_own_line) {
  const Tensor x = ramp({3, 3});
  expect_near(scattered(x, indices({2, 2}, {2, 0, -3, -1}), floats({2, 2}, {10, 20, 30, 40})),
              {3, 3}, {30, 20, 2, 3, 4, 5, 10, 40, 8});
  expect_near(
      scattered(x, Tensor::from<std::int32_t>({1, 2}, {1, -1}), floats({1, 2}, {10, 20}), 1),
      {3, 3}, {0, 10, 20, 3, 4, 5, 6, 7, 8});
  expect_near(scattered(ramp({1, 2, 2}), indices({1, 1, 2}, {1, 0}), floats({1, 1, 2}, {8, 9}), -2),
              {1, 2, 2}, {0, 9, 8, 3});
}

TEST(ScatterElements, of_updates_of_one_place_the_last_stays) {
  expect_near(scattered(ramp({3}), indices({3}, {1, 1, -2}), floats({3}, {7, 8, 9})), {3},
              {0, 9, 2});
}

TEST(ScatterElements, joins_updates_with_what_is_there) {
  const Tensor x = floats({4}, {1, 2, 3, 4}), at = indices({4}, {1, 1, 3, -1});
  const Tensor updates = floats({4}, {5, 0.5, 10, 2});
  expect_near(scattered(x, at, updates, 0, R::add), {4}, {1, 7.5, 3, 16});
  expect_near(scattered(x, at, updates, 0, R::mul), {4}, {1, 5, 3, 80});
  expect_near(scattered(x, at, updates, 0, R::max), {4}, {1, 5, 3, 10});
  expect_near(scattered(x, at, updates, 0, R::min), {4}, {1, 0.5, 3, 2});
}

TEST(ScatterElements, nan_wins_over_every_number) {
  const Tensor x = floats({3}, {kNan, 1, 1}), at = indices({3}, {0, 1, 2});
  const Tensor updates = floats({3}, {5, kNan, 2});
  expect_near(scattered(x, at, updates, 0, R::max), {3}, {kNan, kNan, 2});
  expect_near(scattered(x, at, updates, 0, R::min), {3}, {kNan, kNan, 1});
}

TEST(ScatterElements, integers_wrap_and_bools_are_logical) {
  const Tensor at = indices({2}, {0, 0});
  EXPECT_EQ(
      values_of<std::int8_t>(scattered(Tensor::from<std::int8_t>({1}, {100}), at,
                                       Tensor::from<std::int8_t>({2}, {100, 100}), 0, R::add)),
      (std::vector<std::int8_t>{44}));
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(values_of<std::int64_t>(
                scattered(indices({1}, {kMost}), at, indices({2}, {1, 0}), 0, R::add)),
            (I64{-kMost - 1}));
  EXPECT_EQ(values_of<std::uint64_t>(
                scattered(Tensor::from<std::uint64_t>({1}, {7}), at,
                          Tensor::from<std::uint64_t>({2}, {~std::uint64_t{0}, 3}), 0, R::max)),
            (std::vector<std::uint64_t>{~std::uint64_t{0}}));
  const Tensor no = Tensor::from<bool>({1}, {false});
  EXPECT_TRUE(
      scattered(no, at, Tensor::from<bool>({2}, {true, true}), 0, R::add).values<bool>()[0]);
  EXPECT_FALSE(
      scattered(no, at, Tensor::from<bool>({2}, {true, true}), 0, R::mul).values<bool>()[0]);
}

TEST(ScatterElements, narrow_floats_are_summed_up_in_float) {
  // In f16 itself 2048 + 1 is 2048, so the ones would be lost.
  const Tensor x = Tensor::from<float16>({1}, {float16(2048)});
  const Tensor ones = Tensor::from<float16>({4}, std::vector<float16>(4, float16(1)));
  expect_near(scattered(x, indices({4}, {0, 0, 0, 0}), ones, 0, R::add), {1}, {2052}, 0);
}

TEST(ScatterElements, complex_numbers_add_and_multiply) {
  const auto complex = [](const std::vector<float>& parts) {
    Tensor out = Tensor::allocate(DType::c64, {static_cast<std::int64_t>(parts.size() / 2)});
    std::copy(parts.begin(), parts.end(), reinterpret_cast<float*>(out.mutable_data()));
    return out;
  };
  const Tensor x = complex({1, 2, 3, 4}), at = indices({1}, {1}), update = complex({0, 1});
  EXPECT_TRUE(scattered(x, at, update, 0, R::add).identical(complex({1, 2, 3, 5})));
  EXPECT_TRUE(scattered(x, at, update, 0, R::mul).identical(complex({1, 2, -4, 3})));
  EXPECT_TRUE(scattered(x, at, update).identical(complex({1, 2, 0, 1})));
}

TEST(ScatterElements, writes_strings_and_packed_elements) {
  EXPECT_EQ(values_of<std::string>(scattered(Tensor::from_strings({2}, {"a", "b"}),
                                             indices({1}, {1}), Tensor::from_strings({1}, {"c"}))),
            (std::vector<std::string>{"a", "c"}));
  Tensor x = Tensor::zeros(DType::u4, {3}), update = Tensor::zeros(DType::u4, {1});
  store_packed(update.mutable_data(), 0, 4, 9);
  EXPECT_EQ(doubles_of(scattered(x, indices({1}, {1}), update)), (std::vector<double>{0, 9, 0}));
}

TEST(ScatterElements, of_no_updates_is_the_input) {
  expect_near(scattered(ramp({2}), indices({0}, {}), floats({0}, {}), 0, R::add), {2}, {0, 1});
  EXPECT_EQ(scattered(Tensor::zeros(DType::f16, {0}), indices({0}, {}),
                      Tensor::zeros(DType::f16, {0}), 0, R::add)
                .size(),
            0);
}

TEST(ScatterElements, refuses_what_does_not_fit) {
  const auto error = [](const Tensor& x, const Tensor& at, const Tensor& updates,
                        std::int64_t axis = 0, R reduction = R::none) {
    return error_of(op_scatter_elements(),
                    ScatterElementsAttributes{.axis = axis, .reduction = reduction},
                    {x, at, updates});
  };
  EXPECT_EQ(error(ramp({2}), indices({1}, {2}), ramp({1})), ErrorCode::bad_value);
  EXPECT_EQ(error(ramp({2}), indices({1}, {-3}), ramp({1}), 0, R::add), ErrorCode::bad_value);
  EXPECT_EQ(error(Tensor::zeros(DType::f32, {0}), indices({1}, {0}), ramp({1})),
            ErrorCode::bad_value);
  EXPECT_EQ(error(ramp({2}), indices({1}, {0}), ramp({2})), ErrorCode::bad_shape);
  EXPECT_EQ(error(ramp({2}), indices({1, 1}, {0}), ramp({1, 1})), ErrorCode::bad_shape);
  EXPECT_EQ(error(ramp({2, 1}), indices({1, 2}, {0, 0}), ramp({1, 2})), ErrorCode::bad_shape);
  EXPECT_EQ(error(ramp({2}), indices({1}, {0}), ramp({1}), 1), ErrorCode::bad_attribute);
  EXPECT_EQ(error(ramp({2}), indices({1}, {0}), indices({1}, {0})), ErrorCode::bad_type);
  EXPECT_EQ(error(Tensor::from_strings({1}, {"a"}), indices({1}, {0}),
                  Tensor::from_strings({1}, {"b"}), 0, R::add),
            ErrorCode::bad_type);
  EXPECT_EQ(error(Tensor::zeros(DType::c64, {1}), indices({1}, {0}), Tensor::zeros(DType::c64, {1}),
                  0, R::max),
            ErrorCode::bad_type);
}

TEST(ScatterElements, keeps_symbolic_contents) {
  const Dim n = Dim::symbol("N");
  const auto out = infer_op(op_scatter_elements(), ScatterElementsAttributes{},
                            {"i64[3]", "i64[1]", "i64[1]"}, 1, {{1, 2, 3}, {Dim(-1)}, {n}});
  ASSERT_TRUE(out[0].elements);
  EXPECT_EQ(*out[0].elements, (std::vector<Dim>{1, 2, n}));
  EXPECT_FALSE(infer_op(op_scatter_elements(), ScatterElementsAttributes{.reduction = R::add},
                        {"i64[3]", "i64[1]", "i64[1]"}, 1, {{1, 2, 3}, {Dim(-1)}, {n}})[0]
                   .elements);
}

TEST(ScatterNd, writes_elements_or_slices_by_tuples) {
  expect_near(scattered_nd(ramp({5}), indices({2, 1}, {-1, 1}), floats({2}, {8, 9})), {5},
              {0, 9, 2, 3, 8});
  expect_near(scattered_nd(ramp({2, 3}), indices({1, 1}, {1}), floats({1, 3}, {7, 8, 9})), {2, 3},
              {0, 1, 2, 7, 8, 9});
  expect_near(scattered_nd(ramp({2, 2}), indices({2}, {0, 1}), floats({}, {9})), {2, 2},
              {0, 9, 2, 3});
  expect_near(scattered_nd(ramp({2}), indices({0, 1}, {}), floats({0}, {})), {2}, {0, 1});
}

TEST(ScatterNd, joins_slices_in_the_order_of_the_updates) {
  const Tensor x = ramp({2, 2}), at = indices({3, 1}, {0, 0, 1});
  const Tensor updates = floats({3, 2}, {5, 6, 7, -8, 1, 2});
  expect_near(scattered_nd(x, at, updates), {2, 2}, {7, -8, 1, 2});
  expect_near(scattered_nd(x, at, updates, R::add), {2, 2}, {12, -1, 3, 5});
  expect_near(scattered_nd(x, at, updates, R::mul), {2, 2}, {0, -48, 2, 6});
  expect_near(scattered_nd(x, at, updates, R::max), {2, 2}, {7, 6, 2, 3});
  expect_near(scattered_nd(x, at, updates, R::min), {2, 2}, {0, -8, 1, 2});
}

TEST(ScatterNd, refuses_what_does_not_fit) {
  const auto error = [](const Tensor& x, const Tensor& at, const Tensor& updates) {
    return error_of(op_scatter_nd(), ScatterNdAttributes{}, {x, at, updates});
  };
  EXPECT_EQ(error(ramp({2}), indices({1, 1}, {2}), ramp({1})), ErrorCode::bad_value);
  EXPECT_EQ(error(ramp({2}), indices({1, 1}, {-3}), ramp({1})), ErrorCode::bad_value);
  EXPECT_EQ(error(ramp({2}), indices({1, 2}, {0, 0}), ramp({1})), ErrorCode::bad_shape);
  EXPECT_EQ(error(ramp({2}), indices({1, 0}, {}), ramp({1, 2})), ErrorCode::bad_shape);
  EXPECT_EQ(error(ramp({2, 3}), indices({1, 1}, {0}), ramp({1, 2})), ErrorCode::bad_shape);
  EXPECT_EQ(error(ramp({2, 3}), indices({1, 1}, {0}), ramp({1})), ErrorCode::bad_shape);
}

TEST(ScatterNd, keeps_symbolic_contents_and_unknown_ranks) {
  const Dim n = Dim::symbol("N");
  const auto out = infer_op(op_scatter_nd(), ScatterNdAttributes{}, {"i64[2]", "i64[1]", "i64[]"},
                            1, {{1, 2}, {Dim(0)}, {n}});
  ASSERT_TRUE(out[0].elements);
  EXPECT_EQ(*out[0].elements, (std::vector<Dim>{n, 2}));
  EXPECT_EQ(infer_op(op_scatter_nd(), ScatterNdAttributes{}, {"f32[*]", "i64[*]", "f32[*]"})[0]
                .type.to_string(),
            "f32[*]");
}

// Many updates of few places, of sizes that make the order of additions visible.
TEST(Scatter, gives_the_same_bits_for_any_number_of_threads) {
  const std::int64_t places = 7, rows = 500, columns = 300;
  Tensor at = Tensor::zeros(DType::i64, {rows, 1});
  Tensor wide_at = Tensor::zeros(DType::i64, {rows, columns});
  Tensor updates = Tensor::zeros(DType::f32, {rows, columns});
  std::uint32_t state = 1;
  const auto next = [&] { return (state = state * 1664525u + 1013904223u) >> 8; };
  for (auto& index : at.mutable_values<std::int64_t>()) index = next() % places;
  for (auto& index : wide_at.mutable_values<std::int64_t>()) index = next() % places;
  for (auto& value : updates.mutable_values<float>()) {
    value = static_cast<float>(next()) * (next() % 2 == 0 ? 1e-3f : 1e3f);
  }
  const Tensor x = ramp({places, columns});
  const auto both = [&] {
    return std::pair(scattered_nd(x, at, updates, R::add),
                     scattered(x, wide_at, updates, 0, R::add));
  };
  set_thread_count(1);
  const auto serial = both();
  set_thread_count(5);
  const auto parallel = both();
  set_thread_count(0);
  EXPECT_TRUE(serial.first.identical(parallel.first));
  EXPECT_TRUE(serial.second.identical(parallel.second));
}

Tensor cached(const Tensor& cache, const Tensor& update, const Tensor& starts,
              bool circular = false, std::int64_t axis = -2) {
  return run_op(op_tensor_scatter(), TensorScatterAttributes{.axis = axis, .circular = circular},
                {cache, update, starts});
}

TEST(TensorScatter, writes_an_update_at_the_start_of_each_sample) {
  const Tensor cache = Tensor::zeros(DType::f32, {2, 3, 2});
  const Tensor update = ramp({2, 2, 2}, 1);
  expect_near(cached(cache, update, indices({2}, {0, 1})), {2, 3, 2},
              {1, 2, 3, 4, 0, 0, 0, 0, 5, 6, 7, 8});
  expect_near(cached(cache, update, Tensor()), {2, 3, 2}, {1, 2, 3, 4, 0, 0, 5, 6, 7, 8, 0, 0});
}

TEST(TensorScatter, goes_on_at_the_beginning_where_it_is_circular) {
  const Tensor cache = Tensor::zeros(DType::f32, {2, 1, 3}), update = ramp({2, 1, 2}, 1);
  expect_near(cached(cache, update, indices({2}, {2, 4}), true, -1), {2, 1, 3}, {2, 0, 1, 0, 3, 4});
  expect_near(cached(cache, update, indices({2}, {-1, 0}), true, 2), {2, 1, 3}, {2, 0, 1, 3, 4, 0});
}

TEST(TensorScatter, writes_packed_and_empty_updates) {
  Tensor cache = Tensor::zeros(DType::i4, {1, 3, 1}), update = Tensor::zeros(DType::i4, {1, 1, 1});
  store_packed(update.mutable_data(), 0, 4, 5);
  EXPECT_EQ(doubles_of(cached(cache, update, indices({1}, {2}))), (std::vector<double>{0, 0, 5}));
  expect_near(cached(ramp({1, 2, 1}), ramp({1, 0, 1}), indices({1}, {2})), {1, 2, 1}, {0, 1});
  EXPECT_EQ(cached(ramp({0, 2, 1}), ramp({0, 1, 1}), indices({0}, {})).size(), 0);
  EXPECT_EQ(cached(ramp({1, 0, 1}), ramp({1, 0, 1}), indices({1}, {7}), true).size(), 0);
}

TEST(TensorScatter, refuses_what_does_not_fit) {
  const auto error = [](const Tensor& cache, const Tensor& update, const Tensor& starts,
                        std::int64_t axis = -2) {
    return error_of(op_tensor_scatter(), TensorScatterAttributes{.axis = axis},
                    {cache, update, starts});
  };
  const Tensor cache = ramp({1, 3, 2});
  EXPECT_EQ(error(cache, ramp({1, 2, 2}), indices({1}, {2})), ErrorCode::bad_value);
  EXPECT_EQ(error(cache, ramp({1, 2, 2}), indices({1}, {-1})), ErrorCode::bad_value);
  EXPECT_EQ(error(cache, ramp({1, 2, 2}), indices({1}, {std::numeric_limits<std::int64_t>::max()})),
            ErrorCode::bad_value);
  EXPECT_EQ(error(cache, ramp({1, 4, 2}), Tensor()), ErrorCode::bad_shape);
  EXPECT_EQ(error(cache, ramp({1, 2, 1}), Tensor()), ErrorCode::bad_shape);
  EXPECT_EQ(error(cache, ramp({1, 2}), Tensor()), ErrorCode::bad_shape);
  EXPECT_EQ(error(cache, ramp({1, 2, 2}), indices({2}, {0, 0})), ErrorCode::bad_shape);
  EXPECT_EQ(error(cache, ramp({1, 2, 2}), Tensor(), 0), ErrorCode::bad_attribute);
  EXPECT_EQ(error(ramp({3, 2}), ramp({2, 2}), Tensor()), ErrorCode::bad_attribute);
}

}  // namespace
}  // namespace strop
