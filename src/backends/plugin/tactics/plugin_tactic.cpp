// SPDX-License-Identifier: Apache-2.0
#include "backends/plugin/tactics/plugin_tactic.hpp"

#include "plugin/plugin_functions.hpp"

namespace strop {
namespace {

const PluginOperator& operator_of(const Problem& problem) {
  const PluginOperator* op = plugin_operator(problem.op());
  STROP_CHECK(op != nullptr, "the tactic of plugins serves operators of plugins");
  return *op;
}

bool serves(const OpDef& op) {
  const PluginOperator* plugin = plugin_operator(op);
  return plugin != nullptr && !plugin->kernels.empty();
}

// Each kernel answers for itself.
Acceptance accepts(const Problem&) { return Acceptance::accept(); }

std::vector<std::string> configs(const Problem& problem) {
  std::vector<std::string> out;
  for (const PluginKernel& kernel : operator_of(problem).kernels) out.push_back(kernel.name);
  return out;
}

Acceptance accepts_config(const Problem& problem, std::string_view config) {
  const PluginOperator& op = operator_of(problem);
  const PluginKernel* kernel = op.find_kernel(config);
  STROP_CHECK(kernel != nullptr, "a configuration is the name of a kernel");
  std::vector<InferInput> inputs(problem.node->inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!problem.has_input(i)) continue;
    const Value& value = problem.graph->value(problem.node->inputs[i]);
    inputs[i].type = &value.type;
    if (value.is_constant()) inputs[i].constant = &value.constant;
    if (value.elements) inputs[i].elements = &*value.elements;
  }
  InferContext shapes(op, problem.node->attributes, inputs, {}, problem.node->outputs.size(),
                      "accepts");
  const PluginAnswer answer = ask_plugin_kernel(op, *kernel, shapes, problem.precise);
  return answer.yes ? Acceptance::accept() : Acceptance::refuse(answer.reason);
}

KernelChoice lower(const Problem& problem, std::string_view config) {
  return {operator_of(problem).ir_name + "/" + std::string(config),
          problem.node->attributes.to_string()};
}

}  // namespace

const Tactic& plugin_tactic() {
  static const Tactic tactic{.name = "plugin",
                             .backend = "plugin",
                             .ops = {},
                             .serves = serves,
                             .accepts = accepts,
                             .configs = configs,
                             .accepts_config = accepts_config,
                             .lower = lower};
  return tactic;
}

}  // namespace strop
