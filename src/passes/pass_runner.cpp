// SPDX-License-Identifier: Apache-2.0
#include "passes/pass_runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>

#include "ir/text.hpp"
#include "ir/verify.hpp"
#include "ops/fused.hpp"

namespace strop {
namespace {

// Longest graph text inside an error; a longer one is cut, and the dump folder has it whole.
constexpr std::size_t kTextInError = 20'000;

std::string readable(const Graph& graph) {
  return to_text(graph, {.constants = ConstantText::omitted});
}

void dump(const Graph& graph, const std::filesystem::path& folder, std::size_t number,
          std::string_view name) {
  if (folder.empty()) return;
  std::error_code status;
  std::filesystem::create_directories(folder, status);
  const std::filesystem::path path = folder / fmt::format("{:02}_{}.txt", number, name);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << readable(graph);
  file.close();
  if (!file) {
    throw Error(ErrorCode::file_unwritable, path.string(),
                "the graph after a pass cannot be written", "name a folder that can be written to");
  }
}

int run_everywhere(const Pass& pass, Graph& graph, const PassContext& context) {
  int rewrites = pass.run(graph, context);
  if (rewrites > 0) remove_dead_nodes(graph);
  const std::vector<NodeId> order = graph.order();
  for (const NodeId id : order) {
    const Node& node = graph.node(id);
    if (!node.alive || node.subgraphs.empty() || node.is(op_fused())) continue;
    int inside = 0;
    Emitter::Options options;
    for (const auto& nested : node.subgraphs) {
      Graph copy = nested->clone();
      int changes = run_everywhere(pass, copy, context);
      changes += static_cast<int>(remove_dead_nodes(copy));
      copy.infer();
      options.subgraphs.push_back(changes > 0 ? std::make_shared<const Graph>(std::move(copy))
                                              : nested);
      inside += changes;
    }
    if (inside == 0) continue;
    rewrites += inside;
    options.name = node.name;
    options.origins = node.origins;
    Patch patch(graph, "rewrite the nested graphs of " + label_of(node));
    const std::vector<ValueId> before = node.outputs;
    const auto after =
        patch.emit(*node.op, node.attributes, node.inputs, before.size(), std::move(options));
    for (std::size_t i = 0; i < before.size(); ++i) patch.replace(before[i], after[i]);
    patch.apply(graph);
  }
  return rewrites;
}

[[noreturn]] void fail(const Pass& pass, const Graph& before, const std::string& why,
                       const PassRunOptions& options) {
  std::string text = readable(before);
  if (text.size() > kTextInError) {
    text.resize(kTextInError);
    text += "\n... (cut; a dump folder receives all of it)\n";
  }
  std::string hint = "this is a fault in Strop: please report it with the model";
  if (!options.command.empty()) {
    hint +=
        ", and this command, which reproduces it:\n  " + options.command + " --stop-after=passes";
  }
  throw Error(ErrorCode::pass_failed, "pass " + std::string(pass.name),
              why + "\nThe graph before the pass:\n" + text, std::move(hint));
}

bool keeps_its_code(ErrorCode code) {
  return code == ErrorCode::limit_exceeded || code == ErrorCode::out_of_memory ||
         code == ErrorCode::cancelled || code == ErrorCode::file_unwritable;
}

}  // namespace

std::vector<PassRecord> run_passes(Graph& graph, std::span<const Pass> passes, const Target& target,
                                   const PassRunOptions& options) {
  if (!options.stop_after.empty() &&
      std::ranges::none_of(passes, [&](const Pass& p) { return p.name == options.stop_after; })) {
    std::string names;
    for (const Pass& pass : passes) names += (names.empty() ? "" : ", ") + std::string(pass.name);
    throw Error(ErrorCode::bad_option, "stop-after=" + options.stop_after,
                "there is no such pass; the passes are " + names);
  }
  std::vector<PassRecord> records;
  dump(graph, options.dump, 0, "start");
  for (const Pass& pass : passes) {
    PassRecord record;
    record.name = pass.name;
    record.nodes_before = graph.node_count();
    const Graph before = graph.clone();
    const auto start = std::chrono::steady_clock::now();
    PassContext context;
    context.target = target;
    context.report = [&record](std::string_view note) { record.notes.emplace_back(note); };
    try {
      record.rewrites = run_everywhere(pass, graph, context);
      remove_dead_nodes(graph);
      graph.infer();
      verify(graph);
    } catch (Error& error) {
      if (keeps_its_code(error.code())) {
        error.add_context("pass " + std::string(pass.name));
        throw;
      }
      fail(pass, before, error.message(), options);
    }
    record.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    record.nodes_after = graph.node_count();
    records.push_back(std::move(record));
    dump(graph, options.dump, records.size(), pass.name);
    if (pass.name == options.stop_after) break;
  }
  return records;
}

}  // namespace strop
