// SPDX-License-Identifier: Apache-2.0
// Forms of operators that training uses, and that are plain arithmetic: statistics of the batch,
// random masks, losses, steps of optimizers.
#include <cmath>

#include "onnx/operator_call.hpp"
#include "ops/run_op.hpp"

namespace strop::onnx {
namespace {

wire::Message flag(const char* name, std::int64_t value = 1) {
  return wire::int_attribute(name, value);
}
wire::Message real(const char* name, float value) { return wire::float_attribute(name, value); }

constexpr Known kAll[] = {Known::contents, Known::rank, Known::nothing};
const std::string kTraining = "ai.onnx.preview.training";

// Two channels: 1, 3 and 10, 16. Means 2 and 13, variances 1 and 9.
const Tensor kX = floats({2, 2, 1}, {1, 10, 3, 16});
const Tensor kScale = floats({2}, {2, 1}), kBias = floats({2}, {0, 5});
const Tensor kMean = floats({2}, {10, 20}), kVariance = floats({2}, {100, 200});
const std::vector<Tensor> kBatch = {kX, kScale, kBias, kMean, kVariance};
const std::vector<wire::Message> kHalf = {real("epsilon", 0), real("momentum", 0.5f)};

std::vector<wire::Message> with(std::vector<wire::Message> attributes, wire::Message more) {
  attributes.push_back(std::move(more));
  return attributes;
}

TEST(BatchNormalizationTraining, moves_the_statistics_on) {
  const OperatorCall call{"BatchNormalization", 15, kBatch, with(kHalf, flag("training_mode")), 3};
  for (const Known known : {Known::contents, Known::rank}) {
    const auto out = run_call(call, known);
    expect_near(out[0], {2, 2, 1}, {-2, 4, 2, 6});
    expect_near(out[1], {2}, {6, 16.5});
    expect_near(out[2], {2}, {50.5, 104.5});
  }
  OperatorCall only_y = call;
  only_y.outputs = 1;
  expect_near(run_call(only_y)[0], {2, 2, 1}, {-2, 4, 2, 6});
  EXPECT_EQ(refusal_of(call, Known::nothing), ErrorCode::bad_shape);
}

TEST(BatchNormalizationTraining, takes_one_channel_without_an_axis_for_it) {
  const Tensor one = floats({1}, {1}), zero = floats({1}, {0});
  const auto out = run_call({"BatchNormalization",
                             14,
                             {floats({2}, {1, 3}), one, zero, one, one},
                             with(kHalf, flag("training_mode")),
                             3});
  expect_near(out[0], {2}, {-1, 1});
  expect_near(out[1], {1}, {1.5});
}

TEST(BatchNormalizationTraining, keeps_types_apart) {
  std::vector<Tensor> inputs;
  for (const Tensor& tensor : kBatch) {
    const bool statistics = inputs.size() >= 3;
    Tensor narrow = Tensor::allocate(statistics ? DType::f32 : DType::f16, tensor.shape());
    for (std::int64_t i = 0; i < tensor.size(); ++i) {
      store_from_double(narrow.dtype(), narrow.mutable_data(), i,
                        doubles_of(tensor)[static_cast<std::size_t>(i)]);
    }
    inputs.push_back(narrow);
  }
  const auto out =
      run_call({"BatchNormalization", 15, inputs, with(kHalf, flag("training_mode")), 3});
  EXPECT_EQ(out[0].dtype(), DType::f16);
  EXPECT_EQ(out[1].dtype(), DType::f32);
  expect_near(out[0], {2, 2, 1}, {-2, 4, 2, 6});
}

TEST(BatchNormalizationTraining, is_known_by_its_outputs_before_opset_14) {
  for (const std::int64_t opset : {1, 6, 7, 9}) {
    const auto out = run_call({"BatchNormalization", opset, kBatch, kHalf, 5});
    expect_near(out[0], {2, 2, 1}, {-2, 4, 2, 6});
    expect_near(out[1], {2}, {6, 16.5});
    expect_near(out[2], {2}, {50.5, 104.5});
    expect_near(out[3], {2}, {2, 13});
    expect_near(out[4], {2}, {1, 9});
  }
  // A statistic per element of a sample.
  const Tensor each = floats({2, 1}, {2, 1}), zero = floats({2, 1}, {0, 5});
  const auto out = run_call(
      {"BatchNormalization", 7, {kX, each, zero, each, each}, with(kHalf, flag("spatial", 0)), 5});
  expect_near(out[0], {2, 2, 1}, {-2, 4, 2, 6});
  expect_near(out[3], {2, 1}, {2, 13});
}

TEST(BatchNormalizationTraining, has_no_statistics_outside_of_training) {
  EXPECT_EQ(refusal_of({"BatchNormalization", 15, kBatch, {}, 3}), ErrorCode::model_malformed);
  EXPECT_EQ(refusal_of({"BatchNormalization", 6, kBatch, {flag("is_test")}, 5}),
            ErrorCode::model_malformed);
}

Tensor ratio(float value) { return Tensor::scalar(value); }
Tensor mode(bool value) { return Tensor::scalar(value); }

TEST(DropoutTraining, drops_by_its_ratio) {
  const Tensor x = Tensor::from<float>({1 << 15}, std::vector<float>(1 << 15, 3));
  for (const Known known : kAll) {
    const OperatorCall call{"Dropout", 13, {x, ratio(0.25f), mode(true)}, {flag("seed", 9)}, 2};
    const auto out = run_call(call, known);
    EXPECT_EQ(out[1].dtype(), DType::boolean);
    std::int64_t kept = 0;
    for (std::size_t i = 0; i < 1 << 15; ++i) {
      const bool keep = out[1].values<bool>()[i];
      kept += keep;
      ASSERT_EQ(out[0].values<float>()[i], keep ? 4 : 0);
    }
    EXPECT_NEAR(static_cast<double>(kept), 0.75 * (1 << 15), 300);
    EXPECT_TRUE(run_call(call, known)[1].identical(out[1]));
  }
  const OperatorCall open{"Dropout", 12, {x, ratio(0.5f), mode(true)}, {}, 2};
  EXPECT_FALSE(run_call(open)[1].identical(run_call(open)[1]));
  // The default is one half.
  const OperatorCall half{"Dropout", 12, {x, {}, mode(true)}};
  double sum = 0;
  for (const double value : doubles_of(run_call(half)[0])) sum += value / 6;
  EXPECT_NEAR(sum, 0.5 * (1 << 15), 400);
}

TEST(DropoutTraining, keeps_all_with_ratio_0_or_outside_of_training) {
  const Tensor x = floats({3}, {1, INFINITY, -2});
  for (const Known known : kAll) {
    for (const bool training : {false, true}) {
      const auto out =
          run_call({"Dropout", 22, {x, ratio(training ? 0 : 0.9f), mode(training)}, {}, 2}, known);
      EXPECT_TRUE(out[0].identical(x));
      EXPECT_EQ(values_of<bool>(out[1]), (std::vector<bool>{true, true, true}));
    }
  }
}

TEST(DropoutTraining, drops_all_where_a_ratio_turns_out_to_be_1) {
  const auto out = run_call(
      {"Dropout", 13, {floats({2}, {1, INFINITY}), ratio(1), mode(true)}, {}, 2}, Known::rank);
  expect_near(out[0], {2}, {0, 0});
  EXPECT_EQ(values_of<bool>(out[1]), (std::vector<bool>{false, false}));
}

TEST(DropoutTraining, takes_narrow_types) {
  for (const DType dtype : {DType::f16, DType::bf16, DType::f64, DType::f8e5m2}) {
    Tensor x = Tensor::allocate(dtype, {64});
    for (std::int64_t i = 0; i < 64; ++i) store_from_double(dtype, x.mutable_data(), i, 2);
    const auto out = run_call({"Dropout", 22, {x, ratio(0.5f), mode(true)}, {}, 2});
    EXPECT_EQ(out[0].dtype(), dtype);
    for (const double value : doubles_of(out[0])) EXPECT_TRUE(value == 0 || value == 4) << value;
  }
}

TEST(DropoutTraining, checks_ratio_and_mode) {
  const Tensor x = floats({1}, {1});
  const auto code = [&](const Tensor& r, const Tensor& m) {
    return refusal_of({"Dropout", 13, {x, r, m}});
  };
  EXPECT_EQ(code(ratio(1), mode(true)), ErrorCode::bad_value);
  EXPECT_EQ(code(ratio(-0.5f), mode(true)), ErrorCode::bad_value);
  EXPECT_EQ(code(ratio(NAN), mode(true)), ErrorCode::bad_value);
  EXPECT_EQ(code(floats({2}, {0, 0}), mode(true)), ErrorCode::bad_shape);
  EXPECT_EQ(code(ratio(0.5f), Tensor::from<bool>({2}, {true, true})), ErrorCode::bad_shape);
  EXPECT_EQ(code(ratio(0.5f), ratio(1)), ErrorCode::bad_type);
  EXPECT_EQ(code(Tensor::scalar<std::int32_t>(0), mode(true)), ErrorCode::bad_type);
}

TEST(LossConverters, cross_entropy_follows_a_log_softmax) {
  // Logits of probabilities 1/4, 3/4 and 1/2, 1/2.
  const float third = std::log(3.0f);
  const Tensor scores = floats({2, 2}, {0, third, 5, 5});
  const Tensor labels = Tensor::from<std::int32_t>({2}, {1, 0});
  const double first = -std::log(0.75), second = std::log(2.0);
  for (const Known known : kAll) {
    const auto out = run_call({"SoftmaxCrossEntropyLoss", 13, {scores, labels}, {}, 2}, known);
    expect_near(out[0], {}, {(first + second) / 2});
    expect_near(out[1], {2, 2}, {std::log(0.25), -first, -second, -second});
  }
  const Tensor weights = floats({2}, {1, 3});
  expect_near(run_call({"SoftmaxCrossEntropyLoss",
                        12,
                        {scores, labels, weights},
                        {wire::string_attribute("reduction", "none")}})[0],
              {2}, {3 * first, second});
  expect_near(run_call({"SoftmaxCrossEntropyLoss",
                        12,
                        {scores, labels, weights},
                        {wire::string_attribute("reduction", "sum"), flag("ignore_index", 0)}})[0],
              {}, {3 * first});
  const Tensor narrow = Tensor::from<float16>({1, 2}, {float16(0.0f), float16(third)});
  const auto half = run_call(
      {"SoftmaxCrossEntropyLoss", 13, {narrow, Tensor::from<std::int64_t>({1}, {1})}, {}, 2});
  EXPECT_EQ(half[0].dtype(), DType::f16);
  EXPECT_EQ(half[1].dtype(), DType::f16);
  expect_near(half[0], {}, {first}, 1e-3);
}

TEST(LossConverters, attributes_and_types_are_checked) {
  const Tensor scores = floats({1, 2}, {0, 0}), label = Tensor::from<std::int64_t>({1}, {0});
  const wire::Message wrong = wire::string_attribute("reduction", "median");
  for (const char* op : {"NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"}) {
    EXPECT_EQ(refusal_of({op, 13, {scores, label}, {wrong}}), ErrorCode::bad_attribute);
    EXPECT_EQ(refusal_of({op, 13, {scores, scores}}), ErrorCode::bad_type);
    EXPECT_EQ(refusal_of({op, 13, {label, label}}), ErrorCode::bad_type);
    EXPECT_EQ(refusal_of({op, 13, {scores, label, Tensor::zeros(DType::f64, {2})}}),
              ErrorCode::bad_type);
    EXPECT_EQ(refusal_of({op, 11, {scores, label}}), ErrorCode::unknown_operator);
  }
  expect_near(run_call({"NegativeLogLikelihoodLoss", 12, {floats({1, 2}, {-3, -4}), label}})[0], {},
              {3});
}

Tensor count(std::int64_t value) { return Tensor::scalar(value); }

TEST(Optimizers, adagrad_divides_by_what_gradients_summed_to) {
  // Regularised gradients 0.5 * 2 + 3 = 4 and 0.5 * 4 + 1 = 3; rate 0.3 / (1 + 2 * 0.25) = 0.2.
  const OperatorCall call{
      "Adagrad",
      1,
      {Tensor::scalar(0.3f), count(2), floats({2}, {2, 4}), floats({2}, {3, 1}),
       floats({2}, {9, 16})},
      {real("norm_coefficient", 0.5f), real("decay_factor", 0.25f), real("epsilon", 1)},
      2,
      kTraining};
  for (const Known known : kAll) {
    const auto out = run_call(call, known);
    expect_near(out[0], {2}, {2 - 0.2 * 4 / 6, 4 - 0.2 * 3 / 6});
    expect_near(out[1], {2}, {25, 25});
  }
}

TEST(Optimizers, adam_corrects_its_bias_after_the_first_step) {
  const auto run = [](std::int64_t t, std::vector<wire::Message> more = {}) {
    more.insert(more.end(), {real("alpha", 0.5f), real("beta", 0.75f), real("epsilon", 0.5f)});
    return run_call({"Adam",
                     1,
                     {Tensor::scalar(0.1), count(t), floats({1}, {1}), floats({1}, {2}),
                      floats({1}, {4}), floats({1}, {4})},
                     more,
                     3,
                     kTraining});
  };
  // V = 0.5 * 4 + 0.5 * 2, H = 0.75 * 4 + 0.25 * 4.
  expect_near(run(0)[0], {1}, {1 - 0.1 * 3 / 2.5});
  expect_near(run(0)[1], {1}, {3});
  expect_near(run(0)[2], {1}, {4});
  expect_near(run(2)[0], {1}, {1 - 0.1 * std::sqrt(1 - 0.5625) / 0.75 * 3 / 2.5});
  // Regularised gradient 0.5 + 2; 0.9 of what comes out.
  const auto more = run(0, {real("norm_coefficient", 0.5f), real("norm_coefficient_post", 0.1f)});
  const double v = 0.5 * 4 + 0.5 * 2.5, h = 0.75 * 4 + 0.25 * 6.25;
  expect_near(more[0], {1}, {0.9 * (1 - 0.1 * v / (std::sqrt(h) + 0.5))});
}

TEST(Optimizers, momentum_has_two_modes) {
  const auto run = [](const char* mode, std::int64_t t) {
    return run_call(
        {"Momentum",
         1,
         {floats({1}, {0.5f}), count(t), floats({1}, {1}), floats({1}, {2}), floats({1}, {10})},
         {real("norm_coefficient", 1), real("alpha", 0.5f), real("beta", 0.25f),
          wire::string_attribute("mode", mode)},
         2,
         kTraining});
  };
  // Gradient 3; V = 5 + 3 at first, then 5 + 0.75.
  expect_near(run("standard", 0)[1], {1}, {8});
  expect_near(run("standard", 0)[0], {1}, {1 - 0.5 * 8});
  expect_near(run("standard", 1)[1], {1}, {5.75});
  expect_near(run("nesterov", 1)[0], {1}, {1 - 0.5 * (3 + 0.5 * 5.75)});
}

TEST(Optimizers, take_several_tensors_of_any_shape) {
  const Tensor x = floats({2}, {1, 2}), y = Tensor::from<double>({}, {3});
  const Tensor g = floats({2}, {1, 1}), gy = Tensor::from<double>({}, {2});
  const Tensor h = floats({2}, {0, 3}), hy = Tensor::from<double>({}, {5});
  const auto out = run_call({"Adagrad",
                             1,
                             {Tensor::from<float>({1}, {0.5f}), count(0), x, y, g, gy, h, hy},
                             {real("epsilon", 0)},
                             4,
                             kTraining});
  expect_near(out[0], {2}, {0.5, 1.75});
  expect_near(out[1], {}, {3 - 1.0 / 3});
  EXPECT_EQ(out[1].dtype(), DType::f64);
  expect_near(out[2], {2}, {1, 4});
  expect_near(out[3], {}, {9});
}

TEST(Optimizers, check_their_inputs) {
  const Tensor one = floats({1}, {1});
  EXPECT_EQ(refusal_of({"Adagrad", 1, {one, count(0)}, {}, 1, kTraining}),
            ErrorCode::model_malformed);
  EXPECT_EQ(refusal_of({"Adam", 1, {one, count(0), one, one, one}, {}, 1, kTraining}),
            ErrorCode::model_malformed);
  EXPECT_EQ(refusal_of({"Momentum",
                        1,
                        {one, count(0), one, one, one},
                        {real("norm_coefficient", 0), real("alpha", 0), real("beta", 0),
                         wire::string_attribute("mode", "heavy")},
                        2,
                        kTraining}),
            ErrorCode::bad_attribute);
  EXPECT_EQ(refusal_of({"Momentum", 1, {one, count(0), one, one, one}, {}, 2, kTraining}),
            ErrorCode::bad_attribute);
  EXPECT_EQ(refusal_of({"Gradient", 1, {one}, {wire::string_attribute("y", "y")}, 1, kTraining}),
            ErrorCode::unsupported_operator);
}

}  // namespace
}  // namespace strop::onnx
