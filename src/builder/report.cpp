// SPDX-License-Identifier: Apache-2.0
#include "builder/report.hpp"

#include <nlohmann/json.hpp>

namespace strop {

std::string BuildReport::to_json() const {
  using nlohmann::ordered_json;
  ordered_json root;
  root["strop"] = STROP_VERSION;
  root["model"] = model;
  root["device"] = device;
  root["plugins"] = ordered_json::array();
  for (const EnginePlugin& plugin : plugins) {
    root["plugins"].push_back(
        {{"name", plugin.name}, {"version", plugin.version()}, {"operators", plugin.operators}});
  }
  root["imported_nodes"] = imported_nodes;
  root["stages"] = ordered_json::array();
  for (const StageTime& stage : stages) {
    ordered_json entry{{"stage", stage.stage}, {"seconds", stage.seconds}};
    for (const StagePart& part : stage.parts) {
      entry["parts"].push_back(
          {{"part", part.part}, {"seconds", part.seconds}, {"count", part.count}});
    }
    root["stages"].push_back(std::move(entry));
  }
  root["passes"] = ordered_json::array();
  for (const PassRecord& pass : passes) {
    root["passes"].push_back({{"pass", pass.name},
                              {"rewrites", pass.rewrites},
                              {"nodes_before", pass.nodes_before},
                              {"nodes_after", pass.nodes_after},
                              {"seconds", pass.seconds},
                              {"notes", pass.notes}});
  }
  root["nodes"] = ordered_json::array();
  for (const NodeReport& node : lowering.nodes) {
    ordered_json entry{
        {"node", node.node}, {"op", node.op}, {"backend", node.backend}, {"tactic", node.tactic}};
    if (!node.origins.empty()) entry["made_from"] = node.origins;
    for (const NodeReport::Timing& timing : node.timings) {
      entry["timings"].push_back(
          {{"candidate", timing.candidate}, {"microseconds", timing.nanoseconds / 1000.0}});
    }
    for (const Refusal& refusal : node.refusals) {
      entry["refused"].push_back({{"tactic", refusal.tactic}, {"reason", refusal.reason}});
    }
    root["nodes"].push_back(std::move(entry));
  }
  root["timed_problems"] = timed_problems;
  root["cached_problems"] = cached_problems;
  if (sample) {
    ordered_json sizes = ordered_json::object();
    for (const auto& [name, size] :
         std::map<std::string, std::int64_t>(sample->begin(), sample->end()))
      sizes[name] = size;
    root["sample_sizes"] = std::move(sizes);
  }
  root["weight_bytes"] = weight_bytes;
  ordered_json check{{"done", self_check.done}};
  if (!self_check.note.empty()) check["note"] = self_check.note;
  for (const OutputCheck& output : self_check.outputs) {
    check["outputs"].push_back({{"output", output.name},
                                {"largest_relative_error", output.largest_relative},
                                {"tolerance", output.tolerance}});
  }
  root["self_check"] = std::move(check);
  std::vector<std::string> all_notes = notes;
  all_notes.insert(all_notes.end(), lowering.notes.begin(), lowering.notes.end());
  root["notes"] = std::move(all_notes);
  return root.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace strop
