// SPDX-License-Identifier: Apache-2.0
// If, Loop, Scan and SequenceMap as ONNX writes them.
#include "ir/evaluate.hpp"
#include "onnx/import_fixture.hpp"
#include "ops/loop.hpp"

namespace strop::onnx {
namespace {

using wire::Message;
using wire::Node;
using wire::Size;

const std::vector<Size> kScalar;

Message open_value(const char* name, std::int64_t element = wire::kFloat) {
  return wire::value_info(name, wire::tensor_type_without_shape(element));
}

Message value(const char* name, const std::vector<Size>& shape,
              std::int64_t element = wire::kFloat) {
  return wire::value_info(name, wire::tensor_type(element, shape));
}

Message sequence_type(const Message& element) {
  return Message().message(4, Message().message(1, element));
}
Message optional_type(const Message& element) {
  return Message().message(9, Message().message(1, element));
}

Node node(const char* op, std::vector<std::string> inputs, std::vector<std::string> outputs,
          std::vector<Message> attributes = {}) {
  return {op, std::move(inputs), std::move(outputs), std::move(attributes), "", "", ""};
}

Message body(const char* attribute, std::vector<Message> inputs, std::vector<Message> outputs,
             std::vector<Node> nodes) {
  wire::GraphParts parts;
  parts.name = attribute;
  parts.inputs = std::move(inputs);
  parts.outputs = std::move(outputs);
  parts.nodes = std::move(nodes);
  return wire::graph_attribute(attribute, wire::graph(parts));
}

std::string model(std::int64_t opset, std::vector<Node> nodes, std::vector<Message> inputs,
                  std::vector<Message> outputs, std::vector<Message> initializers = {}) {
  wire::ModelParts parts;
  parts.opsets = {{"", opset}};
  parts.graph.nodes = std::move(nodes);
  parts.graph.inputs = std::move(inputs);
  parts.graph.outputs = std::move(outputs);
  parts.graph.initializers = std::move(initializers);
  return wire::model(parts);
}

std::vector<Datum> run(const std::string& bytes, const std::vector<Datum>& inputs) {
  return evaluate_graph(import_bytes(bytes), inputs);
}

std::vector<float> floats_of(const Datum& datum) {
  const auto values = datum.tensor().values<float>();
  return {values.begin(), values.end()};
}

using Floats = std::vector<float>;

Tensor ramp(Shape shape) {
  Tensor out = Tensor::allocate(DType::f32, std::move(shape));
  float next = 0;
  for (float& x : out.mutable_values<float>()) x = next++;
  return out;
}

// (sum, x) -> (sum + x, k * (sum + x)), where k is captured.
Message summing_body() {
  return body("body", {open_value("sum"), open_value("in")},
              {open_value("next"), open_value("out")},
              {node("Add", {"sum", "in"}, {"next"}), node("Mul", {"next", "k"}, {"out"})});
}

std::vector<Message> with(Message graph, std::vector<Message> attributes) {
  attributes.push_back(wire::int_attribute("num_scan_inputs", 1));
  attributes.push_back(std::move(graph));
  return attributes;
}

const Tensor kTen = Tensor::scalar<float>(10);

TEST(ScanConverter, scans_any_axis_into_any_axis) {
  const auto scan = [](std::int64_t opset, std::vector<Message> attributes) {
    return run(
        model(opset, {node("Scan", {"s", "x"}, {"y", "z"}, with(summing_body(), attributes))},
              {value("s", {2}), value("x", {2, "T"}), value("k", kScalar)},
              {open_value("y"), open_value("z")}),
        {ramp({2}), ramp({2, 3}), kTen});
  };
  for (const std::int64_t opset : {9, 11, 16, 19, 21, 24}) {
    auto y = scan(opset, {wire::ints_attribute("scan_input_axes", {1})});
    EXPECT_EQ(floats_of(y[0]), (Floats{3, 13}));
    EXPECT_EQ(y[1].tensor().shape(), (Shape{3, 2}));
    EXPECT_EQ(floats_of(y[1]), (Floats{0, 40, 10, 80, 30, 130}));
    y = scan(opset, {wire::ints_attribute("scan_input_axes", {-1}),
                     wire::ints_attribute("scan_input_directions", {1}),
                     wire::ints_attribute("scan_output_axes", {1}),
                     wire::ints_attribute("scan_output_directions", {1})});
    EXPECT_EQ(floats_of(y[0]), (Floats{3, 13}));
    EXPECT_EQ(y[1].tensor().shape(), (Shape{2, 3}));
    EXPECT_EQ(floats_of(y[1]), (Floats{30, 30, 20, 130, 100, 60}));
  }
}

TEST(ScanConverter, opset_8_has_a_batch_and_lengths) {
  const auto scan = [](bool lengths, std::int64_t direction) {
    return run(
        model(8,
              {node("Scan", {lengths ? "n" : "", "s", "x"}, {"y", "z"},
                    with(summing_body(), {wire::ints_attribute("directions", {direction})}))},
              {value("n", {2}, wire::kInt64), value("s", {2, 1}), value("x", {2, "T", 1}),
               value("k", kScalar)},
              {open_value("y"), open_value("z")}),
        {Tensor::from<std::int64_t>({2}, {3, 2}), ramp({2, 1}), ramp({2, 3, 1}), kTen});
  };
  auto y = scan(false, 0);
  EXPECT_EQ(y[0].tensor().shape(), (Shape{2, 1}));
  EXPECT_EQ(floats_of(y[0]), (Floats{3, 13}));
  EXPECT_EQ(y[1].tensor().shape(), (Shape{2, 3, 1}));
  EXPECT_EQ(floats_of(y[1]), (Floats{0, 10, 30, 40, 80, 130}));
  y = scan(true, 0);
  EXPECT_EQ(floats_of(y[0]), (Floats{3, 8}));
  EXPECT_EQ(floats_of(y[1]), (Floats{0, 10, 30, 40, 80, 0}));
  y = scan(true, 1);  // backwards from the end of each sequence
  EXPECT_EQ(floats_of(y[1]), (Floats{20, 30, 30, 50, 80, 0}));
}

TEST(ScanConverter, knows_the_shapes_of_its_outputs) {
  const Graph graph = import_bytes(
      model(11,
            {node("Scan", {"s", "x"}, {"y", "z"},
                  with(summing_body(), {wire::ints_attribute("scan_output_axes", {-1})}))},
            {value("s", {"B"}), value("x", {"T", "B"}), value("k", kScalar)},
            {open_value("y"), open_value("z")}));
  EXPECT_EQ(graph.value(graph.outputs()[0]).type.to_string(), "f32[B]");
  EXPECT_EQ(graph.value(graph.outputs()[1]).type.to_string(), "f32[B,T]");
}

TEST(ScanConverter, refuses_attributes_that_do_not_fit) {
  const auto code = [](std::int64_t opset, std::vector<Message> attributes) {
    return problems_of(
               model(opset,
                     {node("Scan", {"s", "x"}, {"y", "z"}, with(summing_body(), attributes))},
                     {value("s", {2}), value("x", {3, 2}), value("k", kScalar)},
                     {open_value("y"), open_value("z")}))
        .front()
        .code;
  };
  EXPECT_EQ(code(9, {wire::ints_attribute("scan_input_axes", {0, 0})}), ErrorCode::bad_attribute);
  EXPECT_EQ(code(9, {wire::ints_attribute("scan_input_axes", {2})}), ErrorCode::bad_attribute);
  EXPECT_EQ(code(9, {wire::ints_attribute("scan_input_directions", {2})}),
            ErrorCode::bad_attribute);
  EXPECT_EQ(code(9, {wire::ints_attribute("scan_output_axes", {2})}), ErrorCode::bad_attribute);
  EXPECT_EQ(code(9, {wire::ints_attribute("scan_output_axes", {})}), ErrorCode::bad_attribute);
  EXPECT_EQ(code(9, {wire::ints_attribute("scan_output_directions", {-1})}),
            ErrorCode::bad_attribute);
  EXPECT_EQ(code(9, {wire::ints_attribute("directions", {0})}), ErrorCode::bad_attribute);
  for (const std::int64_t count : {-1, 0, 3}) {
    EXPECT_EQ(
        problems_of(model(9,
                          {node("Scan", {"s", "x"}, {"y", "z"},
                                {wire::int_attribute("num_scan_inputs", count), summing_body()})},
                          {value("s", {2}), value("x", {3, 2}), value("k", kScalar)},
                          {open_value("y"), open_value("z")}))
            .front()
            .code,
        ErrorCode::bad_attribute);
  }
}

TEST(SequenceMapConverter, maps_sequences_tensors_and_captures) {
  const Message floats = wire::tensor_type(wire::kFloat, {"N"});
  const auto y =
      run(model(17,
                {node("SequenceMap", {"a", "b"}, {"y", "n"},
                      {body("body", {value("p", {"N"}), value("q", {"N"})},
                            {open_value("y"), open_value("n", wire::kInt64)},
                            {node("Mul", {"p", "q"}, {"pq"}), node("Add", {"pq", "k"}, {"y"}),
                             node("Shape", {"p"}, {"n"})})})},
                {wire::value_info("a", sequence_type(floats)), value("b", {1}), value("k", {1})},
                {wire::value_info("y", sequence_type(floats)),
                 wire::value_info("n", sequence_type(wire::tensor_type(wire::kInt64, {1})))}),
          {Sequence{ramp({2}), ramp({3})}, Tensor::from<float>({1}, {2}), kTen.reshaped({1})});
  ASSERT_EQ(y[0].sequence().size(), 2u);
  EXPECT_EQ(floats_of(y[0].sequence()[0]), (Floats{10, 12}));
  EXPECT_EQ(floats_of(y[0].sequence()[1]), (Floats{10, 12, 14}));
  EXPECT_EQ(y[1].sequence()[1].tensor().to_i64(), (std::vector<std::int64_t>{3}));
}

// What is carried begins as an optional, and the body returns what it holds.
std::string loop_with_optional() {
  const Message floats = wire::tensor_type(wire::kFloat, {"N"});
  const Message held =
      body("else_branch", {}, {open_value("h")}, {node("OptionalGetElement", {"o"}, {"h"})});
  const Message none = body("then_branch", {}, {open_value("z")}, {node("Identity", {"x"}, {"z"})});
  return model(
      18,
      {node(
          "Loop", {"n", "", "first"}, {"last"},
          {body("body",
                {value("i", kScalar, wire::kInt64), value("c", kScalar, wire::kBool),
                 wire::value_info("o", optional_type(floats))},
                {open_value("c2", wire::kBool), open_value("sum")},
                {node("Identity", {"c"}, {"c2"}), node("OptionalHasElement", {"o"}, {"has"}),
                 node("Not", {"has"}, {"empty"}), node("If", {"empty"}, {"present"}, {none, held}),
                 node("Add", {"present", "x"}, {"sum"})})})},
      {value("n", kScalar, wire::kInt64), wire::value_info("first", optional_type(floats)),
       value("x", {"N"})},
      {open_value("last")});
}

TEST(LoopConverter, an_optional_may_become_what_it_holds) {
  const auto trips = [](std::int64_t n) { return Datum(Tensor::scalar(n)); };
  const Datum full(Optional{std::make_shared<const Datum>(kTen.reshaped({1}))});
  const std::string bytes = loop_with_optional();
  EXPECT_EQ(floats_of(run(bytes, {trips(2), full, ramp({3})})[0]), (Floats{10, 12, 14}));
  EXPECT_EQ(floats_of(run(bytes, {trips(2), Optional{}, ramp({3})})[0]), (Floats{0, 3, 6}));
  EXPECT_EQ(floats_of(run(bytes, {trips(0), full, ramp({3})})[0]), (Floats{10}));
  try {
    run(bytes, {trips(0), Optional{}, ramp({3})});
    FAIL() << "an empty optional has no value";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_value);
  }
}

TEST(LoopConverter, a_sequence_may_grow_in_kinds_of_elements) {
  // Begins with [2]-shaped elements, gets [3]-shaped ones.
  const Message pairs = wire::tensor_type(wire::kFloat, {2});
  const auto y = run(
      model(18,
            {node("Loop", {"n", "", "s"}, {"t"},
                  {body("body",
                        {value("i", kScalar, wire::kInt64), value("c", kScalar, wire::kBool),
                         wire::value_info("a", Message())},
                        {open_value("c2", wire::kBool), wire::value_info("b", Message())},
                        {node("Identity", {"c"}, {"c2"}),
                         node("SequenceInsert", {"a", "x"}, {"b"})})})},
            {value("n", kScalar, wire::kInt64), wire::value_info("s", sequence_type(pairs)),
             value("x", {3})},
            {wire::value_info("t", sequence_type(wire::tensor_type_without_shape(wire::kFloat)))}),
      {Tensor::scalar<std::int64_t>(2), Sequence{ramp({2})}, ramp({3})});
  ASSERT_EQ(y[0].sequence().size(), 3u);
  EXPECT_EQ(y[0].sequence()[2].tensor().shape(), (Shape{3}));
}

TEST(LoopConverter, a_for_loop_keeps_its_trip_count_in_shapes) {
  const Graph graph = import_bytes(model(
      13,
      {node("Loop", {"n", "yes"}, {"all"},
            {body("body", {value("i", kScalar, wire::kInt64), value("c", kScalar, wire::kBool)},
                  {open_value("c2", wire::kBool), open_value("twice")},
                  {node("Identity", {"c"}, {"c2"}), node("Add", {"x", "x"}, {"twice"})})})},
      {value("x", {"N"})}, {open_value("all")},
      {wire::int64_tensor("n", {}, {5}),
       Message().number(2, wire::kBool).bytes(9, std::string(1, '\1')).bytes(8, "yes")}));
  EXPECT_EQ(graph.value(graph.outputs()[0]).type.to_string(), "f32[5,N]");
}

std::string if_model(std::vector<Node> then_nodes, std::vector<Node> else_nodes,
                     const Message& output) {
  return model(18,
               {node("If", {"c"}, {"y"},
                     {body("then_branch", {}, {open_value("a")}, std::move(then_nodes)),
                      body("else_branch", {}, {open_value("b")}, std::move(else_nodes))})},
               {value("c", kScalar, wire::kBool), value("x", {2, 3})}, {output});
}

TEST(IfConverter, branches_may_differ_in_shape_and_rank) {
  const std::string bytes =
      if_model({node("Identity", {"x"}, {"a"})},
               {node("Flatten", {"x"}, {"f"}),
                node("ReduceMean", {"f"}, {"b"}, {wire::int_attribute("keepdims", 0)})},
               open_value("y"));
  EXPECT_EQ(run(bytes, {Tensor::scalar(true), ramp({2, 3})})[0].tensor().shape(), (Shape{2, 3}));
  EXPECT_EQ(floats_of(run(bytes, {Tensor::scalar(false), ramp({2, 3})})[0]), (Floats{2.5}));
}

TEST(IfConverter, sequences_and_optionals_may_differ_in_what_they_tell_of_their_elements) {
  const Message any = wire::tensor_type_without_shape(wire::kFloat);
  const std::string sequences =
      if_model({node("SequenceConstruct", {"x"}, {"a"})},
               {node("Flatten", {"x"}, {"f"}, {wire::int_attribute("axis", 0)}),
                node("SequenceConstruct", {"f", "x"}, {"b"})},
               wire::value_info("y", sequence_type(any)));
  EXPECT_EQ(run(sequences, {Tensor::scalar(false), ramp({2, 3})})[0].sequence().size(), 2u);
  const std::string optionals = if_model({node("Optional", {"x"}, {"a"})},
                                         {node("Optional", {}, {"b"},
                                               {Message().bytes(1, "type").number(20, 13).message(
                                                   14, wire::tensor_type(wire::kFloat, {7}))})},
                                         wire::value_info("y", optional_type(any)));
  const auto y = run(optionals, {Tensor::scalar(false), ramp({2, 3})});
  EXPECT_EQ(std::get<Optional>(y[0].value).value, nullptr);
}

TEST(IfConverter, branches_of_different_kinds_are_refused) {
  const auto problems =
      problems_of(if_model({node("Identity", {"x"}, {"a"})},
                           {node("SequenceConstruct", {"x"}, {"b"})}, open_value("y")));
  EXPECT_EQ(problems[0].code, ErrorCode::bad_type);
  EXPECT_NE(problems[0].why.find("seq(f32[2,3])"), std::string::npos) << problems[0].why;
}

}  // namespace
}  // namespace strop::onnx
