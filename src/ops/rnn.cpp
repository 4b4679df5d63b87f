// SPDX-License-Identifier: Apache-2.0
// h = f(x w + h r + bias) at each step, f is tanh. Steps after the end of a sequence give 0, and a
// sequence without steps has a last state of 0. 16-bit floats are computed in float, the state too.
#include "ops/rnn.hpp"

namespace strop {
namespace {

constexpr std::string_view kUsual[] = {"tanh"};
constexpr RecurrentCell kCell{.gates = 1, .functions = kUsual};

void infer(InferContext& context) {
  infer_recurrent(context, context.attributes<RnnAttributes>(), kCell);
}

void reference(KernelContext& context) {
  run_recurrent(context, context.attributes<RnnAttributes>(), kCell, false,
                []<class C>(const RecurrentWeights<C>& weights, RecurrentRows<C>& rows) {
                  const std::int64_t hidden = weights.hidden;
                  C* sums = rows.gates.data();
                  set_biases(weights, rows.count, hidden, sums);
                  add_inputs(weights, rows, sums);
                  add_state(weights, rows, rows.h.data(), sums, 0, hidden);
                  for (std::int64_t i = 0; i < rows.count; ++i) {
                    if (!rows.active[static_cast<std::size_t>(i)]) continue;
                    weights.functions[0](sums + i * hidden, hidden);
                    std::copy_n(sums + i * hidden, hidden, rows.h.data() + i * hidden);
                  }
                });
}

}  // namespace

const OpDef& op_rnn() {
  static const OpDef def{
      .name = "rnn",
      .summary = "a recurrent layer: h = f(x w + h r + bias) at each step",
      .attributes = &attribute_schema<RnnAttributes>(),
      .inputs =
          {{.name = "x", .types = kFloats, .same_as = 'T'},
           {.name = "w", .types = kFloats, .same_as = 'T'},
           {.name = "r", .types = kFloats, .same_as = 'T'},
           {.name = "bias", .types = kFloats, .same_as = 'T', .arity = Operand::optional},
           {.name = "lengths", .types = {DType::i32}, .arity = Operand::optional},
           {.name = "initial_h", .types = kFloats, .same_as = 'T', .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kFloats, .same_as = 'T'},
                  {.name = "y_h", .types = kFloats, .same_as = 'T', .arity = Operand::optional}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
