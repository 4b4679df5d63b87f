// SPDX-License-Identifier: Apache-2.0
// Operators that pick, write and order elements: what each opset takes and computes.
#include <cmath>

#include "ir/evaluate.hpp"
#include "onnx/import_fixture.hpp"

namespace strop::onnx {
namespace {

struct Call {
  std::string op;
  std::int64_t opset;
  std::vector<wire::Message> inputs;  // initializers called i0, i1, ...; an empty one is absent
  std::vector<wire::Message> attributes = {};
  std::vector<std::int64_t> outputs = {wire::kFloat};  // element types; 0: absent
};

std::string name_of(const char* prefix, std::size_t i) { return prefix + std::to_string(i); }

std::string model_of(const Call& call) {
  wire::Node node{call.op, {}, {}, call.attributes, "", "", ""};
  wire::ModelParts parts;
  parts.opsets = {{"", call.opset}};
  for (std::size_t i = 0; i < call.inputs.size(); ++i) {
    const bool absent = call.inputs[i].data.empty();
    node.inputs.push_back(absent ? "" : name_of("i", i));
    if (!absent) parts.graph.initializers.push_back(call.inputs[i]);
  }
  for (std::size_t i = 0; i < call.outputs.size(); ++i) {
    node.outputs.push_back(call.outputs[i] == 0 ? "" : name_of("o", i));
    if (call.outputs[i] == 0) continue;
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
    std::vector<double> got;
    for (std::int64_t i = 0; i < tensor.size(); ++i) {
      got.push_back(load_as_double(tensor.dtype(), tensor.data(), i));
    }
    EXPECT_EQ(got, wanted[o]) << "output " << o;
  }
}

ErrorCode code_of(const Call& call) {
  SCOPED_TRACE(call.op + " of opset " + std::to_string(call.opset));
  return problems_of(model_of(call)).front().code;
}

using Dims = std::vector<std::int64_t>;
wire::Message reals(std::size_t i, const Dims& dims, const std::vector<float>& values) {
  return wire::float_tensor(name_of("i", i), dims, values);
}
wire::Message numbers(std::size_t i, const Dims& dims, const std::vector<std::int64_t>& values) {
  return wire::int64_tensor(name_of("i", i), dims, values);
}
// TensorProto of another element type, its elements in int32_data.
wire::Message narrow(std::size_t i, wire::Element element, const Dims& dims,
                     const std::vector<std::int64_t>& values) {
  wire::Message out;
  for (const std::int64_t dim : dims) out.number(1, dim);
  return out.number(2, element).numbers(5, values).bytes(8, name_of("i", i));
}
wire::Message flag(const char* name, std::int64_t value) {
  return wire::int_attribute(name, value);
}
wire::Message text(const char* name, const char* value) {
  return wire::string_attribute(name, value);
}

TEST(SelectionConverters, top_k_takes_k_as_attribute_and_then_as_input) {
  const wire::Message x = reals(0, {2, 3}, {3, 1, 2, 4, 6, 5}), k = numbers(1, {1}, {2});
  const std::vector<std::int64_t> both = {wire::kFloat, wire::kInt64};
  expect_outputs({"TopK", 1, {x}, {flag("k", 2)}, both}, {{3, 2, 6, 5}, {0, 2, 1, 2}});
  expect_outputs({"TopK", 10, {x, k}, {flag("axis", 0)}, both},
                 {{4, 6, 5, 3, 1, 2}, {1, 1, 1, 0, 0, 0}});
  expect_outputs({"TopK", 11, {x, k}, {flag("largest", 0), flag("sorted", 1)}, both},
                 {{1, 2, 4, 5}, {1, 2, 0, 2}});
  expect_outputs({"TopK", 24, {x, k}, {flag("axis", -1)}, {0, wire::kInt64}}, {{0, 2, 1, 2}});
  EXPECT_EQ(code_of({"TopK", 1, {x}, {}, both}), ErrorCode::bad_attribute);
  EXPECT_EQ(code_of({"TopK", 10, {x, k}, {flag("k", 2)}, both}), ErrorCode::bad_attribute);
  EXPECT_EQ(code_of({"TopK", 10, {x, k}, {flag("largest", 0)}, both}), ErrorCode::bad_attribute);
  EXPECT_EQ(code_of({"TopK", 11, {x}, {}, both}), ErrorCode::model_malformed);
  EXPECT_EQ(code_of({"TopK", 1, {x}, {flag("k", 4)}, both}), ErrorCode::bad_value);
}

TEST(SelectionConverters, reductions_of_scatter_come_with_their_opset) {
  const std::vector<wire::Message> elements = {reals(0, {3}, {1, 2, 3}), numbers(1, {2}, {1, 1}),
                                               reals(2, {2}, {5, 4})};
  expect_outputs({"Scatter", 9, elements}, {{1, 4, 3}});
  expect_outputs({"Scatter", 11, elements, {flag("axis", -1)}}, {{1, 4, 3}});
  expect_outputs({"ScatterElements", 11, elements}, {{1, 4, 3}});
  expect_outputs({"ScatterElements", 16, elements, {text("reduction", "add")}}, {{1, 11, 3}});
  expect_outputs({"ScatterElements", 18, elements, {text("reduction", "max")}}, {{1, 5, 3}});
  const std::vector<wire::Message> tuples = {elements[0], numbers(1, {2, 1}, {1, 1}), elements[2]};
  expect_outputs({"ScatterND", 11, tuples}, {{1, 4, 3}});
  expect_outputs({"ScatterND", 16, tuples, {text("reduction", "mul")}}, {{1, 40, 3}});
  expect_outputs({"ScatterND", 18, tuples, {text("reduction", "min")}}, {{1, 2, 3}});
  for (const char* op : {"ScatterElements", "ScatterND"}) {
    const auto& inputs = op == std::string("ScatterND") ? tuples : elements;
    EXPECT_EQ(code_of({op, 13, inputs, {text("reduction", "add")}}), ErrorCode::bad_attribute);
    EXPECT_EQ(code_of({op, 16, inputs, {text("reduction", "max")}}), ErrorCode::bad_attribute);
    EXPECT_EQ(code_of({op, 18, inputs, {text("reduction", "mean")}}), ErrorCode::bad_attribute);
  }
  EXPECT_EQ(code_of({"Scatter", 9, elements, {text("reduction", "add")}}),
            ErrorCode::bad_attribute);
  EXPECT_EQ(code_of({"ScatterND", 18, tuples, {flag("axis", 0)}}), ErrorCode::bad_attribute);
}

TEST(SelectionConverters, gathering_counts_batches_from_opset_12) {
  const wire::Message x = reals(0, {2, 2}, {1, 2, 3, 4});
  expect_outputs({"GatherElements", 11, {x, numbers(1, {1, 2}, {1, 0})}}, {{3, 2}});
  expect_outputs({"GatherElements", 13, {x, numbers(1, {2, 1}, {-1, 0})}, {flag("axis", 1)}},
                 {{2, 3}});
  expect_outputs({"GatherND", 11, {x, numbers(1, {1, 2}, {1, 0})}}, {{3}});
  expect_outputs({"GatherND", 12, {x, numbers(1, {2, 1}, {1, 0})}, {flag("batch_dims", 1)}},
                 {{2, 3}});
  EXPECT_EQ(code_of({"GatherND", 11, {x, numbers(1, {2, 1}, {1, 0})}, {flag("batch_dims", 1)}}),
            ErrorCode::bad_attribute);
}

TEST(SelectionConverters, caches_are_written_straight_or_in_a_circle) {
  const wire::Message cache = reals(0, {1, 3, 1}, {1, 2, 3}), update = reals(1, {1, 2, 1}, {8, 9});
  expect_outputs({"TensorScatter", 24, {cache, update}}, {{8, 9, 3}});
  expect_outputs({"TensorScatter",
                  24,
                  {cache, update, numbers(2, {1}, {1})},
                  {flag("axis", 1), text("mode", "linear")}},
                 {{1, 8, 9}});
  expect_outputs(
      {"TensorScatter", 24, {cache, update, numbers(2, {1}, {2})}, {text("mode", "circular")}},
      {{9, 2, 8}});
  EXPECT_EQ(code_of({"TensorScatter", 24, {cache, update}, {text("mode", "square")}}),
            ErrorCode::bad_attribute);
}

TEST(SelectionConverters, unique_has_the_outputs_that_are_asked_for) {
  const wire::Message x = reals(0, {2, 2}, {3, 1, 3, 1});
  expect_outputs({"Unique", 11, {x}}, {{1, 3}});
  expect_outputs({"Unique", 11, {x}, {flag("sorted", 0)}, {wire::kFloat, 0, 0, wire::kInt64}},
                 {{3, 1}, {2, 2}});
  expect_outputs(
      {"Unique", 11, {x}, {flag("axis", -2)}, {wire::kFloat, wire::kInt64, wire::kInt64}},
      {{3, 1}, {0}, {0, 0}});
  EXPECT_EQ(code_of({"Unique", 11, {x}, {flag("axis", 2)}}), ErrorCode::bad_attribute);
}

TEST(SelectionConverters, compress_takes_what_its_condition_holds_for) {
  const wire::Message x = reals(0, {2, 3}, {1, 2, 3, 4, 5, 6});
  const auto condition = [](const std::vector<std::int64_t>& values) {
    return narrow(1, wire::kBool, {static_cast<std::int64_t>(values.size())}, values);
  };
  expect_outputs({"Compress", 9, {x, condition({0, 1, 1, 1})}}, {{2, 3, 4}});
  expect_outputs({"Compress", 11, {x, condition({0, 1})}, {flag("axis", -1)}}, {{2, 5}});
  expect_outputs({"Compress", 11, {x, condition({0, 1, 0})}, {flag("axis", 0)}}, {{4, 5, 6}});
  expect_outputs({"Compress", 11, {x, condition({})}, {flag("axis", 0)}}, {{}});
  EXPECT_EQ(code_of({"Compress", 11, {x, numbers(1, {2}, {0, 1})}}), ErrorCode::bad_type);
  EXPECT_EQ(code_of({"Compress", 11, {x, narrow(1, wire::kBool, {}, {1})}}), ErrorCode::bad_shape);
  const Graph beyond =
      import_bytes(model_of({"Compress", 11, {x, condition({0, 0, 1})}, {flag("axis", 0)}}));
  EXPECT_THROW(evaluate_graph(beyond, {}), Error);
}

TEST(SelectionConverters, one_hot_counts_from_the_end_from_opset_11) {
  const wire::Message indices = numbers(0, {2}, {1, -1}), off_on = reals(2, {2}, {2, 5});
  expect_outputs({"OneHot", 9, {indices, numbers(1, {}, {2}), off_on}}, {{2, 5, 2, 2}});
  expect_outputs({"OneHot", 11, {indices, numbers(1, {1}, {2}), off_on}}, {{2, 5, 2, 5}});
  expect_outputs({"OneHot",
                  11,
                  {reals(0, {2}, {1.9f, -1.2f}), reals(1, {}, {3.5f}), off_on},
                  {flag("axis", 0)}},
                 {{2, 2, 5, 2, 2, 5}});
  expect_outputs({"OneHot", 11, {indices, narrow(1, wire::kInt32, {1}, {2}), off_on}},
                 {{2, 5, 2, 5}});
  const Graph graph =
      import_bytes(model_of({"OneHot", 11, {reals(0, {1}, {0}), reals(1, {}, {3}), off_on}}));
  EXPECT_EQ(graph.value(graph.outputs()[0]).type.to_string(), "f32[1,3]");
  EXPECT_EQ(code_of({"OneHot", 11, {indices, numbers(1, {}, {2}), off_on}, {flag("axis", 2)}}),
            ErrorCode::bad_attribute);
}

TEST(SelectionConverters, non_max_suppression_takes_both_forms_of_boxes) {
  const wire::Message scores = reals(1, {1, 1, 2}, {1, 2}), most = numbers(2, {1}, {5});
  const wire::Message corners = reals(0, {1, 2, 4}, {0, 0, 1, 1, 0, 0, 1, 1});
  expect_outputs({"NonMaxSuppression", 10, {corners, scores, most}, {}, {wire::kInt64}},
                 {{0, 0, 1}});
  // Of no width as a center with a size, but not as corners.
  const wire::Message flat = reals(0, {1, 2, 4}, {1, 1, 0, 0, 1, 1, 0, 0});
  expect_outputs({"NonMaxSuppression",
                  11,
                  {flat, scores, most},
                  {flag("center_point_box", 1)},
                  {wire::kInt64}},
                 {{0, 0, 1, 0, 0, 0}});
  expect_outputs({"NonMaxSuppression", 11, {flat, scores, most}, {}, {wire::kInt64}}, {{0, 0, 1}});
  expect_outputs({"NonMaxSuppression",
                  11,
                  {flat, scores, most, {}, reals(4, {1}, {2.5f})},
                  {},
                  {wire::kInt64}},
                 {{}});
  EXPECT_EQ(
      code_of(
          {"NonMaxSuppression", 11, {flat, scores}, {flag("center_point_box", 2)}, {wire::kInt64}}),
      ErrorCode::bad_attribute);
}

TEST(SelectionConverters, sums_and_products_run_along_an_axis_that_is_an_input) {
  const wire::Message x = reals(0, {3}, {2, 3, 4}), axis = narrow(1, wire::kInt32, {}, {0});
  expect_outputs({"CumSum", 11, {x, axis}}, {{2, 5, 9}});
  expect_outputs({"CumSum", 14, {x, axis}, {flag("exclusive", 1), flag("reverse", 1)}},
                 {{7, 4, 0}});
  expect_outputs({"CumProd", 26, {x, axis}, {flag("exclusive", 1)}}, {{1, 2, 6}});
}

TEST(SelectionConverters, triangles_and_diagonals) {
  const wire::Message x = reals(0, {2, 2}, {1, 2, 3, 4});
  expect_outputs({"Trilu", 14, {x}}, {{1, 2, 0, 4}});
  expect_outputs({"Trilu", 14, {x, numbers(1, {}, {-1})}, {flag("upper", 0)}}, {{0, 0, 3, 0}});
  expect_outputs({"EyeLike", 9, {x}}, {{1, 0, 0, 1}});
  expect_outputs({"EyeLike", 22, {x}, {flag("k", -1), flag("dtype", wire::kInt32)}, {wire::kInt32}},
                 {{0, 0, 1, 0}});
  EXPECT_EQ(code_of({"EyeLike", 9, {x}, {flag("dtype", 99)}}), ErrorCode::bad_attribute);
  EXPECT_EQ(code_of({"EyeLike", 9, {x}, {flag("dtype", wire::kString)}}), ErrorCode::bad_type);
  EXPECT_EQ(code_of({"EyeLike", 9, {reals(0, {2}, {1, 2})}}), ErrorCode::bad_shape);
}

TEST(SelectionConverters, sequences_are_reversed_and_bits_are_kept) {
  const wire::Message x = reals(0, {2, 2}, {1, 2, 3, 4}), lengths = numbers(1, {2}, {2, 1});
  expect_outputs({"ReverseSequence", 10, {x, lengths}}, {{3, 2, 1, 4}});
  expect_outputs(
      {"ReverseSequence", 10, {x, lengths}, {flag("batch_axis", 0), flag("time_axis", 1)}},
      {{2, 1, 3, 4}});
  EXPECT_EQ(code_of({"ReverseSequence", 10, {x, lengths}, {flag("batch_axis", 0)}}),
            ErrorCode::bad_attribute);
  expect_outputs({"BitCast", 26, {reals(0, {1}, {1})}, {flag("to", wire::kInt32)}, {wire::kInt32}},
                 {{0x3f800000}});
  EXPECT_EQ(code_of({"BitCast", 26, {x}, {flag("to", wire::kInt64)}, {wire::kInt64}}),
            ErrorCode::bad_type);
  EXPECT_EQ(code_of({"BitCast", 26, {x}}), ErrorCode::bad_attribute);
  EXPECT_EQ(code_of({"BitCast", 26, {x}, {flag("to", 1000)}}), ErrorCode::bad_attribute);
}

}  // namespace
}  // namespace strop::onnx
