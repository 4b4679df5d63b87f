// SPDX-License-Identifier: Apache-2.0
#include "ops/rotary_embedding.hpp"

#include "ops/run_op.hpp"

namespace strop {
namespace {

const Tensor kHalfTurn = floats({1, 1, 1}, {-1}), kZero = floats({1, 1, 1}, {0}),
             kQuarterTurn = floats({1, 1, 1}, {1});

TEST(RotaryEmbedding, turns_pairs_by_their_angle) {
  const Tensor x = floats({1, 1, 1, 2}, {3, 4});
  expect_near(run_op(op_rotary_embedding(), RotaryEmbeddingAttributes{}, {x, kZero, kQuarterTurn}),
              {1, 1, 1, 2}, {-4, 3});
  expect_near(run_op(op_rotary_embedding(), RotaryEmbeddingAttributes{}, {x, kHalfTurn, kZero}),
              {1, 1, 1, 2}, {-3, -4});
}

TEST(RotaryEmbedding, pairs_are_halves_or_neighbours) {
  // The first pair turns by a quarter, the second not at all.
  const Tensor x = floats({1, 1, 1, 4}, {1, 2, 3, 4});
  const Tensor cos = floats({1, 1, 2}, {0, 1}), sin = floats({1, 1, 2}, {1, 0});
  expect_near(run_op(op_rotary_embedding(), RotaryEmbeddingAttributes{}, {x, cos, sin}),
              {1, 1, 1, 4}, {-3, 2, 1, 4});
  expect_near(
      run_op(op_rotary_embedding(), RotaryEmbeddingAttributes{.interleaved = true}, {x, cos, sin}),
      {1, 1, 1, 4}, {-2, 1, 3, 4});
}

TEST(RotaryEmbedding, what_cos_does_not_reach_stays) {
  const Tensor x = floats({1, 1, 1, 5}, {1, 2, 3, 4, 5});
  expect_near(run_op(op_rotary_embedding(), RotaryEmbeddingAttributes{}, {x, kZero, kQuarterTurn}),
              {1, 1, 1, 5}, {-2, 1, 3, 4, 5});
  const Tensor none = ramp({1, 1, 0});
  expect_near(run_op(op_rotary_embedding(), RotaryEmbeddingAttributes{}, {x, none, none}),
              {1, 1, 1, 5}, {1, 2, 3, 4, 5});
}

TEST(RotaryEmbedding, each_position_has_its_angle_in_both_layouts) {
  // Two batches, two heads, two positions; factor cos alone: position p of batch b is multiplied by
  // 10 b + p + 1.
  const Tensor cos = floats({2, 2, 1}, {1, 2, 11, 12}), sin = Tensor::zeros(DType::f32, {2, 2, 1});
  const Tensor ones = ramp({2, 2, 2, 2}, 1, 0);
  expect_near(run_op(op_rotary_embedding(), RotaryEmbeddingAttributes{}, {ones, cos, sin}),
              {2, 2, 2, 2}, {1, 1, 2, 2, 1, 1, 2, 2, 11, 11, 12, 12, 11, 11, 12, 12});
  expect_near(run_op(op_rotary_embedding(), RotaryEmbeddingAttributes{.sequence_axis = 1},
                     {ones, cos, sin}),
              {2, 2, 2, 2}, {1, 1, 1, 1, 2, 2, 2, 2, 11, 11, 11, 11, 12, 12, 12, 12});
  // One table for all batches.
  const Tensor one = floats({1, 2, 1}, {1, 2}), zero = Tensor::zeros(DType::f32, {1, 2, 1});
  expect_near(run_op(op_rotary_embedding(), RotaryEmbeddingAttributes{}, {ones, one, zero}),
              {2, 2, 2, 2}, {1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 2, 2});
}

TEST(RotaryEmbedding, sixteen_bits_are_rounded_once) {
  // 2048 + 1 - 2048: the sum in between does not fit into FP16.
  const Tensor x = Tensor::from<float16>({1, 1, 1, 2}, {float16(2048.0f), float16(1.0f)});
  const Tensor y = run_op(op_rotary_embedding(), RotaryEmbeddingAttributes{},
                          {x, floats({1, 1, 1}, {1}), floats({1, 1, 1}, {-1})});
  EXPECT_EQ(y.dtype(), DType::f16);
  expect_near(y, {1, 1, 1, 2}, {2048, -2047}, 1e-3);
}

TEST(RotaryEmbedding, corners_and_refusals) {
  EXPECT_EQ(run_op(op_rotary_embedding(), RotaryEmbeddingAttributes{},
                   {ramp({2, 3, 0, 4}), ramp({1, 0, 2}), ramp({1, 0, 2})})
                .size(),
            0);
  const auto refuse = [](const RotaryEmbeddingAttributes& attributes,
                         const std::vector<Tensor>& inputs) {
    return error_of(op_rotary_embedding(), attributes, inputs);
  };
  const Tensor x = ramp({2, 3, 5, 4}), table = ramp({2, 5, 2});
  EXPECT_EQ(refuse({}, {x, table, table}), ErrorCode::ok);
  EXPECT_EQ(refuse({.sequence_axis = 1}, {x, table, table}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({.sequence_axis = 3}, {x, table, table}), ErrorCode::bad_attribute);
  EXPECT_EQ(refuse({}, {x, table, ramp({2, 5, 1})}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({}, {x, ramp({2, 5, 3}), ramp({2, 5, 3})}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({}, {x, ramp({3, 5, 2}), ramp({3, 5, 2})}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({}, {x, ramp({5, 2}), ramp({5, 2})}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({}, {ramp({3, 5, 4}), table, table}), ErrorCode::bad_shape);
  EXPECT_EQ(infer_op(op_rotary_embedding(), RotaryEmbeddingAttributes{},
                     {"f16[N,8,L,64]", "f32[1,L,32]", "f32[1,L,32]"})[0]
                .type.to_string(),
            "f16[N,8,L,64]");
}

}  // namespace
}  // namespace strop
