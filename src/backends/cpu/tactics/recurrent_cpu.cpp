// SPDX-License-Identifier: Apache-2.0
// Layers of lstm, gru and rnn in f32, with constant weights and the usual functions of the gates.
#include <algorithm>

#include "backends/cpu/parameters.hpp"
#include "ops/gru.hpp"
#include "ops/lstm.hpp"
#include "ops/rnn.hpp"
#include "tactic/tactic.hpp"

namespace strop::cpu {
const Tactic& tactic_recurrent_cpu();
namespace {

const RecurrentAttributes& shared_attributes(const Problem& problem) {
  if (problem.is(op_lstm())) return problem.attributes<LstmAttributes>();
  if (problem.is(op_gru())) return problem.attributes<GruAttributes>();
  return problem.attributes<RnnAttributes>();
}

bool has_usual_functions(const Problem& problem) {
  const std::vector<std::string>& given = shared_attributes(problem).activations;
  std::vector<std::string> usual = {"tanh"};
  if (problem.is(op_lstm())) usual = {"sigmoid", "tanh", "tanh"};
  if (problem.is(op_gru())) usual = {"sigmoid", "tanh"};
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (given[i] != usual[i % usual.size()]) return false;
  }
  return true;
}

Acceptance accepts(const Problem& problem) {
  if (!problem.is(op_lstm()) && !problem.is(op_gru()) && !problem.is(op_rnn()))
    return Acceptance::refuse({});
  if (problem.input_type(0).dtype != DType::f32)
    return Acceptance::refuse("input 0 is " + problem.input_type(0).to_string() +
                              ", this tactic is for f32");
  for (std::size_t i = 1; i < 4; ++i) {
    if (!problem.has_input(i)) continue;
    const Tensor* constant = problem.constant(i);
    if (constant == nullptr) return Acceptance::refuse("its weights are no constants");
    if (constant->size() == 0) return Acceptance::refuse("its weights are empty");
  }
  if (problem.has_input(7)) return Acceptance::refuse("it has peephole weights");
  if (!has_usual_functions(problem))
    return Acceptance::refuse("its gates have functions of their own");
  if (problem.is(op_lstm()) && problem.attributes<LstmAttributes>().input_forget)
    return Acceptance::refuse("its forget gate is made of the input gate");
  if (problem.is(op_gru()) && !problem.attributes<GruAttributes>().linear_before_reset)
    return Acceptance::refuse("its reset gate comes before the product");
  return Acceptance::accept();
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const RecurrentAttributes& attributes = shared_attributes(problem);
  Parameters parameters;
  parameters.set("cell", problem.op().name);
  parameters.set("reverse", std::int64_t{attributes.direction == RecurrentDirection::reverse});
  parameters.set("batch_first", std::int64_t{attributes.batch_first});
  parameters.set("clip", attributes.clip);
  return {"recurrent_f32", parameters.text()};
}

}  // namespace

const Tactic& tactic_recurrent_cpu() {
  static const Tactic tactic{.name = "recurrent_cpu",
                             .backend = "cpu",
                             .ops = {op_lstm, op_gru, op_rnn},
                             .accepts = accepts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu
