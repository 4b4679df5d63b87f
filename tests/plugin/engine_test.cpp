// SPDX-License-Identifier: Apache-2.0
// Engines that use a plugin: built, saved, loaded, run, and engines that somebody changed.
#include <nlohmann/json.hpp>

#include "builder/plan_execution.hpp"
#include "plan/engine_file.hpp"
#include "plugin/plugin_support.hpp"
#include "runtime/plugins.hpp"
#include "support/model_writer.hpp"
#include "support/temporary_folder.hpp"

namespace strop {
namespace {

namespace wire = onnx::wire;
using testing::error_of;
using testing::expect_error;
using testing::floats;
using testing::PlanMaker;
using testing::values_of;

class PluginEngines : public ::testing::Test {
 protected:
  void SetUp() override { testing::load_sample_plugin(); }

  // x: f32[N,L] -> nodes -> y.
  static std::string model(const std::vector<wire::Node>& nodes,
                           const std::vector<wire::Message>& initializers = {}) {
    wire::ModelParts parts;
    parts.graph.nodes = nodes;
    parts.graph.inputs = {wire::value_info("x", wire::tensor_type(wire::kFloat, {"N", "L"}))};
    parts.graph.outputs = {wire::value_info("y", wire::tensor_type_without_shape(wire::kFloat))};
    parts.graph.initializers = initializers;
    parts.opsets = {{"", 17}, {"test.sample", 1}};
    return wire::model(parts);
  }
  static wire::Node affine(const std::string& in, const std::string& out, float alpha = 3) {
    return {"Affine", {in},          {out}, {wire::float_attribute("alpha", alpha)},
            "affine", "test.sample", {}};
  }
  static BuildResult build(const std::string& bytes, const BuildConfig& config = {}) {
    return build_model(wire::as_bytes(bytes), nullptr, config);
  }
  static Tensor run(Context& context, const Tensor& x) {
    context.bind("x", x);
    context.run();
    return context.output_tensor("y").clone();
  }
  static Tensor run(std::shared_ptr<const Engine> engine, const Tensor& x) {
    Context context(std::move(engine));
    return run(context, x);
  }
  static const NodeReport& report_of(const BuildResult& result, const std::string& op) {
    for (const NodeReport& node : result.report.lowering.nodes) {
      if (node.op.starts_with(op)) return node;
    }
    throw std::runtime_error("no node of " + op);
  }
  // y = the kernel on x, as an engine may say.
  static std::shared_ptr<const Engine> engine_of(const std::string& kernel,
                                                 const std::string& parameters,
                                                 const std::string& x, const std::string& y,
                                                 const std::string& backend = "plugin") {
    PlanMaker maker;
    const auto in = maker.input("x", x);
    const auto out = maker.arena("y", y);
    maker.step(kernel, {in}, {out}, parameters, backend);
    maker.output("y", out);
    return maker.engine();
  }
};

TEST_F(PluginEngines, fast_kernel_is_chosen_checked_and_saved) {
  const std::string bytes = model({affine("x", "y")});
  const BuildResult result = build(bytes);
  const NodeReport& node = report_of(result, "test.sample::Affine:1");
  EXPECT_EQ(node.backend, "plugin");
  EXPECT_EQ(node.tactic, "plugin/fast");
  ASSERT_EQ(node.refusals.size(), 2u);
  EXPECT_EQ(node.refusals[0].tactic, "plugin/moody");
  EXPECT_EQ(node.refusals[0].reason, "it is never in the mood");
  EXPECT_EQ(node.refusals[1].tactic, "plugin/exotic");
  EXPECT_NE(node.refusals[1].reason.find("no_such_set"), std::string::npos);
  EXPECT_TRUE(result.report.self_check.done);

  const testing::TemporaryFolder folder;
  save_engine(result.engine, folder.path("e.strop"));
  const EngineHeader header = read_engine_header(folder.path("e.strop"));
  const EnginePlugin expected{"sample", 1, 4, {"test.sample::Affine:1"}};
  EXPECT_EQ(header.plugins, std::vector<EnginePlugin>{expected});
  // Equal builds give equal bytes, and nothing in them is of this machine's files.
  EXPECT_EQ(serialize_engine(build(bytes).engine), serialize_engine(result.engine));
  EXPECT_EQ(folder.content("e.strop").find("test_plugin"), std::string::npos);

  const auto engine = Engine::load(folder.path("e.strop"));
  Context context(engine);
  for (const std::int64_t rows : {1, 3, 0, 2}) {
    const Tensor x = random_tensor(DType::f32, {rows, 700}, 5);
    const Tensor y = run(context, x);
    ASSERT_EQ(y.shape(), x.shape());
    for (std::int64_t i = 0; i < x.size(); ++i)
      ASSERT_EQ(values_of(y)[static_cast<std::size_t>(i)],
                3 * values_of(x)[static_cast<std::size_t>(i)]);
  }
}

TEST_F(PluginEngines, reference_runs_what_no_kernel_takes) {
  BuildConfig precise;
  precise.precise = true;
  BuildConfig left_out;
  left_out.tactics = {"-plugin"};
  BuildConfig reference;
  reference.device = "reference";
  for (const BuildConfig& config : {precise, left_out, reference}) {
    BuildResult result = build(model({affine("x", "y")}), config);
    const NodeReport& node = report_of(result, "test.sample::Affine:1");
    EXPECT_EQ(node.backend, "reference");
    const auto engine = std::make_shared<const Engine>(std::move(result.engine));
    EXPECT_EQ(values_of(run(engine, floats({1, 2}, {1, 2}))), (std::vector<float>{3, 6}));
  }
}

TEST_F(PluginEngines, open_sizes_and_data_dependent_sizes_run) {
  BuildResult result = build(model(
      {{"Windows", {"x"}, {"w"}, {wire::int_attribute("size", 2)}, "windows", "test.sample", {}},
       {"Relu", {"w"}, {"r"}, {}, "relu", {}, {}},
       {"Positive", {"r"}, {"p"}, {}, "positive", "test.sample", {}},
       affine("p", "y", 10)}));
  const auto engine = std::make_shared<const Engine>(std::move(result.engine));
  Context context(engine);
  EXPECT_EQ(values_of(run(context, floats({1, 3}, {1, -2, 3}))), (std::vector<float>{10, 30}));
  EXPECT_EQ(values_of(run(context, floats({1, 4}, {1, 2, 3, 4}))),
            (std::vector<float>{10, 20, 20, 30, 30, 40}));
  EXPECT_EQ(run(context, floats({1, 2}, {-1, -1})).shape(), Shape{0});
}

TEST_F(PluginEngines, operators_in_a_loop_body_run) {
  wire::GraphParts body;
  body.nodes = {affine("a", "b", 2), {"Identity", {"go"}, {"go_on"}, {}, "go_on", {}, {}}};
  body.inputs = {wire::value_info("i", wire::tensor_type(wire::kInt64, {})),
                 wire::value_info("go", wire::tensor_type(wire::kBool, {})),
                 wire::value_info("a", wire::tensor_type(wire::kFloat, {"N", "L"}))};
  body.outputs = {wire::value_info("go_on", wire::tensor_type(wire::kBool, {})),
                  wire::value_info("b", wire::tensor_type(wire::kFloat, {"N", "L"}))};
  BuildResult result = build(model({{"Loop",
                                     {"n", "", "x"},
                                     {"y"},
                                     {wire::graph_attribute("body", wire::graph(body))},
                                     "loop",
                                     {},
                                     {}}},
                                   {wire::int64_tensor("n", {}, {3})}));
  EXPECT_EQ(result.engine.header.plugins.size(), 1u);
  const auto engine = std::make_shared<const Engine>(std::move(result.engine));
  EXPECT_EQ(values_of(run(engine, floats({1, 2}, {1, -1}))), (std::vector<float>{8, -8}));
}

TEST_F(PluginEngines, kernels_that_refuse_made_up_data_are_built_untimed) {
  BuildResult result = build(model({{"Picky", {"x"}, {"y"}, {}, "picky", "test.sample", {}}}));
  EXPECT_EQ(report_of(result, "test.sample::Picky:1").tactic, "plugin/one");
  EXPECT_FALSE(result.report.self_check.done);
  const auto noted = [&](const std::string& part) {
    return std::ranges::any_of(result.report.notes, [&](const std::string& note) {
      return note.find(part) != std::string::npos;
    });
  };
  EXPECT_TRUE(noted("node picky was not timed, it refuses made-up data: it is not 42"));
  EXPECT_TRUE(noted("self-check left out"));
  const auto engine = std::make_shared<const Engine>(std::move(result.engine));
  EXPECT_EQ(values_of(run(engine, floats({1, 1}, {42}))), std::vector<float>{42});
  expect_error(error_of([&] { run(engine, floats({1, 1}, {1})); }), ErrorCode::bad_value, "picky");
}

// A loop that carries a sequence runs in the operator library, which reads its body as text.
TEST_F(PluginEngines, operators_in_a_loop_of_the_operator_library_run) {
  const wire::Message sequence = wire::Message().message(
      4, wire::Message().message(1, wire::tensor_type_without_shape(wire::kFloat)));
  wire::GraphParts body;
  body.nodes = {affine("a", "b", 2),
                {"SequenceInsert", {"s", "b"}, {"t"}, {}, "insert", {}, {}},
                {"Identity", {"go"}, {"go_on"}, {}, "go_on", {}, {}}};
  body.inputs = {wire::value_info("i", wire::tensor_type(wire::kInt64, {})),
                 wire::value_info("go", wire::tensor_type(wire::kBool, {})),
                 wire::value_info("a", wire::tensor_type(wire::kFloat, {"N", "L"})),
                 wire::value_info("s", sequence)};
  body.outputs = {wire::value_info("go_on", wire::tensor_type(wire::kBool, {})),
                  wire::value_info("b", wire::tensor_type(wire::kFloat, {"N", "L"})),
                  wire::value_info("t", sequence)};
  BuildResult result = build(model(
      {{"SequenceEmpty", {}, {"none"}, {}, "empty", {}, {}},
       {"Loop",
        {"n", "", "x", "none"},
        {"last", "all"},
        {wire::graph_attribute("body", wire::graph(body))},
        "loop",
        {},
        {}},
       {"ConcatFromSequence", {"all"}, {"y"}, {wire::int_attribute("axis", 0)}, "concat", {}, {}}},
      {wire::int64_tensor("n", {}, {2})}));
  EXPECT_EQ(result.engine.header.plugins.size(), 1u);
  const auto engine = std::make_shared<const Engine>(std::move(result.engine));
  EXPECT_EQ(values_of(run(engine, floats({1, 2}, {1, -1}))), (std::vector<float>{2, -2, 4, -4}));
}

TEST_F(PluginEngines, missing_plugin_is_named_with_its_operator) {
  EngineContents contents = build(model({affine("x", "y")})).engine;
  const auto load = [&] {
    const std::vector<std::byte> bytes = serialize_engine(contents);
    return error_of([&] { Engine::load(bytes, nullptr); });
  };
  expect_error(load(), ErrorCode::ok, "");
  const EnginePlugin sample = contents.header.plugins[0];
  contents.header.plugins[0].name = "never.loaded";
  expect_error(load(), ErrorCode::missing_plugin, "plugin never.loaded 1.4");
  expect_error(load(), ErrorCode::missing_plugin, "test.sample::Affine:1");
  contents.header.plugins[0] = sample;
  contents.header.plugins[0].operators.push_back("test.sample::Affine:9");
  expect_error(load(), ErrorCode::missing_plugin, "no operator test.sample::Affine:9");
  contents.header.plugins[0] = sample;
  contents.header.plugins[0].version_major = 2;
  expect_error(load(), ErrorCode::plugin_mismatch, "version 1.4 is loaded");
  contents.header.plugins[0].version_major = 1;
  contents.header.plugins[0].version_minor = 5;
  expect_error(load(), ErrorCode::plugin_mismatch, "needs plugin sample 1.5");
  contents.header.plugins[0].version_minor = 3;  // an older plugin's engine
  expect_error(load(), ErrorCode::ok, "");
}

// The header says nothing, the plan says what it likes: nothing of it reaches the plugin unchecked.
TEST_F(PluginEngines, hostile_steps_are_refused) {
  const auto refused = [](std::shared_ptr<const Engine> engine, const Tensor& x, ErrorCode code,
                          const std::string& part) {
    SCOPED_TRACE(part);
    expect_error(error_of([&] { run(std::move(engine), x); }), code, part);
  };
  const Tensor four = floats({4}, {1, 2, 3, 4});
  const std::string fast = "test.sample::Affine:1/fast";
  EXPECT_EQ(values_of(run(engine_of(fast, "{alpha=3}", "f32[N]", "f32[N]"), four)),
            (std::vector<float>{3, 6, 9, 12}));

  refused(engine_of("test.gone::Op:1/fast", "", "f32[N]", "f32[N]"), four,
          ErrorCode::missing_plugin, "test.gone::Op:1");
  refused(engine_of("test.gone::Op:1", "", "f32[N]", "f32[N]", "reference"), four,
          ErrorCode::missing_plugin, "test.gone::Op:1");
  refused(engine_of("unary/fast", "", "f32[N]", "f32[N]"), four, ErrorCode::missing_plugin,
          "unary");
  refused(engine_of("test.sample::Affine:1/slow", "", "f32[N]", "f32[N]"), four,
          ErrorCode::plugin_mismatch, "kernel slow");
  refused(engine_of("test.sample::Affine:1", "", "f32[N]", "f32[N]"), four,
          ErrorCode::plugin_mismatch, "kernel ");
  refused(engine_of("test.sample::Affine:1/exotic", "", "f32[N]", "f32[N]"), four,
          ErrorCode::engine_other_target, "no_such_set");
  refused(engine_of("test.sample::Affine:1/moody", "", "f32[N]", "f32[N]"), four,
          ErrorCode::no_implementation, "mood");
  for (const std::string backend : {"plugin", "reference"}) {
    const std::string kernel = backend == "plugin" ? fast : "test.sample::Affine:1";
    SCOPED_TRACE(backend);
    refused(engine_of(kernel, "{alpha=1000}", "f32[N]", "f32[N]", backend), four,
            ErrorCode::bad_attribute, "[-100, 100]");
    refused(engine_of(kernel, "{offsets=[1, 1, 1, 1]}", "f32[N]", "f32[N]", backend), four,
            ErrorCode::bad_attribute, "offsets");
    refused(engine_of(kernel, "{alpha=", "f32[N]", "f32[N]", backend), four,
            ErrorCode::model_malformed, "expected");
    refused(engine_of(kernel, "{beta=1}", "f32[N]", "f32[N]", backend), four,
            ErrorCode::model_malformed, "beta");
    refused(engine_of(kernel, "", "i32[N]", "i32[N]", backend),
            Tensor::from<std::int32_t>({4}, {1, 2, 3, 4}), ErrorCode::bad_type, "i32");
  }
  // Memory that is smaller, larger or of another type than what the operator writes.
  refused(engine_of(fast, "", "f32[N]", "f32[1]"), four, ErrorCode::engine_invalid,
          "f32[4], the engine foresees f32[1]");
  refused(engine_of(fast, "", "f32[N]", "f32[2,N]"), four, ErrorCode::engine_invalid,
          "foresees f32[2,4]");
  refused(engine_of(fast, "", "f32[N]", "f64[N]"), four, ErrorCode::engine_invalid,
          "foresees f64[4]");
  refused(engine_of("test.sample::Affine:1", "", "f32[N]", "f32[1]", "reference"), four,
          ErrorCode::bad_shape, "f32[4]");
  refused(engine_of("test.sample::Misbehave:1", "{how=\"open\"}", "f32[N]", "f32[N]", "reference"),
          four, ErrorCode::plugin_failed, "open");
  // No inputs, too many, absent ones, outputs of unknown size.
  PlanMaker maker;
  const auto x = maker.input("x", "f32[N]");
  const auto y = maker.arena("y", "f32[N]");
  maker.step(fast, {x, x, x}, {y}, "", "plugin");
  maker.output("y", y);
  refused(maker.engine(), four, ErrorCode::model_malformed, "at most 2 inputs");
  PlanMaker absent;
  const auto x2 = absent.input("x", "f32[N]");
  const auto y2 = absent.arena("y", "f32[N]");
  absent.step(fast, {kNoSlot, x2}, {y2}, "", "plugin");
  absent.output("y", y2);
  refused(absent.engine(), four, ErrorCode::model_malformed, "input x is missing");
  PlanMaker open;
  const auto x3 = open.input("x", "f32[N]");
  const auto y3 = open.dynamic("y", "f32[M]");
  open.step(fast, {x3}, {y3}, "", "plugin").cut = true;
  open.output("y", y3);
  refused(open.engine(), four, ErrorCode::engine_invalid, "known shape");
  PlanMaker two;
  const auto x4 = two.input("x", "f32[N]");
  const auto y4 = two.arena("y", "f32[N]");
  const auto z4 = two.arena("z", "f32[N]");
  two.step(fast, {x4}, {y4, z4}, "", "plugin");
  two.output("y", y4);
  refused(two.engine(), four, ErrorCode::model_malformed, "asked for 2");
}

TEST_F(PluginEngines, run_ends_at_its_deadline) {
  const auto engine =
      engine_of("test.sample::Misbehave:1", "{how=\"forever\"}", "f32[N]", "f32[N]", "reference");
  ContextOptions options;
  options.deadline_ms = 20;
  Context context(engine, options);
  context.bind("x", floats({1}, {1}));
  expect_error(error_of([&] { context.run(); }), ErrorCode::limit_exceeded, "deadline");
}

}  // namespace
}  // namespace strop
