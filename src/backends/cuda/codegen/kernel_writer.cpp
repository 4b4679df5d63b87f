// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/kernel_writer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "backends/cuda/codegen/kernel_source.hpp"

namespace strop::cuda {

namespace {

// The next kernel may start when all blocks of this one have, and waits then itself.
constexpr std::string_view kTakeTurn = R"(__device__ __forceinline__ void take_turn() {
  asm volatile("griddepcontrol.wait;" ::: "memory");
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
}
)";
constexpr int kFirstProgrammatic = 90;  // compute capability

}  // namespace

KernelWriter::KernelWriter(const Problem& problem, const LaunchShapes& shapes, std::string name)
    : shapes_(shapes),
      name_(std::move(name)),
      programmatic_(problem.device != nullptr &&
                    problem.device->compute_capability >= kFirstProgrammatic) {
  use("numbers");
}

std::string KernelWriter::pointer(std::string name, const std::string& type, Operand operand) {
  const std::string declaration = fmt::format(
      "{}{}* __restrict__ {}", operand.kind == Operand::input ? "const " : "", type, name);
  const auto same = [&](const Parameter& each) { return each.declaration == declaration; };
  if (std::ranges::none_of(parameters_, same))
    parameters_.push_back({declaration, LaunchArgument::pointer(std::move(operand))});
  return name;
}

std::string KernelWriter::input(std::size_t i, const std::string& type) {
  return pointer(fmt::format("x{}", i), type, Operand::in(static_cast<std::uint32_t>(i)));
}

std::string KernelWriter::output(std::size_t i, const std::string& type) {
  return pointer(fmt::format("y{}", i), type, Operand::out(static_cast<std::uint32_t>(i)));
}

std::string KernelWriter::workspace(const Dim& offset, const std::string& type) {
  return pointer(fmt::format("w{}", parameters_.size()), type, Operand::work(offset));
}

std::string KernelWriter::number(const Dim& dim) {
  if (dim.is_constant()) return fmt::format("static_cast<I>({}ll)", dim.value());
  const std::string text = dim.to_string();
  const auto [found, is_new] = numbers_.try_emplace(text, fmt::format("n{}", numbers_.size()));
  if (is_new) parameters_.push_back({found->second, LaunchArgument::int32(dim), true});
  return found->second;
}

void KernelWriter::use(std::string_view source) {
  if (std::ranges::find(used_, source) == used_.end()) used_.emplace_back(source);
}

std::string KernelWriter::source(const std::string& body, std::uint32_t threads, bool narrow,
                                 bool wide) const {
  std::string out;
  for (const std::string& used : used_) out += std::string(kernel_source(used)) + "\n";
  out += declarations_;
  const auto list = [&](const std::string& index) {
    std::string text;
    for (const Parameter& each : parameters_) {
      if (!text.empty()) text += ", ";
      text += each.is_number ? index + " " + each.declaration : each.declaration;
    }
    return text;
  };
  std::string names;
  for (const Parameter& each : parameters_) {
    if (!names.empty()) names += ", ";
    const std::size_t space = each.declaration.rfind(' ');
    names += space == std::string::npos ? each.declaration : each.declaration.substr(space + 1);
  }
  out += fmt::format("template <class I>\n__device__ __forceinline__ void body({}) {{\n{}}}\n",
                     list("const I"), body);
  if (programmatic_) out += kTakeTurn;
  const auto entry = [&](const char* suffix, const char* index) {
    out += fmt::format(
        "extern \"C\" __global__ void __launch_bounds__({}) {}{}({}) {{\n{}  body<{}>({});\n}}\n",
        threads, name_, suffix, list(index), programmatic_ ? "  take_turn();\n" : "", index, names);
  };
  if (narrow) entry("", "int");
  if (wide) entry("_wide", "long long");
  return out;
}

void KernelWriter::finish(LaunchStep& step, const std::string& body, std::array<Dim, 3> grid,
                          std::uint32_t threads) {
  const bool small = shapes_.all_small();
  const Dim large = shapes_.large();
  const bool never_small = large.is_constant() && !small;
  Launch launch;
  launch.image = static_cast<std::uint32_t>(step.sources.size());
  launch.block = {threads, 1, 1};
  launch.programmatic = programmatic_;
  launch.grid = std::move(grid);
  for (const Parameter& each : parameters_) launch.arguments.push_back(each.argument);
  if (!never_small) {
    launch.entry = name_;
    Launch narrow = launch;
    if (!small) narrow.grid[1] = narrow.grid[1] * (Dim(1) - min(large, Dim(1)));
    step.record.launches.push_back(std::move(narrow));
  }
  if (!small) {
    launch.entry = name_ + "_wide";
    for (LaunchArgument& argument : launch.arguments) {
      if (argument.kind == LaunchArgument::i32) argument.kind = LaunchArgument::i64;
    }
    if (!never_small) launch.grid[1] = launch.grid[1] * min(large, Dim(1));
    step.record.launches.push_back(std::move(launch));
  }
  step.sources.push_back(source(body, threads, !never_small, !small));
}

void KernelWriter::finish_items(LaunchStep& step, const std::string& body, const Dim& count) {
  const std::string head = fmt::format(
      "  const I index = static_cast<I>(blockIdx.x) * {} + static_cast<I>(threadIdx.x);\n"
      "  if (index >= {}) return;\n",
      kItemThreads, number(count));
  finish(step, head + body, {ceildiv(count, Dim(kItemThreads)), Dim(1), Dim(1)}, kItemThreads);
}

}  // namespace strop::cuda
