// SPDX-License-Identifier: Apache-2.0
// A recurrence over tokens with a matrix S as its state (Yang et al., Gated Delta Networks,
// arXiv:2412.06464):
//   S = exp(decay) S;  u = rate ? rate (v - S^T k) : v;  S = S + k u^T;  y = scale S^T q.
// The state and all sums are in float (f64: double). Columns of S do not depend on each other.
#include "ops/linear_attention.hpp"

#include <cmath>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {
namespace {

enum Input : std::size_t { kQ, kK, kV, kState, kDecay, kRate };

SymShape known_shape(InferContext& context, std::size_t i, std::int64_t rank) {
  context.require_rank(i, rank);
  if (context.shape(i) != nullptr) return *context.shape(i);
  return context.fresh_shape(static_cast<std::size_t>(rank));
}

// Input i has this shape; a size of 1 will do on axis `broadcast`.
void check_shape(InferContext& context, std::size_t i, const SymShape& wanted,
                 std::size_t broadcast) {
  if (!context.has_input(i)) return;
  context.require_rank(i, static_cast<std::int64_t>(wanted.size()));
  if (context.shape(i) == nullptr) return;
  const SymShape& shape = *context.shape(i);
  for (std::size_t axis = 0; axis < wanted.size(); ++axis) {
    if (axis == broadcast && (shape[axis].is(1) || !shape[axis].is_constant())) continue;
    context.require_equal(shape[axis], wanted[axis],
                          "axis " + std::to_string(axis) + " of " +
                              std::string(context.op().inputs[i].name) + " and its size");
  }
}

void infer(InferContext& context) {
  const SymShape q = known_shape(context, kQ, 4), k = known_shape(context, kK, 4),
                 v = known_shape(context, kV, 4);
  const Dim batch = context.require_equal(
      context.require_equal(q[0], k[0], "the batches of q and k"), v[0], "the batches of q and v");
  const Dim tokens = context.require_equal(
      context.require_equal(q[1], k[1], "the tokens of q and k"), v[1], "the tokens of q and v");
  const Dim kv_heads = context.require_equal(k[2], v[2], "the heads of k and v");
  const Dim size = context.require_equal(q[3], k[3], "the sizes of queries and keys");
  if (q[2].is_constant() && kv_heads.is_constant()) {
    const std::int64_t heads = q[2].value(), shared = kv_heads.value();
    context.require(shared > 0 ? heads % shared == 0 : heads == 0, ErrorCode::bad_shape,
                    "the heads of q, " + q[2].to_string() + ", must be a multiple of those of k, " +
                        kv_heads.to_string());
  }
  const SymShape state = {batch, kv_heads, size, v[3]};
  check_shape(context, kState, state, state.size());
  check_shape(context, kDecay, {batch, tokens, kv_heads, size}, 3);
  check_shape(context, kRate, {batch, tokens, kv_heads}, 2);
  context.set_output(0, context.dtype(kQ), {batch, tokens, q[2], v[3]});
  context.set_output(1, context.has_input(kState) ? context.dtype(kState) : context.dtype(kQ),
                     state);
}

template <class C>
struct Loaded {
  std::vector<C> owned;
  const C* values = nullptr;
  Loaded(const KernelContext& context, std::size_t i) {
    if (context.has_input(i)) values = load_all<C>(context.input(i), owned);
  }
};

constexpr std::int64_t kColumns = 64;  // of the state that a task keeps

template <class C>
void recur(KernelContext& context) {
  const Loaded<C> q(context, kQ), k(context, kK), v(context, kV), state(context, kState),
      decay(context, kDecay), rate(context, kRate);
  Tensor& y = context.output(0);
  Tensor* last = context.has_output(1) ? &context.output(1) : nullptr;
  if (y.size() == 0 && (last == nullptr || last->size() == 0)) return;
  const std::int64_t batches = y.dim(0), tokens = y.dim(1), heads = y.dim(2), width = y.dim(3);
  const std::int64_t kv_heads = context.input(kK).dim(2), size = context.input(kK).dim(3);
  if (kv_heads == 0) return;
  const std::int64_t shared = heads / kv_heads;
  const std::int64_t decays = decay.values != nullptr ? context.input(kDecay).dim(3) : 0;
  const std::int64_t rates = rate.values != nullptr ? context.input(kRate).dim(2) : 0;
  const auto scale = static_cast<C>(context.attributes<LinearAttentionAttributes>().scale);
  const std::int64_t blocks = (width + kColumns - 1) / kColumns;

  parallel_for(batches * kv_heads * blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<C> s(static_cast<std::size_t>(size * kColumns));  // [size, kColumns]
    std::array<C, kColumns> read;
    // sum_d S[d, m] x[d], for all columns m of the block.
    const auto read_with = [&](const C* x) {
      read.fill(C(0));
      for (std::int64_t d = 0; d < size; ++d) {
        const C* row = s.data() + d * kColumns;
        for (std::size_t m = 0; m < kColumns; ++m) read[m] += row[m] * x[d];
      }
    };
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t first = task % blocks * kColumns;
      const std::int64_t columns = std::min(kColumns, width - first);
      const std::int64_t matrix = task / blocks;  // batch * kv_heads + head
      const std::int64_t batch = matrix / kv_heads, kv_head = matrix % kv_heads;
      const std::int64_t state_begin = matrix * size * width + first;
      std::fill(s.begin(), s.end(), C(0));
      for (std::int64_t d = 0; state.values != nullptr && d < size; ++d) {
        std::copy_n(state.values + state_begin + d * width, columns, s.data() + d * kColumns);
      }
      for (std::int64_t t = 0; t < tokens; ++t) {
        const std::int64_t token = batch * tokens + t, row = token * kv_heads + kv_head;
        const C* key = k.values + row * size;
        std::array<C, kColumns> written{};
        std::copy_n(v.values + row * width + first, columns, written.data());
        for (std::int64_t d = 0; decays > 0 && d < size; ++d) {
          const C factor = std::exp(decay.values[row * decays + (decays == 1 ? 0 : d)]);
          for (std::int64_t m = 0; m < kColumns; ++m) s[d * kColumns + m] *= factor;
        }
        if (rates > 0) {
          const C factor = rate.values[token * rates + (rates == 1 ? 0 : kv_head)];
          read_with(key);
          for (std::size_t m = 0; m < kColumns; ++m) written[m] = factor * (written[m] - read[m]);
        }
        for (std::int64_t d = 0; d < size; ++d) {
          C* to = s.data() + d * kColumns;
          for (std::size_t m = 0; m < kColumns; ++m) to[m] += key[d] * written[m];
        }
        for (std::int64_t h = 0; h < shared; ++h) {
          const std::int64_t query = token * heads + kv_head * shared + h;
          read_with(q.values + query * size);
          for (C& value : read) value *= scale;
          store_chunk<C>(y, query * width + first, columns, read.data());
        }
      }
      for (std::int64_t d = 0; last != nullptr && d < size; ++d) {
        store_chunk<C>(*last, state_begin + d * width, columns, s.data() + d * kColumns);
      }
    }
  });
}

void reference(KernelContext& context) {
  if (context.input(kQ).dtype() == DType::f64) {
    recur<double>(context);
  } else {
    recur<float>(context);
  }
}

}  // namespace

const OpDef& op_linear_attention() {
  static const OpDef def{
      .name = "linear_attention",
      .summary = "a matrix state that keys write values into and queries read, token by token",
      .attributes = &attribute_schema<LinearAttentionAttributes>(),
      .inputs = {{.name = "q", .types = kFloats, .same_as = 'T'},
                 {.name = "k", .types = kFloats, .same_as = 'T'},
                 {.name = "v", .types = kFloats, .same_as = 'T'},
                 {.name = "state", .types = kFloats, .arity = Operand::optional},
                 {.name = "decay", .types = kFloats, .same_as = 'T', .arity = Operand::optional},
                 {.name = "rate", .types = kFloats, .same_as = 'T', .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kFloats, .same_as = 'T'},
                  {.name = "last_state", .types = kFloats, .arity = Operand::optional}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
