// SPDX-License-Identifier: Apache-2.0
// strop operators: what can be imported, and what runs it where. `--markdown` prints
// docs/operators.md.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "builder/plugin_use.hpp"
#include "builder/targets.hpp"
#include "cli/commands.hpp"
#include "cli/model_options.hpp"
#include "onnx/aten_operators.hpp"
#include "onnx/converter_table.hpp"
#include "onnx/importer.hpp"
#include "ops/op_list.hpp"
#include "plugin/plugin_registry.hpp"

namespace strop::cli {
namespace {

using Json = nlohmann::ordered_json;

struct OperatorsCommand {
  bool json = false, markdown = false;
  std::vector<std::string> plugins;
};

std::string joined(const std::vector<std::string>& parts, const char* between) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : between) + part;
  return out;
}

// "f32 f64 f16 bf16"; sets that have a name in words by it.
std::string types_text(DTypeSet types) {
  static const std::pair<DTypeSet, const char*> kNamed[] = {
      {kAny, "any, string"},
      {kPlain, "any"},
      {kNumbers, "floats, integers"},
      {kFloats, "floats"},
      {kIntegers, "integers"},
      {kSignedInts, "signed integers"},
      {kUnsignedInts, "unsigned integers"},
      {kFloats | kIntegers | kBool, "floats, integers, bool"}};
  for (const auto& [set, name] : kNamed) {
    if (set == types) return name;
  }
  std::vector<std::string> names;
  for (const DTypeInfo& info : all_dtypes()) {
    if (info.type != DType::undefined && types.contains(info.type)) names.emplace_back(info.name);
  }
  return joined(names, " ");
}

std::string operand_text(const Operand& operand) {
  static constexpr const char* kKinds[] = {"", "sequence", "optional", "map", "any value"};
  std::string out(operand.name);
  if (operand.arity == Operand::optional) out += "?";
  if (operand.arity == Operand::variadic) out += "...";
  const std::string kind = kKinds[operand.kind];
  return out + ": " + (kind.empty() ? types_text(operand.types) : kind);
}

std::string operands_text(const std::vector<Operand>& operands) {
  std::vector<std::string> texts;
  for (const Operand& operand : operands) texts.push_back(operand_text(operand));
  return joined(texts, "; ");
}

// Names of the tactics that serve an operator on a backend other than the reference.
std::vector<std::string> tactics_of(const OpDef& op) {
  std::vector<std::string> names;
  BuildConfig config;
  config.device = "auto";
  for (const Tactic* tactic : find_target(config).tactics) {
    if (std::ranges::any_of(tactic->ops, [&](auto served) { return &served() == &op; }) ||
        (tactic->serves != nullptr && tactic->serves(op)))
      names.emplace_back(tactic->name);
  }
  return names;
}

Json describe(const OpDef& op) {
  std::vector<std::string> attributes;
  for (const AttributeField& field : op.attributes->fields) {
    attributes.push_back(std::string(field.name) + " (" + std::string(field.type) +
                         "): " + std::string(field.doc));
  }
  return {{"operator", op.name},
          {"summary", op.summary},
          {"limits", op.limits},
          {"inputs", operands_text(op.inputs)},
          {"outputs", operands_text(op.outputs)},
          {"attributes", attributes},
          {"tactics", tactics_of(op)}};
}

Json describe_operators() {
  Json out{{"opsets", {{"oldest", onnx::kOldestOpset}, {"newest", onnx::kNewestOpset}}},
           {"imported", Json::array()},
           {"operators", Json::array()}};
  onnx::ConverterTable table;
  onnx::register_all_converters(table);
  for (const auto& entry : table.entries()) {
    out["imported"].push_back({{"domain", entry.domain.empty() ? "ai.onnx" : entry.domain},
                               {"operator", entry.op},
                               {"since", entry.since}});
  }
  for (const OpDef* op : all_ops()) out["operators"].push_back(describe(*op));
  for (const PluginLibrary* plugin : all_plugins()) {
    for (const auto& op : plugin->operators) {
      out["imported"].push_back(
          {{"domain", op->domain}, {"operator", op->op_type}, {"since", {op->since_version}}});
      out["operators"].push_back(describe(*op));
    }
  }
  return out;
}

std::string since_text(const Json& since) {
  std::vector<std::string> texts;
  for (const Json& opset : since) texts.push_back(std::to_string(opset.get<int>()));
  return joined(texts, ", ");
}

void print_table(const Json& all) {
  std::printf("opsets %lld to %lld are read\n\n",
              static_cast<long long>(all.at("opsets").at("oldest").get<std::int64_t>()),
              static_cast<long long>(all.at("opsets").at("newest").get<std::int64_t>()));
  for (const Json& entry : all.at("imported")) {
    std::printf("%-28s %-36s %s\n", entry.at("domain").get<std::string>().c_str(),
                entry.at("operator").get<std::string>().c_str(),
                since_text(entry.at("since")).c_str());
  }
}

// A cell of a table: no bar, no line end.
std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2)
    text.insert(at, "\\");
  std::ranges::replace(text, '\n', ' ');
  return text;
}

constexpr const char* kAtenText =
    "PyTorch's exporters wrote what they had no operator for as a node `ATen` (domain empty, "
    "`aten` "
    "or `org.pytorch.aten`) that calls PyTorch by the attributes `operator` and `overload_name`, "
    "or "
    "as a node of the domain `aten` with the operator's own name. These are imported with "
    "PyTorch's "
    "meaning and its rules for element types; an in-place form (`add_`) is its plain one. "
    "Arguments "
    "are inputs in the order of PyTorch's signature (numbers, lists and text as constants, None as "
    "an absent input, a list of tensors as a sequence or as several inputs), or attributes of the "
    "arguments' names, as older exporters wrote them. Without an overload name the form is chosen "
    "that the arguments fill. Sizes, starts and ends may be computed by the graph; axes and modes "
    "are constants. What is not listed, an overload that is not known, and a call that belongs to "
    "training are refused with the options to export another form.\n\n";

void print_markdown(const Json& all) {
  std::printf(
      "# Operators\n\n"
      "Written by `strop operators --markdown`; a test holds this page against the program.\n\n"
      "## What is imported\n\n"
      "Opsets %lld to %lld of `ai.onnx`. Every type that the standard names for an operator is "
      "taken unless the second table says less. \"From opset\" lists where the meaning of an "
      "operator changed; each is imported with the meaning of the model's opset. Local functions "
      "of a model are expanded. What is not listed is refused by name, together with every other "
      "problem of the model.\n",
      static_cast<long long>(all.at("opsets").at("oldest").get<std::int64_t>()),
      static_cast<long long>(all.at("opsets").at("newest").get<std::int64_t>()));
  std::string domain = "?";
  for (const Json& entry : all.at("imported")) {
    if (entry.at("domain").get<std::string>() != domain) {
      domain = entry.at("domain").get<std::string>();
      std::printf("\n### %s\n\n%s| operator | from opset |\n|---|---|\n", domain.c_str(),
                  domain == onnx::kAtenDomain ? kAtenText : "");
    }
    std::printf("| %s | %s |\n", entry.at("operator").get<std::string>().c_str(),
                since_text(entry.at("since")).c_str());
  }
  std::printf(
      "\n## Operators of the IR\n\n"
      "What the imported ones become (`docs/ir.md`). Every one runs on the reference backend; the "
      "last column names the tactics of other backends that may take it, each under its own "
      "conditions, which the build report states where they fail.\n\n"
      "| operator | meaning | inputs | outputs | attributes | cpu |\n|---|---|---|---|---|---|\n");
  for (const Json& op : all.at("operators")) {
    std::string meaning = op.at("summary").get<std::string>();
    if (const auto limits = op.at("limits").get<std::string>(); !limits.empty())
      meaning += ". Limits: " + limits;
    std::printf("| `%s` | %s | %s | %s | %s | %s |\n", op.at("operator").get<std::string>().c_str(),
                cell(meaning).c_str(), cell(op.at("inputs").get<std::string>()).c_str(),
                cell(op.at("outputs").get<std::string>()).c_str(),
                cell(joined(op.at("attributes").get<std::vector<std::string>>(), "; ")).c_str(),
                joined(op.at("tactics").get<std::vector<std::string>>(), ", ").c_str());
  }
}

void run_operators(const OperatorsCommand& command) {
  if (!command.plugins.empty()) use_plugins(command.plugins);
  const Json all = describe_operators();
  if (command.json) {
    std::puts(all.dump(2).c_str());
  } else if (command.markdown) {
    print_markdown(all);
  } else {
    print_table(all);
  }
}

}  // namespace

void add_operators_command(CLI::App& app) {
  const auto command = std::make_shared<OperatorsCommand>();
  CLI::App* operators = app.add_subcommand(
      "operators", "List the operators that can be imported, and what runs them");
  operators->add_flag("--json", command->json, "as JSON");
  operators->add_flag("--markdown", command->markdown, "as the page docs/operators.md");
  add_plugin_option(*operators, command->plugins);
  operators->callback([command] { run_operators(*command); });
}

}  // namespace strop::cli
