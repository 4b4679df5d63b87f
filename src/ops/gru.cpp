// SPDX-License-Identifier: Apache-2.0
// z = f(x wz + h rz + bz), r = f(x wr + h rr + br), n = g(x wn + (r h) rn + bn), and then
// h = (1 - z) n + z h; f is sigmoid, g is tanh. With linear_before_reset the candidate is
// g(x wn + wbn + r (h rn + rbn)). Ends of sequences and accumulators as in rnn.
#include "ops/gru.hpp"

namespace strop {
namespace {

constexpr std::string_view kUsual[] = {"sigmoid", "tanh"};
constexpr RecurrentCell kCell{.gates = 3, .functions = kUsual};

void infer(InferContext& context) {
  infer_recurrent(context, context.attributes<GruAttributes>(), kCell);
}

template <class C>
void step(const RecurrentWeights<C>& weights, RecurrentRows<C>& rows, bool linear_before_reset) {
  const std::int64_t hidden = weights.hidden, columns = weights.columns;
  C* sums = rows.gates.data();
  C* other = rows.scratch.data();  // of the candidate: what the reset gate scales
  set_biases(weights, rows.count, linear_before_reset ? 2 * hidden : columns, sums);
  add_inputs(weights, rows, sums);
  add_state(weights, rows, rows.h.data(), sums, 0, 2 * hidden);
  for (std::int64_t i = 0; i < rows.count; ++i) {
    weights.functions[0](sums + i * columns, 2 * hidden);
    const C* bias = weights.r_bias.data() + 2 * hidden;
    std::copy_n(bias, hidden, other + i * columns + 2 * hidden);
  }
  if (linear_before_reset) {
    add_state(weights, rows, rows.h.data(), other, 2 * hidden, hidden);
  } else {
    std::vector<C> scaled(rows.h);
    for (std::int64_t i = 0; i < rows.count; ++i) {
      const C* reset = sums + i * columns + hidden;
      for (std::int64_t j = 0; j < hidden; ++j)
        scaled[static_cast<std::size_t>(i * hidden + j)] *= reset[j];
    }
    add_state(weights, rows, scaled.data(), sums, 2 * hidden, hidden);
  }
  for (std::int64_t i = 0; i < rows.count; ++i) {
    if (!rows.active[static_cast<std::size_t>(i)]) continue;
    const C* update = sums + i * columns;
    const C* reset = update + hidden;
    C* candidate = sums + i * columns + 2 * hidden;
    if (linear_before_reset) {
      const C* scaled = other + i * columns + 2 * hidden;
      for (std::int64_t j = 0; j < hidden; ++j) candidate[j] += reset[j] * scaled[j];
    }
    weights.functions[1](candidate, hidden);
    C* h = rows.h.data() + i * hidden;
    for (std::int64_t j = 0; j < hidden; ++j)
      h[j] = (C(1) - update[j]) * candidate[j] + update[j] * h[j];
  }
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<GruAttributes>();
  run_recurrent(context, attributes, kCell, false,
                [&]<class C>(const RecurrentWeights<C>& weights, RecurrentRows<C>& rows) {
                  step(weights, rows, attributes.linear_before_reset);
                });
}

}  // namespace

const OpDef& op_gru() {
  static const OpDef def{
      .name = "gru",
      .summary = "a layer of gated recurrent units: h = (1 - z) n + z h at each step",
      .attributes = &attribute_schema<GruAttributes>(),
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
