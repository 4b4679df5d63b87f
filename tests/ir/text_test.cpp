// SPDX-License-Identifier: Apache-2.0
#include "ir/text.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "ir/evaluate.hpp"
#include "ir/verify.hpp"
#include "ops/op_list.hpp"
#include "ops/reshape.hpp"
#include "ops/shape.hpp"
#include "ops/softmax.hpp"

namespace strop {
namespace {

Graph parse(std::string_view text) {
  return parse_graph(text, [](std::string_view name) { return find_op(name); });
}

// The error's message; "" when the text is read.
std::string refusal(std::string_view text) {
  try {
    parse(text);
    return "";
  } catch (const Error& error) {
    return error.message();
  }
}

TEST(Text, reads_and_prints_the_same_graph) {
  const std::string text =
      "graph main(%x: f32[N,3]) -> (%y \"logits\", %shape) {\n"
      "  const %sizes = i64[2]{-1, 3}\n"
      "  %\"layer1/softmax\": f32[N,3] = softmax{axis=1}(%x) \"layer1/Softmax\" from [\"a\", "
      "\"b\"]\n"
      "  %y: f32[N,3] = reshape(%\"layer1/softmax\", %sizes)\n"
      "  %shape: i64[2] = shape(%y)\n"
      "}\n";
  const Graph graph = parse(text);
  verify(graph);
  EXPECT_EQ(to_text(graph), text);
  EXPECT_EQ(graph.output_name(0), "logits");
  EXPECT_EQ(graph.node_count(), 3u);
}

TEST(Text, reads_the_example_of_the_documentation) {
  std::ifstream file("../docs/ir.md");
  if (!file) GTEST_SKIP() << "not run in the folder tests/";
  std::string example;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("    ")) example += line + "\n";
  }
  const Graph graph = parse_graph(
      example, [](std::string_view name) { return find_op(name); },
      [](std::size_t) {
        return Tensor::zeros(DType::f32, {64, 3, 7, 7});
      });
  verify(graph);
  EXPECT_EQ(graph.node_count(), 5u);
}

TEST(Text, infers_types_that_are_left_out) {
  const Graph graph = parse(R"(graph main(%x: f32[N, 3]) -> (%y) { %y = softmax(%x) })");
  EXPECT_EQ(graph.value(graph.outputs()[0]).type.to_string(), "f32[N,3]");
}

TEST(Text, makes_names_unique_where_values_share_one) {
  GraphBuilder builder;
  const ValueId x = builder.add_input("x", Type::tensor(DType::f32, {Dim(3)}));
  const ValueId a =
      builder.emit(op_softmax(), SoftmaxAttributes{}, {x}, 1, {.output_names = {"x"}})[0];
  const ValueId b =
      builder.emit(op_softmax(), SoftmaxAttributes{}, {a}, 1, {.output_names = {""}})[0];
  const ValueId c =
      builder.emit(op_softmax(), SoftmaxAttributes{}, {b}, 1, {.output_names = {"x_1"}})[0];
  builder.add_output(c, "out");
  const std::string text = to_text(builder.take());
  EXPECT_EQ(text,
            "graph main(%x: f32[3]) -> (%x_1 \"out\") {\n"
            "  %x_2: f32[3] = softmax(%x)\n"
            "  %v_1: f32[3] = softmax(%x_2)\n"
            "  %x_1: f32[3] = softmax(%v_1)\n"
            "}\n");
  EXPECT_EQ(to_text(parse(text)), text);
}

TEST(Text, keeps_large_constants_as_references_that_a_resolver_maps) {
  GraphBuilder builder;
  std::vector<float> values(40);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) / 3;
  const Tensor weights = Tensor::from<float>({40}, values);
  const ValueId w = builder.constant(weights, "w");
  const ValueId v = builder.constant(weights, "v");  // the same memory
  builder.add_output(builder.emit(op_softmax(), SoftmaxAttributes{}, {w}), "y");
  builder.add_output(v, "v");
  const Graph graph = builder.take();
  std::vector<Tensor> tensors;
  const std::string text = to_text(graph, {.tensors = &tensors});
  ASSERT_EQ(tensors.size(), 1u);
  EXPECT_NE(text.find("const %w: f32[40] = @0\n  const %v: f32[40] = @0\n"), std::string::npos)
      << text;
  const auto lookup = [](std::string_view name) { return find_op(name); };
  const Graph back = parse_graph(text, lookup, [&](std::size_t i) { return tensors.at(i); });
  EXPECT_TRUE(back.value(back.outputs()[1]).constant.identical(weights));
  EXPECT_EQ(to_text(back), text);
  const auto other = [](std::size_t) { return Tensor::zeros(DType::f32, {41}); };
  EXPECT_THROW(parse_graph(text, lookup, other), Error);
  EXPECT_THROW(parse_graph(text, lookup), Error);
}

TEST(Text, prints_hashes_or_nothing_for_constants_when_asked) {
  GraphBuilder builder;
  builder.add_output(builder.constant(Tensor::zeros(DType::u8, {17}), "w"), "w");
  const Graph graph = builder.take();
  const std::string omitted = to_text(graph, {.constants = ConstantText::omitted});
  EXPECT_NE(omitted.find("const %w: u8[17] = ...\n"), std::string::npos) << omitted;
  EXPECT_NE(refusal(omitted).find("without the contents"), std::string::npos);
  const std::string hashed = to_text(graph, {.constants = ConstantText::hashes});
  EXPECT_NE(hashed.find("const %w: u8[17] = hash "), std::string::npos) << hashed;
  GraphBuilder other;
  Tensor ones = Tensor::zeros(DType::u8, {17});
  ones.mutable_values<std::uint8_t>()[3] = 1;
  other.add_output(other.constant(ones, "w"), "w");
  EXPECT_NE(to_text(other.take(), {.constants = ConstantText::hashes}), hashed);
}

TEST(Text, keeps_odd_constants_to_the_bit) {
  GraphBuilder builder;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<Tensor> constants = {
      Tensor::from<float>({3}, {-0.0f, 1e-45f, infinity}),
      Tensor::from<float>({2}, {nan, 0.1f}),
      Tensor::from<double>({2}, {-infinity, 0.1}),
      Tensor::from_strings({2, 1}, {"a \"quoted\"\n// no comment", std::string("\0\xff", 2)}),
      Tensor::from<bool>({2}, {true, false}),
      Tensor::from<std::uint64_t>({1}, {~std::uint64_t{0}}),
      Tensor::from<std::int64_t>({}, {std::numeric_limits<std::int64_t>::min()}),
      Tensor::from<std::int8_t>({0, 5}, {}),
      Tensor::zeros(DType::i4, {3}),
      Tensor::zeros(DType::f8e4m3fn, {2}),
      Tensor::zeros(DType::c64, {1}),
      Tensor::from<float16>({1}, {float16(1.5f)}),
      Tensor::from_strings({20}, std::vector<std::string>(20, "many")),
  };
  for (std::size_t i = 0; i < constants.size(); ++i) {
    const std::string name = "c" + std::to_string(i);
    builder.add_output(builder.constant(constants[i], name), name);
  }
  const std::string text = to_text(builder.take());
  const Graph back = parse(text);
  for (std::size_t i = 0; i < constants.size(); ++i) {
    EXPECT_TRUE(back.value(back.outputs()[i]).constant.identical(constants[i]))
        << describe(constants[i]);
  }
}

// Operators as they are, but with outputs of a size nobody knows, so that any attributes and inputs
// make a graph.
const OpDef* loose_op(std::string_view name) {
  static const std::vector<OpDef> loose = [] {
    std::vector<OpDef> out;
    for (const OpDef* op : all_ops()) {
      OpDef copy = *op;
      copy.inputs = {
          {.name = "inputs", .types = kAny, .arity = Operand::variadic, .kind = Operand::any}};
      copy.outputs = {{.name = "outputs", .types = kAny, .arity = Operand::variadic}};
      copy.infer = [](InferContext& context) {
        for (std::size_t i = 0; i < context.output_count(); ++i)
          context.set_output(i, DType::f32, {context.fresh_dim(), Dim::symbol("N") * 2});
      };
      out.push_back(copy);
    }
    return out;
  }();
  for (const OpDef& op : loose) {
    if (op.name == name) return &op;
  }
  return nullptr;
}

// A value of each field type that is not what a default is likely to be; `round` varies it.
AttributeValue odd_value(const AttributeField& field, int round) {
  const bool even = round % 2 == 0;
  if (field.type == "bool") return even;
  if (field.type == "i64")
    return even ? std::numeric_limits<std::int64_t>::min() : std::int64_t{1234567890123};
  if (field.type == "float") return even ? -0.0 : std::numeric_limits<double>::infinity();
  if (field.type == "string") return std::string(even ? "a}\"{, %x = // [" : "\n\t\\\x01");
  if (field.type == "enum") {
    return std::string(field.enum_names[even ? field.enum_names.size() - 1 : 0]);
  }
  if (field.type == "type of element") return even ? DType::f8e5m2fnuz : DType::u2;
  if (field.type == "tensor") {
    return even ? Tensor::from_strings({2}, {"}", "\""}) : Tensor::from<float>({1, 2}, {-0.0f, 3});
  }
  if (field.type == "type") {
    return even ? Type::sequence(Type::tensor_of_unknown_rank(DType::string))
                : Type::map(DType::i64, Type::tensor(DType::f32, {Dim::symbol("N"), Dim(2)}));
  }
  if (field.type == "optional i64") return std::optional<std::int64_t>(even ? -7 : 0);
  if (field.type == "i64[]")
    return even ? std::vector<std::int64_t>{} : std::vector<std::int64_t>{-1, 0, 5};
  if (field.type == "float[]")
    return even ? std::vector<double>{0.5, -0.0, 0x1p-149} : std::vector<double>{};
  if (field.type == "string[]") return std::vector<std::string>{"", "]", "a,b"};
  const Dim n = Dim::symbol("N");
  return std::vector<Dim>{n, floordiv(n + 1, 2) * 3 - 4, Dim(-1), max(n, mod(n, 8))};
}

TEST(Text, survives_every_operator_with_odd_attributes_and_inputs) {
  for (const OpDef* op : all_ops()) {
    for (int round = 0; round < 2; ++round) {
      GraphBuilder builder("odd graph", "");
      const ValueId x = builder.add_input("x", Type::tensor(DType::f32, {Dim::symbol("N")}));
      const ValueId s =
          builder.add_input("a/b c", Type::sequence(Type::tensor_of_unknown_rank(DType::string)));
      const std::shared_ptr<void> data = op->attributes->make_default();
      std::string attributes;
      for (const AttributeField& field : op->attributes->fields) {
        attributes += (attributes.empty() ? "{" : ", ") + std::string(field.name) + "=";
        AttributeValue value = odd_value(field, round);
        attributes += to_string(value);
      }
      if (!attributes.empty()) attributes += "}";
      const OpDef& loose = *loose_op(op->name);
      Emitter::Options options;
      options.name = "node \"1\"";
      options.origins = {"", "b]"};
      options.output_names = {"%", "0"};
      for (const std::string_view which : op->subgraphs) {
        GraphBuilder nested(std::string(which), builder.nested_scope(which));
        const ValueId inner = nested.add_input("x", Type::tensor_of_unknown_rank(DType::f32));
        const ValueId unknown =
            nested.emit(loose, Attributes::parse(*op->attributes, attributes), {inner}, 1,
                        {.subgraphs = std::vector<std::shared_ptr<const Graph>>(
                             op->subgraphs.size(), std::make_shared<const Graph>())})[0];
        nested.add_output(unknown, "r");
        options.subgraphs.push_back(std::make_shared<const Graph>(nested.take()));
      }
      const auto outputs = builder.emit(loose, Attributes::parse(*op->attributes, attributes),
                                        {x, ValueId::none(), s, ValueId::none()}, 2, options);
      builder.add_output(outputs[1], "0");
      builder.add_output(outputs[0], "");
      builder.add_output(x, "x");
      const Graph graph = builder.take();
      const std::string text = to_text(graph);
      Graph back;
      ASSERT_NO_THROW(back = parse_graph(text, loose_op)) << text;
      EXPECT_EQ(to_text(back), text);
      const Node& before = graph.node(graph.order()[0]);
      const Node& after = back.node(back.order()[0]);
      EXPECT_TRUE(before.attributes == after.attributes) << text;
      EXPECT_EQ(before.name, after.name);
      EXPECT_EQ(before.origins, after.origins);
      EXPECT_EQ(before.inputs, after.inputs);
      EXPECT_EQ(before.subgraphs.size(), after.subgraphs.size());
      EXPECT_EQ(graph.value(outputs[0]).type, back.value(back.outputs()[1]).type);
    }
  }
}

TEST(Text, names_unknown_sizes_after_the_node_of_the_new_graph) {
  // The symbols speak of a node 17 that stands first here, and of one that is gone.
  const std::string text = R"(graph main(%x: f32[N]) -> (%b) {
  %a: f32[#17.0,2*N] = softmax(%x)
  %b: f32[#3.0,2*N] = softmax(%a)
})";
  const std::string back = to_text(parse_graph(text, loose_op));
  EXPECT_NE(back.find("%a: f32[#0.0,2*N]"), std::string::npos) << back;
  EXPECT_NE(back.find("%b: f32[#1.0,2*N]"), std::string::npos) << back;
  EXPECT_EQ(to_text(parse_graph(back, loose_op)), back);
}

// Of a nested graph on its own, as engines keep it: its inputs have symbols of the outside, and one
// of them may be called like a size that a node in here finds out.
TEST(Text, tells_symbols_of_the_outside_from_those_that_nodes_make) {
  const Graph graph = parse(R"(graph body(%x: f32[#0.0,#7body/in0.1]) -> (%n, %sizes) {
  %n: i64[2,#5.0] = non_zero(%x)
  %sizes = dims{values=[#0.0, 2*#7body/in0.1]}()
})");
  verify(graph);
  const Dim outside = (*graph.value(graph.inputs()[0]).type.shape)[0];
  EXPECT_FALSE(outside == (*graph.value(graph.outputs()[0]).type.shape)[1]);
  const Datum x(Tensor::from<float>({2, 3}, {0, 1, 0, 0, 0, 0}));
  const auto y = evaluate_graph(graph, std::vector<Datum>{x});
  EXPECT_EQ(y[0].tensor().shape(), (Shape{2, 1}));
  EXPECT_EQ(y[1].tensor().to_i64(), (std::vector<std::int64_t>{2, 6}));
  EXPECT_EQ(to_text(parse(to_text(graph))), to_text(graph));
}

TEST(Text, says_where_and_why_it_cannot_be_read) {
  EXPECT_NE(refusal("graph main() -> () {\n  %y = frobnicate()\n}").find("no operator frobnicate"),
            std::string::npos);
  EXPECT_NE(refusal("graph main() -> () {\n  %y = frobnicate()\n}").find("line 2"),
            std::string::npos);
  EXPECT_NE(refusal("graph main() -> () { %y = softmax(%x) }").find("%x is not defined"),
            std::string::npos);
  EXPECT_NE(refusal("graph main(%x: f32[3], %x: f32[2]) -> () { }").find("defined twice"),
            std::string::npos);
  EXPECT_NE(refusal("graph main(%x: f32[3]) -> (%z) { }").find("%z is not defined"),
            std::string::npos);
  EXPECT_NE(refusal("graph main(%x: f32[3]) -> () { %y: f32[4] = softmax(%x) }")
                .find("declared f32[4], but its operator makes it f32[3]"),
            std::string::npos);
  EXPECT_NE(refusal("graph main(%x: f32[3]) -> () { %y, %z = softmax(%x) }").find("2 outputs"),
            std::string::npos);
  EXPECT_NE(refusal("graph main(%x: i32[3]) -> () { %y = softmax(%x) }").find("%y of the graph"),
            std::string::npos);
  EXPECT_NE(refusal("graph main() -> () { } graph").find("text after"), std::string::npos);
  EXPECT_NE(refusal("graph main() -> () { const %a: i64[3] = i64[2]{1, 2} }").find("declared"),
            std::string::npos);
}

TEST(Text, refuses_every_truncation) {
  const std::string text =
      "graph main(%x: f32[N,3]) -> (%y \"logits\") {\n"
      "  const %sizes = i64[2]{-1, 3}\n"
      "  %y: f32[N,3] = reshape{allow_zero=true}(%x, %sizes) \"n\" from [\"a\", \"b\"]\n"
      "}";
  ASSERT_EQ(refusal(text), "");
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_NE(refusal(text.substr(0, size)), "") << size;
}

TEST(Text, never_faults_on_a_changed_byte) {
  const std::string text =
      "graph main(%x: f32[N,3]) -> (%y \"logits\") {\n"
      "  const %sizes = i64[2]{-1, 3}\n"
      "  %s: f32[N,3] = softmax{axis=1, log=true}(%x)\n"
      "  %y: f32[N,3] = reshape{allow_zero=true}(%s, %sizes) \"n\" from [\"a\", \"b\"]\n"
      "}";
  int refused = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const char c : {'\0', '"', '{', ')', '9', '%', '-', ',', '#', '\xff'}) {
      std::string changed = text;
      changed[i] = c;
      try {
        verify(parse(changed));
      } catch (const Error& error) {
        EXPECT_NE(error.code(), ErrorCode::internal) << changed << error.message();
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(Text, takes_time_linear_in_a_hostile_text) {
  std::string nested;
  for (int i = 0; i < 200'000; ++i) nested += "graph a(";
  EXPECT_NE(refusal(nested), "");
  EXPECT_NE(refusal("graph main(%x: " + std::string(1'000'000, '(')), "");
  EXPECT_NE(refusal("graph main(%x: " + std::string(1'000'000, '[') + "]"), "");
  std::string many = "graph main(%x: f32[3]) -> (%v0) {\n %v0 = softmax(%x)\n";
  for (int i = 1; i < 50'000; ++i)
    many += "%v" + std::to_string(i) + " = softmax(%v" + std::to_string(i / 2) + ")\n";
  EXPECT_EQ(refusal(many + "}"), "");
}

}  // namespace
}  // namespace strop
