// SPDX-License-Identifier: Apache-2.0
#include "builder/targets.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "backends/plugin/tactics/plugin_tactic.hpp"
#include "builder/plugin_use.hpp"
#include "ir/text.hpp"

#if STROP_WITH_CPU
namespace strop::cpu {
std::span<const Tactic* const>
cpu_tactics();  // generated from the file names of src/backends/cpu/tactics
}
#endif

namespace strop {
namespace {

bool is_for_gpu(const BuildConfig& config) { return config.device.starts_with("cuda"); }

}  // namespace

void check_config(const BuildConfig& config) {
  static constexpr std::array<std::string_view, 5> kStages = {"", "import", "passes", "lower",
                                                              "tune"};
  if (std::ranges::find(kStages, config.stop_after) == kStages.end()) {
    throw Error(ErrorCode::bad_option, "--stop-after " + config.stop_after, "it is no stage",
                "stages are import, passes, lower, tune");
  }
  if (config.precision != "fp32" && config.precision != "bf16" && config.precision != "fp16") {
    throw Error(ErrorCode::bad_option, "--precision " + config.precision,
                "this version builds fp32, bf16 and fp16 engines",
                "models that are quantised (Q/DQ) or in fp16 already run as they are");
  }
  if (config.precision == "fp16" && !is_for_gpu(config)) {
    throw Error(ErrorCode::bad_option, "--precision fp16",
                "fp16 engines are for GPUs, and the device is " + config.device,
                "use --device cuda, or --precision bf16 or fp32");
  }
  if (!(config.budget_seconds >= 0))
    throw Error(ErrorCode::bad_option, "--budget", "it is not a number of seconds");
  if (config.threads < 0) throw Error(ErrorCode::bad_option, "--threads", "it is negative");
}

DType operand_type(const BuildConfig& config) {
  return config.precision == "bf16" && !is_for_gpu(config) ? DType::bf16 : DType::f32;
}

DType storage_type(const BuildConfig& config) {
  if (!is_for_gpu(config)) return DType::f32;
  if (config.precision == "fp16") return DType::f16;
  return config.precision == "bf16" ? DType::bf16 : DType::f32;
}

BuildTarget find_target(const BuildConfig& config) {
  if (config.device == "reference") return {"reference", {}};
  if (config.device == "cpu" || config.device == "auto") {
#if STROP_WITH_CPU
    static const std::vector<const Tactic*> tactics = [] {
      const std::span<const Tactic* const> own = cpu::cpu_tactics();
      std::vector<const Tactic*> out(own.begin(), own.end());
      out.push_back(&plugin_tactic());
      return out;
    }();
    return {"cpu", tactics};
#else
    if (config.device == "auto") return {"reference", {}};
    throw Error(ErrorCode::missing_device, "--device cpu",
                "this Strop was built without the CPU backend", "use --device reference");
#endif
  }
  if (config.device.starts_with("cuda")) {
    throw Error(ErrorCode::missing_device, "--device " + config.device,
                "this version has no CUDA backend", "use --device cpu");
  }
  throw Error(ErrorCode::bad_option, "--device " + config.device, "there is no such device",
              "devices are auto, cpu, reference");
}

namespace {

// The sizes at which open inputs were timed and checked, as --shapes says them: "x=1x3x48x320;...".
// Empty when nothing is open, or some size is not known.
std::string tuned_shapes(const BuildReport& report, const Plan& plan) {
  if (!report.sample || report.sample->empty()) return {};
  std::string out;
  for (const std::uint32_t index : plan.inputs) {
    const Slot& slot = plan.slots[index];
    if (!slot.shape) return {};
    std::string shape;
    for (const Dim& dim : *slot.shape) {
      const auto size = dim.try_evaluate(*report.sample);
      if (!size) return {};
      shape += (shape.empty() ? "" : "x") + std::to_string(*size);
    }
    out += (out.empty() ? "" : ";") + slot.name + "=" + shape;
  }
  return out;
}

}  // namespace

void describe_engine(const BuildConfig& config, const BuildTarget& target, const Graph& graph,
                     const BuildReport& report, EngineContents& engine) {
  engine.header.target = target.backend;
  engine.header.portable = config.portable;
  engine.header.plugins = report.plugins;
  engine.header.instruction_sets = plugin_instruction_sets(engine.plan);
  engine.header.options["device"] = config.device;
  engine.header.options["precision"] = config.precision;
  if (config.precise) engine.header.options["precise"] = "true";
  std::string left_out;
  for (const std::string& entry : config.tactics) left_out += (left_out.empty() ? "" : ",") + entry;
  if (!left_out.empty()) engine.header.options["tactics"] = left_out;
  if (const std::string shapes = tuned_shapes(report, engine.plan); !shapes.empty())
    engine.header.options["shapes"] = shapes;
  TextOptions text;
  std::vector<Tensor> tensors;
  text.tensors = &tensors;
  engine.graph_text = to_text(graph, text);
  if (config.portable) engine.graph_tensors = std::move(tensors);

  nlohmann::ordered_json verdict;
  verdict["done"] = report.self_check.done;
  if (!report.self_check.note.empty()) verdict["note"] = report.self_check.note;
  for (const OutputCheck& output : report.self_check.outputs) {
    verdict["outputs"].push_back({{"output", output.name},
                                  {"largest_relative_error", output.largest_relative},
                                  {"tolerance", output.tolerance}});
  }
  engine.self_check = verdict.dump();
}

}  // namespace strop
