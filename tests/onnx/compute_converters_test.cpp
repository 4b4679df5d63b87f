// SPDX-License-Identifier: Apache-2.0
// Operators whose attributes or meaning changed between opsets: what each opset computes.
#include <cmath>

#include "ir/evaluate.hpp"
#include "onnx/import_fixture.hpp"

namespace strop::onnx {
namespace {

struct Input {
  std::vector<std::int64_t> dims;
  std::vector<float> values;
};

struct Call {
  std::string op;
  std::int64_t opset;
  std::vector<Input> inputs;
  std::vector<wire::Message> attributes = {};
  std::vector<std::int64_t> outputs = {wire::kFloat};
};

std::string model_of(const Call& call) {
  wire::Node node{call.op, {}, {}, call.attributes, "", "", ""};
  wire::ModelParts parts;
  parts.opsets = {{"", call.opset}};
  for (std::size_t i = 0; i < call.inputs.size(); ++i) {
    node.inputs.push_back("i" + std::to_string(i));
    parts.graph.initializers.push_back(
        wire::float_tensor(node.inputs.back(), call.inputs[i].dims, call.inputs[i].values));
  }
  for (std::size_t i = 0; i < call.outputs.size(); ++i) {
    node.outputs.push_back("o" + std::to_string(i));
    parts.graph.outputs.push_back(
        wire::value_info(node.outputs.back(), wire::tensor_type_without_shape(call.outputs[i])));
  }
  parts.graph.nodes = {node};
  return wire::model(parts);
}

void expect_outputs(const Call& call, const std::vector<std::vector<double>>& wanted) {
  SCOPED_TRACE(call.op + " of opset " + std::to_string(call.opset));
  const auto outputs = evaluate_graph(import_bytes(model_of(call)), {});
  ASSERT_EQ(outputs.size(), wanted.size());
  for (std::size_t o = 0; o < wanted.size(); ++o) {
    const Tensor& tensor = outputs[o].tensor();
    ASSERT_EQ(tensor.size(), static_cast<std::int64_t>(wanted[o].size()));
    for (std::int64_t i = 0; i < tensor.size(); ++i) {
      const double want = wanted[o][static_cast<std::size_t>(i)];
      EXPECT_NEAR(load_as_double(tensor.dtype(), tensor.data(), i), want,
                  1e-5 * (1 + std::abs(want)))
          << i;
    }
  }
}

ErrorCode code_of(const Call& call) {
  SCOPED_TRACE(call.op + " of opset " + std::to_string(call.opset));
  return problems_of(model_of(call)).front().code;
}

const Input kMatrix{{2, 3}, {1, 2, 3, 4, 5, 6}};
const Input kImage{{1, 1, 4}, {1, 2, 3, 4}};
wire::Message flag(const char* name, std::int64_t value = 1) {
  return wire::int_attribute(name, value);
}

TEST(ComputeConverters, broadcast_on_demand_before_opset_7) {
  const Input two{{2}, {10, 20}}, three{{3}, {10, 20, 30}};
  expect_outputs({"Add", 6, {kMatrix, two}, {flag("broadcast"), flag("axis", 0)}},
                 {{11, 12, 13, 24, 25, 26}});
  expect_outputs({"Sub", 6, {kMatrix, two}, {flag("broadcast"), flag("axis", -2)}},
                 {{-9, -8, -7, -16, -15, -14}});
  expect_outputs({"Mul",
                  1,
                  {kMatrix, three},
                  {flag("broadcast"), wire::ints_attribute("consumed_inputs", {0, 0})}},
                 {{10, 40, 90, 40, 100, 180}});
  expect_outputs({"Less", 1, {kMatrix, {{1}, {3}}}, {flag("broadcast")}, {wire::kBool}},
                 {{1, 1, 0, 0, 0, 0}});
  expect_outputs({"Add", 7, {kMatrix, three}}, {{11, 22, 33, 14, 25, 36}});
  EXPECT_EQ(code_of({"Add", 6, {kMatrix, three}}), ErrorCode::bad_shape);
  EXPECT_EQ(code_of({"Add", 6, {kMatrix, two}, {flag("broadcast"), flag("axis", 2)}}),
            ErrorCode::bad_attribute);
  EXPECT_EQ(code_of({"Add", 7, {kMatrix, three}, {flag("broadcast")}}), ErrorCode::bad_attribute);
}

TEST(ComputeConverters, slopes_belong_to_channels_before_opset_7) {
  const Input x{{1, 2, 2}, {-1, -2, -3, 4}}, slope{{2}, {10, 100}};
  expect_outputs({"PRelu", 6, {x, slope}}, {{-10, -20, -300, 4}});
  expect_outputs({"PRelu", 7, {x, slope}}, {{-10, -200, -30, 4}});
}

TEST(ComputeConverters, bounds_are_attributes_before_opset_11) {
  const Input x{{3}, {-1, 5, INFINITY}};
  const double largest = static_cast<double>(std::numeric_limits<float>::max());
  expect_outputs({"Clip", 6, {x}, {wire::float_attribute("min", 0)}}, {{0, 5, largest}});
  expect_outputs({"Clip", 1, {x}, {wire::float_attribute("max", 4)}}, {{-1, 4, 4}});
  expect_outputs({"Clip", 11, {x, {{}, {0}}, {{}, {4}}}}, {{0, 4, 4}});
  EXPECT_EQ(code_of({"Clip", 11, {x}, {wire::float_attribute("min", 0)}}),
            ErrorCode::bad_attribute);
}

TEST(ComputeConverters, types_are_named_before_opset_6) {
  const Input x{{2}, {1.5f, -2.5f}};
  expect_outputs({"Cast", 1, {x}, {wire::string_attribute("to", "INT32")}, {wire::kInt32}},
                 {{1, -2}});
  expect_outputs({"Cast", 6, {x}, {flag("to", wire::kInt32)}, {wire::kInt32}}, {{1, -2}});
  EXPECT_EQ(code_of({"Cast", 1, {x}, {wire::string_attribute("to", "NUMBER")}}),
            ErrorCode::bad_attribute);
  EXPECT_EQ(code_of({"Cast", 6, {x}, {flag("to", 99)}}), ErrorCode::bad_attribute);
}

TEST(ComputeConverters, batch_norm_takes_given_statistics_in_every_opset) {
  const Input x{{1, 2, 2}, {1, 3, 10, 12}}, scale{{2}, {2, 1}}, bias{{2}, {1, 0}},
      mean{{2}, {1, 10}}, variance{{2}, {3, 0}};
  const std::vector<Input> inputs = {x, scale, bias, mean, variance};
  const wire::Message epsilon = wire::float_attribute("epsilon", 1);
  const std::vector<std::vector<double>> y = {{1, 3, 0, 2}};
  expect_outputs({"BatchNormalization",
                  1,
                  inputs,
                  {epsilon, flag("is_test"), wire::ints_attribute("consumed_inputs", {0, 0})}},
                 y);
  expect_outputs({"BatchNormalization", 6, inputs, {epsilon, flag("spatial")}}, y);
  expect_outputs({"BatchNormalization", 7, inputs, {epsilon}}, y);
  expect_outputs({"BatchNormalization", 9, inputs, {epsilon}}, y);
  expect_outputs({"BatchNormalization", 15, inputs, {epsilon, flag("training_mode", 0)}}, y);
  EXPECT_EQ(code_of({"BatchNormalization", 9, inputs, {flag("spatial")}}),
            ErrorCode::bad_attribute);
  const Input each{{2, 2}, {1, 2, 3, 4}};
  expect_outputs({"BatchNormalization",
                  7,
                  {{{1, 2, 2}, {3, 3, 3, 3}}, each, each, each, each},
                  {wire::float_attribute("epsilon", 0), flag("spatial", 0)}},
                 {{3, 2 + 2 / std::sqrt(2.0), 3, 2}});
}

TEST(ComputeConverters, dropout_keeps_its_input) {
  expect_outputs({"Dropout", 6, {kImage}, {flag("is_test")}, {wire::kFloat, wire::kFloat}},
                 {{1, 2, 3, 4}, {1, 1, 1, 1}});
  expect_outputs({"Dropout", 10, {kImage}, {}, {wire::kFloat, wire::kBool}},
                 {{1, 2, 3, 4}, {1, 1, 1, 1}});
  expect_outputs({"Dropout", 13, {kImage, {{}, {0.5f}}}}, {{1, 2, 3, 4}});
}

TEST(ComputeConverters, gemm_broadcasts_on_demand_before_opset_7) {
  const Input b{{3, 1}, {1, 1, 1}}, c{{1}, {100}};
  expect_outputs({"Gemm", 6, {kMatrix, b, c}, {flag("broadcast")}}, {{106, 115}});
  EXPECT_EQ(code_of({"Gemm", 6, {kMatrix, b, c}}), ErrorCode::bad_shape);
  expect_outputs({"Gemm", 9, {kMatrix, b, c}}, {{106, 115}});
  EXPECT_EQ(code_of({"Gemm", 9, {kMatrix, b}}), ErrorCode::model_malformed);
  expect_outputs({"Gemm", 11, {kMatrix, b}}, {{6, 15}});
}

TEST(ComputeConverters, reduction_axes_move_from_attribute_to_input) {
  const wire::Message axes = wire::ints_attribute("axes", {-1});
  expect_outputs({"ReduceSum", 11, {kMatrix}, {axes, flag("keepdims", 0)}}, {{6, 15}});
  expect_outputs({"ReduceMean", 17, {kMatrix}, {axes}}, {{2, 5}});
  expect_outputs({"ReduceMean", 18, {kMatrix}}, {{3.5}});
  EXPECT_EQ(code_of({"ReduceMean", 18, {kMatrix}, {axes}}), ErrorCode::bad_attribute);
  EXPECT_EQ(code_of({"ReduceSum", 13, {kMatrix}, {axes}}), ErrorCode::bad_attribute);
}

TEST(ComputeConverters, pools_have_the_attributes_of_their_opset) {
  const wire::Message kernel = wire::ints_attribute("kernel_shape", {2});
  const wire::Message dilations = wire::ints_attribute("dilations", {2});
  expect_outputs({"MaxPool", 1, {kImage}, {kernel}}, {{2, 3, 4}});
  expect_outputs({"MaxPool", 10, {kImage}, {kernel, dilations}}, {{3, 4}});
  EXPECT_EQ(code_of({"MaxPool", 8, {kImage}, {kernel, dilations}}), ErrorCode::bad_attribute);
  expect_outputs({"AveragePool", 19, {kImage}, {kernel, dilations}}, {{2, 3}});
  EXPECT_EQ(code_of({"AveragePool", 11, {kImage}, {kernel, dilations}}), ErrorCode::bad_attribute);
  expect_outputs({"LpPool", 1, {kImage}, {kernel, wire::float_attribute("p", 1)}}, {{3, 5, 7}});
  expect_outputs({"GlobalLpPool", 1, {kImage}, {wire::float_attribute("p", 3)}},
                 {{std::cbrt(100.0)}});
  expect_outputs({"GlobalAveragePool", 1, {kImage}}, {{2.5}});
  EXPECT_EQ(code_of({"MaxPool", 11, {kImage}}), ErrorCode::bad_attribute);
}

TEST(ComputeConverters, kernel_shape_must_be_that_of_the_weights) {
  const Input w{{1, 1, 2}, {1, 10}};
  expect_outputs({"Conv", 1, {kImage, w}, {wire::ints_attribute("kernel_shape", {2})}},
                 {{21, 32, 43}});
  EXPECT_EQ(code_of({"Conv", 1, {kImage, w}, {wire::ints_attribute("kernel_shape", {3})}}),
            ErrorCode::bad_shape);
  EXPECT_EQ(code_of({"Conv", 1, {kImage, w}, {wire::string_attribute("auto_pad", "SAME")}}),
            ErrorCode::bad_attribute);
}

TEST(ComputeConverters, variadic_functions_take_any_number_of_inputs) {
  const Input a{{2}, {1, 5}}, b{{2}, {3, 4}};
  expect_outputs({"Sum", 1, {a, b, b}}, {{7, 13}});
  expect_outputs({"Max", 8, {a, b}}, {{3, 5}});
  expect_outputs({"Min", 6, {a}}, {{1, 5}});
  expect_outputs({"Mean", 13, {a, b}}, {{2, 4.5}});
}

TEST(ComputeConverters, normalisations_compute_their_own_statistics) {
  const Input x{{1, 2, 2}, {1, 3, 10, 30}}, scale{{2}, {1, 2}}, bias{{2}, {0, 5}};
  const wire::Message epsilon = wire::float_attribute("epsilon", 0);
  expect_outputs({"InstanceNormalization", 6, {x, scale, bias}, {epsilon}}, {{-1, 1, 3, 7}});
  expect_outputs({"LayerNormalization", 17, {x, scale, bias}, {epsilon}}, {{-1, 7, -1, 7}});
  expect_outputs({"GroupNormalization", 21, {x, scale, bias}, {epsilon, flag("num_groups", 2)}},
                 {{-1, 1, 3, 7}});
  EXPECT_EQ(code_of({"GroupNormalization", 21, {x, scale, bias}, {flag("num_groups", 0)}}),
            ErrorCode::bad_attribute);
}

}  // namespace
}  // namespace strop::onnx
