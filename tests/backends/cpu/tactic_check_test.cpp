// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/tactic_check.hpp"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <span>

#include "backends/cpu/isa.hpp"
#include "backends/cpu/kernels/backend.hpp"
#include "base/tolerance.hpp"
#include "builder/pack_constants.hpp"
#include "builder/plan_execution.hpp"
#include "ir/evaluate.hpp"
#include "ir/text.hpp"
#include "lower/lower.hpp"
#include "ops/op_list.hpp"
#include "runtime/backend_loader.hpp"

namespace strop::cpu {
std::span<const Tactic* const> cpu_tactics();
}

namespace strop::testing {
namespace {

// Graph text whose inputs named const_... are declared as constants @0, @1, ... instead.
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

const Node& only_node(const Graph& graph) { return graph.node(graph.order().front()); }

CandidateList offered(const Graph& graph) {
  return list_candidates(Problem{&only_node(graph), &graph}, cpu::cpu_tactics(), {});
}

// Memory for one tensor of a hostile run, with bytes beyond both ends that nobody may write.
class Guarded {
 public:
  explicit Guarded(std::uint64_t bytes) : bytes_(bytes), memory_(bytes + 2 * kGuard + 64, kMark) {}
  void* data() {
    const auto address = reinterpret_cast<std::uintptr_t>(memory_.data()) + kGuard;
    return reinterpret_cast<void*>((address + 63) / 64 * 64);
  }
  bool intact() {
    const auto* begin = static_cast<const unsigned char*>(data());
    for (std::uint64_t i = 1; i <= kGuard; ++i) {
      if (begin[-static_cast<std::ptrdiff_t>(i)] != kMark) return false;
    }
    const auto* end = begin + bytes_;
    while (end < memory_.data() + memory_.size()) {
      if (*end++ != kMark) return false;
    }
    return true;
  }

 private:
  static constexpr std::uint64_t kGuard = 4096;
  static constexpr unsigned char kMark = 0xA5;
  std::uint64_t bytes_;
  std::vector<unsigned char> memory_;
};

StropAbiValue abi_value(const Type& type, const Shape& shape, void* data) {
  StropAbiValue value{};
  value.dtype = static_cast<std::uint32_t>(type.dtype);
  value.rank = static_cast<std::uint32_t>(shape.size());
  value.dims = shape.data();
  value.data = data;
  value.bytes = static_cast<std::uint64_t>(byte_size(type.dtype, shape));
  return value;
}

// The shape of an operand as the candidate's kernel sees it.
Shape seen_shape(const Graph& graph, const Shape& shape, Layout layout) {
  if (layout == Layout::plain) return shape;
  const auto rank = graph.value(only_node(graph).outputs[0]).type.rank();
  const SymShape whole = extended_shape(to_symbolic(shape), static_cast<std::size_t>(rank));
  return *to_concrete(whole.size() < 3 ? whole : physical_shape(whole, layout));
}

// A step as an engine holds it: which constants give way to packed ones, by the step's inputs.
struct HostileStep {
  std::string kernel;
  std::string parameters;
  OperandLayouts layouts;
  std::map<std::size_t, Tensor> packed = {};
};

// One attempt to use a kernel with these parameters on the node's shapes. Whatever it does, it
// stays within its memory and fails with an Error.
void run_hostile(const Graph& graph, const HostileStep& kernel, const std::string& parameters,
                 const SymbolValues& sizes, std::uint32_t keep_outputs,
                 const std::map<std::uint32_t, Type>& changed = {}) {
  const OperandLayouts& layouts = kernel.layouts;
  const Node& node = only_node(graph);
  const auto type_of = [&](ValueId id) {
    const auto at = changed.find(id.index);
    return at != changed.end() ? at->second : graph.value(id).type;
  };
  std::vector<Shape> shapes;
  std::vector<Guarded> memory;
  std::vector<StropAbiValue> inputs, outputs;
  std::vector<std::uint8_t> constant;
  shapes.reserve(node.inputs.size() + node.outputs.size());
  memory.reserve(node.inputs.size() + node.outputs.size() + 1);
  for (ValueId id : node.inputs) {
    constant.push_back(id.exists() && graph.value(id).is_constant());
    if (!id.exists()) {
      inputs.emplace_back();
      continue;
    }
    const Value& value = graph.value(id);
    const auto form = kernel.packed.find(constant.size() - 1);
    const bool packed = form != kernel.packed.end();
    const Type type = packed ? Type::tensor(form->second.dtype(), to_symbolic(form->second.shape()))
                             : type_of(id);
    shapes.push_back(packed ? form->second.shape()
                            : seen_shape(graph, evaluate(*type.shape, sizes),
                                         layouts.input(constant.size() - 1)));
    const Tensor contents = packed ? form->second
                            : value.is_constant()
                                ? value.constant.reshaped(shapes.back())  // its order is all one
                                : random_tensor(type.dtype, shapes.back(), 5);
    memory.emplace_back(static_cast<std::uint64_t>(contents.bytes()));
    if (contents.bytes() > 0) {
      std::memcpy(memory.back().data(), contents.data(),
                  static_cast<std::size_t>(contents.bytes()));
    }
    inputs.push_back(abi_value(type, shapes.back(), memory.back().data()));
  }
  for (ValueId id : node.outputs) {
    if (outputs.size() == keep_outputs) break;
    const Type type = type_of(id);
    shapes.push_back(
        seen_shape(graph, evaluate(*type.shape, sizes), layouts.output(outputs.size())));
    memory.emplace_back(static_cast<std::uint64_t>(byte_size(type.dtype, shapes.back())));
    outputs.push_back(abi_value(type, shapes.back(), memory.back().data()));
  }
  StropAbiStep step{};
  step.kernel = kernel.kernel.c_str();
  step.parameters = parameters.data();
  step.parameters_size = parameters.size();
  step.input_count = static_cast<std::uint32_t>(inputs.size());
  step.output_count = static_cast<std::uint32_t>(outputs.size());
  step.inputs = inputs.data();
  step.input_constant = constant.data();
  step.outputs = outputs.data();

  const StropBackendTable* backend = cpu::backend_table();
  StropAbiError error{};
  void* instance = nullptr;
  std::uint64_t workspace = 0;
  const auto failed = [&](std::int32_t code) {
    if (code == 0) return false;
    EXPECT_NE(code, static_cast<std::int32_t>(ErrorCode::internal))
        << parameters << ": " << (error.what != nullptr ? error.what : "") << ", "
        << (error.why != nullptr ? error.why : "");
    backend->free_error(&error);
    return true;
  };
  if (failed(backend->create(&step, &instance, &error))) return;
  std::vector<StropAbiValue> without_data = inputs, sized_outputs = outputs;
  for (std::size_t i = 0; i < without_data.size(); ++i) {
    if (constant[i] == 0) without_data[i].data = nullptr;
  }
  for (StropAbiValue& value : sized_outputs) value.data = nullptr;
  if (!failed(backend->prepare(instance, without_data.data(), sized_outputs.data(), 1, &workspace,
                               &error))) {
    ASSERT_LT(workspace, std::uint64_t{1} << 30) << parameters;
    memory.emplace_back(workspace);
    StropAbiRun run{};
    run.workspace = memory.back().data();
    run.thread_count = 1;
    failed(backend->run(instance, inputs.data(), outputs.data(), &run, &error));
  }
  backend->destroy(instance);
  for (Guarded& tensor : memory) EXPECT_TRUE(tensor.intact()) << parameters;
}

HostileStep plain_step(const Graph& graph, const Candidate& candidate) {
  const KernelChoice kernel = candidate.tactic->lower(
      Problem{&only_node(graph), &graph, false, candidate.layouts}, candidate.config);
  return {kernel.kernel, kernel.parameters, candidate.layouts};
}

// The step of the plan with what pack_constants made of it; nothing when it packs nothing.
std::optional<HostileStep> packed_step(const Candidate& candidate, const Plan& plain) {
  Plan plan = plain;
  pack_constants(plan);
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    if (step.parameters == plain.steps[i].parameters) continue;
    HostileStep out{step.kernel, step.parameters, candidate.layouts};
    for (std::size_t k = 0; k < step.inputs.size(); ++k) {
      if (step.inputs[k] == kNoSlot) continue;
      const Tensor& after = plan.slots[step.inputs[k]].constant;
      if (!after.defined()) continue;
      const Tensor& before = plain.slots[plain.steps[i].inputs[k]].constant;
      if (after.data() != before.data()) out.packed.emplace(k, after);
    }
    return out;
  }
  return std::nullopt;
}

void check_hostile(const Graph& graph, const HostileStep& kernel, const SymbolValues& sizes) {
  static constexpr std::string_view kPieces[] = {
      "",    "-",    "0",      "1",     "2",       "-1",         "9223372036854775807",  "7", "63",
      "nan", "sums", "floats", "bytes", "1000000", "4294967296", "-9223372036854775808", ",", ";",
      "=",   "|",    ":",      "x"};
  std::minstd_rand random(7);
  const auto pick = [&](std::size_t count) { return random() % std::max<std::size_t>(1, count); };
  run_hostile(graph, kernel, kernel.parameters, sizes, 0);
  run_hostile(graph, kernel, "", sizes, 9);
  for (int round = 0; round < 120; ++round) {
    std::string text = kernel.parameters;
    for (std::size_t edit = 0; edit <= pick(3); ++edit) {
      // A number is replaced as a whole more often than not: single characters rarely give another
      // meaning.
      std::size_t at = pick(text.size());
      std::size_t length = pick(3);
      if (pick(4) != 0) {
        const std::size_t digit = text.find_first_of("0123456789", at);
        if (digit != std::string::npos) {
          at = digit;
          length = text.find_first_not_of("0123456789.", at) - at;
        }
      }
      text.replace(at, length, kPieces[pick(std::size(kPieces))]);
    }
    run_hostile(graph, kernel, text, sizes, 9);
  }
}

// Sizes and types that do not belong to the parameters, as in an engine whose slots were changed.
void check_other_shapes(const Graph& graph, const Candidate& candidate, const SymbolValues& sizes) {
  const HostileStep kernel = plain_step(graph, candidate);
  std::minstd_rand random(11);
  for (int round = 0; round < 60; ++round) {
    const Node& node = only_node(graph);
    std::vector<ValueId> values(node.inputs.begin(), node.inputs.end());
    values.insert(values.end(), node.outputs.begin(), node.outputs.end());
    const ValueId id = values[random() % values.size()];
    if (!id.exists()) continue;
    const Type& old = graph.value(id).type;
    Shape shape = evaluate(*old.shape, sizes);
    DType dtype = old.dtype;
    switch (random() % 4) {
      case 0:
        shape.push_back(1 + static_cast<std::int64_t>(random() % 3));
        break;
      case 1:
        if (!shape.empty()) shape.pop_back();
        break;
      case 2:
        dtype = std::array{DType::f16, DType::i8, DType::f32, DType::i64}[random() % 4];
        break;
      default:
        if (!shape.empty())
          shape[random() % shape.size()] = static_cast<std::int64_t>(random() % 6);
    }
    // A constant's contents follow its type.
    if (graph.value(id).is_constant()) continue;
    run_hostile(graph, kernel, kernel.parameters, sizes, 9,
                {{id.index, Type::tensor(dtype, to_symbolic(shape))}});
  }
}

// The plan with its constants as each instruction set wants them, for the one of now to run.
std::vector<std::pair<std::string, PlanExecution>> packed_plans(const Plan& plain) {
  const cpu::Isa here = cpu::isa();
  std::vector<std::pair<std::string, PlanExecution>> out;
  for (int set = 0; set <= static_cast<int>(cpu::Isa::avx512_bf16); ++set) {
    const auto other = static_cast<cpu::Isa>(set);
    cpu::limit_isa(other);
    if (cpu::isa() == other) {
      Plan plan = plain;
      pack_constants(plan);
      cpu::limit_isa(here);
      out.emplace_back("packed for instruction set " + std::to_string(set),
                       PlanExecution(std::move(plan), 1));
    }
    cpu::limit_isa(here);
  }
  return out;
}

void check_candidate(const Graph& graph, std::size_t which, const Candidate& candidate,
                     const TacticCheck& check, const std::vector<SymbolValues>& all_sizes) {
  LowerOptions options;
  options.tactics = cpu::cpu_tactics();
  options.choose = [which](const Problem&, std::span<const Candidate>) { return which; };
  LowerReport report;
  const Plan plan = lower(graph, options, report);
  // Reorders around the one step, when the candidate wants them.
  const auto is_step = [](const NodeReport& entry) { return entry.tactic != "reorder"; };
  ASSERT_EQ(std::ranges::count_if(report.nodes, is_step), 1);
  ASSERT_EQ(std::ranges::find_if(report.nodes, is_step)->tactic, candidate.name());
  PlanExecution one(plan, 1), two(plan, 2);
  auto packed = packed_plans(plan);
  if (const auto step = packed_step(candidate, plan))
    check_hostile(graph, *step, all_sizes.front());
  for (std::size_t run = 0; run < all_sizes.size() + 1; ++run) {
    const SymbolValues& sizes = all_sizes[run % all_sizes.size()];  // the first ones once more
    std::vector<Tensor> inputs = check.inputs;
    std::vector<Datum> data;
    for (std::size_t i = 0; i < graph.inputs().size(); ++i) {
      const Type& type = graph.value(graph.inputs()[i]).type;
      if (i >= inputs.size())
        inputs.push_back(random_tensor(type.dtype, evaluate(*type.shape, sizes), run * 16 + i));
      data.emplace_back(inputs[i]);
    }
    const std::vector<Datum> expected = evaluate_graph(graph, data);
    one.bind(inputs);
    one.run();
    const std::vector<Tensor> got = one.outputs();
    two.bind(inputs);
    two.run();
    const std::vector<Tensor> threaded = two.outputs();
    for (auto& [name, execution] : packed) {
      execution.bind(inputs);
      execution.run();
      const std::vector<Tensor> outputs = execution.outputs();
      for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_TRUE(got[i].identical(outputs[i]))
            << name << ", run " << run << ": " << compare(outputs[i], got[i], 0).text;
      }
    }
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const Tensor& wanted = expected[i].tensor();
      const double tolerance =
          check.tolerance >= 0 ? check.tolerance : tolerance_of(wanted.dtype());
      const Difference difference = compare(got[i], wanted, tolerance);
      EXPECT_LE(difference.largest_relative, tolerance)
          << "run " << run << ", output " << i << ": " << difference.text;
      EXPECT_TRUE(got[i].identical(threaded[i]))
          << "run " << run << ", output " << i
          << ", 1 and 2 threads: " << compare(threaded[i], got[i], 0).text;
    }
  }
}

}  // namespace

void check_tactics(const std::string& text, const std::vector<std::string>& candidates,
                   const TacticCheck& check) {
  SCOPED_TRACE(text);
  register_backend(cpu::backend_table());
  const Graph graph = read_graph(text, check.constants);
  ASSERT_EQ(graph.order().size(), 1u);
  const CandidateList list = offered(graph);
  std::vector<std::string> names;
  for (const Candidate& candidate : list.candidates) names.push_back(candidate.name());
  for (const std::string& wanted : candidates)
    ASSERT_TRUE(std::ranges::count(names, wanted) == 1) << wanted << ": " << refusals(text);
  ASSERT_EQ(names.empty(), candidates.empty()) << names.front();
  std::vector<SymbolValues> sizes = check.sizes;
  if (sizes.empty()) sizes.emplace_back();
  for (std::size_t i = 0; i < names.size(); ++i) {
    SCOPED_TRACE(names[i]);
    check_candidate(graph, i, list.candidates[i], check, sizes);
    check_hostile(graph, plain_step(graph, list.candidates[i]), sizes.front());
    check_other_shapes(graph, list.candidates[i], sizes.front());
  }
}

std::string refusals(const std::string& text) {
  std::string out;
  for (const Refusal& refusal : offered(read_graph(text, {})).refusals) {
    out += (out.empty() ? "" : "; ") + refusal.tactic + ": " + refusal.reason;
  }
  return out;
}

}  // namespace strop::testing
