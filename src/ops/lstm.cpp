// SPDX-License-Identifier: Apache-2.0
// i = f(x wi + h ri + pi c + bi), likewise the forget gate f, n = g(x wn + h rn + bn);
// c = f c + i n; o = f(x wo + h ro + po c + bo); h = o k(c). The functions f, g, k are sigmoid,
// tanh and tanh; the input of k is not clipped. Ends of sequences and accumulators as in rnn.
#include "ops/lstm.hpp"

namespace strop {
namespace {

constexpr std::string_view kUsual[] = {"sigmoid", "tanh", "tanh"};
constexpr RecurrentCell kCell{.gates = 4, .functions = kUsual};

void infer(InferContext& context) {
  const auto& attributes = context.attributes<LstmAttributes>();
  const RecurrentSizes sizes = infer_recurrent(context, attributes, kCell);
  require_shape(context, 6, state_shape(attributes, sizes));
  require_shape(context, 7, {sizes.directions, sizes.hidden * Dim(3)});
  context.set_output(2, context.dtype(0), state_shape(attributes, sizes));
}

template <class C>
void step(const RecurrentWeights<C>& weights, RecurrentRows<C>& rows, bool input_forget) {
  const std::int64_t hidden = weights.hidden, columns = weights.columns;
  C* sums = rows.gates.data();
  set_biases(weights, rows.count, columns, sums);
  add_inputs(weights, rows, sums);
  add_state(weights, rows, rows.h.data(), sums, 0, columns);
  const auto& [of_gates, of_candidate, of_cell] =
      std::tie(weights.functions[0], weights.functions[1], weights.functions[2]);
  for (std::int64_t row = 0; row < rows.count; ++row) {
    if (!rows.active[static_cast<std::size_t>(row)]) continue;
    C* input = sums + row * columns;
    C* output = input + hidden;
    C* forget = output + hidden;
    C* candidate = forget + hidden;
    C* c = rows.c.data() + row * hidden;
    C* h = rows.h.data() + row * hidden;
    const C* peephole = weights.peephole;
    const auto look = [&](C* gate, std::int64_t which) {
      if (peephole == nullptr) return;
      for (std::int64_t j = 0; j < hidden; ++j) gate[j] += peephole[which * hidden + j] * c[j];
    };
    look(input, 0);
    of_gates(input, hidden);
    if (input_forget) {
      for (std::int64_t j = 0; j < hidden; ++j) forget[j] = C(1) - input[j];
    } else {
      look(forget, 2);
      of_gates(forget, hidden);
    }
    of_candidate(candidate, hidden);
    for (std::int64_t j = 0; j < hidden; ++j) c[j] = forget[j] * c[j] + input[j] * candidate[j];
    look(output, 1);
    of_gates(output, hidden);
    std::copy_n(c, hidden, h);
    of_cell.unclipped(h, hidden);
    for (std::int64_t j = 0; j < hidden; ++j) h[j] *= output[j];
  }
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<LstmAttributes>();
  run_recurrent(context, attributes, kCell, true,
                [&]<class C>(const RecurrentWeights<C>& weights, RecurrentRows<C>& rows) {
                  step(weights, rows, attributes.input_forget);
                });
}

}  // namespace

const OpDef& op_lstm() {
  static const OpDef def{
      .name = "lstm",
      .summary = "a layer of long short-term memory: c = f c + i n, h = o tanh(c) at each step",
      .attributes = &attribute_schema<LstmAttributes>(),
      .inputs =
          {{.name = "x", .types = kFloats, .same_as = 'T'},
           {.name = "w", .types = kFloats, .same_as = 'T'},
           {.name = "r", .types = kFloats, .same_as = 'T'},
           {.name = "bias", .types = kFloats, .same_as = 'T', .arity = Operand::optional},
           {.name = "lengths", .types = {DType::i32}, .arity = Operand::optional},
           {.name = "initial_h", .types = kFloats, .same_as = 'T', .arity = Operand::optional},
           {.name = "initial_c", .types = kFloats, .same_as = 'T', .arity = Operand::optional},
           {.name = "peephole", .types = kFloats, .same_as = 'T', .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kFloats, .same_as = 'T'},
                  {.name = "y_h", .types = kFloats, .same_as = 'T', .arity = Operand::optional},
                  {.name = "y_c", .types = kFloats, .same_as = 'T', .arity = Operand::optional}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
