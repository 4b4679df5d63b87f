// SPDX-License-Identifier: Apache-2.0
#include "ops/row_sums.hpp"

#include "ops/layer_norm.hpp"
#include "ops/normalize_by_sums.hpp"
#include "ops/run_op.hpp"

namespace strop {
namespace {

using namespace testing;

TEST(RowSums, are_of_blocks_and_of_what_is_left) {
  const Tensor x = floats({2, 5}, {1, 2, 3, 4, 5, -1, 0, 1, 2, 10});
  expect_near(run_op(op_row_sums(), RowSumsAttributes{.block = 2}, {x}), {2, 3, 2},
              {3, 5, 7, 25, 5, 25, -1, 1, 3, 5, 10, 100});
  EXPECT_EQ(run_op(op_row_sums(), RowSumsAttributes{.block = 64}, {floats({0, 5}, {})}).shape(),
            (Shape{0, 1, 2}));
}

TEST(RowSums, refuse_blocks_of_nothing) {
  EXPECT_ANY_THROW(run_op(op_row_sums(), RowSumsAttributes{.block = 0}, {floats({1}, {1})}));
}

TEST(RowSums, take_any_floats_and_blocks_of_any_length) {
  const Tensor wide = Tensor::from<double>({2, 2}, {1, 2, -4, 0.5});
  expect_near(run_op(op_row_sums(), RowSumsAttributes{}, {wide}), {2, 1, 2}, {3, 5, -3.5, 16.25});
  // Squares of 300 do not fit into FP16.
  const Tensor half = Tensor::from<float16>({1, 128}, std::vector<float16>(128, float16(300.0f)));
  expect_near(run_op(op_row_sums(), RowSumsAttributes{}, {half}), {1, 2, 2},
              {19200, 5760000, 19200, 5760000});
  for (const std::int64_t block : {std::int64_t{1000}, std::numeric_limits<std::int64_t>::max()})
    expect_near(run_op(op_row_sums(), RowSumsAttributes{block}, {ramp({2, 1000})}), {2, 1, 2},
                {499500, 332833500, 1499500, 2331833500.0});
  EXPECT_EQ(run_op(op_row_sums(), RowSumsAttributes{}, {ramp({std::int64_t{1} << 59, 0})}).size(),
            0);
  EXPECT_EQ(error_of(op_row_sums(), RowSumsAttributes{}, {ramp({})}), ErrorCode::bad_shape);
}

TEST(RowSums, shapes_may_be_open) {
  const auto shape = [](const char* x) {
    return infer_op(op_row_sums(), RowSumsAttributes{}, {x})[0].type.to_string();
  };
  EXPECT_EQ(shape("f16[N,L,768]"), "f32[N,L,12,2]");
  EXPECT_EQ(shape("f32[N,W]"), "f32[N,floordiv(W+63,64),2]");
  EXPECT_EQ(shape("f64[*]"), "f32[*]");
}

Tensor uneven(const Shape& shape, int step) {
  Tensor out = Tensor::allocate(DType::f32, shape);
  for (std::int64_t i = 0; i < out.size(); ++i)
    out.mutable_values<float>()[static_cast<std::size_t>(i)] =
        static_cast<float>(i * step % 101) / 50 - 0.9f;
  return out;
}

TEST(NormalizeBySums, is_layer_norm) {
  const Tensor x = uneven({3, 4, 70}, 37);
  const Tensor scale = uneven({70}, 11), bias = uneven({70}, 29);
  const Tensor sums = run_op(op_row_sums(), RowSumsAttributes{.block = 16}, {x});
  const Tensor wanted =
      run_op(op_layer_norm(), LayerNormAttributes{.axis = -1, .epsilon = 1e-3}, {x, scale, bias});
  const Tensor y = run_op(op_normalize_by_sums(), NormalizeBySumsAttributes{.epsilon = 1e-3},
                          {x, sums, scale, bias});
  for (std::size_t i = 0; i < static_cast<std::size_t>(y.size()); ++i)
    EXPECT_NEAR(y.values<float>()[i], wanted.values<float>()[i], 1e-5);
}

TEST(NormalizeBySums, takes_a_row_without_deviation) {
  const Tensor x = floats({1, 2}, {3, 3});
  expect_near(run_op(op_normalize_by_sums(), NormalizeBySumsAttributes{.epsilon = 0.25},
                     {x, floats({1, 1, 2}, {6, 17.9f})}),
              {1, 2}, {0, 0});
}

TEST(NormalizeBySums, is_layer_norm_of_any_floats) {
  const Tensor x = uneven({2, 3, 1300}, 37);  // more than two chunks, a short last block
  const auto rounded = [&]<class T>(T) {
    std::vector<T> values;
    for (const float v : x.values<float>()) values.push_back(T(v));
    return Tensor::from<T>(x.shape(), values);
  };
  const Tensor scale = uneven({1300}, 11), bias = uneven({1300}, 29);
  for (const Tensor& v : {x, rounded(float16()), rounded(bfloat16()), rounded(double())}) {
    const Tensor sums = run_op(op_row_sums(), RowSumsAttributes{}, {v});
    for (const auto& [s, b] :
         {std::pair{Tensor{}, Tensor{}}, {scale, Tensor{}}, {Tensor{}, bias}, {scale, bias}}) {
      const Tensor wanted =
          run_op(op_layer_norm(), LayerNormAttributes{.axis = 2, .epsilon = 0.25}, {v, s, b});
      const Tensor got = run_op(op_normalize_by_sums(), NormalizeBySumsAttributes{.epsilon = 0.25},
                                {v, sums, s, b});
      EXPECT_EQ(got.dtype(), v.dtype());
      // A 16-bit result may fall to the other side of a tie.
      expect_near(got, v.shape(), doubles_of(wanted), bits_of(v.dtype()) == 16 ? 8e-3 : 2e-6);
    }
  }
}

TEST(NormalizeBySums, corners_and_refusals) {
  const auto code = [](const std::vector<Tensor>& inputs) {
    return error_of(op_normalize_by_sums(), NormalizeBySumsAttributes{}, inputs);
  };
  EXPECT_EQ(code({ramp({2, 3}), ramp({2, 5, 2})}), ErrorCode::ok);
  EXPECT_EQ(code({ramp({2, 0}), ramp({2, 0, 2})}), ErrorCode::ok);
  EXPECT_EQ(code({ramp({0, 3}), ramp({0, 1, 2}), ramp({3})}), ErrorCode::ok);
  EXPECT_EQ(code({ramp({}), ramp({2})}), ErrorCode::bad_shape);
  EXPECT_EQ(code({ramp({2, 3}), ramp({2, 2})}), ErrorCode::bad_shape);
  EXPECT_EQ(code({ramp({2, 3}), ramp({3, 1, 2})}), ErrorCode::bad_shape);
  EXPECT_EQ(code({ramp({2, 3}), ramp({2, 1, 3})}), ErrorCode::bad_shape);
  EXPECT_EQ(code({ramp({2, 3}), ramp({2, 1, 2}), ramp({1})}), ErrorCode::bad_shape);
  EXPECT_EQ(code({ramp({2, 3}), ramp({2, 1, 2}), Tensor{}, ramp({1, 3})}), ErrorCode::bad_shape);
}

TEST(NormalizeBySums, shapes_may_be_open) {
  const auto shape = [](const std::vector<std::string>& inputs) {
    return infer_op(op_normalize_by_sums(), NormalizeBySumsAttributes{}, inputs)[0]
        .type.to_string();
  };
  EXPECT_EQ(shape({"f16[N,L,768]", "f32[N,L,B,2]", "f32[768]", "f32[C]"}), "f16[N,L,768]");
  EXPECT_EQ(shape({"f32[N,W]", "f32[*]"}), "f32[N,W]");
  EXPECT_EQ(shape({"f32[*]", "f32[N,B,2]", "f32[*]"}), "f32[*]");
}

}  // namespace
}  // namespace strop
