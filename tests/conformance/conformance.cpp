// SPDX-License-Identifier: Apache-2.0
// usage: conformance --data DIR [--list FILE] --target graph|reference|cpu|cuda[:N] [--filter TEXT]
//                    [--shard I/N] [--results FILE] [--verbose]
//        conformance --data DIR --target hostile [--seed N] [--calls N] [--filter OPERATOR]
//
// Runs the test cases of the standard on one target:
//   graph      the imported graph through the operators' reference kernels, no pass
//   reference  an engine of the reference backend, after all passes; also compared with `graph`
//   cpu        an engine of the cpu backend, likewise
//   cuda:0     an engine of the cuda backend on that device, likewise
//   cuda:sm_90 an engine for such a chip, which need not be here: it is built, not run, so that a
//              case "passes" that is imported and built; the totals say where the steps would run
//   hostile    no case, but every operator under hostile calls (hostile.hpp)
// The list (not_passed.txt) names the cases that need not pass, with the reason; a listed case that
// passes is a failure too. Without a list all have to pass. The last line has the totals.
//
// --shard 2/8 takes every eighth case from the third on. --results writes a line of JSON per case:
// how it ended, which operators of the engine run on which backend, and why tactics of the target's
// backend refused those that run elsewhere.
//
// Cases of the group `random` (random_models.py) are whole models, whose errors add up, so that the
// standard's bound on each element does not fit. They are compared norm-wise, by the table of
// base/tolerance.hpp for the coarsest floating type in the model, with the same bound against ONNX
// Runtime and against the model as imported. The generator keeps only models where errors of
// several units in the last place of every node together stay below a third of that bound. Where
// such a model has quantisation, an engine holds to its floats when it is built with `precise`; one
// built without may be a step off (docs/int8.md), which is compared apart.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "backends/reference/reference_backend.hpp"
#include "base/tolerance.hpp"
#include "builder/pipeline.hpp"
#include "conformance/case.hpp"
#include "conformance/hostile.hpp"
#include "conformance/list.hpp"
#include "ir/evaluate.hpp"
#include "onnx/importer.hpp"
#include "ops/dequantize_linear.hpp"
#include "ops/quantize_linear.hpp"
#include "runtime/backend_loader.hpp"
#include "runtime/context.hpp"

namespace strop::conformance {
namespace {

// The tolerance of the standard's own test runner.
constexpr Tolerance kStandard{.relative = 1e-3, .absolute = 1e-7};

struct Options {
  std::string data, list, target = "graph", filter, results;
  std::size_t shard = 0, shards = 1;
  std::uint64_t seed = 1;
  std::int64_t calls = 300;
  bool verbose = false;
};

// The boxed values of a linked reference backend are Datum objects of this program.
Datum output_of(const Context& context, std::size_t index, const EnginePort& port) {
  const StropAbiValue& value = context.output(index);
  if (value.boxed != nullptr) return *static_cast<const Datum*>(value.boxed);
  return context.output_tensor(port.name).clone();
}

std::vector<Datum> run_engine(const std::shared_ptr<const Engine>& engine,
                              const std::vector<Datum>& inputs) {
  Context context(engine);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::string& name = engine->inputs()[i].name;
    if (inputs[i].is_tensor() && inputs[i].tensor().dtype() != DType::string) {
      context.bind(name, inputs[i].tensor());
    } else {
      context.bind_boxed(name, &inputs[i]);
    }
  }
  context.run();
  std::vector<Datum> outputs;
  for (std::size_t i = 0; i < engine->outputs().size(); ++i)
    outputs.push_back(output_of(context, i, engine->outputs()[i]));
  return outputs;
}

// Integers, strings and moves to the bit, floats within the table of base/tolerance.hpp.
std::string difference_from_graph(const Datum& got, const Datum& graph, const std::string& where) {
  if (!graph.is_tensor()) return difference(got, graph, kStandard, where);
  if (std::string types = difference_of_types(got, graph, where); !types.empty()) return types;
  const double tolerance = tolerance_of(graph.tensor().dtype());
  const Difference found = compare(got.tensor(), graph.tensor(), tolerance);
  if (found.largest_relative <= tolerance) return {};
  return where + " after the passes differs from the model as imported: " + found.text;
}

// The bound for a random model: float values of one type may come from a coarser one.
double tolerance_of_model(const Graph& graph) {
  double bound = 0;
  for (std::uint32_t i = 0; i < graph.value_count(); ++i) {
    const Type& type = graph.value(ValueId{i}).type;
    if (type.is_tensor() && is_floating(type.dtype))
      bound = std::max(bound, tolerance_of(type.dtype));
  }
  for (const NodeId id : graph.order()) {
    for (const auto& nested : graph.node(id).subgraphs)
      bound = std::max(bound, tolerance_of_model(*nested));
  }
  return bound;
}

bool is_quantized(const Graph& graph) {
  return std::ranges::any_of(graph.order(), [&](NodeId id) {
    const Node& node = graph.node(id);
    return node.op == &op_quantize_linear() || node.op == &op_dequantize_linear() ||
           std::ranges::any_of(node.subgraphs, [](const auto& g) { return is_quantized(*g); });
  });
}

struct Placement {
  // Operators by the backend that runs them, or "sizes" where the host makes small integers for a
  // device by design. Views and sizes that shapes alone tell belong to none.
  std::map<std::string, std::set<std::string>> operators;
  std::map<std::string, std::set<std::string>> refusals;  // by operator

  // "on_gpu", "sizes_on_host" (all but sizes on the GPU), "partly", "fell_back", or "elsewhere":
  // nothing to compute.
  const char* summary() const {
    const auto elsewhere = [](const auto& entry) {
      return entry.first != "cuda" && entry.first != "runtime" && entry.first != "sizes";
    };
    const bool others = std::ranges::any_of(operators, elsewhere);
    if (operators.contains("cuda"))
      return others ? "partly" : operators.contains("sizes") ? "sizes_on_host" : "on_gpu";
    return others || operators.contains("sizes") ? "fell_back" : "elsewhere";
  }
};

bool is_chip(const std::string& device) { return device.starts_with("cuda:sm_"); }

std::shared_ptr<const Engine> build(const Case& test, const std::string& device, bool precise,
                                    Placement& placement) {
  BuildConfig config;
  config.device = device;
  config.precise = precise;
  config.tuning = false;
  config.verify = Verify::never;
  BuildResult built = build_model(test.model(), config);
  for (const NodeReport& node : built.report.lowering.nodes) {
    if (node.backend.empty()) continue;
    if (node.sizes && node.backend == "reference") {
      placement.operators["sizes"].insert(node.op);
      continue;
    }
    placement.operators[node.backend].insert(node.op);
    if (!device.starts_with("cuda") || node.backend == "cuda") continue;
    for (const Refusal& refusal : node.refusals)
      placement.refusals[node.op].insert(refusal.tactic + ": " + refusal.reason);
  }
  return std::make_shared<const Engine>(std::move(built.engine));
}

std::string normwise_difference(const Datum& got, const Datum& expected, double tolerance,
                                const std::string& where) {
  if (std::string types = difference_of_types(got, expected, where); !types.empty()) return types;
  if (!expected.is_tensor()) return difference(got, expected, kStandard, where);
  if (!is_floating(expected.tensor().dtype())) tolerance = 0;
  const Difference found = compare(got.tensor(), expected.tensor(), tolerance);
  return found.largest_relative <= tolerance ? std::string() : where + ": " + found.text;
}

// A random model: against ONNX Runtime, and after the passes against the model as imported.
std::string random_difference(const DataSet& set, const std::vector<Datum>& got,
                              const std::vector<Datum>& from_graph, double tolerance) {
  for (std::size_t i = 0; i < set.outputs.size(); ++i) {
    const std::string where = set.name + " output " + std::to_string(i);
    std::string found = normwise_difference(got[i], set.outputs[i], tolerance, where);
    if (!found.empty()) return found;
    found = normwise_difference(got[i], from_graph[i], tolerance, where);
    if (!found.empty()) return found + " (against the model as imported)";
  }
  return {};
}

// What integers make of a random model, against the model as imported. A step at a tie goes on
// through what follows, so that this catches wrong integers, not wrong rounding: the bytes
// themselves are compared by the tests of the pass and of the kernels.
std::string difference_in_steps(const DataSet& set, const std::vector<Datum>& got,
                                const std::vector<Datum>& from_graph) {
  constexpr double kSteps = 0.1;
  for (std::size_t i = 0; i < set.outputs.size(); ++i) {
    const std::string where = set.name + " output " + std::to_string(i) + " in integers";
    std::string found = difference_of_types(got[i], from_graph[i], where);
    if (found.empty() && got[i].is_tensor() && is_floating(got[i].tensor().dtype()))
      found = normwise_difference(got[i], from_graph[i], kSteps, where);
    if (!found.empty()) return found;
  }
  return {};
}

// Nothing when the case passes, else why not.
std::string run_case(const Case& test, const Options& options, const Listed* listed,
                     Placement& placement) {
  const Graph graph = onnx::import_model(test.model());
  std::vector<Type> inputs, outputs;
  for (const ValueId id : graph.inputs()) inputs.push_back(graph.value(id).type);
  for (const ValueId id : graph.outputs()) outputs.push_back(graph.value(id).type);

  if (is_chip(options.target)) {
    build(test, options.target, false, placement);
    return {};
  }
  std::shared_ptr<const Engine> engine, integers;
  if (options.target != "graph") {
    const bool has_integers = test.group == "random" && is_quantized(graph);
    engine = build(test, options.target, has_integers, placement);
    if (has_integers) integers = build(test, options.target, false, placement);
  }
  const std::vector<DataSet> sets = read_data_sets(test, inputs, outputs);
  if (sets.empty()) return "it has no data";
  for (const DataSet& set : sets) {
    if (set.inputs.size() != inputs.size())
      return set.name + " has " + std::to_string(set.inputs.size()) + " inputs";
    const bool random = listed != nullptr && listed->kind == Listed::random;
    const std::vector<Datum> from_graph = evaluate_graph(graph, set.inputs);
    const std::vector<Datum> got = engine ? run_engine(engine, set.inputs) : from_graph;
    if (set.outputs.size() > got.size()) return set.name + " has more outputs than the model";
    if (test.group == "random") {
      std::string found = random_difference(set, got, from_graph, tolerance_of_model(graph));
      if (found.empty() && integers)
        found = difference_in_steps(set, run_engine(integers, set.inputs), from_graph);
      if (!found.empty()) return found;
      continue;
    }
    for (std::size_t i = 0; i < set.outputs.size(); ++i) {
      const std::string where = set.name + " output " + std::to_string(i);
      std::string found = random ? difference_of_types(got[i], set.outputs[i], where)
                                 : difference(got[i], set.outputs[i], kStandard, where);
      if (found.empty() && engine && !random)
        found = difference_from_graph(got[i], from_graph[i], where);
      if (!found.empty()) return found;
    }
  }
  return {};
}

std::string guarded_case(const Case& test, const Options& options, const Listed* listed,
                         Placement& placement) {
  try {
    return run_case(test, options, listed, placement);
  } catch (const Error& error) {
    std::string text = error.message();
    std::ranges::replace(text, '\n', ' ');
    return text.empty() ? "an error without text" : text;
  }
}

// Written and flushed case by case, so that a process that dies leaves what it had.
class Results {
 public:
  explicit Results(const std::string& path) {
    if (path.empty()) return;
    file_.open(path);
    if (!file_) throw Error(ErrorCode::file_unwritable, path);
  }
  void add(const Case& test, const char* status, const std::string& why,
           const Placement& placement) {
    if (!file_.is_open()) return;
    const nlohmann::json line{{"case", test.name},
                              {"status", status},
                              {"why", why},
                              {"placement", placement.operators},
                              {"refusals", placement.refusals}};
    file_ << line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
  }

 private:
  std::ofstream file_;
};

// Where the steps of all cases run, and how many cases each operator elsewhere has.
class Places {
 public:
  void add(const Placement& placement) {
    ++totals_[placement.summary()];
    for (const auto& [backend, operators] : placement.operators) {
      if (backend == "cuda" || backend == "runtime") continue;
      for (const std::string& op : operators) ++elsewhere_[op];
    }
  }
  void print() const {
    std::vector<std::pair<int, std::string>> ranked;
    for (const auto& [op, cases] : elsewhere_) ranked.emplace_back(-cases, op);
    std::ranges::sort(ranked);
    for (const auto& [cases, op] : ranked)
      std::printf("not on the GPU: %s in %d cases\n", op.c_str(), -cases);
    for (const auto& [place, cases] : totals_) std::printf("%s: %d cases\n", place.c_str(), cases);
  }

 private:
  std::map<std::string, int> totals_, elsewhere_;
};

int run_all(const Options& options) {
  const NotPassedList list =
      options.list.empty() ? NotPassedList() : NotPassedList::read(options.list);
  int passed = 0, listed_count = 0, failed = 0, random = 0;
  const std::vector<Case> cases = find_cases(options.data);
  const std::string kind = options.target.substr(0, options.target.find(':'));
  Results results(options.results);
  Places places;
  for (std::size_t i = options.shard; i < cases.size(); i += options.shards) {
    const Case& test = cases[i];
    if (test.name.find(options.filter) == std::string::npos) continue;
    const Listed* listed = list.find(test.name, kind);
    Placement placement;
    const std::string why = guarded_case(test, options, listed, placement);
    const bool chip = is_chip(options.target);
    if (why.empty()) places.add(placement);
    const bool may_fail =
        listed != nullptr && listed->kind == Listed::not_passed && !(chip && why.empty());
    const bool passes = why.empty() != may_fail;
    results.add(test, !passes ? "failed" : may_fail ? "listed" : "passed", why, placement);
    if (why.empty() && may_fail) {
      ++failed;
      std::printf("PASSES, but is listed: %s\n", test.name.c_str());
    } else if (why.empty()) {
      ++passed;
      random += listed != nullptr;
    } else if (may_fail) {
      ++listed_count;
      if (options.verbose) std::printf("listed %s: %s\n", test.name.c_str(), why.c_str());
    } else {
      ++failed;
      std::printf("FAILED %s: %s\n", test.name.c_str(), why.c_str());
    }
  }
  if (options.filter.empty()) {
    for (const std::string& name : list.names()) {
      if (std::ranges::find(cases, name, &Case::name) == cases.end()) {
        ++failed;
        std::printf("LISTED, but there is no such case: %s\n", name.c_str());
      }
    }
  }
  if (is_chip(options.target)) places.print();
  std::printf(
      "conformance on %s: %d cases passed (%d of them random: types and shapes alone), %d "
      "listed as not passed, %d failed\n",
      options.target.c_str(), passed, random, listed_count, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace
}  // namespace strop::conformance

int main(int argc, char** argv) {
  strop::conformance::Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto value = [&]() -> std::string { return i + 1 < argc ? argv[++i] : ""; };
    if (argument == "--data") {
      options.data = value();
    } else if (argument == "--list") {
      options.list = value();
    } else if (argument == "--target") {
      options.target = value();
    } else if (argument == "--filter") {
      options.filter = value();
    } else if (argument == "--results") {
      options.results = value();
    } else if (argument == "--shard") {
      const std::string text = value();
      if (std::sscanf(text.c_str(), "%zu/%zu", &options.shard, &options.shards) != 2 ||
          options.shard >= options.shards) {
        std::fprintf(stderr, "conformance: --shard %s is not I/N with I below N\n", text.c_str());
        return 2;
      }
    } else if (argument == "--seed") {
      options.seed = std::stoull(value());
    } else if (argument == "--calls") {
      options.calls = std::stoll(value());
    } else if (argument == "--verbose") {
      options.verbose = true;
    } else {
      std::fprintf(stderr, "conformance: unknown argument %s\n", argument.c_str());
      return 2;
    }
  }
  try {
    strop::register_backend(strop::reference_backend());
    if (options.target == "hostile") {
      return strop::conformance::run_hostile(
                 {options.data, options.seed, options.calls, options.filter}) == 0
                 ? 0
                 : 1;
    }
    return strop::conformance::run_all(options);
  } catch (const strop::Error& error) {
    std::fprintf(stderr, "conformance: %s\n", error.message().c_str());
    return 1;
  }
}
