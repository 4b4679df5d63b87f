// SPDX-License-Identifier: Apache-2.0
// lstm, gru and rnn: steps worked out by hand with functions that keep numbers round, and how
// directions, layouts, lengths and types relate to each other.
#include <algorithm>
#include <limits>
#include <set>

#include "base/parallel.hpp"
#include "ops/cast.hpp"
#include "ops/gru.hpp"
#include "ops/lstm.hpp"
#include "ops/rnn.hpp"
#include "ops/transpose.hpp"
#include "run_op.hpp"

namespace strop {
namespace {

using Functions = std::vector<std::string>;

template <class A>
A with(Functions activations, RecurrentDirection direction = RecurrentDirection::forward) {
  A attributes;
  attributes.activations = std::move(activations);
  attributes.direction = direction;
  return attributes;
}

// Numbers between -1 and 1 that depend on the seed.
Tensor noise(Shape shape, std::uint32_t seed) {
  Tensor out = Tensor::allocate(DType::f32, std::move(shape));
  std::uint32_t state = seed * 2654435761u + 1;
  for (float& x : out.mutable_values<float>()) {
    state = state * 1664525u + 1013904223u;
    x = static_cast<float>(state >> 8) / static_cast<float>(1u << 23) - 1;
  }
  return out;
}

Tensor lengths_of(const std::vector<std::int32_t>& values) {
  return Tensor::from<std::int32_t>({static_cast<std::int64_t>(values.size())}, values);
}

// x, w, r, bias, lengths, initial_h (initial_c, peephole) for 5 steps, 11 rows, 3 inputs, 4 hidden.
struct Layer {
  const OpDef& op;
  std::int64_t gates;
  std::size_t outputs;
};
const Layer kLayers[] = {{op_rnn(), 1, 2}, {op_gru(), 3, 2}, {op_lstm(), 4, 3}};
constexpr std::int64_t kSteps = 5, kBatch = 11, kInputs = 3, kHidden = 4;

std::vector<Tensor> layer_inputs(const Layer& layer, std::int64_t directions) {
  const std::int64_t columns = layer.gates * kHidden;
  std::vector<Tensor> out = {noise({kSteps, kBatch, kInputs}, 1),
                             noise({directions, columns, kInputs}, 2),
                             noise({directions, columns, kHidden}, 3),
                             noise({directions, 2 * columns}, 4),
                             Tensor(),
                             noise({directions, kBatch, kHidden}, 5)};
  if (layer.gates == 4) {
    out.push_back(noise({directions, kBatch, kHidden}, 6));
    out.push_back(noise({directions, 3 * kHidden}, 7));
  }
  return out;
}

// Attributes of any of the layers.
Attributes attributes_of(const Layer& layer, RecurrentDirection direction,
                         bool batch_first = false) {
  const auto filled = [&]<class A>(A attributes) {
    attributes.direction = direction;
    attributes.batch_first = batch_first;
    return attributes;
  };
  if (layer.gates == 1) return filled(RnnAttributes{});
  if (layer.gates == 3) return filled(GruAttributes{});
  return filled(LstmAttributes{});
}

std::vector<Tensor> run_layer(const Layer& layer, RecurrentDirection direction,
                              const std::vector<Tensor>& inputs, bool batch_first = false) {
  return run_op_many(layer.op, attributes_of(layer, direction, batch_first), inputs, layer.outputs);
}

Tensor permuted(const Tensor& x, std::vector<std::int64_t> order) {
  return run_op(op_transpose(), TransposeAttributes{.perm = std::move(order)}, {x});
}

// Block i along the first axis, with that axis of size 1 kept.
Tensor block(const Tensor& x, std::int64_t i) {
  Shape shape = x.shape();
  const std::int64_t count = x.size() / shape[0];
  shape[0] = 1;
  const auto values = x.values<float>();
  return Tensor::from<float>(shape, {values.begin() + i * count, values.begin() + (i + 1) * count});
}

TEST(Rnn, computes_step_after_step) {
  // h = relu(2 x - h + 1 + 0.5) from h = 1: 2.5, 3 (= 4 - 2.5 + 1.5), relu(-6 - 3 + 1.5) = 0.
  const auto y =
      run_op_many(op_rnn(), with<RnnAttributes>({"relu"}),
                  {floats({3, 1, 1}, {1, 2, -3}), floats({1, 1, 1}, {2}), floats({1, 1, 1}, {-1}),
                   floats({1, 2}, {1, 0.5f}), Tensor(), floats({1, 1, 1}, {1})},
                  2);
  expect_near(y[0], {3, 1, 1, 1}, {2.5, 3, 0});
  expect_near(y[1], {1, 1, 1}, {0});
}

TEST(Rnn, uses_tanh_and_nothing_else_unless_told) {
  const auto y = run_op_many(
      op_rnn(), RnnAttributes{},
      {floats({2, 1, 1}, {0.5f, 0}), floats({1, 1, 1}, {1}), floats({1, 1, 1}, {1})}, 2);
  expect_near(y[0], {2, 1, 1, 1}, {std::tanh(0.5), std::tanh(std::tanh(0.5))});
}

TEST(Rnn, knows_all_functions_with_their_parameters) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor x = floats({6, 1, 1}, {-2, -0.5f, 0, 0.5f, 2, std::nanf("")});
  const auto run = [&](const char* name, std::vector<double> alpha, std::vector<double> beta) {
    RnnAttributes attributes = with<RnnAttributes>({name});
    attributes.alpha = std::move(alpha);
    attributes.beta = std::move(beta);
    // Without a way back, each step is the function of its x.
    return run_op(op_rnn(), attributes,
                  {x.reshaped({1, 6, 1}), floats({1, 1, 1}, {1}), floats({1, 1, 1}, {0})});
  };
  const Shape shape = {1, 1, 6, 1};
  expect_near(run("relu", {}, {}), shape, {0, 0, 0, 0.5, 2, nan});
  expect_near(run("affine", {2}, {1}), shape, {-3, 0, 1, 2, 5, nan});
  expect_near(run("affine", {}, {}), shape, {-2, -0.5, 0, 0.5, 2, nan});
  expect_near(run("leaky_relu", {}, {}), shape, {-0.02, -0.005, 0, 0.5, 2, nan});
  expect_near(run("leaky_relu", {0.5}, {}), shape, {-1, -0.25, 0, 0.5, 2, nan});
  expect_near(run("thresholded_relu", {0.5}, {}), shape, {0, 0, 0, 0.5, 2, nan});
  expect_near(
      run("scaled_tanh", {3}, {0.5}), shape,
      {3 * std::tanh(-1.0), 3 * std::tanh(-0.25), 0, 3 * std::tanh(0.25), 3 * std::tanh(1.0), nan});
  expect_near(run("hard_sigmoid", {}, {}), shape, {0.1, 0.4, 0.5, 0.6, 0.9, nan});
  expect_near(run("elu", {2}, {}), shape,
              {2 * std::expm1(-2.0), 2 * std::expm1(-0.5), 0, 0.5, 2, nan});
  expect_near(run("softsign", {}, {}), shape, {-2.0 / 3, -1.0 / 3, 0, 1.0 / 3, 2.0 / 3, nan});
  expect_near(run("softplus", {}, {}), shape,
              {std::log1p(std::exp(-2.0)), std::log1p(std::exp(-0.5)), std::log(2.0),
               std::log1p(std::exp(0.5)), std::log1p(std::exp(2.0)), nan});
  expect_near(run("sigmoid", {}, {}), shape,
              {1 / (1 + std::exp(2.0)), 1 / (1 + std::exp(0.5)), 0.5, 1 / (1 + std::exp(-0.5)),
               1 / (1 + std::exp(-2.0)), nan});
}

TEST(Rnn, clips_what_the_function_takes) {
  RnnAttributes attributes = with<RnnAttributes>({"affine"});
  attributes.clip = 1.5;
  const auto y =
      run_op(op_rnn(), attributes,
             {floats({1, 3, 1}, {-9, 1, 9}), floats({1, 1, 1}, {1}), floats({1, 1, 1}, {0})});
  expect_near(y, {1, 1, 3, 1}, {-1.5, 1, 1.5});
}

// With affine functions of slope 1 all gates are their sums.
TEST(Gru, mixes_the_candidate_and_the_last_state) {
  GruAttributes attributes = with<GruAttributes>({"affine", "affine"});
  // z = 0.25 x = 0.5; r = h = 3; candidate = x + r h + 0.25 + 2 = 2 + 9 + 2.25.
  const std::vector<Tensor> inputs = {floats({1, 1, 1}, {2}),
                                      floats({1, 3, 1}, {0.25f, 0, 1}),
                                      floats({1, 3, 1}, {0, 1, 1}),
                                      floats({1, 6}, {0, 0, 0.25f, 0, 0, 2}),
                                      Tensor(),
                                      floats({1, 1, 1}, {3})};
  expect_near(run_op(op_gru(), attributes, inputs), {1, 1, 1, 1}, {8.125});
  // candidate = 2 + 0.25 + r (h + 2) = 2.25 + 15.
  attributes.linear_before_reset = true;
  expect_near(run_op(op_gru(), attributes, inputs), {1, 1, 1, 1}, {0.5 * 17.25 + 1.5});
}

TEST(Lstm, gates_a_cell) {
  LstmAttributes attributes = with<LstmAttributes>({"affine", "affine", "affine"});
  // Rows of w, r and biases: input, output, forget, candidate.
  const std::vector<Tensor> inputs = {floats({1, 1, 1}, {2}),
                                      floats({1, 4, 1}, {1, 0.5f, 0, 3}),
                                      floats({1, 4, 1}, {0, 1, 1, 0}),
                                      floats({1, 8}, {0, 0, 1, 0, 0.5f, 0, 1, -1}),
                                      Tensor(),
                                      floats({1, 1, 1}, {3}),
                                      floats({1, 1, 1}, {4}),
                                      floats({1, 3}, {1, 0.5f, -1})};
  // i = 2 + 0.5 + 4 = 6.5; f = 3 + 2 - 4 = 1; n = 6 - 1 = 5; c = 4 + 32.5 = 36.5;
  // o = 1 + 3 + 18.25 = 22.25; h = o c.
  auto y = run_op_many(op_lstm(), attributes, inputs, 3);
  expect_near(y[0], {1, 1, 1, 1}, {22.25 * 36.5});
  expect_near(y[1], {1, 1, 1}, {22.25 * 36.5});
  expect_near(y[2], {1, 1, 1}, {36.5});
  // f = 1 - i = -5.5: c = -22 + 32.5 = 10.5; o = 4 + 5.25.
  attributes.input_forget = true;
  y = run_op_many(op_lstm(), attributes, inputs, 3);
  expect_near(y[2], {1, 1, 1}, {10.5});
  expect_near(y[0], {1, 1, 1, 1}, {9.25 * 10.5});
  // All sums are bounded, the cell is not: i = 2, f = 1, n = 2, c = 4 + 4, o = 2, h = 16.
  attributes.input_forget = false;
  attributes.clip = 2;
  y = run_op_many(op_lstm(), attributes, inputs, 3);
  expect_near(y[2], {1, 1, 1}, {8});
  expect_near(y[0], {1, 1, 1, 1}, {16});
}

TEST(Recurrent, reverse_is_forward_on_the_reversed_sequence) {
  for (const Layer& layer : kLayers) {
    std::vector<Tensor> inputs = layer_inputs(layer, 1);
    const auto reverse = run_layer(layer, RecurrentDirection::reverse, inputs);
    std::vector<Tensor> steps;
    for (std::int64_t t = kSteps; t-- > 0;) steps.push_back(block(inputs[0], t));
    Tensor reversed = Tensor::allocate(DType::f32, inputs[0].shape());
    auto to = reversed.mutable_values<float>().begin();
    for (const Tensor& step : steps) to = std::ranges::copy(step.values<float>(), to).out;
    inputs[0] = reversed;
    const auto forward = run_layer(layer, RecurrentDirection::forward, inputs);
    for (std::int64_t t = 0; t < kSteps; ++t) {
      EXPECT_TRUE(block(reverse[0], t).identical(block(forward[0], kSteps - 1 - t)));
    }
    for (std::size_t i = 1; i < layer.outputs; ++i) EXPECT_TRUE(reverse[i].identical(forward[i]));
  }
}

TEST(Recurrent, bidirectional_is_both_directions_side_by_side) {
  for (const Layer& layer : kLayers) {
    const std::vector<Tensor> inputs = layer_inputs(layer, 2);
    const auto both = run_layer(layer, RecurrentDirection::bidirectional, inputs);
    for (std::int64_t d = 0; d < 2; ++d) {
      std::vector<Tensor> own = inputs;
      for (std::size_t i = 1; i < own.size(); ++i) {
        if (own[i].defined()) own[i] = block(own[i], d);
      }
      const auto one =
          run_layer(layer, d == 0 ? RecurrentDirection::forward : RecurrentDirection::reverse, own);
      const Tensor y = permuted(both[0], {1, 0, 2, 3});
      EXPECT_TRUE(block(y, d).identical(permuted(one[0], {1, 0, 2, 3})));
      for (std::size_t i = 1; i < layer.outputs; ++i) {
        EXPECT_TRUE(block(both[i], d).identical(one[i]));
      }
    }
  }
}

TEST(Recurrent, batch_first_moves_axes_and_nothing_else) {
  for (const Layer& layer : kLayers) {
    std::vector<Tensor> inputs = layer_inputs(layer, 2);
    inputs[4] = lengths_of({5, 0, 1, 2, 3, 4, 5, 5, 2, 1, 3});
    const auto steps_first = run_layer(layer, RecurrentDirection::bidirectional, inputs);
    inputs[0] = permuted(inputs[0], {1, 0, 2});
    for (std::size_t i = 5; i < std::min<std::size_t>(inputs.size(), 7); ++i)
      inputs[i] = permuted(inputs[i], {1, 0, 2});
    const auto batch_first = run_layer(layer, RecurrentDirection::bidirectional, inputs, true);
    EXPECT_TRUE(batch_first[0].identical(permuted(steps_first[0], {2, 0, 1, 3})));
    for (std::size_t i = 1; i < layer.outputs; ++i)
      EXPECT_TRUE(batch_first[i].identical(permuted(steps_first[i], {1, 0, 2})));
  }
}

TEST(Recurrent, each_sequence_ends_at_its_length) {
  for (const Layer& layer : kLayers) {
    for (const auto direction : {RecurrentDirection::forward, RecurrentDirection::reverse}) {
      std::vector<Tensor> inputs = layer_inputs(layer, 1);
      inputs[4] = lengths_of({5, 0, 1, 2, 3, 4, 5, 5, 2, 1, 3});
      const auto all = run_layer(layer, direction, inputs);
      // Row 4 has three steps: the same as a batch of one with three steps.
      std::vector<Tensor> alone = inputs;
      alone[4] = Tensor();
      const Tensor row = block(permuted(inputs[0], {1, 0, 2}), 4);
      alone[0] = Tensor::from<float>(
          {3, 1, kInputs}, {row.values<float>().begin(), row.values<float>().begin() + 9});
      for (std::size_t i = 5; i < std::min<std::size_t>(inputs.size(), 7); ++i)
        alone[i] = permuted(block(permuted(inputs[i], {1, 0, 2}), 4), {1, 0, 2});
      const auto one = run_layer(layer, direction, alone);
      const Tensor y = block(permuted(all[0], {2, 0, 1, 3}), 4);
      std::vector<double> wanted = doubles_of(one[0]);
      wanted.resize(static_cast<std::size_t>(kSteps * kHidden), 0.0);
      expect_near(y, {1, kSteps, 1, kHidden}, wanted, 0);
      for (std::size_t i = 1; i < layer.outputs; ++i) {
        expect_near(block(permuted(all[i], {1, 0, 2}), 4), {1, 1, kHidden}, doubles_of(one[i]), 0);
        // Row 1 has no step at all.
        expect_near(block(permuted(all[i], {1, 0, 2}), 1), {1, 1, kHidden},
                    std::vector<double>(kHidden, 0.0), 0);
      }
    }
  }
}

TEST(Recurrent, result_does_not_depend_on_the_number_of_threads) {
  for (const Layer& layer : kLayers) {
    const std::vector<Tensor> inputs = layer_inputs(layer, 2);
    set_thread_count(1);
    const auto one = run_layer(layer, RecurrentDirection::bidirectional, inputs);
    set_thread_count(3);
    const auto three = run_layer(layer, RecurrentDirection::bidirectional, inputs);
    set_thread_count(0);
    for (std::size_t i = 0; i < layer.outputs; ++i) EXPECT_TRUE(one[i].identical(three[i]));
  }
}

TEST(Recurrent, other_types_compute_the_same_within_their_precision) {
  for (const Layer& layer : kLayers) {
    std::vector<Tensor> inputs = layer_inputs(layer, 1);
    const auto exact = run_layer(layer, RecurrentDirection::forward, inputs);
    for (const auto& [dtype, tolerance] :
         {std::pair{DType::f64, 1e-5}, {DType::f16, 5e-3}, {DType::bf16, 4e-2}}) {
      std::vector<Tensor> typed;
      for (const Tensor& input : inputs) {
        typed.push_back(input.defined() ? run_op(op_cast(), CastAttributes{.to = dtype}, {input})
                                        : Tensor());
      }
      const auto y = run_layer(layer, RecurrentDirection::forward, typed);
      for (std::size_t i = 0; i < layer.outputs; ++i) {
        EXPECT_EQ(y[i].dtype(), dtype);
        expect_near(y[i], exact[i].shape(), doubles_of(exact[i]), tolerance);
      }
    }
  }
}

TEST(Recurrent, empty_tensors_are_legal) {
  for (const Layer& layer : kLayers) {
    const std::int64_t g = layer.gates;
    const auto run = [&](std::int64_t steps, std::int64_t batch, std::int64_t inputs,
                         std::int64_t hidden) {
      return run_layer(layer, RecurrentDirection::forward,
                       {noise({steps, batch, inputs}, 1), noise({1, g * hidden, inputs}, 2),
                        noise({1, g * hidden, hidden}, 3)});
    };
    EXPECT_EQ(run(0, 2, 3, 2)[0].shape(), (Shape{0, 1, 2, 2}));
    expect_near(run(0, 2, 3, 2)[1], {1, 2, 2}, {0, 0, 0, 0});
    EXPECT_EQ(run(2, 0, 3, 2)[0].shape(), (Shape{2, 1, 0, 2}));
    EXPECT_EQ(run(2, 2, 3, 0)[1].shape(), (Shape{1, 2, 0}));
    expect_near(run(1, 1, 0, 1)[1], {1, 1, 1}, {0});  // functions of 0, or products with one
  }
}

TEST(Recurrent, infers_shapes_with_open_sizes) {
  for (const Layer& layer : kLayers) {
    const std::string columns = std::to_string(layer.gates * 8);
    const std::vector<std::string> inputs = {"f32[T,N,I]", "f32[2," + columns + ",I]",
                                             "f32[2," + columns + ",8]"};
    auto y = infer_op(layer.op, attributes_of(layer, RecurrentDirection::bidirectional), inputs,
                      layer.outputs);
    EXPECT_EQ(y[0].type.to_string(), "f32[T,2,N,8]");
    EXPECT_EQ(y[layer.outputs - 1].type.to_string(), "f32[2,N,8]");
    y = infer_op(layer.op, attributes_of(layer, RecurrentDirection::bidirectional, true), inputs,
                 layer.outputs);
    EXPECT_EQ(y[0].type.to_string(), "f32[T,N,2,8]");
    EXPECT_EQ(y[1].type.to_string(), "f32[T,2,8]");
    y = infer_op(layer.op, attributes_of(layer, RecurrentDirection::forward),
                 {"f16[*]", "f16[*]", "f16[*]"}, layer.outputs);
    EXPECT_EQ(y[0].type.rank(), 4);
    EXPECT_EQ(y[1].type.rank(), 3);
  }
}

// A check about a size that no input tells could never be made.
TEST(Recurrent, checks_only_sizes_that_inputs_tell) {
  for (const Layer& layer : kLayers) {
    const std::string columns = std::to_string(layer.gates) + "*H";
    const std::vector<Type> known = {Type::parse("f32[T,N,I]"),
                                     Type::parse("f32[1," + columns + ",J]"),
                                     Type::parse("f32[1," + columns + ",G]"),
                                     Type::parse("f32[1,B]"),
                                     Type::parse("i32[M]"),
                                     Type::parse("f32[1,L,K]")};
    for (unsigned told = 0; told < 1u << known.size(); ++told) {
      std::vector<Type> types;
      for (std::size_t i = 0; i < known.size(); ++i) {
        const bool open = (told >> i & 1u) == 0;
        types.push_back(open ? Type::tensor_of_unknown_rank(known[i].dtype) : known[i]);
      }
      std::vector<InferInput> inputs(types.size());
      for (std::size_t i = 0; i < types.size(); ++i) inputs[i].type = &types[i];
      const Attributes attributes = attributes_of(layer, RecurrentDirection::forward);
      InferContext context(layer.op, attributes, inputs, {}, layer.outputs, "test");
      infer_outputs(context);
      std::set<std::string> symbols;
      for (const ShapeConstraint& constraint : context.constraints()) {
        constraint.a.collect_symbols(symbols);
        constraint.b.collect_symbols(symbols);
      }
      for (const std::string& symbol : symbols) EXPECT_NE(symbol[0], '#') << symbol << ' ' << told;
    }
  }
}

TEST(Recurrent, refuses_shapes_that_contradict) {
  for (const Layer& layer : kLayers) {
    const std::vector<Tensor> good = layer_inputs(layer, 1);
    const auto code = [&](std::size_t i, Shape shape) {
      std::vector<Tensor> inputs = good;
      inputs[i] = i == 4 ? Tensor::zeros(DType::i32, std::move(shape)) : noise(shape, 1);
      return error_of(layer.op, attributes_of(layer, RecurrentDirection::forward), inputs,
                      layer.outputs);
    };
    const std::int64_t columns = layer.gates * kHidden;
    EXPECT_EQ(code(0, {kSteps, kBatch}), ErrorCode::bad_shape);
    EXPECT_EQ(code(0, {kSteps, kBatch, kInputs + 1}), ErrorCode::bad_shape);
    EXPECT_EQ(code(1, {2, columns, kInputs}), ErrorCode::bad_shape);
    EXPECT_EQ(code(1, {1, columns + 1, kInputs}), ErrorCode::bad_shape);
    EXPECT_EQ(code(2, {1, columns, kHidden + 1}), ErrorCode::bad_shape);
    EXPECT_EQ(code(3, {1, columns}), ErrorCode::bad_shape);
    EXPECT_EQ(code(4, {kBatch - 1}), ErrorCode::bad_shape);
    EXPECT_EQ(code(5, {kBatch, 1, kHidden}), ErrorCode::bad_shape);
    EXPECT_EQ(error_of(layer.op, attributes_of(layer, RecurrentDirection::bidirectional), good,
                       layer.outputs),
              ErrorCode::bad_shape);
    if (layer.gates < 4) continue;
    EXPECT_EQ(code(6, {1, kBatch, kHidden + 1}), ErrorCode::bad_shape);
    EXPECT_EQ(code(7, {1, 4 * kHidden}), ErrorCode::bad_shape);
  }
}

TEST(Recurrent, refuses_lengths_out_of_range) {
  for (const std::int32_t length : {-1, 6, std::numeric_limits<std::int32_t>::min(),
                                    std::numeric_limits<std::int32_t>::max()}) {
    for (const Layer& layer : kLayers) {
      std::vector<Tensor> inputs = layer_inputs(layer, 1);
      inputs[4] = lengths_of({1, 1, 1, 1, 1, 1, 1, 1, 1, 1, length});
      EXPECT_EQ(error_of(layer.op, attributes_of(layer, RecurrentDirection::forward), inputs,
                         layer.outputs),
                ErrorCode::bad_value);
    }
  }
}

TEST(Recurrent, refuses_types_and_attributes_that_do_not_fit) {
  const std::vector<Tensor> good = layer_inputs(kLayers[0], 1);
  const auto code = [&](const std::function<void(RnnAttributes&)>& change) {
    RnnAttributes attributes;
    change(attributes);
    return error_of(op_rnn(), attributes, good, 2);
  };
  EXPECT_EQ(code([](auto&) {}), ErrorCode::ok);
  EXPECT_EQ(code([](auto& a) { a.clip = -1; }), ErrorCode::bad_attribute);
  EXPECT_EQ(code([](auto& a) { a.clip = std::nan(""); }), ErrorCode::bad_attribute);
  EXPECT_EQ(code([](auto& a) { a.activations = {"tan"}; }), ErrorCode::bad_attribute);
  EXPECT_EQ(code([](auto& a) { a.activations = {"tanh", "tanh"}; }), ErrorCode::bad_attribute);
  EXPECT_EQ(code([](auto& a) { a.alpha = {1, 2}; }), ErrorCode::bad_attribute);
  EXPECT_EQ(code([](auto& a) { a.beta = {1, 2}; }), ErrorCode::bad_attribute);
  std::vector<Tensor> mixed = good;
  mixed[1] = run_op(op_cast(), CastAttributes{.to = DType::f64}, {good[1]});
  EXPECT_EQ(error_of(op_rnn(), RnnAttributes{}, mixed, 2), ErrorCode::bad_type);
  mixed = good;
  mixed[4] = Tensor::zeros(DType::i64, {kBatch});
  EXPECT_EQ(error_of(op_rnn(), RnnAttributes{}, mixed, 2), ErrorCode::bad_type);
}

TEST(Recurrent, sizes_of_hostile_weights_are_checked) {
  // 2^62 units would make rows of 2^64.
  const auto infer = [](std::int64_t hidden) {
    const Type x = Type::tensor(DType::f32, {1, 1, 0});
    const Type w = Type::tensor(DType::f32, {1, Dim::symbol("K"), 0});
    const Type r = Type::tensor(DType::f32, {1, Dim::symbol("K"), hidden});
    std::vector<InferInput> known(3);
    known[0].type = &x;
    known[1].type = &w;
    known[2].type = &r;
    const Attributes attributes = LstmAttributes{};
    InferContext context(op_lstm(), attributes, known, {}, 3, "test");
    infer_outputs(context);
  };
  EXPECT_THROW(infer(std::int64_t{1} << 62), Error);
  EXPECT_NO_THROW(infer(std::int64_t{1} << 20));
}

}  // namespace
}  // namespace strop
