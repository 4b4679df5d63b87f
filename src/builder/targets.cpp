// SPDX-License-Identifier: Apache-2.0
#include "builder/targets.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <initializer_list>
#include <nlohmann/json.hpp>

#if STROP_WITH_CUDA
#include "backends/cuda/codegen/nvrtc.hpp"
#endif
#include "backends/plugin/tactics/plugin_tactic.hpp"
#include "builder/plugin_use.hpp"
#include "ir/text.hpp"
#include "runtime/backend_loader.hpp"
#include "runtime/step_instance.hpp"

#if STROP_WITH_CPU
namespace strop::cpu {
std::span<const Tactic* const>
cpu_tactics();  // generated from the file names of src/backends/cpu/tactics
}
#endif
#if STROP_WITH_CUDA
namespace strop::cuda {
std::span<const Tactic* const> cuda_tactics();  // likewise
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

namespace {

#if STROP_WITH_CPU || STROP_WITH_CUDA
std::vector<const Tactic*> joined(std::initializer_list<std::span<const Tactic* const>> lists) {
  std::vector<const Tactic*> out;
  for (const auto& list : lists) out.insert(out.end(), list.begin(), list.end());
  out.push_back(&plugin_tactic());
  return out;
}

std::span<const Tactic* const> host_tactics() {
#if STROP_WITH_CPU
  return cpu::cpu_tactics();
#else
  return {};
#endif
}
#endif

#if STROP_WITH_CUDA
// Chips that engines can be built for without one: multiprocessors as in the largest part, shared
// memory of a block and L2 cache as CUDA's documentation gives them.
std::optional<DeviceProperties> known_chip(int compute_capability) {
  struct Chip {
    int compute_capability, multiprocessors;
    std::int64_t shared_bytes, l2_mib;
  };
  static constexpr Chip kChips[] = {{80, 108, 166'912, 40},   {86, 84, 101'376, 6},
                                    {89, 142, 101'376, 96},   {90, 132, 232'448, 50},
                                    {100, 148, 232'448, 126}, {120, 188, 101'376, 128}};
  for (const Chip& chip : kChips) {
    if (chip.compute_capability != compute_capability) continue;
    DeviceProperties out;
    out.backend = "cuda";
    out.compute_capability = compute_capability;
    out.ordinal = -1;
    out.multiprocessors = chip.multiprocessors;
    out.shared_bytes = chip.shared_bytes;
    out.l2_bytes = chip.l2_mib << 20;
    return out;
  }
  return std::nullopt;
}

DeviceProperties describe_gpu(int ordinal) {
  const StropBackendTable& backend = find_backend("cuda");
  StropAbiDevice device{};
  StropAbiError error{};
  throw_reported(backend, backend.device->describe(ordinal, &device, &error), error);
  return {"cuda",
          device.name,
          device.compute_capability,
          device.multiprocessors,
          device.shared_bytes,
          device.l2_bytes,
          device.memory_bytes,
          ordinal};
}
#endif

// "cuda", "cuda:N", "cuda:sm_90".
BuildTarget cuda_target(const std::string& device) {
  [[maybe_unused]] const auto bad = [&](const std::string& why) {
    throw Error(ErrorCode::bad_option, "--device " + device, why,
                "for example cuda:0, the first GPU, or cuda:sm_90, a chip that need not be here: "
                "sm_80, sm_86, sm_89, sm_90, sm_100, sm_120");
  };
#if STROP_WITH_CUDA
  static const std::vector<const Tactic*> tactics = joined({cuda::cuda_tactics(), host_tactics()});
  BuildTarget out{"cuda", tactics};
  std::string_view which = device;
  which.remove_prefix(std::min<std::size_t>(which.size(), 4));
  if (!which.empty() && which[0] != ':') bad("there is no such device");
  which.remove_prefix(std::min<std::size_t>(which.size(), 1));
  const bool chip = which.starts_with("sm_");
  if (chip) which.remove_prefix(3);
  int number = 0;
  const auto [end, failed] = std::from_chars(which.data(), which.data() + which.size(), number);
  if (device != "cuda" &&
      (failed != std::errc() || end != which.data() + which.size() || number < 0))
    bad("there is no such device");
  if (chip) {
    out.device = known_chip(number);
    if (!out.device) bad("there is no such chip");
    return out;
  }
  out.device = describe_gpu(number);
  return out;
#else
  throw Error(ErrorCode::missing_device, "--device " + device,
              "this Strop was built without the CUDA backend", "use --device cpu");
#endif
}

}  // namespace

int device_ordinal(const std::string& device) {
  constexpr std::string_view kPrefix = "cuda:";
  int number = 0;
  if (device.starts_with(kPrefix))
    std::from_chars(device.data() + kPrefix.size(), device.data() + device.size(), number);
  return number;
}

CompiledKernels compiled_kernels() {
#if STROP_WITH_CUDA
  const cuda::CompileCounts counts = cuda::compile_counts();
  return {counts.compiled, counts.loaded, counts.seconds};
#else
  return {};
#endif
}

BuildTarget find_target(const BuildConfig& config) {
  if (config.device == "reference") return {"reference", {}};
  if (config.device == "cpu" || config.device == "auto") {
#if STROP_WITH_CPU
    static const std::vector<const Tactic*> tactics = joined({host_tactics()});
    return {"cpu", tactics};
#else
    if (config.device == "auto") return {"reference", {}};
    throw Error(ErrorCode::missing_device, "--device cpu",
                "this Strop was built without the CPU backend", "use --device reference");
#endif
  }
  if (config.device.starts_with("cuda")) return cuda_target(config.device);
  throw Error(ErrorCode::bad_option, "--device " + config.device, "there is no such device",
              "devices are auto, cpu, reference, cuda, cuda:N, cuda:sm_XX");
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
