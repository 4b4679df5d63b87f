// SPDX-License-Identifier: Apache-2.0
// The random operators through the importer: seeds, types, shapes.
#include <cmath>

#include "onnx/operator_call.hpp"
#include "ops/philox.hpp"

namespace strop::onnx {
namespace {

const wire::Message kSeed = wire::float_attribute("seed", 2.5f);
const std::uint64_t kKey = 0x40200000;  // the bits of 2.5f
const wire::Message kShape = wire::ints_attribute("shape", {2, 3});

wire::Message dtype(std::int64_t number) { return wire::int_attribute("dtype", number); }

TEST(RandomConverters, a_seed_is_the_key_by_its_bits) {
  const OperatorCall call{"RandomUniform", 1, {}, {kShape, kSeed}};
  const Tensor y = run_call(call)[0];
  EXPECT_EQ(y.dtype(), DType::f32);
  EXPECT_EQ(y.shape(), (Shape{2, 3}));
  EXPECT_EQ(y.values<float>()[0], unit_float(PhiloxStream(kKey).block(0)[0]));
  EXPECT_TRUE(run_call(call)[0].identical(y));
  const OperatorCall open{"RandomUniform", 1, {}, {kShape}};
  EXPECT_FALSE(run_call(open)[0].identical(run_call(open)[0]));
}

TEST(RandomConverters, like_forms_take_shape_and_type_of_their_input) {
  const Tensor x = Tensor::zeros(DType::f64, {2, 5});
  for (const Known known : {Known::contents, Known::rank, Known::nothing}) {
    const Tensor y = run_call({"RandomNormalLike", 22, {x}, {kSeed}}, known)[0];
    EXPECT_EQ(describe(y), "f64[2,5]");
    EXPECT_EQ(describe(run_call({"RandomUniformLike", 1, {x}, {dtype(10)}}, known)[0]), "f16[2,5]");
  }
  const Tensor ints = Tensor::zeros(DType::i32, {4});
  EXPECT_EQ(describe(run_call({"RandomNormalLike", 1, {ints}, {dtype(1)}})[0]), "f32[4]");
  EXPECT_EQ(refusal_of({"RandomNormalLike", 1, {ints}}), ErrorCode::bad_type);
}

TEST(RandomConverters, attributes_are_checked) {
  EXPECT_EQ(refusal_of({"RandomUniform", 1, {}, {}}), ErrorCode::bad_attribute);
  EXPECT_EQ(refusal_of({"RandomUniform", 1, {}, {kShape, dtype(99)}}), ErrorCode::bad_attribute);
  EXPECT_EQ(refusal_of({"RandomNormal", 1, {}, {kShape, dtype(7)}}), ErrorCode::bad_type);
  EXPECT_EQ(refusal_of({"RandomNormal", 1, {}, {wire::ints_attribute("shape", {-2})}}),
            ErrorCode::bad_shape);
  EXPECT_EQ(refusal_of({"RandomNormal", 1, {}, {kShape, wire::float_attribute("high", 1)}}),
            ErrorCode::bad_attribute);
}

TEST(RandomConverters, bernoulli_compares_with_probabilities) {
  const Tensor p = Tensor::from<float>({5}, {0, 1, -3, 7, NAN});
  const std::vector<std::int64_t> wanted = {0, 1, 0, 1, 0};
  for (const Known known : {Known::contents, Known::nothing}) {
    const Tensor y = run_call({"Bernoulli", 15, {p}, {dtype(7)}}, known)[0];
    EXPECT_EQ(y.to_i64(), wanted);
    EXPECT_EQ(run_call({"Bernoulli", 22, {p}, {dtype(9)}}, known)[0].dtype(), DType::boolean);
    EXPECT_EQ(run_call({"Bernoulli", 15, {p}}, known)[0].dtype(), DType::f32);
  }
  Tensor thirds = Tensor::allocate(DType::f16, {30'000});
  for (float16& value : thirds.mutable_values<float16>()) value = float16(1 / 3.0f);
  std::int64_t ones = 0;
  for (const std::int64_t drawn :
       run_call({"Bernoulli", 15, {thirds}, {dtype(3), kSeed}}, Known::rank)[0].to_i64())
    ones += drawn;
  EXPECT_NEAR(static_cast<double>(ones), 10'000, 300);
  EXPECT_EQ(refusal_of({"Bernoulli", 15, {Tensor::zeros(DType::i32, {1})}}), ErrorCode::bad_type);
}

TEST(RandomConverters, multinomial_draws_from_each_row) {
  const Tensor logits = Tensor::from<float>({2, 2}, {0, -INFINITY, -INFINITY, 0});
  const Tensor y =
      run_call({"Multinomial", 7, {logits}, {wire::int_attribute("sample_size", 3)}})[0];
  EXPECT_EQ(describe(y), "i32[2,3]");
  EXPECT_EQ(y.to_i64(), (std::vector<std::int64_t>{0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(describe(run_call({"Multinomial", 22, {logits}, {dtype(7)}}, Known::nothing)[0]),
            "i64[2,1]");
  EXPECT_EQ(refusal_of({"Multinomial", 7, {logits}, {dtype(1)}}), ErrorCode::bad_type);
}

}  // namespace
}  // namespace strop::onnx
