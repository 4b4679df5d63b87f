// SPDX-License-Identifier: Apache-2.0
// What lstm, gru and rnn share: attributes, checks and shapes, and the walk over time. An operator
// adds the arithmetic of one time step. Weights lie as in ONNX: each direction one block, in it the
// gates one after the other, rows of a matrix by hidden unit.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ir/infer.hpp"
#include "ops/chunk.hpp"
#include "ops/product.hpp"

namespace strop {

enum class RecurrentDirection : std::uint8_t { forward, reverse, bidirectional };

inline std::span<const std::string_view> enum_names(RecurrentDirection) {
  static constexpr std::array<std::string_view, 3> names = {"forward", "reverse", "bidirectional"};
  return names;
}

struct RecurrentAttributes {
  RecurrentDirection direction = RecurrentDirection::forward;
  bool batch_first = false;
  double clip = std::numeric_limits<double>::infinity();
  std::vector<std::string> activations;
  std::vector<double> alpha;
  std::vector<double> beta;

  std::size_t directions() const { return direction == RecurrentDirection::bidirectional ? 2 : 1; }

  // A is the attribute struct of the operator, made from this one.
  template <class A>
  static void reflect_shared(auto& field) {
    const auto own = []<class T>(T RecurrentAttributes::*member) -> T A::* { return member; };
    field("direction", own(&RecurrentAttributes::direction),
          "forward, reverse (from each sequence's last step to its first) or both");
    field("batch_first", own(&RecurrentAttributes::batch_first),
          "x is [batch, steps, ...] instead of [steps, batch, ...]; likewise y and the states");
    field("clip", own(&RecurrentAttributes::clip),
          "what the gates' functions take is first bounded to [-clip, clip]");
    field("activations", own(&RecurrentAttributes::activations),
          "functions of the gates, for each direction; none: the operator's usual ones");
    field("alpha", own(&RecurrentAttributes::alpha), "first parameter of each function, or none");
    field("beta", own(&RecurrentAttributes::beta), "second parameter of each function, or none");
  }
};

// A function that gates may have; alpha and beta are its usual parameters.
struct RecurrentFunction {
  std::string_view name;
  bool has_alpha, has_beta;
  double alpha, beta;
};
std::span<const RecurrentFunction> recurrent_functions();

// What tells the operators apart from outside.
struct RecurrentCell {
  std::int64_t gates;
  std::span<const std::string_view> functions;  // of one direction
};

// The sizes of x [steps, batch, inputs] and of the states [directions, batch, hidden].
struct RecurrentSizes {
  Dim steps, batch, inputs, hidden, directions;
};

// Checks attributes and inputs 0 to 5 (x, w, r, bias?, lengths?, initial_h?) and sets the types of
// y and y_h.
RecurrentSizes infer_recurrent(InferContext& context, const RecurrentAttributes& attributes,
                               const RecurrentCell& cell);
// The shape of a state as the attributes lay it out.
SymShape state_shape(const RecurrentAttributes& attributes, const RecurrentSizes& sizes);
// Fails unless input i, when it is there, has this shape.
void require_shape(InferContext& context, std::size_t i, const SymShape& shape);

// One function of a gate with its parameters and the clip before it.
template <class C>
class GateFunction {
 public:
  GateFunction(const RecurrentAttributes& attributes, const RecurrentCell& cell,
               std::size_t direction, std::size_t which);
  // In place, after clipping.
  void operator()(C* values, std::int64_t count) const;
  // In place, as they are.
  void unclipped(C* values, std::int64_t count) const;

 private:
  std::size_t function_;
  double alpha_, beta_;
  C clip_;
};

// The weights of one direction as the products want them. `gates` * hidden columns.
template <class C>
struct RecurrentWeights {
  std::int64_t inputs = 0, hidden = 0, columns = 0;
  std::vector<C> w;             // [inputs, columns]
  std::vector<C> r;             // [hidden, columns]
  std::vector<C> w_bias;        // [columns]; zeros when there is none
  std::vector<C> r_bias;        // [columns]
  const C* peephole = nullptr;  // of lstm
  std::vector<GateFunction<C>> functions;
};

// Some rows of the batch at one step. States keep their last values in rows that are over.
template <class C>
struct RecurrentRows {
  std::int64_t count = 0;
  std::vector<C> x;        // [count, inputs]
  std::vector<C> h;        // [count, hidden]
  std::vector<C> c;        // [count, hidden]; of lstm
  std::vector<C> gates;    // [count, columns], to work in
  std::vector<C> scratch;  // [count, columns], likewise
  std::vector<bool> active;
};

// sums [count, columns] = the sum of both biases in the columns up to `shared`, that of w after.
template <class C>
void set_biases(const RecurrentWeights<C>& weights, std::int64_t count, std::int64_t shared,
                C* sums) {
  for (std::int64_t i = 0; i < count; ++i) {
    C* row = std::ranges::copy(weights.w_bias, sums + i * weights.columns).out - weights.columns;
    for (std::int64_t j = 0; j < shared; ++j) row[j] += weights.r_bias[static_cast<std::size_t>(j)];
  }
}
// sums += x * w.
template <class C>
void add_inputs(const RecurrentWeights<C>& weights, const RecurrentRows<C>& rows, C* sums) {
  accumulate_product(rows.x.data(), weights.inputs, weights.w.data(), weights.columns, sums,
                     weights.columns, rows.count, weights.columns, weights.inputs);
}
// sums += state * r in `count` columns from `first` on.
template <class C>
void add_state(const RecurrentWeights<C>& weights, const RecurrentRows<C>& rows, const C* state,
               C* sums, std::int64_t first, std::int64_t count) {
  accumulate_product(state, weights.hidden, weights.r.data() + first, weights.columns, sums + first,
                     weights.columns, rows.count, count, weights.hidden);
}

// Walks over time; see run_recurrent.
template <class C>
class RecurrentWalk {
 public:
  RecurrentWalk(KernelContext& context, const RecurrentAttributes& attributes,
                const RecurrentCell& cell, bool has_cell_state);

  // step(weights, rows) replaces the states of the active rows by those after one step.
  template <class Step>
  void run(Step&& step) {
    if (empty_) return;
    const std::int64_t blocks = (batch_ + kRows - 1) / kRows;
    parallel_for(directions_ * blocks, 1, [&](std::int64_t begin, std::int64_t end) {
      RecurrentRows<C> rows;
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t direction = task / blocks, first = task % blocks * kRows;
        open(direction, first, rows);
        const RecurrentWeights<C>& weights = weights_[static_cast<std::size_t>(direction)];
        const std::int64_t steps = longest(first, rows.count);
        for (std::int64_t t = 0; t < steps; ++t) {
          context_.check_deadline();
          load(direction, first, t, rows);
          step(weights, rows);
          store(direction, first, t, rows);
        }
        close(direction, first, rows);
      }
    });
  }

 private:
  static constexpr std::int64_t kRows = 8;  // of the batch, that read the weights together

  std::int64_t length(std::int64_t row) const {
    return lengths_.empty() ? steps_ : lengths_[static_cast<std::size_t>(row)];
  }
  std::int64_t longest(std::int64_t first, std::int64_t count) const;
  // The step of the sequence that is computed as the t-th; -1: the sequence is over.
  std::int64_t time(std::int64_t direction, std::int64_t row, std::int64_t t) const;
  std::int64_t state_offset(std::int64_t direction, std::int64_t row) const;
  void read_weights(const RecurrentCell& cell);
  void open(std::int64_t direction, std::int64_t first, RecurrentRows<C>& rows) const;
  void load(std::int64_t direction, std::int64_t first, std::int64_t t,
            RecurrentRows<C>& rows) const;
  void store(std::int64_t direction, std::int64_t first, std::int64_t t,
             const RecurrentRows<C>& rows);
  void close(std::int64_t direction, std::int64_t first, const RecurrentRows<C>& rows);

  KernelContext& context_;
  const RecurrentAttributes& attributes_;
  std::int64_t steps_, batch_, inputs_, hidden_, directions_;
  bool has_cell_state_, empty_;
  std::vector<std::int64_t> lengths_;
  std::vector<C> peephole_;
  std::vector<RecurrentWeights<C>> weights_;
};

extern template class GateFunction<float>;
extern template class GateFunction<double>;
extern template class RecurrentWalk<float>;
extern template class RecurrentWalk<double>;

// Computes y, y_h (and y_c) by `step`, a callable with a template parameter for the type that is
// computed in: step.operator()<C>(weights, rows).
template <class Step>
void run_recurrent(KernelContext& context, const RecurrentAttributes& attributes,
                   const RecurrentCell& cell, bool has_cell_state, Step&& step) {
  const auto run = [&]<class C>() {
    RecurrentWalk<C>(context, attributes, cell, has_cell_state)
        .run([&](const RecurrentWeights<C>& weights, RecurrentRows<C>& rows) {
          step.template operator()<C>(weights, rows);
        });
  };
  if (context.input(0).dtype() == DType::f64) {
    run.template operator()<double>();
  } else {
    run.template operator()<float>();
  }
}

}  // namespace strop
