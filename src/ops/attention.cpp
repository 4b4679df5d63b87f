// SPDX-License-Identifier: Apache-2.0
// y = softmax(softcap(scale * q k^T) + bias) v, head by head. A query that sees no key gives zeros,
// and with `zero_nan` one whose weights are NaN does (all are where one is), whatever the values.
// Everything is computed in float (f64: double) and rounded once; sums over keys and over vector
// elements are in the order of accumulate_product.
#include "ops/attention.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"
#include "ops/product.hpp"

namespace strop {
namespace {

enum Input : std::size_t { kQ, kK, kV, kBias, kLengths, kStart, kSink };

// Shape of input i, of rank 4.
SymShape shape_4d(InferContext& context, std::size_t i) {
  context.require_rank(i, 4);
  return context.shape(i) != nullptr ? *context.shape(i) : context.fresh_shape(4);
}

void check_bias(InferContext& context, const SymShape& scores) {
  if (!context.has_input(kBias)) return;
  const DType dtype = context.dtype(kBias);
  context.require(dtype == DType::boolean || dtype == context.dtype(kQ), ErrorCode::bad_type,
                  "bias is " + std::string(to_string(dtype)) + ", but must be bool or " +
                      std::string(to_string(context.dtype(kQ))) + " like q");
  const SymShape* bias = context.shape(kBias);
  if (bias == nullptr) return;
  context.require(bias->size() <= 4, ErrorCode::bad_shape,
                  "bias is " + to_string(*bias) + ", but must broadcast to " + to_string(scores));
  for (std::size_t i = 0; i < bias->size(); ++i) {
    const Dim& size = (*bias)[i];
    if (!size.is_constant() || size.is(1)) continue;  // numbers are checked when they are known
    context.require_equal(size, scores[i + 4 - bias->size()], "a size of bias and of the scores");
  }
}

void check_per_batch(InferContext& context, std::size_t i, const Dim& batch) {
  if (!context.has_input(i)) return;
  context.require_rank(i, 1);
  if (context.shape(i) == nullptr) return;
  const Dim& size = (*context.shape(i))[0];
  if (!size.is_constant() || size.is(1)) return;
  context.require_equal(
      size, batch, "the size of " + std::string(context.op().inputs[i].name) + " and the batch");
}

void infer(InferContext& context) {
  const auto& attributes = context.attributes<AttentionAttributes>();
  context.require(attributes.left >= -1 && attributes.right >= -1, ErrorCode::bad_attribute,
                  "left and right must not be below -1");
  context.require(attributes.softcap >= 0, ErrorCode::bad_attribute,
                  "softcap must not be negative");
  const SymShape q = shape_4d(context, kQ), k = shape_4d(context, kK), v = shape_4d(context, kV);
  const Dim batch = context.require_equal(
      context.require_equal(q[0], k[0], "the batches of q and k"), v[0], "the batches of q and v");
  const Dim kv_heads = context.require_equal(k[1], v[1], "the heads of k and v");
  const Dim keys = context.require_equal(k[2], v[2], "the keys and the values");
  context.require_equal(q[3], k[3], "the sizes of queries and keys");
  if (q[1].is_constant() && kv_heads.is_constant()) {
    const std::int64_t heads = q[1].value(), shared = kv_heads.value();
    context.require(shared > 0 ? heads % shared == 0 : heads == 0, ErrorCode::bad_shape,
                    "the heads of q, " + q[1].to_string() + ", must be a multiple of those of k, " +
                        kv_heads.to_string());
  }
  const SymShape scores = {batch, q[1], q[2], keys};
  check_bias(context, scores);
  check_per_batch(context, kLengths, batch);
  check_per_batch(context, kStart, batch);
  if (context.has_input(kSink)) {
    context.require_rank(kSink, 1);
    if (context.shape(kSink) != nullptr) {
      context.require_equal((*context.shape(kSink))[0], q[1],
                            "the size of sink and the heads of q");
    }
  }
  context.set_output(0, context.dtype(kQ), {batch, q[1], q[2], v[3]});
  context.set_output(1, context.dtype(kQ), scores);
}

// What the rows of scores have in common.
template <class C>
struct Problem {
  const AttentionAttributes& attributes;
  std::int64_t batches, heads, queries, keys, size, value_size, heads_a_key;
  const Tensor* bias = nullptr;
  std::array<std::int64_t, 4> bias_strides{};
  std::vector<std::int64_t> lengths{}, starts{};  // one a batch
};

// One number a batch from an input that may be absent; each in [low, high].
std::vector<std::int64_t> per_batch(const KernelContext& context, std::size_t i,
                                    std::int64_t batches, std::int64_t otherwise, std::int64_t low,
                                    std::int64_t high) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(batches), otherwise);
  if (!context.has_input(i)) return out;
  const std::vector<std::int64_t> given = context.input(i).to_i64();
  for (std::size_t b = 0; b < out.size(); ++b) {
    out[b] = given[given.size() == 1 ? 0 : b];
    if (out[b] >= low && out[b] <= high) continue;
    context.fail((i == kLengths ? "length " : "start ") + std::to_string(out[b]) + " of batch " +
                     std::to_string(b) + " is out of range",
                 "it may be " + std::to_string(low) + " to " + std::to_string(high));
  }
  return out;
}

std::array<std::int64_t, 4> broadcast_strides(const Shape& shape) {
  std::array<std::int64_t, 4> out{};
  std::int64_t stride = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    if (shape[i] != 1) out[i + 4 - shape.size()] = stride;
    stride *= shape[i];
  }
  return out;
}

// k [matrices, keys, size] to [matrices, size, keys], so that the keys are contiguous.
template <class C>
std::vector<C> transposed(const C* k, std::int64_t matrices, std::int64_t keys, std::int64_t size) {
  std::vector<C> out(static_cast<std::size_t>(matrices * keys * size));
  if (out.empty()) return out;
  parallel_for(matrices * size, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const C* from = k + row / size * keys * size + row % size;
      C* to = out.data() + row * keys;
      for (std::int64_t j = 0; j < keys; ++j) to[j] = from[j * size];
    }
  });
  return out;
}

template <class C>
constexpr C kHidden = -std::numeric_limits<C>::infinity();

// Adds the bias to a row of scores, and hides the keys that the query does not see.
template <class C>
void apply_bias(const Problem<C>& p, std::int64_t batch, std::int64_t head, std::int64_t query,
                C* row) {
  if (p.bias != nullptr) {
    const auto& stride = p.bias_strides;
    const std::int64_t first = batch * stride[0] + head * stride[1] + query * stride[2];
    std::array<C, kChunk> buffer;
    for (std::int64_t j = 0; j < p.keys; j += kChunk) {
      const std::int64_t count = std::min(kChunk, p.keys - j);
      const std::int64_t loaded = stride[3] == 0 ? 1 : count;
      const C* bias = load_chunk<C>(*p.bias, first + j * stride[3], loaded, buffer.data());
      const bool hides = p.bias->dtype() == DType::boolean;
      for (std::int64_t i = 0; i < count; ++i) {
        const C value = bias[i * stride[3]];
        row[j + i] = !hides ? row[j + i] + value : value != C(0) ? row[j + i] : kHidden<C>;
      }
    }
  }
  const std::int64_t keys = p.lengths[static_cast<std::size_t>(batch)];
  const std::int64_t position = p.starts[static_cast<std::size_t>(batch)] + query;
  const auto reach = [&](std::int64_t given) { return std::min(given, p.queries + p.keys); };
  std::int64_t first = 0, end = keys;
  if (p.attributes.left >= 0) first = std::clamp(position - reach(p.attributes.left), first, end);
  if (p.attributes.right >= 0) {
    end = std::clamp(position + reach(p.attributes.right) + 1, first, end);
  }
  std::fill(row, row + first, kHidden<C>);
  std::fill(row + end, row + p.keys, kHidden<C>);
}

// In place, with one more score that is not among those of the row. Where all is hidden, zeros.
// Whether the weights are numbers.
template <class C>
bool softmax(C* row, std::int64_t count, C sink) {
  C largest = sink;
  for (std::int64_t j = 0; j < count; ++j) largest = std::max(largest, row[j]);
  if (largest == kHidden<C>) largest = 0;  // the exponentials are 0 then, or NaN
  C sum = std::exp(sink - largest);
  for (std::int64_t j = 0; j < count; ++j) sum += row[j] = std::exp(row[j] - largest);
  if (sum == C(0)) return true;
  for (std::int64_t j = 0; j < count; ++j) row[j] /= sum;
  return !std::isnan(sum);
}

constexpr std::int64_t kRows = 16;  // queries of one head that a task computes

template <class C>
void attend(KernelContext& context) {
  const auto& attributes = context.attributes<AttentionAttributes>();
  const Tensor &q = context.input(kQ), &k = context.input(kK), &v = context.input(kV);
  Tensor& y = context.output(0);
  Tensor* scores = context.has_output(1) ? &context.output(1) : nullptr;
  Problem<C> p{.attributes = attributes,
               .batches = q.dim(0),
               .heads = q.dim(1),
               .queries = q.dim(2),
               .keys = k.dim(2),
               .size = q.dim(3),
               .value_size = v.dim(3),
               .heads_a_key = k.dim(1) > 0 ? q.dim(1) / k.dim(1) : 1};
  // Nothing to compute; what is not empty bounds all loops below.
  if (y.size() == 0 && (scores == nullptr || scores->size() == 0)) return;
  p.lengths = per_batch(context, kLengths, p.batches, p.keys, 0, p.keys);
  p.starts = per_batch(context, kStart, p.batches, 0, -p.queries, p.keys);
  if (context.has_input(kBias)) {
    p.bias = &context.input(kBias);
    p.bias_strides = broadcast_strides(p.bias->shape());
  }
  std::vector<C> q_copy, k_copy, v_copy, sink_copy;
  const C* sinks =
      context.has_input(kSink) ? load_all<C>(context.input(kSink), sink_copy) : nullptr;
  const C* queries = load_all<C>(q, q_copy);
  const C* values = load_all<C>(v, v_copy);
  const std::int64_t kv_heads = k.dim(1);
  const std::vector<C> keys =
      transposed(load_all<C>(k, k_copy), p.batches * kv_heads, p.keys, p.size);

  const auto scale = static_cast<C>(attributes.scale), cap = static_cast<C>(attributes.softcap);
  const std::int64_t blocks = (p.queries + kRows - 1) / kRows;
  parallel_for(p.batches * p.heads * blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<C> block(static_cast<std::size_t>(std::min(kRows, p.queries) * p.keys));
    std::vector<C> sums(static_cast<std::size_t>(kRows * p.value_size));
    std::array<bool, kRows> gone{};
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t head = task / blocks % p.heads, batch = task / blocks / p.heads;
      const std::int64_t kv_head = batch * kv_heads + head / p.heads_a_key;
      const std::int64_t first = task % blocks * kRows;
      const std::int64_t count = std::min(kRows, p.queries - first);
      const std::int64_t q_row = task / blocks * p.queries + first;
      std::fill(block.begin(), block.end(), C(0));
      accumulate_product(queries + q_row * p.size, p.size, keys.data() + kv_head * p.size * p.keys,
                         p.keys, block.data(), p.keys, count, p.keys, p.size);
      for (std::int64_t i = 0; i < count; ++i) {
        C* row = block.data() + i * p.keys;
        const auto show = [&](AttentionStage stage) {
          if (scores == nullptr || attributes.stage != stage) return;
          store_chunk<C>(*scores, (q_row + i) * p.keys, p.keys, row);
        };
        for (std::int64_t j = 0; j < p.keys; ++j) row[j] *= scale;
        show(AttentionStage::products);
        for (std::int64_t j = 0; cap > C(0) && j < p.keys; ++j) {
          row[j] = cap * std::tanh(row[j] / cap);
        }
        show(AttentionStage::capped);
        apply_bias(p, batch, head, first + i, row);
        show(AttentionStage::biased);
        const bool fine = softmax(row, p.keys, sinks != nullptr ? sinks[head] : kHidden<C>);
        gone[static_cast<std::size_t>(i)] = attributes.zero_nan && !fine;
        if (gone[static_cast<std::size_t>(i)]) std::fill_n(row, p.keys, C(0));
        show(AttentionStage::probabilities);
      }
      std::fill(sums.begin(), sums.end(), C(0));
      accumulate_product(block.data(), p.keys, values + kv_head * p.keys * p.value_size,
                         p.value_size, sums.data(), p.value_size, count, p.value_size,
                         p.lengths[static_cast<std::size_t>(batch)]);
      for (std::int64_t i = 0; i < count; ++i) {
        if (gone[static_cast<std::size_t>(i)])
          std::fill_n(sums.data() + i * p.value_size, p.value_size, C(0));
      }
      store_chunk<C>(y, q_row * p.value_size, count * p.value_size, sums.data());
    }
  });
}

void reference(KernelContext& context) {
  if (context.input(kQ).dtype() == DType::f64) {
    attend<double>(context);
  } else {
    attend<float>(context);
  }
}

}  // namespace

const OpDef& op_attention() {
  static const OpDef def{
      .name = "attention",
      .summary = "y = softmax(softcap(scale * q k^T) + bias) v for each head",
      .attributes = &attribute_schema<AttentionAttributes>(),
      .inputs = {{.name = "q", .types = kFloats, .same_as = 'T'},
                 {.name = "k", .types = kFloats, .same_as = 'T'},
                 {.name = "v", .types = kFloats, .same_as = 'T'},
                 {.name = "bias", .types = kFloats | kBool, .arity = Operand::optional},
                 {.name = "lengths", .types = kIndices, .arity = Operand::optional},
                 {.name = "start", .types = kIndices, .arity = Operand::optional},
                 {.name = "sink", .types = kFloats, .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kFloats, .same_as = 'T'},
                  {.name = "scores", .types = kFloats, .same_as = 'T', .arity = Operand::optional}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
