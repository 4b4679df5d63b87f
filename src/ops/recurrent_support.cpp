// SPDX-License-Identifier: Apache-2.0
#include "ops/recurrent_support.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <initializer_list>

#include "ops/unary.hpp"

namespace strop {
namespace {

// Behind the functions that the operator `unary` has too.
constexpr auto kNotUnary = static_cast<UnaryFunction>(255);

struct FunctionRow {
  RecurrentFunction function;
  UnaryFunction unary;
};

constexpr FunctionRow kFunctions[] = {
    {{"sigmoid", false, false, 0, 0}, UnaryFunction::sigmoid},
    {{"tanh", false, false, 0, 0}, UnaryFunction::tanh},
    {{"relu", false, false, 0, 0}, UnaryFunction::relu},
    {{"affine", true, true, 1, 0}, kNotUnary},
    {{"leaky_relu", true, false, 0.01, 0}, UnaryFunction::leaky_relu},
    {{"thresholded_relu", true, false, 1, 0},
     kNotUnary},  // keeps x = alpha, where `unary` does not
    {{"scaled_tanh", true, true, 1, 1}, kNotUnary},
    {{"hard_sigmoid", true, true, 0.2, 0.5}, UnaryFunction::hard_sigmoid},
    {{"elu", true, false, 1, 0}, UnaryFunction::elu},
    {{"softsign", false, false, 0, 0}, UnaryFunction::softsign},
    {{"softplus", false, false, 0, 0}, UnaryFunction::softplus},
};

std::size_t find_function(std::string_view name) {
  std::size_t i = 0;
  while (i < std::size(kFunctions) && kFunctions[i].function.name != name) ++i;
  return i;
}

void check_attributes(const InferContext& context, const RecurrentAttributes& attributes,
                      const RecurrentCell& cell) {
  context.require(attributes.clip >= 0, ErrorCode::bad_attribute,
                  "clip is " + std::to_string(attributes.clip) + "; it must not be negative");
  const std::size_t needed = cell.functions.size() * attributes.directions();
  const auto check_count = [&](std::size_t count, const char* what) {
    context.require(count == 0 || count == needed, ErrorCode::bad_attribute,
                    "there are " + std::to_string(count) + " " + what + ", but " +
                        std::to_string(needed) + " functions");
  };
  check_count(attributes.activations.size(), "activations");
  check_count(attributes.alpha.size(), "values of alpha");
  check_count(attributes.beta.size(), "values of beta");
  for (const std::string& name : attributes.activations) {
    if (find_function(name) < std::size(kFunctions)) continue;
    std::string known;
    for (const FunctionRow& row : kFunctions)
      known += (known.empty() ? "" : ", ") + std::string(row.function.name);
    context.fail(ErrorCode::bad_attribute,
                 "activation \"" + name + "\" is unknown; there are " + known);
  }
}

// `count` elements as C, whatever their number.
template <class C>
void load_row(const Tensor& tensor, std::int64_t begin, std::int64_t count, C* to) {
  for (std::int64_t i = 0; i < count; i += kChunk) {
    const std::int64_t part = std::min(kChunk, count - i);
    const C* from = load_chunk<C>(tensor, begin + i, part, to + i);
    if (from != to + i) std::copy_n(from, part, to + i);
  }
}

// [rows, columns] of x from element `begin` on, as [columns, rows].
template <class C>
std::vector<C> transposed_block(const Tensor& x, std::int64_t begin, std::int64_t rows,
                                std::int64_t columns) {
  std::vector<C> out(static_cast<std::size_t>(rows * columns));
  parallel_for(rows, 64, [&](std::int64_t first, std::int64_t last) {
    std::vector<C> row(static_cast<std::size_t>(columns));
    for (std::int64_t i = first; i < last; ++i) {
      load_row(x, begin + i * columns, columns, row.data());
      for (std::int64_t j = 0; j < columns; ++j) {
        out[static_cast<std::size_t>(j * rows + i)] = row[static_cast<std::size_t>(j)];
      }
    }
  });
  return out;
}

}  // namespace

std::span<const RecurrentFunction> recurrent_functions() {
  static const auto functions = [] {
    std::array<RecurrentFunction, std::size(kFunctions)> out{};
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = kFunctions[i].function;
    return out;
  }();
  return functions;
}

SymShape state_shape(const RecurrentAttributes& attributes, const RecurrentSizes& sizes) {
  if (attributes.batch_first) return {sizes.batch, sizes.directions, sizes.hidden};
  return {sizes.directions, sizes.batch, sizes.hidden};
}

void require_shape(InferContext& context, std::size_t i, const SymShape& shape) {
  if (!context.has_input(i)) return;
  context.require_rank(i, static_cast<std::int64_t>(shape.size()));
  const SymShape* actual = context.shape(i);
  if (actual == nullptr) return;
  const std::string name(context.op().inputs[i].name);
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    context.require_equal(
        (*actual)[axis], shape[axis],
        "axis " + std::to_string(axis) + " of " + name + " and what x, w and r ask for");
  }
}

namespace {

// Each size from the first input that tells it. New symbols stand only for what no input tells, so
// that no check is about them.
RecurrentSizes find_sizes(InferContext& context, const RecurrentAttributes& attributes,
                          const RecurrentCell& cell) {
  struct Place {
    std::size_t input, axis;
    std::int64_t times = 1;  // the size there, in sizes that are looked for
  };
  const auto find = [&](std::initializer_list<Place> places) {
    for (const auto& [input, axis, times] : places) {
      const SymShape* shape = context.has_input(input) ? context.shape(input) : nullptr;
      if (shape != nullptr && shape->size() > axis) return floordiv((*shape)[axis], Dim(times));
    }
    return context.fresh_dim();
  };
  const std::size_t steps = attributes.batch_first ? 1 : 0, batch = 1 - steps;
  RecurrentSizes sizes;
  sizes.steps = find({{0, steps}});
  sizes.batch = find({{0, batch}, {4, 0}, {5, batch}, {6, batch}});
  sizes.inputs = find({{0, 2}, {1, 2}});
  sizes.hidden = find({{2, 2},
                       {5, 2},
                       {6, 2},
                       {1, 1, cell.gates},
                       {2, 1, cell.gates},
                       {3, 1, 2 * cell.gates},
                       {7, 1, 3}});
  sizes.directions = Dim(static_cast<std::int64_t>(attributes.directions()));
  return sizes;
}

}  // namespace

RecurrentSizes infer_recurrent(InferContext& context, const RecurrentAttributes& attributes,
                               const RecurrentCell& cell) {
  check_attributes(context, attributes, cell);
  context.require_rank(0, 3);
  context.require_rank(1, 3);
  context.require_rank(2, 3);
  const RecurrentSizes sizes = find_sizes(context, attributes, cell);
  const Dim columns = sizes.hidden * Dim(cell.gates);
  require_shape(context, 1, {sizes.directions, columns, sizes.inputs});
  require_shape(context, 2, {sizes.directions, columns, sizes.hidden});
  require_shape(context, 3, {sizes.directions, columns * Dim(2)});
  require_shape(context, 4, {sizes.batch});
  require_shape(context, 5, state_shape(attributes, sizes));
  SymShape y = {sizes.steps, sizes.directions, sizes.batch, sizes.hidden};
  if (attributes.batch_first) y = {sizes.batch, sizes.steps, sizes.directions, sizes.hidden};
  context.set_output(0, context.dtype(0), std::move(y));
  context.set_output(1, context.dtype(0), state_shape(attributes, sizes));
  return sizes;
}

template <class C>
GateFunction<C>::GateFunction(const RecurrentAttributes& attributes, const RecurrentCell& cell,
                              std::size_t direction, std::size_t which)
    : clip_(attributes.clip < std::numeric_limits<C>::max() ? static_cast<C>(attributes.clip)
                                                            : std::numeric_limits<C>::infinity()) {
  const std::size_t at = direction * cell.functions.size() + which;
  function_ =
      find_function(attributes.activations.empty() ? cell.functions[which]
                                                   : std::string_view(attributes.activations[at]));
  const RecurrentFunction& usual = kFunctions[function_].function;
  alpha_ = attributes.alpha.empty() ? usual.alpha : attributes.alpha[at];
  beta_ = attributes.beta.empty() ? usual.beta : attributes.beta[at];
}

template <class C>
void GateFunction<C>::operator()(C* values, std::int64_t count) const {
  if (clip_ < std::numeric_limits<C>::infinity()) {
    for (std::int64_t i = 0; i < count; ++i) {  // NaN stays
      values[i] = values[i] < -clip_ ? -clip_ : values[i] > clip_ ? clip_ : values[i];
    }
  }
  unclipped(values, count);
}

template <class C>
void GateFunction<C>::unclipped(C* values, std::int64_t count) const {
  const FunctionRow& row = kFunctions[function_];
  if (row.unary != kNotUnary) {
    return apply_unary<C>(row.unary, values, values, count, alpha_, beta_);
  }
  const C alpha = static_cast<C>(alpha_), beta = static_cast<C>(beta_);
  if (row.function.name == "affine") {
    for (std::int64_t i = 0; i < count; ++i) values[i] = alpha * values[i] + beta;
  } else if (row.function.name == "scaled_tanh") {
    for (std::int64_t i = 0; i < count; ++i) values[i] = alpha * std::tanh(beta * values[i]);
  } else {  // thresholded_relu; NaN stays
    for (std::int64_t i = 0; i < count; ++i) values[i] = values[i] < alpha ? C(0) : values[i];
  }
}

template <class C>
RecurrentWalk<C>::RecurrentWalk(KernelContext& context, const RecurrentAttributes& attributes,
                                const RecurrentCell& cell, bool has_cell_state)
    : context_(context),
      attributes_(attributes),
      steps_(context.input(0).dim(attributes.batch_first ? 1 : 0)),
      batch_(context.input(0).dim(attributes.batch_first ? 0 : 1)),
      inputs_(context.input(0).dim(2)),
      hidden_(context.input(2).dim(2)),
      directions_(static_cast<std::int64_t>(attributes.directions())),
      has_cell_state_(has_cell_state),
      empty_(batch_ == 0 || hidden_ == 0) {
  if (context.has_input(4)) {
    lengths_ = context.input(4).to_i64();
    for (const std::int64_t each : lengths_) {
      if (each < 0 || each > steps_) {
        context.fail("a sequence has length " + std::to_string(each),
                     "lengths are from 0 to the " + std::to_string(steps_) + " steps of x");
      }
    }
  }
  if (empty_) return;
  // What follows the end of a sequence is 0.
  if (!lengths_.empty() && context.has_output(0)) {
    Tensor& y = context.output(0);
    if (y.bytes() > 0) std::memset(y.mutable_data(), 0, static_cast<std::size_t>(y.bytes()));
  }
  read_weights(cell);
}

template <class C>
void RecurrentWalk<C>::read_weights(const RecurrentCell& cell) {
  const std::int64_t columns = cell.gates * hidden_;
  const C* peephole = context_.has_input(7) ? load_all<C>(context_.input(7), peephole_) : nullptr;
  weights_.resize(static_cast<std::size_t>(directions_));
  for (std::int64_t direction = 0; direction < directions_; ++direction) {
    RecurrentWeights<C>& weights = weights_[static_cast<std::size_t>(direction)];
    weights.inputs = inputs_;
    weights.hidden = hidden_;
    weights.columns = columns;
    weights.w =
        transposed_block<C>(context_.input(1), direction * columns * inputs_, columns, inputs_);
    weights.r =
        transposed_block<C>(context_.input(2), direction * columns * hidden_, columns, hidden_);
    weights.w_bias.assign(static_cast<std::size_t>(columns), C(0));
    weights.r_bias = weights.w_bias;
    if (context_.has_input(3)) {
      const std::int64_t at = direction * 2 * columns;
      load_row(context_.input(3), at, columns, weights.w_bias.data());
      load_row(context_.input(3), at + columns, columns, weights.r_bias.data());
    }
    if (peephole != nullptr) weights.peephole = peephole + direction * 3 * hidden_;
    for (std::size_t i = 0; i < cell.functions.size(); ++i) {
      weights.functions.emplace_back(attributes_, cell, static_cast<std::size_t>(direction), i);
    }
  }
}

template <class C>
std::int64_t RecurrentWalk<C>::longest(std::int64_t first, std::int64_t count) const {
  std::int64_t out = 0;
  for (std::int64_t i = 0; i < count; ++i) out = std::max(out, length(first + i));
  return out;
}

template <class C>
std::int64_t RecurrentWalk<C>::time(std::int64_t direction, std::int64_t row,
                                    std::int64_t t) const {
  if (t >= length(row)) return -1;
  const bool backwards = direction == 1 || attributes_.direction == RecurrentDirection::reverse;
  return backwards ? length(row) - 1 - t : t;
}

template <class C>
std::int64_t RecurrentWalk<C>::state_offset(std::int64_t direction, std::int64_t row) const {
  return (attributes_.batch_first ? row * directions_ + direction : direction * batch_ + row) *
         hidden_;
}

template <class C>
void RecurrentWalk<C>::open(std::int64_t direction, std::int64_t first,
                            RecurrentRows<C>& rows) const {
  rows.count = std::min(kRows, batch_ - first);
  const auto sized = [&](std::int64_t width) {
    return std::vector<C>(static_cast<std::size_t>(rows.count * width), C(0));
  };
  const std::int64_t columns = weights_.front().columns;
  rows.x = sized(inputs_);
  rows.h = sized(hidden_);
  rows.c = sized(has_cell_state_ ? hidden_ : 0);
  rows.gates = sized(columns);
  rows.scratch = sized(columns);
  rows.active.assign(static_cast<std::size_t>(rows.count), true);
  for (std::int64_t i = 0; i < rows.count; ++i) {
    const std::int64_t from = state_offset(direction, first + i);
    if (context_.has_input(5))
      load_row(context_.input(5), from, hidden_, rows.h.data() + i * hidden_);
    if (has_cell_state_ && context_.has_input(6))
      load_row(context_.input(6), from, hidden_, rows.c.data() + i * hidden_);
  }
}

template <class C>
void RecurrentWalk<C>::load(std::int64_t direction, std::int64_t first, std::int64_t t,
                            RecurrentRows<C>& rows) const {
  for (std::int64_t i = 0; i < rows.count; ++i) {
    const std::int64_t at = time(direction, first + i, t);
    rows.active[static_cast<std::size_t>(i)] = at >= 0;
    if (at < 0) continue;
    const std::int64_t row =
        attributes_.batch_first ? (first + i) * steps_ + at : at * batch_ + first + i;
    load_row(context_.input(0), row * inputs_, inputs_, rows.x.data() + i * inputs_);
  }
}

template <class C>
void RecurrentWalk<C>::store(std::int64_t direction, std::int64_t first, std::int64_t t,
                             const RecurrentRows<C>& rows) {
  if (!context_.has_output(0)) return;
  for (std::int64_t i = 0; i < rows.count; ++i) {
    const std::int64_t at = time(direction, first + i, t);
    if (at < 0) continue;
    const std::int64_t row = attributes_.batch_first
                                 ? ((first + i) * steps_ + at) * directions_ + direction
                                 : (at * directions_ + direction) * batch_ + first + i;
    store_chunk<C>(context_.output(0), row * hidden_, hidden_, rows.h.data() + i * hidden_);
  }
}

template <class C>
void RecurrentWalk<C>::close(std::int64_t direction, std::int64_t first,
                             const RecurrentRows<C>& rows) {
  const std::vector<C> none(static_cast<std::size_t>(hidden_), C(0));
  for (std::int64_t i = 0; i < rows.count; ++i) {
    // A sequence without steps has no last state.
    const bool any = length(first + i) > 0;
    const std::int64_t to = state_offset(direction, first + i);
    if (context_.has_output(1))
      store_chunk<C>(context_.output(1), to, hidden_,
                     any ? rows.h.data() + i * hidden_ : none.data());
    if (has_cell_state_ && context_.has_output(2))
      store_chunk<C>(context_.output(2), to, hidden_,
                     any ? rows.c.data() + i * hidden_ : none.data());
  }
}

template class GateFunction<float>;
template class GateFunction<double>;
template class RecurrentWalk<float>;
template class RecurrentWalk<double>;

}  // namespace strop
