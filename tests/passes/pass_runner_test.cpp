// SPDX-License-Identifier: Apache-2.0
#include "passes/pass_runner.hpp"

#include <gtest/gtest.h>

#include "ir/text.hpp"
#include "ops/op_list.hpp"
#include "ops/softmax.hpp"
#include "support/temporary_folder.hpp"

namespace strop {
namespace {

Graph example() {
  return parse_graph(
      R"(graph main(%x: f32[N,3]) -> (%z) {
        %y = softmax{axis=0}(%x) "first"
        %z = softmax(%y) "second"
      })",
      [](std::string_view name) { return find_op(name); });
}

int forget_the_first(Graph& graph, const PassContext& context) {
  const Node& last = graph.node(graph.order().back());
  if (graph.order().size() < 2) return 0;
  Patch patch(graph, "forget " + label_of(graph.node(graph.order()[0])));
  patch.replace(last.inputs[0], graph.inputs()[0]);
  context.apply(patch, graph);
  return 1;
}

int change_nothing(Graph&, const PassContext&) { return 0; }

int break_the_graph(Graph& graph, const PassContext&) {
  const_cast<Value&>(graph.value(graph.outputs()[0])).output_index = 5;
  return 1;
}

int run_out(Graph&, const PassContext&) { throw Error(ErrorCode::limit_exceeded, "too much"); }

constexpr Pass kForget{"eliminate_first", "forgets", forget_the_first};
constexpr Pass kNothing{"fold_nothing", "does nothing", change_nothing};
constexpr Pass kBreak{"rewrite_badly", "breaks", break_the_graph};
constexpr Pass kLimit{"fold_all", "runs out", run_out};

TEST(PassRunner, removes_dead_nodes_and_reports_what_was_done) {
  Graph graph = example();
  const std::vector<Pass> passes = {kNothing, kForget};
  const auto records = run_passes(graph, passes, {});
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].rewrites, 0);
  EXPECT_EQ(records[1].name, "eliminate_first");
  EXPECT_EQ(records[1].rewrites, 1);
  EXPECT_EQ(records[1].nodes_before, 2u);
  EXPECT_EQ(records[1].nodes_after, 1u);
  EXPECT_EQ(records[1].notes, std::vector<std::string>{"forget first"});
  EXPECT_EQ(graph.node_count(), 1u);
}

TEST(PassRunner, stops_after_the_pass_named) {
  Graph graph = example();
  const std::vector<Pass> passes = {kNothing, kForget};
  EXPECT_EQ(run_passes(graph, passes, {}, {.stop_after = "fold_nothing"}).size(), 1u);
  EXPECT_EQ(graph.node_count(), 2u);
  try {
    run_passes(graph, passes, {}, {.stop_after = "fold_nothin"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_option);
    EXPECT_NE(error.message().find("fold_nothing, eliminate_first"), std::string::npos);
  }
}

TEST(PassRunner, shows_the_graph_before_a_failing_pass_and_how_to_repeat_it) {
  Graph graph = example();
  const std::vector<Pass> passes = {kForget, kBreak};
  try {
    run_passes(graph, passes, {}, {.command = "strop build model.onnx"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::pass_failed);
    const std::string message = error.message();
    EXPECT_NE(message.find("pass rewrite_badly"), std::string::npos) << message;
    EXPECT_NE(message.find("node second"), std::string::npos) << message;
    EXPECT_NE(message.find("%z: f32[N,3] = softmax(%x)"), std::string::npos) << message;
    EXPECT_NE(message.find("strop build model.onnx --stop-after=passes"), std::string::npos)
        << message;
  }
}

TEST(PassRunner, lets_a_limit_keep_its_code) {
  Graph graph = example();
  const std::vector<Pass> passes = {kLimit};
  try {
    run_passes(graph, passes, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::limit_exceeded);
    EXPECT_NE(error.message().find("fold_all"), std::string::npos);
  }
}

TEST(PassRunner, writes_the_graph_after_every_step) {
  testing::TemporaryFolder folder;
  Graph graph = example();
  const std::vector<Pass> passes = {kForget};
  run_passes(graph, passes, {}, {.dump = folder.path("steps")});
  EXPECT_EQ(folder.content("steps/00_start.txt"), to_text(example()));
  EXPECT_EQ(folder.content("steps/01_eliminate_first.txt"), to_text(graph));
}

TEST(PassRunner, rewrites_nested_graphs_too) {
  // An operator whose nested graph runs once on its input.
  static const OpDef call{
      .name = "call",
      .summary = "runs its body",
      .inputs = {{.name = "x"}},
      .outputs = {{.name = "y"}},
      .subgraphs = {"body"},
      .traits = {},
      .infer =
          [](InferContext& context) {
            const Graph& body = *context.subgraphs()[0];
            context.set_output(0, body.value(body.outputs()[0]).type);
          },
      .reference = nullptr,
  };
  Graph graph = parse_graph(
      R"(graph main(%x: f32[N,3]) -> (%z) {
        %z = call(%x) "outer" body graph body(%x: f32[N,3]) -> (%z) {
          %y = softmax{axis=0}(%x) "first"
          %z = softmax(%y) "second"
        }
      })",
      [](std::string_view name) { return name == "call" ? &call : find_op(name); });
  const std::vector<Pass> passes = {kForget};
  EXPECT_EQ(run_passes(graph, passes, {})[0].rewrites, 1);
  const Node& outer = graph.node(graph.order()[0]);
  EXPECT_EQ(outer.name, "outer");
  EXPECT_EQ(outer.subgraphs[0]->node_count(), 1u);
}

}  // namespace
}  // namespace strop
