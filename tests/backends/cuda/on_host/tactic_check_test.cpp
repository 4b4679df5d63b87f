// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/on_host/tactic_check.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>

#include "backends/cuda/codegen/launch_step.hpp"
#include "backends/cuda/codegen/nvrtc.hpp"
#include "backends/cuda/on_host/host_kernels.hpp"
#include "backends/cuda/on_host/host_source.hpp"
#include "base/error.hpp"
#include "base/tolerance.hpp"
#include "builder/plan_execution.hpp"
#include "ir/evaluate.hpp"
#include "ir/text.hpp"
#include "ops/op_list.hpp"
#include "tactic/candidates.hpp"

namespace strop::cuda {
std::span<const Tactic* const> cuda_tactics();

namespace {
LaunchStep last_step;
}

// In the place of the one that only compiles: the sources are what the tests look at.
std::uint32_t constant_input(const Problem& problem, std::size_t i) {
  return static_cast<std::uint32_t>(problem.node->inputs.size() + i);
}
KernelChoice to_choice(const Problem& problem, LaunchStep step) {
  last_step = step;
  KernelChoice out;
  out.kernel = "launch";
  out.parameters = to_text(step.record);
  for (const std::string& source : step.sources) {
    const CompiledKernel kernel = compile(source, problem.device->compute_capability);
    EXPECT_LE(kernel.spill_bytes, 16)
        << kernel.registers << " registers, sm_" << problem.device->compute_capability << "\n"
        << source;
    EXPECT_LE(kernel.registers, 255);
  }
  return out;
}
}  // namespace strop::cuda

namespace strop::testing {
namespace {

Graph read_graph(const std::string& text, const std::vector<Tensor>& given) {
  const std::size_t open = text.find('(');
  const std::size_t close = text.find(") ->");
  const std::size_t body = text.find('{', close) + 1;
  std::string kept, declared;
  std::vector<std::pair<DType, Shape>> types;
  for (std::size_t at = open + 1; at < close;) {
    const std::size_t next = std::min(text.find(", %", at), close);
    const std::string entry = text.substr(at, next - at);
    if (entry.starts_with("%const_")) {
      const Type type = Type::parse(entry.substr(entry.find(": ") + 2));
      declared += fmt::format("const {} = @{}\n", entry, types.size());
      types.emplace_back(type.dtype, evaluate(*type.shape, {}));
    } else {
      kept += (kept.empty() ? "" : ", ") + entry;
    }
    at = next == close ? close : next + 2;
  }
  return parse_graph(text.substr(0, open + 1) + kept + text.substr(close, body - close) + "\n" +
                         declared + text.substr(body),
                     find_op, [&](std::size_t i) {
                       return i < given.size()
                                  ? given[i]
                                  : random_tensor(types.at(i).first, types.at(i).second, 100 + i);
                     });
}

void* open_source(const std::string& source, const std::string& extra) {
  static int number = 0;
  const std::string folder = ::testing::TempDir() + "strop_host_" + std::to_string(getpid());
  [[maybe_unused]] const int made = std::system(("mkdir -p " + folder).c_str());
  const std::string file = fmt::format("{}/k{}", folder, number++);
  std::ofstream(file + ".cpp") << as_host_source(source) << extra;
  // A processor reads at any address, where a GPU stops.
  const std::string command = fmt::format(
      "g++ -std=c++20 -O0 -w -ffp-contract=off -fsanitize=alignment "
      "-fsanitize-undefined-trap-on-error "
      "-shared -fPIC -fno-gnu-unique {0}.cpp -o {0}.so",
      file);
  EXPECT_EQ(std::system(command.c_str()), 0) << file << ".cpp";
  void* library = dlopen((file + ".so").c_str(), RTLD_NOW | RTLD_LOCAL);
  EXPECT_NE(library, nullptr) << dlerror();
  return library;
}

}  // namespace

bool can_run_on_host() { return std::system("g++ --version > /dev/null 2>&1") == 0; }

void run_on_host(const cuda::LaunchRecord& record, const std::vector<std::string>& sources,
                 const std::vector<void*>& inputs, const std::vector<void*>& outputs,
                 const SymbolValues& symbols) {
  std::vector<char> workspace(static_cast<std::size_t>(record.workspace_bytes.evaluate(symbols)) +
                              1);
  for (const cuda::Launch& launch : record.launches) {
    const auto address = [&](const cuda::Operand& operand) {
      char* base =
          operand.kind == cuda::Operand::input    ? static_cast<char*>(inputs.at(operand.index))
          : operand.kind == cuda::Operand::output ? static_cast<char*>(outputs.at(operand.index))
                                                  : workspace.data();
      return base + operand.offset.evaluate(symbols);
    };
    if (launch.entry.empty()) {
      std::memset(address(launch.fill), 0,
                  static_cast<std::size_t>(launch.fill_bytes.evaluate(symbols)));
      continue;
    }
    std::int64_t grid[3];
    for (int i = 0; i < 3; ++i)
      grid[i] = launch.grid[static_cast<std::size_t>(i)].evaluate(symbols);
    if (grid[0] * grid[1] * grid[2] == 0) continue;
    ASSERT_LT(grid[1], 65536);
    ASSERT_LT(grid[2], 65536);
    std::string call, maps;
    for (const cuda::LaunchArgument& argument : launch.arguments) {
      if (!call.empty()) call += ", ";
      if (argument.kind == cuda::LaunchArgument::tensor_map) {
        const std::string name = fmt::format("map{}", maps.size());
        const auto numbers = [&](const std::vector<Dim>& dims) {
          std::string out;
          for (const Dim& dim : dims) out += fmt::format("{}, ", dim.evaluate(symbols));
          return out;
        };
        maps += fmt::format(
            "static const TensorMap {} = {{reinterpret_cast<const unsigned char*>({}ull), "
            "{{{}}}, {{{}}}, {{{}, {}}}}};\n",
            name, reinterpret_cast<std::uintptr_t>(address(argument.map.operand)),
            numbers(argument.map.sizes), numbers(argument.map.strides), argument.map.box[0],
            argument.map.box[1]);
        call += name;
        continue;
      }
      if (argument.kind == cuda::LaunchArgument::memory) {
        call +=
            fmt::format("PTR({}ull)", reinterpret_cast<std::uintptr_t>(address(argument.operand)));
      } else {
        call += fmt::format("{}ll", argument.value.evaluate(symbols));
      }
    }
    const std::string extra = fmt::format(
        "struct PTR {{ unsigned long long v; explicit PTR(unsigned long long x) : v(x) {{}} "
        "template "
        "<class T> operator T*() const {{ return reinterpret_cast<T*>(v); }} }};\n"
        "{6}extern \"C\" void host_run() {{\n gridDim = {{{0}, {1}, {2}}}; blockDim = {{{3}, 1, "
        "1}};\n"
        " host::entry = [] {{ {4}({5}); }};\n"
        " for (unsigned z = 0; z < {2}; ++z) for (unsigned y = 0; y < {1}; ++y)\n"
        "  for (unsigned x = 0; x < {0}; ++x) {{ blockIdx = {{x, y, z}}; host::run_block({3}); }}\n"
        "}}\n",
        grid[0], grid[1], grid[2], launch.block[0], launch.entry, call, maps);
    void* library = open_source(sources.at(launch.image), extra);
    ASSERT_NE(library, nullptr);
    reinterpret_cast<void (*)()>(dlsym(library, "host_run"))();
    dlclose(library);
  }
}

namespace {

std::vector<Tensor> inputs_of(const Graph& graph, const CudaCheck& check,
                              const SymbolValues& sizes) {
  std::vector<Tensor> out;
  for (std::size_t i = 0; i < graph.inputs().size(); ++i) {
    const Type& type = graph.value(graph.inputs()[i]).type;
    out.push_back(i < check.inputs.size()
                      ? check.inputs[i]
                      : random_tensor(type.dtype, evaluate(*type.shape, sizes), i + 1));
  }
  return out;
}

void check_sizes(const Graph& graph, const Candidate& candidate, const CudaCheck& check,
                 const SymbolValues& sizes, const cuda::LaunchStep& step) {
  const Node& node = graph.node(graph.order().front());
  const std::vector<Tensor> given = inputs_of(graph, check, sizes);
  std::vector<Datum> data(given.begin(), given.end());
  const std::vector<Datum> expected = evaluate_graph(graph, data);
  SymbolValues symbols;
  std::vector<Tensor> kept;
  std::vector<void*> inputs, outputs;
  const auto learn = [&](const Shape& shape, char kind, std::size_t i) {
    for (std::size_t axis = 0; axis < shape.size(); ++axis)
      symbols[fmt::format("{}{}d{}", kind, i, axis)] = shape[axis];
  };
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const ValueId id = node.inputs[i];
    if (!id.exists()) {
      inputs.push_back(nullptr);
      continue;
    }
    Tensor tensor = graph.value(id).constant;
    for (std::size_t k = 0; k < graph.inputs().size(); ++k) {
      if (graph.inputs()[k] == id) tensor = given[k];
    }
    const auto replaced = step.replaced.find(i);
    if (replaced != step.replaced.end()) {
      tensor = replaced->second.tensor;
    } else if (candidate.layouts.input(i) != Layout::plain) {
      tensor = relayout(tensor, Layout::channels_last);
    }
    kept.push_back(tensor.clone());
    learn(tensor.shape(), 'i', i);
    inputs.push_back(kept.back().mutable_data());
  }
  for (const Tensor& constant : step.constants) {
    kept.push_back(constant.clone());
    inputs.push_back(kept.back().mutable_data());
  }
  std::vector<Tensor> results;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const Tensor& wanted = expected[i].tensor();
    results.push_back(
        Tensor::zeros(wanted.dtype(), physical_shape(wanted.shape(), candidate.layouts.output(i))));
    learn(results.back().shape(), 'o', i);
  }
  for (Tensor& result : results) outputs.push_back(result.mutable_data());
  symbols["sms"] = check.multiprocessors;
  run_on_host(step.record, step.sources, inputs, outputs, symbols);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const Tensor& wanted = expected[i].tensor();
    const Tensor got = candidate.layouts.output(i) == Layout::plain
                           ? results[i]
                           : relayout(results[i], Layout::plain);
    const double tolerance = check.tolerance >= 0 ? check.tolerance : tolerance_of(wanted.dtype());
    const Difference difference = compare(got, wanted, tolerance);
    EXPECT_LE(difference.largest_relative, tolerance)
        << candidate.name() << " output " << i << ": " << difference.text;
  }
}

}  // namespace

void check_cuda(const std::string& text, const std::vector<std::string>& candidates,
                const CudaCheck& check) {
  SCOPED_TRACE(text);
  if (cuda::nvrtc_version().empty()) GTEST_SKIP() << cuda::nvrtc_description();
  const Graph graph = read_graph(text, check.constants);
  DeviceProperties old, hopper;
  old.compute_capability = 80, old.multiprocessors = 108, old.shared_bytes = 163 << 10;
  hopper.compute_capability = 90, hopper.multiprocessors = 132, hopper.shared_bytes = 227 << 10;
  const Node& node = graph.node(graph.order().front());
  const auto list = [&](const DeviceProperties& device) {
    return list_candidates(Problem{&node, &graph, false, {}, &device}, cuda::cuda_tactics(), {});
  };
  const CandidateList offered = list(hopper);
  for (const std::string& wanted : candidates) {
    std::string reasons;
    for (const Refusal& refusal : offered.refusals)
      reasons += refusal.tactic + ": " + refusal.reason + "\n";
    const bool is_offered = std::ranges::any_of(
        offered.candidates, [&](const Candidate& c) { return c.name() == wanted; });
    EXPECT_TRUE(is_offered || check.may_refuse) << wanted << "\n" << reasons;
  }
  for (const DeviceProperties* device : {&old, &hopper}) {
    for (const Candidate& candidate : list(*device).candidates) {
      if (!candidate.name().starts_with(check.only)) continue;
      if (candidates.empty()) ADD_FAILURE() << candidate.name() << " should refuse";
      SCOPED_TRACE(candidate.name());
      candidate.tactic->lower(Problem{&node, &graph, false, candidate.layouts, device},
                              candidate.config);
      cuda::parse_launch_record(to_text(cuda::last_step.record));
      const bool named = std::ranges::find(candidates, candidate.name()) != candidates.end();
      for (const std::string& text : named ? check.holds : std::vector<std::string>()) {
        const std::string& source = cuda::last_step.sources.at(0);
        const std::size_t body =
            source.find("template <class I>\n__device__ __forceinline__ void body");
        EXPECT_TRUE(source.find(text) != std::string::npos) << text << "\n" << source.substr(body);
      }
      // Products that come by TMA have no stand-ins.
      const bool products = candidate.tactic->name.find("wgmma") != std::string_view::npos &&
                            candidate.tactic->name != "attention_wgmma";
      if (device != &hopper || !check.on_host || !can_run_on_host() || products) continue;
      const std::vector<SymbolValues> all =
          check.sizes.empty() ? std::vector<SymbolValues>(1) : check.sizes;
      const cuda::LaunchStep step = cuda::last_step;
      for (const SymbolValues& sizes : all) check_sizes(graph, candidate, check, sizes, step);
    }
  }
}

}  // namespace strop::testing
