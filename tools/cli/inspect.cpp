// SPDX-License-Identifier: Apache-2.0
// strop inspect: what is in an ONNX file or an engine. Nothing of it runs. A model is read twice:
// as it is encoded, for what the file says of itself, and by the importer, for its problems.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/os/mapped_file.hpp"
#include "builder/plugin_use.hpp"
#include "cli/commands.hpp"
#include "cli/model_options.hpp"
#include "ir/text.hpp"
#include "onnx/importer.hpp"
#include "onnx/model_reader.hpp"
#include "plan/engine_file.hpp"

namespace strop::cli {
namespace {

using Json = nlohmann::ordered_json;

struct InspectCommand {
  std::string file, external_data_root;
  std::vector<std::string> plugins;
  bool header = false, graph = false, json = false;
};

// Text of the file on a terminal: no control characters, one line.
std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

std::string shortened(std::string_view text) {
  constexpr std::size_t kMost = 60;
  if (text.size() <= kMost) return printable(std::string(text));
  std::size_t end = kMost;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // whole UTF-8
  return printable(std::string(text.substr(0, end))) + "... (" + std::to_string(text.size()) +
         " bytes)";
}

// "f32[N,3,224,224]", "seq(f32[*])"
std::string type_text(const onnx::TypeProto& type) {
  const auto inner = [&] { return type.element ? type_text(*type.element) : std::string("?"); };
  const auto dtype = dtype_from_onnx(type.elem_type);
  const std::string name =
      dtype ? std::string(to_string(*dtype)) : "type " + std::to_string(type.elem_type);
  switch (type.kind) {
    case onnx::TypeProto::tensor:
    case onnx::TypeProto::sparse_tensor: {
      if (!type.shape) return name + "[*]";
      std::string out = name + "[";
      for (const onnx::DimensionProto& dim : *type.shape) {
        if (out.back() != '[') out += ',';
        out += dim.value           ? std::to_string(*dim.value)
               : dim.param.empty() ? std::string("?")
                                   : std::string(dim.param);
      }
      return out + "]";
    }
    case onnx::TypeProto::sequence:
      return "seq(" + inner() + ")";
    case onnx::TypeProto::optional:
      return "optional(" + inner() + ")";
    case onnx::TypeProto::map:
      return "map(" + name + "," + inner() + ")";
    default:
      return "?";
  }
}

struct ModelCounts {
  std::map<std::string, std::int64_t> operators;
  std::int64_t nodes = 0;
  double parameters = 0;  // elements of initializers; what a file claims may pass any integer
  double parameter_bytes = 0;
};

void count_nodes(const std::vector<onnx::NodeProto>& nodes, ModelCounts& counts);

void count_graph(const onnx::GraphProto& graph, ModelCounts& counts) {
  for (const onnx::TensorProto& tensor : graph.initializer) {
    double elements = 1;
    for (const std::int64_t dim : tensor.dims) elements *= static_cast<double>(dim);
    const auto dtype = dtype_from_onnx(tensor.data_type);
    counts.parameters += elements;
    counts.parameter_bytes += dtype ? elements * bits_of(*dtype) / 8 : 0;
  }
  count_nodes(graph.node, counts);
}

// Nodes of nested graphs too.
void count_nodes(const std::vector<onnx::NodeProto>& nodes, ModelCounts& counts) {
  for (const onnx::NodeProto& node : nodes) {
    ++counts.nodes;
    std::string name(node.op_type);
    if (!node.domain.empty() && node.domain != "ai.onnx")
      name = std::string(node.domain) + "::" + name;
    ++counts.operators[name];
    for (const onnx::AttributeProto& attribute : node.attribute) {
      if (attribute.g) count_graph(*attribute.g, counts);
    }
  }
}

Json values_to_json(const std::vector<onnx::ValueInfoProto>& values,
                    const std::vector<onnx::TensorProto>& initializers) {
  std::set<std::string_view> weights;  // old models list their weights as inputs too
  for (const onnx::TensorProto& tensor : initializers) weights.insert(tensor.name);
  Json out = Json::array();
  for (const onnx::ValueInfoProto& value : values) {
    if (!weights.contains(value.name))
      out.push_back({{"name", value.name}, {"type", type_text(value.type)}});
  }
  return out;
}

Json problem_to_json(const Diagnostic& problem) {
  Json out{{"code", error_code_text(problem.code)}, {"what", problem.what}};
  if (!problem.why.empty()) out["why"] = problem.why;
  if (!problem.hint.empty()) out["hint"] = problem.hint;
  if (!problem.node.empty()) out["node"] = problem.node;
  if (!problem.op.empty()) {
    out["operator"] = problem.op;
    out["domain"] = problem.domain;
    out["opset"] = problem.opset;
  }
  return out;
}

Json inspect_model(const InspectCommand& command, const os::FileView& file, std::string& graph) {
  const std::string_view bytes(reinterpret_cast<const char*>(file.bytes().data()),
                               file.bytes().size());
  const onnx::ImportLimits limits;
  onnx::ImportBudget budget(limits.extra_bytes + file.size(), limits.nodes + file.size());
  const onnx::ModelProto model = onnx::read_model(bytes, budget);
  Json out{
      {"kind", "onnx"},
      {"file", command.file},
      {"bytes", file.size()},
      {"ir_version", model.ir_version},
      {"producer", std::string(model.producer_name) + " " + std::string(model.producer_version)}};
  out["opsets"] = Json::object();
  for (const onnx::OperatorSetIdProto& opset : model.opset_import)
    out["opsets"][opset.domain.empty() ? "ai.onnx" : std::string(opset.domain)] = opset.version;
  out["inputs"] = Json::array();
  out["outputs"] = Json::array();
  if (model.graph) {
    out["inputs"] = values_to_json(model.graph->input, model.graph->initializer);
    out["outputs"] = values_to_json(model.graph->output, {});
  }
  out["metadata"] = Json::object();
  for (const onnx::StringEntry& entry : model.metadata_props)
    out["metadata"][std::string(entry.key)] = entry.value;
  if (command.header) return out;

  ModelCounts counts;
  if (model.graph) count_graph(*model.graph, counts);
  for (const onnx::FunctionProto& function : model.functions) count_nodes(function.node, counts);
  out["nodes"] = counts.nodes;
  out["operators"] = Json(counts.operators);
  out["functions"] = model.functions.size();
  out["parameters"] = counts.parameters;
  out["parameter_bytes"] = counts.parameter_bytes;
  out["problems"] = Json::array();
  try {
    onnx::ImportOptions options;
    options.external_data_root = command.external_data_root;
    const Graph imported = onnx::import_model(command.file, options);
    if (command.graph) {
      TextOptions text;
      text.constants = ConstantText::omitted;
      graph = to_text(imported, text);
    }
  } catch (const Error& error) {
    for (const Diagnostic& problem : error.diagnostics())
      out["problems"].push_back(problem_to_json(problem));
  }
  return out;
}

Json plugins_to_json(const std::vector<EnginePlugin>& plugins) {
  Json out = Json::array();
  for (const EnginePlugin& plugin : plugins) {
    out.push_back(
        {{"name", plugin.name}, {"version", plugin.version()}, {"operators", plugin.operators}});
  }
  return out;
}

Json ports_to_json(const std::vector<EnginePort>& ports) {
  Json out = Json::array();
  for (const EnginePort& port : ports) out.push_back({{"name", port.name}, {"type", port.type}});
  return out;
}

// Steps per backend and tactic, those of nested plans too; bytes of weights.
void count_steps(const Plan& plan, std::map<std::pair<std::string, std::string>, int>& places,
                 std::int64_t& weights) {
  for (const Slot& slot : plan.slots) {
    if (slot.kind == SlotKind::constant) weights += slot.constant.bytes();
  }
  for (const Step& step : plan.steps) {
    if (step.kind == StepKind::kernel) ++places[{step.backend, step.tactic}];
    for (const auto& nested : step.nested) count_steps(*nested, places, weights);
  }
}

Json inspect_engine(const InspectCommand& command, std::string& graph) {
  const EngineHeader header = read_engine_header(command.file);
  Json out{{"kind", "engine"},
           {"file", command.file},
           {"bytes", header.file_size},
           {"format", header.format},
           {"strop", header.strop_version},
           {"target", header.target},
           {"instruction_sets", header.instruction_sets},
           {"libraries", header.libraries},
           {"options", header.options},
           {"plugins", plugins_to_json(header.plugins)},
           {"portable", header.portable},
           {"content", header.content_id},
           {"computation", header.computation_id},
           {"inputs", ports_to_json(header.inputs)},
           {"outputs", ports_to_json(header.outputs)}};
  if (command.header) return out;

  out["sections"] = Json::array();
  for (const EngineSection& section : read_engine_sections(command.file)) {
    out["sections"].push_back(
        {{"name", section.name}, {"offset", section.offset}, {"bytes", section.bytes}});
  }
  const EngineContents contents = load_engine(command.file);
  std::map<std::pair<std::string, std::string>, int> places;
  std::int64_t weights = 0;
  count_steps(contents.plan, places, weights);
  out["weight_bytes"] = weights;
  out["places"] = Json::array();
  for (const auto& [place, steps] : places)
    out["places"].push_back({{"backend", place.first}, {"tactic", place.second}, {"steps", steps}});
  out["steps"] = Json::array();
  for (const Step& step : contents.plan.steps) {
    out["steps"].push_back({{"step", step.name},
                            {"op", step.op},
                            {"backend", step.backend},
                            {"kernel", step.kernel},
                            {"tactic", step.tactic}});
    if (!step.origins.empty()) out["steps"].back()["made_from"] = step.origins;
  }
  if (!contents.self_check.empty())
    out["self_check"] = Json::parse(contents.self_check, nullptr, false);
  if (command.graph) graph = to_text(contents.plan);
  return out;
}

void print_line(const char* subject, const std::string& text) {
  std::printf("  %-12s %s\n", subject, printable(text).c_str());
}

std::string megabytes(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f MB", bytes / 1e6);
  return text;
}

void print_ports(const Json& found) {
  for (const char* kind : {"input", "output"}) {
    for (const Json& port : found.at(std::string(kind) + "s"))
      print_line(kind,
                 port.at("name").get<std::string>() + ": " + port.at("type").get<std::string>());
  }
}

void print_model(const Json& found) {
  std::string opsets;
  for (const auto& [domain, version] : found.at("opsets").items())
    opsets +=
        (opsets.empty() ? "" : ", ") + domain + " " + std::to_string(version.get<std::int64_t>());
  print_line("opsets", opsets);
  print_line("producer", found.at("producer").get<std::string>());
  print_ports(found);
  for (const auto& [key, value] : found.at("metadata").items())
    print_line("metadata", key + " = " + shortened(value.get<std::string>()));
  if (!found.contains("nodes")) return;
  char parameters[64];
  std::snprintf(parameters, sizeof parameters, "%.0f, %s", found.at("parameters").get<double>(),
                megabytes(found.at("parameter_bytes").get<double>()).c_str());
  print_line("parameters", parameters);
  print_line("nodes", std::to_string(found.at("nodes").get<std::int64_t>()));
  for (const auto& [name, count] : found.at("operators").items()) {
    std::printf("  %-12s %5lld x %s\n", "", static_cast<long long>(count.get<std::int64_t>()),
                printable(name).c_str());
  }
  if (found.at("problems").empty()) print_line("problems", "none");
  for (const Json& problem : found.at("problems")) {
    print_line("problem",
               problem.at("code").get<std::string>() + " " + problem.at("what").get<std::string>());
    for (const char* part : {"why", "hint"}) {
      if (problem.contains(part)) print_line("", problem.at(part).get<std::string>());
    }
  }
}

void print_engine(const Json& found) {
  print_line("built by", "Strop " + found.at("strop").get<std::string>() + ", format " +
                             std::to_string(found.at("format").get<int>()));
  print_line("target", found.at("target").get<std::string>());
  for (const auto& [name, value] : found.at("options").items())
    print_line("option", name + " = " + value.get<std::string>());
  for (const Json& plugin : found.at("plugins")) {
    std::string operators;
    for (const Json& op : plugin.at("operators"))
      operators += (operators.empty() ? "" : ", ") + op.get<std::string>();
    print_line("plugin", plugin.at("name").get<std::string>() + " " +
                             plugin.at("version").get<std::string>() + " for " + operators);
  }
  print_ports(found);
  print_line("content", found.at("content").get<std::string>());
  if (!found.contains("sections")) return;
  for (const Json& section : found.at("sections"))
    print_line("section", section.at("name").get<std::string>() + ", " +
                              std::to_string(section.at("bytes").get<std::uint64_t>()) + " bytes");
  print_line("weights", megabytes(found.at("weight_bytes").get<double>()));
  for (const Json& place : found.at("places")) {
    std::printf("  %-12s %5d x %s %s\n", "steps", place.at("steps").get<int>(),
                printable(place.at("backend").get<std::string>()).c_str(),
                printable(place.at("tactic").get<std::string>()).c_str());
  }
  if (found.contains("self_check")) {
    print_line("self-check",
               found.at("self_check").dump(-1, ' ', false, Json::error_handler_t::replace));
  }
}

void run_inspect(const InspectCommand& command) {
  if (!command.plugins.empty()) use_plugins(command.plugins);
  std::string graph;
  Json found;
  if (is_engine_file(command.file)) {
    found = inspect_engine(command, graph);
  } else {
    const os::FileView file = os::read_file(command.file, os::FileAccess::map);
    found = inspect_model(command, file, graph);
    file.check_unchanged();
  }
  if (command.json) {
    if (command.graph) found["graph"] = graph;
    std::puts(found.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
    return;
  }
  std::printf("%s: %s, %s\n", command.file.c_str(),
              found.at("kind") == "engine" ? "engine" : "ONNX model",
              megabytes(found.at("bytes").get<double>()).c_str());
  found.at("kind") == "engine" ? print_engine(found) : print_model(found);
  if (command.graph) std::printf("\n%s", graph.c_str());
}

}  // namespace

void add_inspect_command(CLI::App& app) {
  const auto command = std::make_shared<InspectCommand>();
  CLI::App* inspect = app.add_subcommand("inspect", "Say what is in an ONNX file or an engine");
  inspect->add_option("file", command->file, "ONNX file or engine")->required();
  inspect->add_flag("--header", command->header, "only what stands at the head of the file");
  inspect->add_flag("--graph", command->graph, "the graph (of an engine: the plan) as text too");
  inspect->add_flag("--json", command->json, "as JSON");
  inspect->add_option("--external-data-root", command->external_data_root,
                      "folder that links of external weights may lead into");
  add_plugin_option(*inspect, command->plugins);
  inspect->callback([command] { run_inspect(*command); });
}

}  // namespace strop::cli
