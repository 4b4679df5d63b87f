// SPDX-License-Identifier: Apache-2.0
// Models whose loops, branches and functions are made to never end, to fill the memory or to
// overflow: each ends in an error that says so, soon.
#include <chrono>
#include <limits>

#include "ir/evaluate.hpp"
#include "onnx/import_fixture.hpp"
#include "support/sanitized.hpp"

namespace strop::onnx {
namespace {

using wire::Message;
using wire::Node;
using wire::Size;

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
const std::vector<Size> kScalar;

Message value(const char* name, std::int64_t element) {
  return wire::value_info(name, wire::tensor_type_without_shape(element));
}

Message scalar(const char* name, std::int64_t element) {
  return wire::value_info(name, wire::tensor_type(element, kScalar));
}

Node node(const char* op, std::vector<std::string> inputs, std::vector<std::string> outputs,
          std::vector<Message> attributes = {}, const char* domain = "") {
  return {op, std::move(inputs), std::move(outputs), std::move(attributes), "", domain, ""};
}

Message graph(const char* attribute, std::vector<Message> inputs, std::vector<Message> outputs,
              std::vector<Node> nodes, std::vector<Message> initializers = {}) {
  wire::GraphParts parts;
  parts.name = attribute;
  parts.inputs = std::move(inputs);
  parts.outputs = std::move(outputs);
  parts.nodes = std::move(nodes);
  parts.initializers = std::move(initializers);
  return wire::graph_attribute(attribute, wire::graph(parts));
}

// (i, condition, carried...) with `outputs` after the condition, which goes on as it comes in.
Message body(std::vector<Message> carried, std::vector<Message> outputs, std::vector<Node> nodes,
             std::vector<Message> initializers = {}) {
  carried.insert(carried.begin(), scalar("c", wire::kBool));
  carried.insert(carried.begin(), scalar("i", wire::kInt64));
  outputs.insert(outputs.begin(), value("c2", wire::kBool));
  nodes.insert(nodes.begin(), node("Identity", {"c"}, {"c2"}));
  return graph("body", std::move(carried), std::move(outputs), std::move(nodes),
               std::move(initializers));
}

// x: f32[N,3] and flag: bool[] around the nodes.
wire::ModelParts parts_with(std::vector<Node> nodes, std::vector<Message> outputs,
                            std::vector<Message> initializers = {}) {
  wire::ModelParts parts;
  parts.graph.nodes = std::move(nodes);
  parts.graph.inputs = {wire::value_info("x", wire::tensor_type(wire::kFloat, {"N", 3})),
                        scalar("flag", wire::kBool)};
  parts.graph.outputs = std::move(outputs);
  parts.graph.initializers = std::move(initializers);
  return parts;
}

// What importing the model, or running it, ends in; within the time.
ErrorCode end_of(const std::string& bytes, RunLimits limits = {}, double seconds = 1) {
  const auto start = std::chrono::steady_clock::now();
  ErrorCode code = ErrorCode::ok;
  try {
    const Graph model = import_bytes(bytes);
    const std::vector<Datum> inputs = {Tensor::zeros(DType::f32, {2, 3}), Tensor::scalar(true)};
    evaluate_graph(model, std::span(inputs).first(model.inputs().size()), limits);
  } catch (const Error& error) {
    code = error.code();
    EXPECT_FALSE(error.message().empty());
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_LE(took.count(), testing::kSanitized ? 10 * seconds : seconds);
  return code;
}

RunLimits limited(std::int64_t RunLimits::*which, std::int64_t value) {
  RunLimits limits;
  limits.*which = value;
  return limits;
}

TEST(HostileControlFlow, loops_that_cannot_end_are_not_begun) {
  const auto loop = [](const char* trips) {
    return wire::model(
        parts_with({node("Loop", {trips, ""}, {"y"},
                         {body({}, {value("z", wire::kFloat)}, {node("Add", {"x", "x"}, {"z"})})})},
                   {value("y", wire::kFloat)}, {wire::int64_tensor("most", {}, {kMost})}));
  };
  EXPECT_EQ(end_of(loop("")), ErrorCode::limit_exceeded);
  EXPECT_NE(end_of(loop("most")), ErrorCode::ok);
}

TEST(HostileControlFlow, a_loop_that_could_end_meets_a_limit) {
  // The condition comes from outside and stays true; what is carried stays small.
  const Message endless =
      graph("body", {scalar("i", wire::kInt64), scalar("c", wire::kBool), value("a", wire::kFloat)},
            {value("c2", wire::kBool), value("b", wire::kFloat)},
            {node("Or", {"flag", "c"}, {"c2"}), node("Neg", {"a"}, {"b"})});
  const std::string bytes = wire::model(
      parts_with({node("Loop", {"", "", "x"}, {"y"}, {endless})}, {value("y", wire::kFloat)}));
  EXPECT_EQ(end_of(bytes, limited(&RunLimits::loop_iterations, 1000)), ErrorCode::limit_exceeded);
  RunLimits soon;
  soon.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
  EXPECT_EQ(end_of(bytes, soon), ErrorCode::limit_exceeded);
}

// Loops within loops, each of a thousand iterations.
TEST(HostileControlFlow, nested_loops_count_together) {
  Message inner =
      body({value("a", wire::kFloat)}, {value("b", wire::kFloat)}, {node("Neg", {"a"}, {"b"})});
  for (int depth = 0; depth < 8; ++depth) {
    inner = body({value("a", wire::kFloat)}, {value("b", wire::kFloat)},
                 {node("Loop", {"thousand", "", "a"}, {"b"}, {inner})});
  }
  const std::string bytes = wire::model(
      parts_with({node("Loop", {"thousand", "", "x"}, {"y"}, {inner})}, {value("y", wire::kFloat)},
                 {wire::int64_tensor("thousand", {}, {1000})}));
  EXPECT_EQ(end_of(bytes, limited(&RunLimits::loop_iterations, 5000)), ErrorCode::limit_exceeded);
}

TEST(HostileControlFlow, carried_values_that_double_meet_a_limit) {
  const std::string bytes = wire::model(parts_with(
      {node("Loop", {"most", "flag", "x"}, {"y"},
            {graph("body",
                   {scalar("i", wire::kInt64), scalar("c", wire::kBool), value("a", wire::kFloat)},
                   {value("c2", wire::kBool), value("b", wire::kFloat)},
                   {node("And", {"flag", "c"}, {"c2"}),
                    node("Concat", {"a", "a"}, {"b"}, {wire::int_attribute("axis", 0)})})})},
      {value("y", wire::kFloat)}, {wire::int64_tensor("most", {}, {kMost})}));
  EXPECT_EQ(end_of(bytes, limited(&RunLimits::tensor_bytes, 1 << 24)), ErrorCode::limit_exceeded);
}

TEST(HostileControlFlow, sequences_meet_limits_of_length_and_bytes) {
  // A sequence that grows by x in each iteration.
  const Message floats = wire::tensor_type_without_shape(wire::kFloat);
  const Message sequence = Message().message(4, Message().message(1, floats));
  const std::string bytes = wire::model(parts_with(
      {node("SequenceEmpty", {}, {"s"}),
       node("Loop", {"million", "", "s"}, {"t"},
            {body({wire::value_info("a", sequence)}, {wire::value_info("b", sequence)},
                  {node("SequenceInsert", {"a", "x"}, {"b"})})})},
      {wire::value_info("t", sequence)}, {wire::int64_tensor("million", {}, {1'000'000})}));
  EXPECT_EQ(end_of(bytes, limited(&RunLimits::sequence_length, 1000)), ErrorCode::limit_exceeded);
  EXPECT_EQ(end_of(bytes, limited(&RunLimits::tensor_bytes, 24'000)), ErrorCode::limit_exceeded);
  // x cut into more pieces than a sequence may have.
  const std::string pieces = wire::model(parts_with(
      {node("Expand", {"x", "sizes"}, {"wide"}),
       node("SplitToSequence", {"wide"}, {"t"}, {wire::int_attribute("axis", 0)})},
      {wire::value_info("t", sequence)}, {wire::int64_tensor("sizes", {3}, {5000, 1, 1})}));
  EXPECT_EQ(end_of(pieces, limited(&RunLimits::sequence_length, 1000)), ErrorCode::limit_exceeded);
}

TEST(HostileControlFlow, functions_that_call_themselves_are_refused) {
  const auto recursive = [](std::vector<Node> nodes) {
    wire::ModelParts parts =
        parts_with({node("f", {"x"}, {"y"}, {}, "m")}, {value("y", wire::kFloat)});
    wire::FunctionParts function;
    function.domain = "m";
    function.name = "f";
    function.inputs = {"a"};
    function.outputs = {"b"};
    function.nodes = std::move(nodes);
    parts.functions = {function};
    parts.opsets.emplace_back("m", 1);
    return wire::model(parts);
  };
  const Node call = node("f", {"a"}, {"z"}, {}, "m");
  const Node yes =
      node("Constant", {}, {"yes"},
           {wire::tensor_attribute(
               "value", Message().number(2, wire::kBool).bytes(9, std::string(1, '\1')))});
  const Message calling = graph("then_branch", {}, {value("z", wire::kFloat)}, {call});
  const Message ending =
      graph("else_branch", {}, {value("z", wire::kFloat)}, {node("Identity", {"a"}, {"z"})});
  EXPECT_EQ(end_of(recursive({node("f", {"a"}, {"b"}, {}, "m")})), ErrorCode::model_malformed);
  EXPECT_EQ(end_of(recursive({yes, node("If", {"yes"}, {"b"}, {calling, ending})})),
            ErrorCode::model_malformed);
  EXPECT_EQ(end_of(recursive({node("Loop", {"", "", "a"}, {"b"},
                                   {body({value("s", wire::kFloat)}, {value("z", wire::kFloat)},
                                         {node("f", {"s"}, {"z"}, {}, "m")})})})),
            ErrorCode::model_malformed);
}

std::string nested_branches(int depth) {
  Message inner = graph("then_branch", {}, {value("r", wire::kFloat)}, {node("Neg", {"x"}, {"r"})});
  const Message other =
      graph("else_branch", {}, {value("r", wire::kFloat)}, {node("Identity", {"x"}, {"r"})});
  for (int i = 1; i < depth; ++i) {
    inner = graph("then_branch", {}, {value("r", wire::kFloat)},
                  {node("If", {"flag"}, {"r"}, {inner, other})});
  }
  return wire::model(
      parts_with({node("If", {"flag"}, {"y"}, {inner, other})}, {value("y", wire::kFloat)}));
}

TEST(HostileControlFlow, depth_is_bounded) {
  EXPECT_EQ(end_of(nested_branches(20)), ErrorCode::ok);
  EXPECT_EQ(end_of(nested_branches(60)), ErrorCode::limit_exceeded);
  EXPECT_EQ(end_of(nested_branches(1000)), ErrorCode::limit_exceeded);
}

// The body of each loop has to be read again because what it carries changes its size, and in each
// reading all that is nested in it.
TEST(HostileControlFlow, bodies_that_are_read_again_stay_within_the_budget) {
  Message inner = body({value("a", wire::kFloat)}, {value("b", wire::kFloat)},
                       {node("Concat", {"a", "a"}, {"b"}, {wire::int_attribute("axis", 0)})});
  for (int depth = 0; depth < 25; ++depth) {
    inner = body({value("a", wire::kFloat)}, {value("b", wire::kFloat)},
                 {node("Loop", {"two", "", "a"}, {"b"}, {inner})});
  }
  const std::string bytes =
      wire::model(parts_with({node("Loop", {"two", "", "x"}, {"y"}, {inner})},
                             {value("y", wire::kFloat)}, {wire::int64_tensor("two", {}, {2})}));
  ASSERT_LE(bytes.size(), 4096u);
  EXPECT_EQ(end_of(bytes, {}, 0.5), ErrorCode::limit_exceeded);
}

TEST(HostileControlFlow, sizes_that_pass_64_bits_are_refused) {
  const std::int64_t huge = std::int64_t{1} << 62;
  const auto tensor = [&](const char* name, std::vector<std::int64_t> values) {
    return wire::int64_tensor(name, {static_cast<std::int64_t>(values.size())}, values);
  };
  // In a body: a tensor of 2^64 elements, and one of 2^62 times what came before it.
  for (const char* op : {"ConstantOfShape", "Expand", "Tile"}) {
    std::vector<std::string> inputs = op == std::string("ConstantOfShape")
                                          ? std::vector<std::string>{"sizes"}
                                          : std::vector<std::string>{"a", "sizes"};
    const std::string bytes =
        wire::model(parts_with({node("Loop", {"two", "flag", "x"}, {"y"},
                                     {body({value("a", wire::kFloat)}, {value("b", wire::kFloat)},
                                           {node(op, std::move(inputs), {"b"})})})},
                               {value("y", wire::kFloat)},
                               {wire::int64_tensor("two", {}, {2}), tensor("sizes", {huge, 4})}));
    const ErrorCode code = end_of(bytes);
    EXPECT_TRUE(code == ErrorCode::bad_shape || code == ErrorCode::limit_exceeded)
        << op << " ends in " << static_cast<int>(code);
  }
  // Slices that multiply with the trip count.
  const std::string stacked = wire::model(
      parts_with({node("Loop", {"huge", ""}, {"y"},
                       {body({}, {value("b", wire::kFloat)}, {node("Identity", {"x"}, {"b"})})})},
                 {value("y", wire::kFloat)}, {wire::int64_tensor("huge", {}, {huge})}));
  const ErrorCode code = end_of(stacked);
  EXPECT_TRUE(code == ErrorCode::bad_shape || code == ErrorCode::limit_exceeded);
}

TEST(HostileControlFlow, a_scan_over_nothing_but_length_meets_a_limit) {
  // 2^60 slices of no elements.
  const std::string bytes = wire::model(parts_with(
      {node("ConstantOfShape", {"sizes"}, {"long"}),
       node("Scan", {"long"}, {"y"},
            {wire::int_attribute("num_scan_inputs", 1),
             graph("body", {value("e", wire::kFloat)}, {value("f", wire::kFloat)},
                   {node("Neg", {"e"}, {"f"})})})},
      {value("y", wire::kFloat)}, {wire::int64_tensor("sizes", {2}, {std::int64_t{1} << 60, 0})}));
  EXPECT_EQ(end_of(bytes), ErrorCode::limit_exceeded);
}

}  // namespace
}  // namespace strop::onnx
