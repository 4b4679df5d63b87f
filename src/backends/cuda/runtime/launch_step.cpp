// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "backends/cuda/launch_record.hpp"
#include "backends/cuda/runtime/module.hpp"
#include "backends/cuda/runtime/step.hpp"
#include "backends/cuda/runtime/tensor_map.hpp"
#include "base/dtype.hpp"
#include "base/error.hpp"

namespace strop::cuda {
namespace {

constexpr const char* kWhat = "a step of kernels on a GPU";

// Sizes that no real kernel has, and with which sums cannot overflow.
constexpr std::int64_t kMaxSize = std::int64_t{1} << 48;

std::int64_t evaluate(const Dim& dim, const SymbolValues& symbols) {
  const std::int64_t value = dim.evaluate(symbols);
  require(value >= 0 && value <= kMaxSize, kWhat, "a size is out of range");
  return value;
}

struct Argument {
  const LaunchArgument* what = nullptr;
  std::int64_t offset = 0;  // of memory and tensor maps
  std::uint64_t value = 0;  // bits of a number, or the address
  std::size_t map = 0;      // of tensor maps: which of the step's
};

struct PreparedLaunch {
  const Launch* what = nullptr;
  CUfunction function = nullptr;
  std::array<unsigned, 3> grid{};
  std::vector<Argument> arguments;
  std::vector<void*> pointers;  // to the arguments' values, as the driver wants them
  std::int64_t fill_offset = 0, fill_bytes = 0;
};

class LaunchStep final : public Step {
 public:
  LaunchStep(Device& device, const StropAbiStep& step)
      : device_(device),
        record_(parse_launch_record({step.parameters, step.parameters_size})),
        input_count_(step.input_count),
        output_count_(step.output_count) {
    for (const Launch& launch : record_.launches) {
      PreparedLaunch& prepared = launches_.emplace_back();
      prepared.what = &launch;
      if (launch.entry.empty()) {
        check_operand(step, launch.fill);
        require(launch.fill.kind != Operand::input, kWhat, "it would fill an input");
        continue;
      }
      require(launch.image < step.input_count && step.input_constant[launch.image] == 1 &&
                  step.inputs[launch.image].data != nullptr,
              kWhat, "its machine code is not there");
      const StropAbiValue& image = step.inputs[launch.image];
      modules_.push_back(load_module(device, {static_cast<const std::byte*>(image.data),
                                              static_cast<std::size_t>(image.bytes)}));
      const auto& cluster = launch.cluster;
      prepared.function = modules_.back()->function(launch.entry, launch.shared_bytes,
                                                    cluster[0] * cluster[1] * cluster[2]);
      for (const LaunchArgument& argument : launch.arguments) {
        Argument& out = prepared.arguments.emplace_back();
        out.what = &argument;
        if (argument.kind == LaunchArgument::memory) check_operand(step, argument.operand);
        if (argument.kind != LaunchArgument::tensor_map) continue;
        check_operand(step, argument.map.operand);
        out.map = maps_.size();
        maps_.emplace_back();
      }
      prepared.pointers.resize(prepared.arguments.size());
    }
    for (PreparedLaunch& launch : launches_) {
      for (std::size_t i = 0; i < launch.arguments.size(); ++i) {
        Argument& argument = launch.arguments[i];
        launch.pointers[i] = argument.what->kind == LaunchArgument::tensor_map
                                 ? static_cast<void*>(&maps_[argument.map].descriptor)
                                 : static_cast<void*>(&argument.value);
      }
    }
  }

  std::uint64_t prepare(const StropAbiValue* inputs, const StropAbiValue* outputs) override {
    const SymbolValues symbols = symbols_of(inputs, outputs);
    const std::int64_t workspace = evaluate(record_.workspace_bytes, symbols);
    for (PreparedLaunch& launch : launches_) {
      prepare_launch(launch, symbols);
      check_place(launch.what->fill, launch.fill_offset, launch.fill_bytes, inputs, outputs,
                  launch.what->entry.empty() ? workspace : 0);
      for (const Argument& argument : launch.arguments) {
        if (argument.what->kind == LaunchArgument::memory)
          check_place(argument.what->operand, argument.offset, 0, inputs, outputs, workspace);
        if (argument.what->kind == LaunchArgument::tensor_map)
          check_place(argument.what->map.operand, argument.offset, 0, inputs, outputs, workspace);
      }
    }
    return static_cast<std::uint64_t>(workspace);
  }

  void run(const StropAbiValue* inputs, const StropAbiValue* outputs, void* workspace,
           const Stream& stream) override {
    device_.use();
    const auto address = [&](const Operand& operand, std::int64_t offset) {
      const void* base = operand.kind == Operand::input    ? inputs[operand.index].data
                         : operand.kind == Operand::output ? outputs[operand.index].data
                                                           : workspace;
      return reinterpret_cast<std::uintptr_t>(base) + static_cast<std::uintptr_t>(offset);
    };
    for (PreparedLaunch& launch : launches_) {
      if (launch.what->entry.empty()) {
        if (launch.fill_bytes == 0) continue;
        check(driver().cuMemsetD8Async(address(launch.what->fill, launch.fill_offset), 0,
                                       static_cast<std::size_t>(launch.fill_bytes), stream.handle),
              "filling memory with zeros");
        continue;
      }
      if (launch.grid[0] == 0 || launch.grid[1] == 0 || launch.grid[2] == 0) continue;
      for (Argument& argument : launch.arguments) {
        if (argument.what->kind == LaunchArgument::memory) {
          argument.value = address(argument.what->operand, argument.offset);
        } else if (argument.what->kind == LaunchArgument::tensor_map) {
          maps_[argument.map].place(address(argument.what->map.operand, argument.offset));
        }
      }
      order(launch, stream);
    }
  }

 private:
  // There, and in the device's memory.
  void check_operand(const StropAbiStep& step, const Operand& operand) const {
    if (operand.kind == Operand::workspace) return;
    const bool input = operand.kind == Operand::input;
    require(operand.index < (input ? input_count_ : output_count_) &&
                (input ? step.inputs : step.outputs)[operand.index].dtype != 0 &&
                !(input && step.input_constant[operand.index] == 1),
            kWhat, "it names an operand that it does not have");
  }

  // `offset` lies in the operand, and so do `bytes` from there on.
  void check_place(const Operand& operand, std::int64_t offset, std::int64_t bytes,
                   const StropAbiValue* inputs, const StropAbiValue* outputs,
                   std::int64_t workspace) const {
    const std::int64_t size = operand.kind == Operand::workspace ? workspace
                              : operand.kind == Operand::input
                                  ? static_cast<std::int64_t>(inputs[operand.index].bytes)
                                  : static_cast<std::int64_t>(outputs[operand.index].bytes);
    require(offset <= size && bytes <= size - offset, kWhat, "it reaches beyond an operand");
  }

  SymbolValues symbols_of(const StropAbiValue* inputs, const StropAbiValue* outputs) const {
    SymbolValues out;
    const auto add = [&](const StropAbiValue* values, std::uint32_t count, const char* prefix) {
      for (std::uint32_t i = 0; i < count; ++i) {
        if (values[i].dtype == 0 || values[i].rank == STROP_ABI_UNKNOWN_RANK) continue;
        for (std::uint32_t axis = 0; axis < values[i].rank; ++axis) {
          out[prefix + std::to_string(i) + "d" + std::to_string(axis)] = values[i].dims[axis];
        }
      }
    };
    add(inputs, input_count_, "i");
    add(outputs, output_count_, "o");
    out["sms"] = device_.multiprocessors;
    return out;
  }

  void prepare_launch(PreparedLaunch& launch, const SymbolValues& symbols) {
    launch.fill_bytes = evaluate(launch.what->fill_bytes, symbols);
    launch.fill_offset = evaluate(launch.what->fill.offset, symbols);
    for (std::size_t i = 0; i < 3; ++i) {
      const std::int64_t size = evaluate(launch.what->grid[i], symbols);
      require(size <= std::numeric_limits<std::int32_t>::max(), kWhat, "its grid is too large");
      launch.grid[i] = static_cast<unsigned>(size);
    }
    const bool empty = launch.grid[0] == 0 || launch.grid[1] == 0 || launch.grid[2] == 0;
    for (Argument& argument : launch.arguments) {
      switch (argument.what->kind) {
        case LaunchArgument::memory:
          argument.offset = evaluate(argument.what->operand.offset, symbols);
          break;
        case LaunchArgument::i32: {
          const std::int64_t value = argument.what->value.evaluate(symbols);
          require(value >= std::numeric_limits<std::int32_t>::min() &&
                      value <= std::numeric_limits<std::int32_t>::max(),
                  kWhat, "a number does not fit into 32 bits");
          const auto narrow = static_cast<std::int32_t>(value);
          std::memcpy(&argument.value, &narrow, sizeof(narrow));
          break;
        }
        case LaunchArgument::i64: {
          const std::int64_t value = argument.what->value.evaluate(symbols);
          std::memcpy(&argument.value, &value, sizeof(value));
          break;
        }
        case LaunchArgument::f32:
          std::memcpy(&argument.value, &argument.what->number, sizeof(float));
          break;
        case LaunchArgument::tensor_map:
          argument.offset = evaluate(argument.what->map.operand.offset, symbols);
          if (!empty) maps_[argument.map].prepare(argument.what->map, symbols);
          break;
      }
    }
  }

  static std::string describe(const PreparedLaunch& launch) {
    const auto triple = [](const auto& sizes) {
      return std::to_string(sizes[0]) + "x" + std::to_string(sizes[1]) + "x" +
             std::to_string(sizes[2]);
    };
    return "kernel " + launch.what->entry + ", grid " + triple(launch.grid) + ", block " +
           triple(launch.what->block) + ", cluster " + triple(launch.what->cluster) + ", " +
           std::to_string(launch.what->shared_bytes) + " bytes of shared memory";
  }

  void order(PreparedLaunch& launch, const Stream& stream) {
    CUlaunchConfig config{};
    config.gridDimX = launch.grid[0];
    config.gridDimY = launch.grid[1];
    config.gridDimZ = launch.grid[2];
    config.blockDimX = launch.what->block[0];
    config.blockDimY = launch.what->block[1];
    config.blockDimZ = launch.what->block[2];
    config.sharedMemBytes = launch.what->shared_bytes;
    config.hStream = stream.handle;
    std::array<CUlaunchAttribute, 2> attributes{};
    const auto& cluster = launch.what->cluster;
    if (cluster[0] * cluster[1] * cluster[2] > 1) {
      CUlaunchAttribute& attribute = attributes[config.numAttrs++];
      attribute.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
      attribute.value.clusterDim.x = cluster[0];
      attribute.value.clusterDim.y = cluster[1];
      attribute.value.clusterDim.z = cluster[2];
    }
    if (launch.what->programmatic) {
      CUlaunchAttribute& attribute = attributes[config.numAttrs++];
      attribute.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
      attribute.value.programmaticStreamSerializationAllowed = 1;
    }
    config.attrs = attributes.data();
    const CUresult result =
        driver().cuLaunchKernelEx(&config, launch.function, launch.pointers.data(), nullptr);
    if (result != CUDA_SUCCESS) check(result, describe(launch).c_str());
  }

  Device& device_;
  LaunchRecord record_;
  std::uint32_t input_count_, output_count_;
  std::vector<std::shared_ptr<const Module>> modules_;
  std::vector<EncodedMap> maps_;
  std::vector<PreparedLaunch> launches_;
};

}  // namespace

void require(bool holds, const char* what, const char* why) {
  if (!holds) throw Error(ErrorCode::engine_invalid, what, why, "build the engine again");
}

std::unique_ptr<Step> make_launch_step(Device& device, const StropAbiStep& step) {
  return std::make_unique<LaunchStep>(device, step);
}

}  // namespace strop::cuda
