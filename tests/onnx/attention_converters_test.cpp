// SPDX-License-Identifier: Apache-2.0
// Operators of transformers: what their opsets differ in, what is refused, and the operators of
// com.microsoft that ONNX Runtime cannot confirm on a CPU.
#include <cmath>
#include <numeric>

#include "ir/evaluate.hpp"
#include "onnx/import_fixture.hpp"

namespace strop::onnx {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A constant, or with `sizes` an input of the graph with the same contents.
struct Value {
  std::int64_t element = 0;  // 0: absent
  std::vector<std::int64_t> dims;
  std::vector<double> values;
  std::vector<wire::Size> sizes = {};
};

Value absent() { return {}; }
Value f32(std::vector<std::int64_t> dims, std::vector<double> values) {
  return {wire::kFloat, std::move(dims), std::move(values)};
}
Value i64(std::vector<std::int64_t> dims, std::vector<double> values) {
  return {wire::kInt64, std::move(dims), std::move(values)};
}
Value i32(std::vector<std::int64_t> dims, std::vector<double> values) {
  return {wire::kInt32, std::move(dims), std::move(values)};
}
Value boolean(std::vector<std::int64_t> dims, std::vector<double> values) {
  return {wire::kBool, std::move(dims), std::move(values)};
}
// Whose sizes are open.
Value open(Value value, std::vector<wire::Size> sizes) {
  value.sizes = std::move(sizes);
  return value;
}

Tensor tensor_of(const Value& value) {
  Tensor out = Tensor::allocate(*dtype_from_onnx(value.element), value.dims);
  for (std::size_t i = 0; i < value.values.size(); ++i) {
    store_from_double(out.dtype(), out.mutable_data(), static_cast<std::int64_t>(i),
                      value.values[i]);
  }
  return out;
}

wire::Message tensor_message(const std::string& name, const Value& value) {
  const Tensor tensor = tensor_of(value);
  wire::Message out;
  out.numbers(1, value.dims).number(2, value.element).bytes(8, name);
  out.bytes(
      9, {reinterpret_cast<const char*>(tensor.data()), static_cast<std::size_t>(tensor.bytes())});
  return out;
}

struct Call {
  std::string op;
  std::int64_t opset;
  std::vector<Value> inputs;
  std::vector<wire::Message> attributes = {};
  std::vector<int> outputs = {0};  // which of them are wanted
  std::string domain = "";
  std::vector<std::int64_t> types = {};  // of the outputs; FP32 without
};

std::string model_of(const Call& call, std::vector<Datum>& data) {
  wire::Node node{call.op, {}, {}, call.attributes, "", call.domain, ""};
  wire::ModelParts parts;
  parts.opsets = {{"", call.opset}, {"com.microsoft", 1}, {"ai.onnx.preview", 1}};
  for (std::size_t i = 0; i < call.inputs.size(); ++i) {
    const Value& value = call.inputs[i];
    node.inputs.push_back(value.element == 0 ? "" : "i" + std::to_string(i));
    if (value.element == 0) continue;
    if (value.sizes.empty()) {
      parts.graph.initializers.push_back(tensor_message(node.inputs.back(), value));
    } else {
      parts.graph.inputs.push_back(
          wire::value_info(node.inputs.back(), wire::tensor_type(value.element, value.sizes)));
      data.emplace_back(tensor_of(value));
    }
  }
  for (const int i : call.outputs) {
    while (node.outputs.size() < static_cast<std::size_t>(i)) node.outputs.emplace_back();
    node.outputs.push_back("o" + std::to_string(i));
    const std::size_t at = parts.graph.outputs.size();
    parts.graph.outputs.push_back(wire::value_info(
        node.outputs.back(),
        wire::tensor_type_without_shape(at < call.types.size() ? call.types[at] : wire::kFloat)));
  }
  parts.graph.nodes = {node};
  return wire::model(parts);
}

void expect_outputs(const Call& call, const std::vector<std::vector<double>>& wanted,
                    const std::vector<Shape>& shapes = {}) {
  SCOPED_TRACE(call.op + " of opset " + std::to_string(call.opset));
  std::vector<Datum> data;
  const std::string model = model_of(call, data);
  const auto outputs = evaluate_graph(import_bytes(model), data);
  ASSERT_EQ(outputs.size(), wanted.size());
  for (std::size_t o = 0; o < wanted.size(); ++o) {
    const Tensor& tensor = outputs[o].tensor();
    if (o < shapes.size()) {
      EXPECT_EQ(tensor.shape(), shapes[o]);
    }
    ASSERT_EQ(tensor.size(), static_cast<std::int64_t>(wanted[o].size())) << "output " << o;
    for (std::int64_t i = 0; i < tensor.size(); ++i) {
      const double want = wanted[o][static_cast<std::size_t>(i)];
      const double got = load_as_double(tensor.dtype(), tensor.data(), i);
      if (std::isinf(want)) {
        EXPECT_EQ(got, want) << "output " << o << " at " << i;
      } else {
        EXPECT_NEAR(got, want, 1e-5 * (1 + std::abs(want))) << "output " << o << " at " << i;
      }
    }
  }
}

ErrorCode code_of(const Call& call) {
  SCOPED_TRACE(call.op + " of opset " + std::to_string(call.opset));
  std::vector<Datum> data;
  return problems_of(model_of(call, data)).front().code;
}

wire::Message flag(const char* name, std::int64_t value = 1) {
  return wire::int_attribute(name, value);
}

// Queries of 0 average the values of the keys that they see.
Value zeros(std::vector<std::int64_t> dims) {
  std::int64_t count = 1;
  for (const std::int64_t dim : dims) count *= dim;
  return f32(std::move(dims), std::vector<double>(static_cast<std::size_t>(count), 0));
}
const Value kQuery = zeros({1, 1, 2, 1}), kKeys = zeros({1, 1, 4, 1});
const Value kValues = f32({1, 1, 4, 1}, {1, 2, 3, 6});

TEST(AttentionConverters, packed_inputs_are_split_into_heads) {
  const std::vector<wire::Message> heads = {flag("q_num_heads", 2), flag("kv_num_heads", 2)};
  const Value q = zeros({1, 1, 4}), k = zeros({1, 2, 4}),
              v = f32({1, 2, 4}, {1, 2, 3, 4, 3, 4, 5, 6});
  expect_outputs({"Attention", 23, {q, k, v}, heads, {0, 1}},
                 {{2, 3, 4, 5}, std::vector<double>(8, 0)}, {{1, 1, 4}, {1, 2, 2, 2}});
  expect_outputs({"Attention", 23, {open(q, {"B", "L", 4}), k, v}, heads}, {{2, 3, 4, 5}});
  EXPECT_EQ(code_of({"Attention", 23, {q, k, v}}), ErrorCode::bad_attribute);
  EXPECT_EQ(
      code_of({"Attention", 23, {q, k, v}, {flag("q_num_heads", 3), flag("kv_num_heads", 2)}}),
      ErrorCode::bad_shape);
  EXPECT_EQ(
      code_of({"Attention", 23, {q, k, v}, {flag("q_num_heads", 0), flag("kv_num_heads", 2)}}),
      ErrorCode::bad_attribute);
}

TEST(AttentionConverters, the_default_scale_is_that_of_the_head_size) {
  // Products 4 and 0, halved by the scale 1 / sqrt(4).
  const Value q = f32({1, 1, 1, 4}, {1, 1, 1, 1}), k = f32({1, 1, 2, 4}, {1, 1, 1, 1, 0, 0, 0, 0});
  const Value v = f32({1, 1, 2, 1}, {1, 0});
  const double half = 1 / (1 + std::exp(-2.0)), whole = 1 / (1 + std::exp(-4.0));
  expect_outputs({"Attention", 23, {q, k, v}}, {{half}});
  expect_outputs({"Attention", 23, {q, k, v}, {wire::float_attribute("scale", 1)}}, {{whole}});
  expect_outputs({"Attention", 23, {open(q, {1, 1, "L", "D"}), open(k, {1, 1, "S", "D"}), v}},
                 {{half}});
}

TEST(AttentionConverters, inputs_without_axes_are_refused) {
  const Value one = f32({}, {1});
  EXPECT_EQ(code_of({"Attention", 23, {one, kKeys, kValues}}), ErrorCode::bad_shape);
  EXPECT_EQ(code_of({"FlexAttention", 24, {one, one, one}, {}, {0}, "ai.onnx.preview"}),
            ErrorCode::bad_shape);
  EXPECT_EQ(code_of({"RotaryEmbedding", 23, {one, one, one}}), ErrorCode::bad_shape);
  EXPECT_EQ(code_of({"LayerNormalization", 17, {one, one}}), ErrorCode::bad_attribute);
  EXPECT_EQ(code_of({"LinearAttention",
                     27,
                     {one, one, one},
                     {flag("q_num_heads"), flag("kv_num_heads"),
                      wire::string_attribute("update_rule", "linear")}}),
            ErrorCode::bad_shape);
}

TEST(AttentionConverters, a_mask_may_end_before_the_keys_from_opset_24_on) {
  const Value mask = boolean({2, 2}, {1, 1, 0, 1});
  expect_outputs({"Attention", 24, {kQuery, kKeys, kValues, mask}}, {{1.5, 2}});
  expect_outputs({"Attention", 24, {kQuery, kKeys, kValues, f32({1, 2}, {0, 0})}}, {{1.5, 1.5}});
  expect_outputs({"Attention", 24, {kQuery, open(kKeys, {1, 1, "S", 1}), kValues, mask}},
                 {{1.5, 2}});
  EXPECT_EQ(code_of({"Attention", 23, {kQuery, kKeys, kValues, mask}}), ErrorCode::bad_shape);
  // A single column is broadcast before, and ends after the first key from there on.
  const Value column = boolean({2, 1}, {1, 0});
  expect_outputs({"Attention", 23, {kQuery, kKeys, kValues, column}}, {{3, 0}});
  expect_outputs({"Attention", 24, {kQuery, kKeys, kValues, column}}, {{1, 0}});
  // Numbers are added, whatever their type.
  expect_outputs({"Attention", 23, {kQuery, kKeys, kValues, i64({4}, {0, -100, -100, -100})}},
                 {{1, 1}});
}

TEST(AttentionConverters, causal_queries_count_from_the_end_of_the_past) {
  const std::vector<wire::Message> causal = {flag("is_causal")};
  expect_outputs({"Attention", 23, {kQuery, kKeys, kValues}, causal}, {{1, 1.5}});
  const Value past_k = zeros({1, 1, 2, 1}), past_v = f32({1, 1, 2, 1}, {1, 2});
  const Value k = zeros({1, 1, 2, 1}), v = f32({1, 1, 2, 1}, {3, 6});
  expect_outputs({"Attention", 23, {kQuery, k, v, absent(), past_k, past_v}, causal, {0, 1, 2}},
                 {{2, 3}, {0, 0, 0, 0}, {1, 2, 3, 6}});
  // A cache that is kept outside: 3 of its 4 places are filled.
  expect_outputs({"Attention",
                  24,
                  {kQuery, kKeys, kValues, absent(), absent(), absent(), i64({1}, {3})},
                  causal},
                 {{1.5, 2}});
  expect_outputs({"Attention",
                  24,
                  {kQuery, kKeys, kValues, absent(), absent(), absent(), i64({1}, {1})},
                  causal},
                 {{0, 1}});
  EXPECT_EQ(code_of({"Attention", 23, {kQuery, k, v, absent(), past_k}}),
            ErrorCode::model_malformed);
  EXPECT_EQ(code_of({"Attention", 24, {kQuery, k, v, absent(), past_k, past_v, i64({1}, {3})}}),
            ErrorCode::model_malformed);
}

TEST(AttentionConverters, windows_came_with_opset_25) {
  const std::vector<wire::Message> window = {flag("left_window_size", 0),
                                             flag("right_window_size", 1)};
  expect_outputs({"Attention", 25, {kQuery, kKeys, kValues}, window}, {{1.5, 2.5}});
  expect_outputs(
      {"Attention", 25, {kQuery, kKeys, kValues}, {window[0], window[1], flag("is_causal")}},
      {{1, 2}});
  EXPECT_EQ(code_of({"Attention", 24, {kQuery, kKeys, kValues}, window}), ErrorCode::bad_attribute);
  EXPECT_EQ(code_of({"Attention", 25, {kQuery, kKeys, kValues}, {flag("left_window_size", -2)}}),
            ErrorCode::bad_attribute);
}

TEST(AttentionConverters, scores_are_those_of_the_mode) {
  const Value q = f32({1, 1, 1, 1}, {2}), k = f32({1, 1, 2, 1}, {1, 3}),
              v = f32({1, 1, 2, 1}, {0, 1});
  const auto scores = [&](std::int64_t mode, const std::vector<double>& wanted) {
    std::vector<Datum> data;
    const Call call{"Attention",
                    23,
                    {q, k, v, boolean({2}, {0, 1})},
                    {flag("qk_matmul_output_mode", mode), wire::float_attribute("softcap", 4)},
                    {0, 3}};
    expect_outputs(call, {{1}, wanted});
  };
  const double low = 4 * std::tanh(0.5), high = 4 * std::tanh(1.5);
  scores(0, {2, 6});
  scores(1, {low, high});
  scores(2, {-kInfinity, high});
  scores(3, {0, 1});
  EXPECT_EQ(code_of({"Attention", 23, {q, k, v}, {flag("qk_matmul_output_mode", 4)}}),
            ErrorCode::bad_attribute);
}

TEST(AttentionConverters, softmax_may_be_in_double) {
  // 1e-9 is nothing beside 1 in FP32.
  const Value q = f32({1, 1, 1, 1}, {1}), k = f32({1, 1, 2, 1}, {0, -20.723265837}),
              v = f32({1, 1, 2, 1}, {0, 1e9});
  expect_outputs({"Attention", 23, {q, k, v}, {flag("softmax_precision", wire::kDouble)}}, {{1}});
  EXPECT_EQ(code_of({"Attention", 23, {q, k, v}, {flag("softmax_precision", wire::kInt32)}}),
            ErrorCode::bad_attribute);
}

wire::Message modifier(const std::string& name, const std::string& op, const std::string& other) {
  wire::GraphParts parts;
  parts.nodes = {{op, {"s", other}, {"t"}, {}, "", "", ""}};
  parts.inputs = {wire::value_info("s", wire::tensor_type_without_shape(wire::kFloat))};
  parts.outputs = {wire::value_info("t", wire::tensor_type_without_shape(wire::kFloat))};
  parts.initializers = {wire::float_tensor("c", {2}, {1, 3})};
  return wire::graph_attribute(name, wire::graph(parts));
}

TEST(AttentionConverters, flex_attention_inlines_its_graphs) {
  const Value q = zeros({1, 2, 1, 1}), k = zeros({1, 1, 2, 1}), v = f32({1, 1, 2, 1}, {1, 3});
  const auto flex = [&](std::vector<wire::Message> attributes) {
    return Call{"FlexAttention", 24, {q, k, v}, std::move(attributes), {0}, "ai.onnx.preview"};
  };
  expect_outputs(flex({}), {{2, 2}});
  const double odds = std::exp(2.0);
  expect_outputs(flex({modifier("score_mod", "Add", "c")}),
                 {{(1 + 3 * odds) / (1 + odds), (1 + 3 * odds) / (1 + odds)}});
  expect_outputs(flex({modifier("prob_mod", "Mul", "c")}), {{5, 5}});
  // Read from outside: the values themselves, broadcast against [1, 2, 1, 2].
  expect_outputs(flex({modifier("score_mod", "Add", "c"), modifier("prob_mod", "Mul", "i0")}),
                 {{0, 0}});
  EXPECT_EQ(code_of(flex({modifier("score_mod", "Equal", "c")})), ErrorCode::bad_type);
  EXPECT_EQ(code_of(flex({modifier("score_mod", "Add", "nothing")})), ErrorCode::model_malformed);
  EXPECT_EQ(code_of(flex({flag("score_mod")})), ErrorCode::bad_attribute);
}

TEST(AttentionConverters, rotary_tables_must_fit) {
  const Value x = f32({1, 1, 4}, {1, 2, 3, 4}), cos = f32({1, 1, 2}, {0, 1}),
              sin = f32({1, 1, 2}, {1, 0});
  expect_outputs({"RotaryEmbedding", 23, {x, cos, sin}, {flag("num_heads", 1)}}, {{-3, 2, 1, 4}},
                 {{1, 1, 4}});
  const Value tables = f32({2, 1}, {1, 0}), sines = f32({2, 1}, {0, 1});
  expect_outputs({"RotaryEmbedding",
                  23,
                  {x, tables, sines, i64({1, 1}, {1})},
                  {flag("num_heads", 1), flag("rotary_embedding_dim", 2)}},
                 {{-2, 1, 3, 4}});
  EXPECT_EQ(code_of({"RotaryEmbedding", 23, {x, cos, sin}}), ErrorCode::bad_attribute);
  EXPECT_EQ(code_of({"RotaryEmbedding", 23, {x, cos, sin}, {flag("num_heads", 2)}}),
            ErrorCode::bad_shape);
  EXPECT_EQ(code_of({"RotaryEmbedding",
                     23,
                     {x, cos, sin},
                     {flag("num_heads", 1), flag("rotary_embedding_dim", 2)}}),
            ErrorCode::bad_shape);
  EXPECT_EQ(code_of({"RotaryEmbedding", 22, {x, cos, sin}}), ErrorCode::unknown_operator);
}

TEST(AttentionConverters, linear_attention_has_the_gates_of_its_rule) {
  const Value one = f32({1, 1, 1}, {1}), no = absent();
  const auto call = [&](const char* rule, std::vector<Value> inputs) {
    return Call{"LinearAttention",
                27,
                std::move(inputs),
                {flag("q_num_heads"), flag("kv_num_heads"), flag("chunk_size", 32),
                 wire::string_attribute("update_rule", rule)},
                {0, 1}};
  };
  const Value state = f32({1, 1, 1, 1}, {4});
  const double e = std::exp(1.0);
  expect_outputs(call("linear", {one, one, one, state}), {{5}, {5}}, {{1, 1, 1}, {1, 1, 1, 1}});
  expect_outputs(call("gated", {one, one, one, state, one}), {{4 * e + 1}, {4 * e + 1}});
  expect_outputs(call("delta", {one, one, one, state, no, f32({1, 1, 1}, {0.5})}), {{2.5}, {2.5}});
  expect_outputs(call("gated_delta", {one, one, one, state, one, one}), {{1}, {1}});
  EXPECT_EQ(code_of(call("gated", {one, one, one})), ErrorCode::model_malformed);
  EXPECT_EQ(code_of(call("linear", {one, one, one, no, one})), ErrorCode::model_malformed);
  EXPECT_EQ(code_of(call("delta", {one, one, one})), ErrorCode::model_malformed);
  EXPECT_EQ(code_of(call("fast", {one, one, one})), ErrorCode::bad_attribute);
}

TEST(AttentionConverters, causal_conv_continues_its_state) {
  const Value x = f32({1, 1, 2}, {3, 4}), w = f32({1, 1, 3}, {100, 10, 1}),
              past = f32({1, 1, 2}, {1, 2});
  const Value bias = f32({1}, {1000});
  expect_outputs({"CausalConvWithState", 27, {x, w}, {}, {0, 1}}, {{3, 34}, {3, 4}});
  expect_outputs({"CausalConvWithState", 27, {x, w, bias, past}, {}, {0, 1}},
                 {{1123, 1234}, {3, 4}});
  expect_outputs({"CausalConvWithState",
                  27,
                  {open(f32({1, 1, 1}, {3}), {"N", "C", "L"}), w, absent(), past},
                  {},
                  {0, 1}},
                 {{123}, {2, 3}});
  EXPECT_EQ(code_of({"CausalConvWithState",
                     27,
                     {x, w, absent(), x},
                     {wire::string_attribute("activation", "relu")}}),
            ErrorCode::bad_attribute);
  EXPECT_EQ(code_of({"CausalConvWithState", 27, {x, w, absent(), f32({1, 1, 1}, {0})}}),
            ErrorCode::bad_shape);
  EXPECT_EQ(code_of({"CausalConvWithState", 27, {x, open(w, {"C", 1, 3})}}), ErrorCode::bad_shape);
}

TEST(AttentionConverters, layer_norm_came_before_its_opset) {
  const Value x = f32({1, 2}, {1, 3}), scale = f32({2}, {1, 2}), bias = f32({2}, {0, 5});
  const wire::Message epsilon = wire::float_attribute("epsilon", 0);
  expect_outputs({"LayerNormalization", 11, {x, scale, bias}, {epsilon, flag("stash_type")}},
                 {{-1, 7}});
  expect_outputs({"LayerNormalization", 17, {x, scale, bias}, {epsilon}, {0, 1, 2}},
                 {{-1, 7}, {2}, {1}});
  const double root = std::sqrt(5.0);
  expect_outputs({"SimplifiedLayerNormalization", 11, {x, scale}, {epsilon}, {0, 1}},
                 {{1 / root, 6 / root}, {1 / root}});
  expect_outputs({"RMSNormalization", 23, {x, scale}, {epsilon}}, {{1 / root, 6 / root}});
  EXPECT_EQ(code_of({"RMSNormalization", 22, {x, scale}}), ErrorCode::unknown_operator);
  EXPECT_EQ(code_of({"LayerNormalization", 17, {x, scale}, {flag("stash_type", wire::kInt32)}}),
            ErrorCode::bad_attribute);
  EXPECT_EQ(code_of({"LayerNormalization", 17, {x, scale}, {flag("axis", 2)}}),
            ErrorCode::bad_attribute);
}

TEST(AttentionConverters, scales_of_a_layer_norm_broadcast_to_the_whole_input) {
  const Value x = f32({2, 2}, {1, 3, 30, 10});
  const wire::Message epsilon = wire::float_attribute("epsilon", 0);
  expect_outputs(
      {"LayerNormalization", 17, {x, f32({2, 1}, {2, 10}), f32({2, 2}, {1, 2, 3, 4})}, {epsilon}},
      {{-1, 4, 13, -6}});
  // The result has the type of the scale.
  Value half = f32({1, 2}, {1, 3});
  half.element = wire::kFloat16;
  expect_outputs(
      {"RMSNormalization", 23, {half, f32({2}, {1, 1})}, {epsilon}, {0}, "", {wire::kFloat}},
      {{0.44726562, 1.3417969}});
}

TEST(AttentionConverters, parameters_of_a_group_norm_belong_to_groups_before_opset_21) {
  const Value x = f32({1, 4, 1}, {1, 3, 30, 10}), two = f32({2}, {1, 10}),
              four = f32({4}, {1, 2, 3, 4});
  const std::vector<wire::Message> groups = {flag("num_groups", 2),
                                             wire::float_attribute("epsilon", 0)};
  expect_outputs({"GroupNormalization", 18, {x, two, two}, groups}, {{0, 2, 20, 0}});
  expect_outputs({"GroupNormalization", 18, {open(x, {"N", "C", 1}), two, two}, groups},
                 {{0, 2, 20, 0}});
  expect_outputs({"GroupNormalization", 21, {x, four, four}, groups}, {{0, 4, 6, 0}});
  EXPECT_EQ(code_of({"GroupNormalization", 21, {x, two, two}, groups}), ErrorCode::bad_shape);
  EXPECT_EQ(code_of({"GroupNormalization", 18, {x, two, two}, {flag("num_groups", 3)}}),
            ErrorCode::bad_attribute);
}

TEST(AttentionConverters, swiglu_takes_one_shape) {
  const Value a = f32({2}, {0, 2}), b = f32({2}, {5, 10});
  expect_outputs({"SwiGLU", 28, {a, b}}, {{0, 20 / (1 + std::exp(-2.0))}});
  expect_outputs({"SwiGLU", 28, {a, b}, {wire::float_attribute("alpha", 0)}}, {{0, 10}});
  EXPECT_EQ(code_of({"SwiGLU", 28, {a, f32({1}, {1})}}), ErrorCode::bad_shape);
  EXPECT_EQ(code_of({"SwiGLU", 27, {a, b}}), ErrorCode::unknown_operator);
}

Call microsoft(std::string op, std::vector<Value> inputs,
               std::vector<wire::Message> attributes = {}, std::vector<int> outputs = {0}) {
  return {std::move(op),  17, std::move(inputs), std::move(attributes), std::move(outputs),
          "com.microsoft"};
}

TEST(AttentionConverters, packed_projections_are_taken_apart) {
  // [B, L, heads, 3, size]: queries 0, keys 0, values 1 and 5.
  const Value packed = f32({1, 2, 1, 3, 1}, {0, 0, 1, 0, 0, 5});
  expect_outputs(microsoft("MultiHeadAttention", {packed}, {flag("num_heads")}), {{3, 3}},
                 {{1, 2, 1}});
  expect_outputs(microsoft("MultiHeadAttention", {packed, absent(), absent(), f32({3}, {0, 0, 10})},
                           {flag("num_heads")}),
                 {{13, 13}});
  const Value pairs = f32({1, 2, 1, 2, 1}, {0, 1, 0, 5});
  expect_outputs(microsoft("MultiHeadAttention", {zeros({1, 1, 1}), pairs}, {flag("num_heads")}),
                 {{3}});
}

TEST(AttentionConverters, what_com_microsoft_has_for_gpus_is_refused) {
  const Value x = zeros({1, 2, 2}), w = zeros({2, 6}), no = absent();
  const auto attention = [&](wire::Message option) {
    return code_of(microsoft("Attention", {x, w}, {flag("num_heads"), std::move(option)}));
  };
  EXPECT_EQ(attention(flag("do_rotary")), ErrorCode::unsupported_operator);
  EXPECT_EQ(attention(flag("past_present_share_buffer")), ErrorCode::unsupported_operator);
  EXPECT_EQ(attention(wire::ints_attribute("qkv_hidden_sizes", {2, 2})), ErrorCode::bad_attribute);
  EXPECT_EQ(attention(wire::ints_attribute("qkv_hidden_sizes", {2, 2, 3})), ErrorCode::bad_shape);
  EXPECT_EQ(
      code_of(microsoft("Attention", {x, w, no, i32({5}, {0, 0, 0, 0, 0})}, {flag("num_heads")})),
      ErrorCode::unsupported_operator);
  EXPECT_EQ(code_of(microsoft("Attention", {x, w, no, i32({1, 1, 2, 2}, {1, 1, 1, 1})},
                              {flag("num_heads")})),
            ErrorCode::unsupported_operator);
  EXPECT_EQ(code_of(microsoft("MultiHeadAttention", {x, x, x, no, no, no, no, no, i32({1}, {1})},
                              {flag("num_heads")})),
            ErrorCode::unsupported_operator);
  EXPECT_EQ(
      code_of(microsoft("MultiHeadAttention", {x, x, x, f32({3}, {1, 1, 1})}, {flag("num_heads")})),
      ErrorCode::bad_shape);
  const auto grouped = [&](wire::Message option, std::vector<Value> more = {}) {
    std::vector<Value> inputs = {x, x, x, no, no, i32({1}, {1}), i32({1}, {2}), no, no, no, no, no};
    inputs.insert(inputs.end(), more.begin(), more.end());
    return code_of(microsoft("GroupQueryAttention", inputs,
                             {flag("num_heads"), flag("kv_num_heads"), std::move(option)}));
  };
  EXPECT_EQ(grouped(wire::string_attribute("k_quant_type", "PER_TENSOR")),
            ErrorCode::unsupported_operator);
  EXPECT_EQ(grouped(flag("sliding_window_cache")), ErrorCode::unsupported_operator);
  EXPECT_EQ(grouped(flag("local_window_size", 0)), ErrorCode::bad_attribute);
  EXPECT_EQ(grouped(flag("qk_output"), {no, no, no, no, i32({1}, {1})}),
            ErrorCode::unsupported_operator);
  EXPECT_EQ(code_of(microsoft("RotaryEmbedding", {x, i64({1}, {0}), zeros({2, 1}), zeros({2, 1})},
                              {flag("is_packed_batching")})),
            ErrorCode::unsupported_operator);
  EXPECT_EQ(code_of(microsoft("FusedGemm", {zeros({1, 1}), zeros({1, 1})},
                              {wire::string_attribute("activation", "Gelu")})),
            ErrorCode::unsupported_operator);
  EXPECT_EQ(code_of(microsoft("FusedConv", {zeros({1, 1, 1}), zeros({1, 1, 1})},
                              {wire::string_attribute("activation", "Clip")})),
            ErrorCode::bad_attribute);
  EXPECT_EQ(code_of(microsoft("EmbedLayerNormalization",
                              {i32({1, 1}, {0}), i32({1, 1}, {0}), x, x, no, x, x})),
            ErrorCode::model_malformed);
}

TEST(AttentionConverters, relative_positions_fall_into_buckets) {
  // One head; the bias of a bucket is its number.
  std::vector<double> numbers(32);
  std::iota(numbers.begin(), numbers.end(), 0.0);
  Value table = f32({8, 1}, {numbers.begin(), numbers.begin() + 8});
  std::int64_t farthest = 16;
  const auto row = [&](std::int64_t query, std::int64_t keys, std::int64_t bidirectional) {
    std::vector<Datum> data;
    const Call call = microsoft(
        "RelativePositionBias",
        {table, i64({1}, {static_cast<double>(query + 1)}), i64({1}, {static_cast<double>(keys)})},
        {flag("max_distance", farthest), flag("is_bidirectional", bidirectional)});
    const std::string model = model_of(call, data);
    const auto outputs = evaluate_graph(import_bytes(model), data);
    const Tensor& out = outputs[0].tensor();
    EXPECT_EQ(out.shape(), (Shape{1, 1, query + 1, keys}));
    const auto all = out.values<float>();
    return std::vector<float>(all.end() - keys, all.end());
  };
  // Distances 17, ..., 0: 4 near buckets, then a doubling of the distance is two buckets.
  EXPECT_EQ(row(17, 18, 0),
            (std::vector<float>{7, 7, 7, 7, 7, 7, 6, 6, 6, 6, 5, 5, 4, 4, 3, 2, 1, 0}));
  // Later keys count as near ones.
  EXPECT_EQ(row(1, 4, 0), (std::vector<float>{1, 0, 0, 0}));
  // Both sides: 2 near buckets each, then a factor of sqrt(8) for each.
  EXPECT_EQ(row(6, 7, 1), (std::vector<float>{3, 2, 2, 2, 2, 1, 0}));
  EXPECT_EQ(row(0, 7, 1), (std::vector<float>{0, 5, 6, 6, 6, 6, 7}));
  // T5's own sizes, at the powers of two.
  table = f32({32, 1}, numbers);
  farthest = 128;
  const std::vector<float> far = row(128, 129, 1);
  EXPECT_EQ(far[0], 15);
  EXPECT_EQ(far[64], 14);
  EXPECT_EQ(far[96], 12);
  EXPECT_EQ(far[112], 10);
  EXPECT_EQ(far[120], 8);
  EXPECT_EQ(code_of(microsoft("RelativePositionBias",
                              {f32({8, 1}, std::vector<double>(8)), i64({}, {1}), i64({}, {1})},
                              {flag("max_distance", 4)})),
            ErrorCode::bad_attribute);
}

}  // namespace
}  // namespace strop::onnx
