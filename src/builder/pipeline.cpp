// SPDX-License-Identifier: Apache-2.0
#include "builder/pipeline.hpp"

#include <functional>

#include "base/os/clock.hpp"
#include "builder/pack_constants.hpp"
#include "builder/plugin_use.hpp"
#include "builder/self_check.hpp"
#include "builder/targets.hpp"
#include "builder/tuner.hpp"
#include "builder/value_ranges.hpp"
#include "ir/text.hpp"
#include "onnx/importer.hpp"
#include "passes/passes.hpp"

namespace strop {

std::span<const Pass> default_passes() {
  // What depends on shapes alone goes first, so that the rest sees constants. Fusion goes late: it
  // hides operators in bodies.
  static const Pass passes[] = {
      eliminate_identity(),
      fold_shape_arithmetic(),
      fold_quantized_constants(),
      fuse_activation(),  // whole functions: a table of each
      fuse_quantized(),
      fuse_byte_tables(),
      fold_constants(),
      fold_implied_conditions(),
      inline_constant_branch(),  // conditions that followed from shapes
      fold_shape_arithmetic(),   // ranks that are known now
      fold_constants(),
      inline_constant_branch(),
      fold_shape_arithmetic(),  // sizes that went through constant floats, or a branch
      rewrite_einsum(),         // ranks are known
      fold_constants(),         // of what was inlined or moved
      eliminate_identity(),     // what folding has shown to be one
      eliminate_common_subexpressions(),
      fuse_activation(),  // before fuse_batch_norm, which would take the "+ 3" of a hard sigmoid
      fuse_layer_norm(),
      rewrite_gemm(),  // before eliminate_transpose, which does not look at gemm
      fuse_attention(),
      eliminate_transpose(),
      fuse_attention_projections(),
      fuse_pad(),
      rewrite_patch_conv(),
      fuse_batch_norm(),
      store_half(),
      fuse_attention_layout(),  // after all that looks at attention
      fuse_channel_shuffle(),
      pad_channels(),  // integer operators are spelled out still
      fuse_epilogue(),
      assign_precision(),  // of products with what fuse_epilogue gave them
      fuse_depthwise(),
      fuse_concat(),
      fold_layer_norm(),
      rewrite_odd_channels(),
      fuse_moves(),
  };
  return passes;
}

namespace {

double seconds_since(std::int64_t before) {
  return static_cast<double>(os::monotonic_ns() - before) / 1e9;
}

// Runs one stage: progress before, time after.
class Stages {
 public:
  Stages(const BuildConfig& config, BuildReport& report) : config_(config), report_(report) {}

  void add_part(const char* part, double seconds, std::size_t count) {
    if (count > 0) parts_.push_back({part, seconds, count});
  }

  void run(const char* stage, double fraction, const std::function<void()>& body) {
    if (config_.progress && !config_.progress({stage, {}, fraction})) {
      throw Error(ErrorCode::cancelled, "the build was cancelled",
                  std::string("before stage ") + stage);
    }
    const std::int64_t before = os::monotonic_ns();
    const CompiledKernels kernels = compiled_kernels();
    parts_.clear();
    body();
    const CompiledKernels now = compiled_kernels();
    add_part("compiling", now.seconds - kernels.seconds, now.compiled - kernels.compiled);
    if (now.compiled == kernels.compiled)
      add_part("loading kernels", now.seconds - kernels.seconds, now.loaded - kernels.loaded);
    report_.stages.push_back({stage, seconds_since(before), std::move(parts_)});
  }

 private:
  const BuildConfig& config_;
  BuildReport& report_;
  std::vector<StagePart> parts_;  // of the stage that runs
};

LowerOptions lower_options(const BuildConfig& config, const BuildTarget& target) {
  LowerOptions options;
  options.backend = target.backend;
  options.tactics = target.tactics;
  options.device = target.device;
  options.precise = config.precise;
  for (const std::string& entry : config.tactics) {
    if (!entry.starts_with('-') || entry.size() < 2) {
      throw Error(ErrorCode::bad_option, "--tactics " + entry,
                  "an entry is '-' and the name of a library or tactic",
                  "for example --tactics=-onednn");
    }
    options.excluded_tactics.push_back(entry.substr(1));
  }
  return options;
}

std::int64_t constant_bytes(const Plan& plan) {
  std::int64_t bytes = 0;
  for (const Slot& slot : plan.slots) {
    if (slot.kind == SlotKind::constant) bytes += slot.constant.bytes();
  }
  for (const Step& step : plan.steps) {
    for (const auto& nested : step.nested) bytes += constant_bytes(*nested);
  }
  return bytes;
}

BuildResult build_graph(const std::function<Graph()>& import, const std::string& name,
                        const BuildConfig& config) {
  check_config(config);
  use_plugins(config.plugins);
  BuildResult result;
  BuildReport& report = result.report;
  report.model = name;
  Stages stages(config, report);
  BuildTarget target;
  stages.run("device", 0, [&] { target = find_target(config); });
  report.device = target.backend;
  LowerOptions lowering = lower_options(config, target);

  Graph graph;
  stages.run("import", 0, [&] {
    graph = import();
    // Shapes that the model has no input for are the user's error, not a pass's.
    if (!config.shapes.empty()) find_sample_symbols(graph, config.shapes);
  });
  report.imported_nodes = graph.node_count();
  if (config.stop_after == "import") {
    result.stopped = to_text(graph);
    return result;
  }

  stages.run("passes", 0.1, [&] {
    Target pass_target{.backend = target.backend,
                       .compute_capability = target.device ? target.device->compute_capability : 0,
                       .precise = config.precise,
                       .operands = operand_type(config),
                       .storage = storage_type(config),
                       .fold_bytes = config.folding_bytes};
    if (config.overflow_guard) {
      pass_target.ranges = [&](const Graph& so_far) {
        const std::int64_t before = os::monotonic_ns();
        ValueRanges ranges = measure_value_ranges(so_far, config);
        stages.add_part("value ranges", seconds_since(before), 1);
        return ranges;
      };
    }
    PassRunOptions options;
    options.dump = config.dump_directory;
    options.command = "strop build " + name;
    report.passes = run_passes(graph, default_passes(), pass_target, options);
  });
  if (config.stop_after == "passes") {
    result.stopped = to_text(graph);
    return result;
  }

  report.plugins = plugins_of(graph);
  report.sample = find_sample_symbols(graph, config.shapes);
  const SymbolValues sample = report.sample.value_or(SymbolValues{});
  lowering.sample = sample;
  std::optional<Tuner> opened;
  stages.run("timing cache", 0.25, [&] {
    opened.emplace(config, target, sample);
    if (const auto note = opened->load_cache()) report.notes.push_back(*note);
  });
  Tuner& tuner = *opened;
  if (config.stop_after != "lower" && config.tuning) {
    lowering.measure = [&](std::span<const CandidateQuestion> questions) {
      return tuner.times(questions);
    };
  }
  EngineContents& engine = result.engine;
  stages.run("tune", 0.3, [&] {
    engine.plan = lower(graph, lowering, report.lowering);
    const DeviceTuningCosts& costs = tuner.device_costs();
    stages.add_part("lowering candidates", costs.lowering, costs.lowered);
    stages.add_part("library plans", costs.library_plans, costs.planned);
    stages.add_part("timing", costs.timing, costs.timed);
    stages.add_part("waiting for candidates", costs.waiting, costs.timed);
  });
  const std::vector<std::string> notes = tuner.notes();
  report.notes.insert(report.notes.end(), notes.begin(), notes.end());
  report.timed_problems = tuner.timed();
  report.cached_problems = tuner.cached();
  if (const auto note = tuner.save_cache()) report.notes.push_back(*note);
  if (config.stop_after == "lower" || config.stop_after == "tune") {
    result.stopped = to_text(engine.plan);
    return result;
  }
  stages.run("pack", 0.65, [&] { pack_constants(engine.plan); });
  report.weight_bytes = constant_bytes(engine.plan);

  stages.run("self-check", 0.7, [&] {
    if (!target.can_run()) {
      report.self_check.note = "self-check left out: the device is not here";
      return;
    }
    report.self_check = check_engine(graph, engine.plan, lowering, report.sample, config);
  });
  if (!report.self_check.note.empty()) report.notes.push_back(report.self_check.note);
  describe_engine(config, target, graph, report, engine);
  return result;
}

}  // namespace

BuildResult build_model(const std::filesystem::path& model, const BuildConfig& config) {
  const auto import = [&] {
    onnx::ImportOptions options;
    options.external_data_root = config.external_data_root.string();
    options.outputs = config.outputs;
    return onnx::import_model(model, options);
  };
  return build_graph(import, model.filename().string(), config);
}

BuildResult build_model(std::span<const std::byte> model, std::shared_ptr<const void> owner,
                        const BuildConfig& config) {
  const auto import = [&] {
    onnx::ImportOptions options;
    options.outputs = config.outputs;
    return onnx::import_model(model, owner, options);
  };
  return build_graph(import, "model from memory", config);
}

}  // namespace strop
