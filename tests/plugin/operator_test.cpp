// SPDX-License-Identifier: Apache-2.0
// Operators of a plugin in the graph: inference with open sizes, evaluation, text form, and what
// is refused before, and found after, the plugin was called.
#include "ir/verify.hpp"
#include "passes/pass_runner.hpp"
#include "passes/passes.hpp"
#include "plugin/plugin_support.hpp"

namespace strop {
namespace {

using testing::error_of;
using testing::evaluate_one;
using testing::expect_error;
using testing::floats;
using testing::parse;
using testing::values_of;

class PluginOperators : public ::testing::Test {
 protected:
  void SetUp() override { testing::load_sample_plugin(); }
  static std::string type_of_output(const Graph& graph) {
    return graph.value(graph.outputs()[0]).type.to_string();
  }
  // y = Misbehave(x) with this `how`.
  static Graph misbehave(const std::string& how) {
    return parse("graph main(%x: f32[N]) -> (%y) { %y = test.sample::Misbehave:1{how=\"" + how +
                 "\"}(%x) }");
  }
};

TEST_F(PluginOperators, compute_with_attributes_of_every_kind) {
  const Graph graph = parse(R"(graph main(%x: f32[N], %b: f32[2]) -> (%y) {
    %y = test.sample::Affine:1{alpha=3, mode="negate", offsets=[1, 2], more=[0.25], words=["ab", "c"],
      table=f32[1]{10}}(%x, %b)
  })");
  const Tensor y = evaluate_one(graph, {floats({3}, {1, 2, 3}), floats({2}, {100, 200})});
  EXPECT_EQ(values_of(y), (std::vector<float>{113.25f, 210.25f, 107.25f}));
  // Defaults, an absent input, an empty tensor.
  const Graph plain = parse("graph main(%x: f32[N]) -> (%y) { %y = test.sample::Affine:1(%x) }");
  EXPECT_EQ(values_of(evaluate_one(plain, {floats({2}, {1, -4})})), (std::vector<float>{2, -8}));
  EXPECT_EQ(evaluate_one(plain, {floats({0}, {})}).size(), 0);
}

TEST_F(PluginOperators, text_form_reads_back) {
  const char* text =
      "graph main(%x: f32[N,L], %b: f32[2]) -> (%y, %z) {\n"
      "  const %two = i64[1]{2}\n"
      "  %y: f32[N,L] = test.sample::Affine:3{alpha=0.5, words=[\"a\\\"}b\"], table=f32[2]{1, "
      "2}}(%x, %b) "
      "\"node\"\n"
      "  %w: f32[2*N,L] = test.sample::Repeat:1(%x, %two)\n"
      "  %z: f32[2*N,floordiv(L+1,2)-1,3] = test.sample::Windows:1{size=3, step=2}(%w)\n"
      "}\n";
  std::string printed = to_text(parse(text));
  EXPECT_EQ(to_text(parse(printed)), printed);
  EXPECT_NE(
      printed.find(
          "test.sample::Affine:3{alpha=0.5, words=[\"a\\\"}b\"], table=f32[2]{1, 2}}(%x, %b)"),
      std::string::npos)
      << printed;
  EXPECT_NE(printed.find("%w: f32[2*N,L]"), std::string::npos) << printed;
  verify(parse(printed));
}

TEST_F(PluginOperators, sizes_stay_expressions) {
  const auto output = [](const std::string& declared, const std::string& op) {
    return type_of_output(parse("graph main(%x: " + declared +
                                ", %t: i64[1]) -> (%y) { %y = test.sample::" + op + " }"));
  };
  EXPECT_EQ(output("f32[N,L]", "Windows:1{size=3}(%x)"), "f32[N,L-2,3]");
  EXPECT_EQ(output("f32[N,L]", "Windows:1{size=4, step=3}(%x)"), "f32[N,floordiv(L+2,3)-1,4]");
  EXPECT_EQ(output("f32[2,10]", "Windows:1{size=4, step=3}(%x)"), "f32[2,3,4]");
  // Of an operand whose rank is stated and not known, sizes are open, but there.
  EXPECT_TRUE(output("f32[*]", "Windows:1{size=4}(%x)").starts_with("f32[#"))
      << output("f32[*]", "Windows:1{size=4}(%x)");
  // A parameter whose value nobody knows.
  EXPECT_TRUE(output("f32[N,L]", "Repeat:1(%x, %t)").ends_with(",L]"));
  EXPECT_TRUE(output("f32[N,L]", "Positive:1(%x)").starts_with("f32[#"));
  EXPECT_EQ(output("f32[*]", "Affine:1(%x)"), "f32[*]");
}

TEST_F(PluginOperators, parameters_that_are_sizes_are_seen_as_sizes) {
  const Graph graph = parse(R"(graph main(%x: f32[N,L], %like: f32[M]) -> (%y) {
    %m = shape(%like)
    %y = test.sample::Repeat:1(%x, %m)
  })");
  EXPECT_EQ(type_of_output(graph), "f32[M*N,L]");
  const Tensor y = evaluate_one(graph, {floats({1, 2}, {1, 2}), floats({3}, {0, 0, 0})});
  EXPECT_EQ(y.shape(), (Shape{3, 2}));
  EXPECT_EQ(values_of(y), (std::vector<float>{1, 2, 1, 2, 1, 2}));
}

TEST_F(PluginOperators, equal_sizes_become_constraints) {
  const Graph graph = parse(R"(graph main(%a: f32[N], %b: f32[M]) -> (%y, %n) {
    %y, %n = test.sample::Sum:1(%a, %b, %a)
  })");
  EXPECT_EQ(type_of_output(graph), "f32[N]");
  const Node& node = graph.node(graph.order()[0]);
  ASSERT_EQ(node.constraints.size(), 1u);
  EXPECT_NE(node.constraints[0].why.find("sizes of the terms"), std::string::npos);
  const std::vector<Datum> results =
      evaluate_graph(graph, std::vector<Datum>{floats({2}, {1, 2}), floats({2}, {5, 6})});
  EXPECT_EQ(values_of(results[0].tensor()), (std::vector<float>{7, 10}));
  EXPECT_EQ(results[1].tensor().to_i64(), std::vector<std::int64_t>{3});
  expect_error(error_of([&] {
                 evaluate_one(graph, {floats({2}, {1, 2}), floats({1}, {5})});
               }),
               ErrorCode::bad_shape, "sizes of the terms");
}

TEST_F(PluginOperators, sizes_that_data_tells_are_allocated) {
  const Graph graph = parse("graph main(%x: f32[N]) -> (%y) { %y = test.sample::Positive:1(%x) }");
  EXPECT_EQ(values_of(evaluate_one(graph, {floats({4}, {-1, 2, 0, 3})})),
            (std::vector<float>{2, 3}));
  EXPECT_EQ(evaluate_one(graph, {floats({1}, {-1})}).shape(), Shape{0});
  RunLimits limits;
  limits.tensor_bytes = 4;
  expect_error(error_of([&] {
                 evaluate_graph(graph, std::vector<Datum>{floats({3}, {1, 2, 3})}, limits);
               }),
               ErrorCode::limit_exceeded, "12 bytes");
}

// A fault of the model is found before the plugin is called.
TEST_F(PluginOperators, wrong_attributes_types_and_ranks_are_refused) {
  const auto refused = [](const std::string& declared, const std::string& op, ErrorCode code,
                          const std::string& part) {
    SCOPED_TRACE(op);
    expect_error(
        error_of([&] {
          parse("graph main(%x: " + declared + ") -> (%y) { %y = test.sample::" + op + " }");
        }),
        code, part);
  };
  refused("f32[N]", "Affine:1{alpha=101}(%x)", ErrorCode::bad_attribute,
          "101 is not in [-100, 100]");
  refused("f32[N]", "Affine:1{alpha=nan}(%x)", ErrorCode::bad_attribute, "nan is not in");
  refused("f32[N]", "Affine:1{mode=\"loud\"}(%x)", ErrorCode::bad_attribute,
          "none of plain, negate");
  refused("f32[N]", "Affine:1{offsets=[1, 11]}(%x)", ErrorCode::bad_attribute,
          "11 is not in [0, 10]");
  refused("f32[N]", "Affine:1{mode=\"a\\x00b\"}(%x)", ErrorCode::bad_attribute, "zero byte");
  refused("f32[N]", "Affine:1{table=string[1]{\"a\"}}(%x)", ErrorCode::bad_attribute, "strings");
  refused("f32[N]", "Affine:1{absent=1}(%x)", ErrorCode::model_malformed, "no attribute absent");
  refused("f32[N]", "Affine:3(%x)", ErrorCode::bad_attribute, "alpha: it is required");
  refused("f32[N]", "Affine:2(%x)", ErrorCode::model_malformed, "no operator");
  refused("f64[N]", "Affine:1(%x)", ErrorCode::bad_type, "f64");
  refused("f32[N]", "Affine:1(%x, %x, %x)", ErrorCode::model_malformed, "at most 2 inputs");
  refused("f32[N]", "Affine:1()", ErrorCode::model_malformed, "input x is missing");
  refused("f32[N,M]", "Affine:1(%x, %x)", ErrorCode::bad_shape, "bias must have rank 1");
  refused("f32[N]", "Windows:1{size=3}(%x)", ErrorCode::bad_shape, "rank 2");
  refused("f32[N,L]", "Windows:1{size=0}(%x)", ErrorCode::bad_attribute, "0 is not in [1, 1000]");
  refused("string[N]", "Affine:1(%x)", ErrorCode::bad_type, "string");
  // What only the plugin knows.
  refused("f32[N]", "Affine:1{offsets=[1, 1, 1, 1]}(%x)", ErrorCode::bad_attribute,
          "more than 3 offsets");
  refused("f32[N,2]", "Windows:1{size=3}(%x)", ErrorCode::bad_shape, "shorter than a window");
}

TEST_F(PluginOperators, faults_of_the_plugin_are_its_own) {
  const std::pair<const char*, const char*> in_infer[] = {
      {"no type", "gave output 0 (y) no type"},
      {"silent", "returned 17 and gave no reason"},
      {"strange code", "for reasons of its own"},
      {"no attribute", "attribute absent, which it has not"},
      {"kind", "attribute how as another kind"},
      {"no input", "input 7, which is absent"},
      {"axis", "dimension 9 of input 0"},
      {"no parameter", "STROP_OPERAND_PARAMETER"},
      {"data", "reads a tensor in infer"},
      {"dimension", "never made"},
      {"wrong type", "made output 0 (y) i64[]"},
  };
  for (const auto& [how, part] : in_infer) {
    SCOPED_TRACE(how);
    expect_error(error_of([&] { misbehave(how); }), ErrorCode::plugin_failed, part);
  }
  expect_error(error_of([] { misbehave("overflow"); }), ErrorCode::bad_shape, "2^63-1");
  expect_error(error_of([] { misbehave("division"); }), ErrorCode::bad_shape, "divided by 0");
  expect_error(error_of([] { misbehave("negative"); }), ErrorCode::bad_shape, "would be -1");

  const auto run = [](const std::string& how, const RunLimits& limits = {}) {
    const Graph graph = misbehave(how);
    return error_of([&] {
      evaluate_graph(graph, std::vector<Datum>{floats({2}, {1, 2})}, limits);
    });
  };
  expect_error(run("open"), ErrorCode::plugin_failed, "leaves output 0 open");
  expect_error(run("value"), ErrorCode::bad_value, "displeases");
  expect_error(run("allocates"), ErrorCode::plugin_failed, "has its memory");
  expect_error(run("late dimension"), ErrorCode::plugin_failed, "outside of infer");
  const auto allocate = [](const std::string& how) {
    const Graph graph =
        parse("graph main(%x: f32[N]) -> (%y) { %y = test.sample::Misallocate:1{how=\"" + how +
              "\"}(%x) }");
    return error_of([&] { evaluate_one(graph, {floats({1}, {1})}); });
  };
  expect_error(allocate("well"), ErrorCode::ok, "");
  expect_error(allocate("size"), ErrorCode::plugin_failed, "made output 0 f32[1,3], its infer");
  expect_error(allocate("rank"), ErrorCode::plugin_failed, "made output 0 f32[1], its infer");
  expect_error(allocate("type"), ErrorCode::plugin_failed, "made output 0 i64[1,2], its infer");
  RunLimits limits;
  limits.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
  expect_error(run("forever", limits), ErrorCode::limit_exceeded, "deadline");
}

TEST_F(PluginOperators, constants_fold_and_equal_nodes_merge) {
  Graph graph = parse(R"(graph main(%x: f32[2]) -> (%s) {
    const %c = f32[2]{1, 2}
    %y = test.sample::Affine:1{alpha=3}(%c)
    %z = test.sample::Affine:1{alpha=3}(%x, %y)
    %w = test.sample::Affine:1{alpha=3}(%x, %y)
    %v = test.sample::Affine:1{alpha=4}(%x, %y)
    %s = test.sample::Sum:1(%z, %w, %v)
  })");
  const std::vector<Datum> x{floats({2}, {5, 6})};
  const std::vector<Datum> before = evaluate_graph(graph, x);
  run_passes(graph, default_passes(), Target{}, {});
  EXPECT_EQ(graph.node_count(), 3u) << to_text(graph);  // z and w are one, y is none
  const std::vector<Datum> after = evaluate_graph(graph, x);
  for (std::size_t i = 0; i < before.size(); ++i)
    EXPECT_TRUE(before[i].tensor().identical(after[i].tensor())) << i;
}

}  // namespace
}  // namespace strop
