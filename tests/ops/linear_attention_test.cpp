// SPDX-License-Identifier: Apache-2.0
#include "ops/linear_attention.hpp"

#include "ops/run_op.hpp"

namespace strop {
namespace {

std::vector<Tensor> run(const std::vector<Tensor>& inputs, double scale = 1) {
  return run_op_many(op_linear_attention(), LinearAttentionAttributes{.scale = scale}, inputs, 2);
}

TEST(LinearAttention, keys_write_and_queries_read) {
  // Keys are the unit vectors: each token writes a row of the state.
  const Tensor k = floats({1, 2, 1, 2}, {1, 0, 0, 1}), v = floats({1, 2, 1, 1}, {5, 7});
  const Tensor q = floats({1, 2, 1, 2}, {1, 1, 1, 1});
  const auto out = run({q, k, v}, 10);
  expect_near(out[0], {1, 2, 1, 1}, {50, 120});
  expect_near(out[1], {1, 1, 2, 1}, {5, 7});
}

TEST(LinearAttention, continues_from_a_state) {
  const Tensor one = floats({1, 1, 1, 1}, {1});
  const auto out = run({one, one, floats({1, 1, 1, 1}, {2}), floats({1, 1, 1, 1}, {40})});
  expect_near(out[0], {1, 1, 1, 1}, {42});
  expect_near(out[1], {1, 1, 1, 1}, {42});
}

TEST(LinearAttention, state_decays_before_it_is_written) {
  const float ln2 = std::log(2.0f);
  const Tensor k = floats({1, 1, 1, 2}, {1, 1}), v = floats({1, 1, 1, 1}, {1}),
               state = floats({1, 1, 2, 1}, {8, 8});
  expect_near(run({k, k, v, state, floats({1, 1, 1, 1}, {-ln2})})[1], {1, 1, 2, 1}, {5, 5});
  // A decay for each row of the state.
  expect_near(run({k, k, v, state, floats({1, 1, 1, 2}, {0, -2 * ln2})})[1], {1, 1, 2, 1}, {9, 3});
}

TEST(LinearAttention, the_delta_rule_writes_what_is_missing) {
  const Tensor k = floats({1, 1, 1, 2}, {1, 0}), v = floats({1, 1, 1, 1}, {10}),
               state = floats({1, 1, 2, 1}, {4, 4});
  expect_near(run({k, k, v, state, Tensor{}, floats({1, 1, 1}, {1})})[1], {1, 1, 2, 1}, {10, 4});
  expect_near(run({k, k, v, state, Tensor{}, floats({1, 1, 1}, {0.5})})[1], {1, 1, 2, 1}, {7, 4});
  // Decay first: the key reads 2.
  const Tensor half = floats({1, 1, 1, 1}, {-std::log(2.0f)});
  expect_near(run({k, k, v, state, half, floats({1, 1, 1}, {1})})[1], {1, 1, 2, 1}, {10, 2});
}

TEST(LinearAttention, neighbouring_heads_share_a_state) {
  // Heads of k write 1 and 10; queries 0 and 1 read the first, 2 and 3 the second.
  const Tensor k = floats({1, 1, 2, 1}, {1, 1}), v = floats({1, 1, 2, 1}, {1, 10}),
               q = floats({1, 1, 4, 1}, {1, 2, 3, 4});
  const auto out = run({q, k, v});
  expect_near(out[0], {1, 1, 4, 1}, {1, 2, 30, 40});
  expect_near(out[1], {1, 2, 1, 1}, {1, 10});
  // One rate for all heads of a token.
  expect_near(run({q, k, v, Tensor{}, Tensor{}, floats({1, 1, 1}, {0.5})})[1], {1, 2, 1, 1},
              {0.5, 5});
  expect_near(run({q, k, v, Tensor{}, Tensor{}, floats({1, 1, 2}, {0.5, 0})})[1], {1, 2, 1, 1},
              {0.5, 0});
}

TEST(LinearAttention, wide_values_and_batches) {
  const std::int64_t width = 150;  // more than two blocks of columns
  const Tensor k = floats({2, 1, 1, 1}, {1, 2}), v = ramp({2, 1, 1, width});
  const auto out = run({k, k, v});
  for (const std::int64_t m : {0, 63, 64, 149}) {
    const auto at = static_cast<std::size_t>(m);
    EXPECT_EQ(out[0].values<float>()[at], static_cast<float>(m));
    EXPECT_EQ(out[0].values<float>()[150 + at], static_cast<float>(4 * (150 + m)));
    EXPECT_EQ(out[1].values<float>()[150 + at], static_cast<float>(2 * (150 + m)));
  }
}

TEST(LinearAttention, the_state_keeps_its_own_type) {
  const Tensor half = Tensor::from<float16>({1, 1, 1, 1}, {float16(1.0f)});
  EXPECT_EQ(run({half, half, half})[1].dtype(), DType::f16);
  const auto out = run({half, half, half, floats({1, 1, 1, 1}, {1.0f / 3})});
  EXPECT_EQ(out[1].dtype(), DType::f32);
  EXPECT_NEAR(static_cast<double>(out[1].values<float>()[0]), 4.0 / 3, 1e-7);
}

TEST(LinearAttention, without_tokens_the_state_stays) {
  const Tensor none = ramp({1, 0, 1, 2}), state = floats({1, 1, 2, 2}, {1, 2, 3, 4});
  const auto out = run({none, none, none, state});
  EXPECT_EQ(out[0].shape(), (Shape{1, 0, 1, 2}));
  expect_near(out[1], {1, 1, 2, 2}, {1, 2, 3, 4});
  const std::int64_t huge = std::int64_t{1} << 60;
  const Tensor nothing = ramp({huge, 0, 1, 0});
  EXPECT_EQ(run({nothing, nothing, nothing})[0].size(), 0);
}

TEST(LinearAttention, refuses_what_does_not_fit) {
  const auto refuse = [](const std::vector<Tensor>& inputs) {
    return error_of(op_linear_attention(), LinearAttentionAttributes{}, inputs, 2);
  };
  const Tensor q = ramp({1, 3, 4, 2}), k = ramp({1, 3, 2, 2}), v = ramp({1, 3, 2, 5}), no;
  EXPECT_EQ(refuse({q, k, v}), ErrorCode::ok);
  EXPECT_EQ(refuse({ramp({1, 3, 3, 2}), k, v}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({q, ramp({1, 3, 2, 3}), v}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({q, ramp({1, 3, 0, 2}), ramp({1, 3, 0, 5})}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({q, k, ramp({1, 2, 2, 5})}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({q, k, v, ramp({1, 2, 5, 2})}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({q, k, v, no, ramp({1, 3, 2, 3})}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({q, k, v, no, no, ramp({1, 3, 4})}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({q, k, v, no, no, ramp({1, 3, 2, 1})}), ErrorCode::bad_shape);
  const auto out = infer_op(op_linear_attention(), LinearAttentionAttributes{},
                            {"f16[N,T,8,64]", "f16[N,T,4,64]", "f16[N,T,4,128]"}, 2);
  EXPECT_EQ(out[0].type.to_string(), "f16[N,T,8,128]");
  EXPECT_EQ(out[1].type.to_string(), "f16[N,4,64,128]");
}

}  // namespace
}  // namespace strop
