// SPDX-License-Identifier: Apache-2.0
// Attention and MultiHeadAttention of com.microsoft: masks, biases, past and present around the
// attention of the IR. A mask of zeros and ones becomes a bias of mask_filter_value, which is
// finite, so a query whose keys are all masked still weighs them. Buffers that past and present
// share, beams and packed batches are refused.
#include "ops/attention.hpp"

#include "onnx/convert/attention_support.hpp"
#include "onnx/convert/emit_support.hpp"
#include "ops/gather.hpp"
#include "ops/matmul.hpp"
#include "ops/select.hpp"
#include "ops/split.hpp"

namespace strop::onnx {
namespace {

using B = BinaryFunction;

[[noreturn]] void refuse(ConvertContext& c, const std::string& what) {
  c.fail(ErrorCode::unsupported_operator, what + " is not supported",
         "export the model without ONNX Runtime's optimizer, or with its options for CPUs");
}

// Element `index` of x along an axis, which goes.
ValueId part(ConvertContext& c, ValueId x, std::int64_t axis, std::int64_t index) {
  return c.emit(op_gather(), GatherAttributes{.axis = axis},
                {x, scalar(c, DType::i64, static_cast<double>(index))});
}

struct Mask {
  ValueId bias, lengths;
};

// 0 where the condition holds, the filter value elsewhere.
ValueId filtered(ConvertContext& c, ValueId condition, DType dtype, double filter) {
  return c.emit(op_select(), NoAttributes{},
                {condition, scalar(c, dtype, 0), scalar(c, dtype, filter)});
}

// From 2 B numbers, the ends and then the starts of the keys of each batch: which of the keys are
// between, [B, 1, 1, keys].
ValueId between(ConvertContext& c, ValueId mask, ValueId keys) {
  const ValueId shape =
      concatenated(c, {integers(c, {2}), size_along(c, keys, 0), integers(c, {1, 1, 1})}, 0);
  const ValueId parts = c.emit(op_reshape(), ReshapeAttributes{.allow_zero = true},
                               {cast_to(c, mask, DType::i64), shape});
  const ValueId position = counted(c, size_along(c, keys, 2));
  return binary(c, B::logical_and, binary(c, B::less, position, part(c, parts, 0, 0)),
                binary(c, B::greater_or_equal, position, part(c, parts, 0, 1)));
}

// A mask of i32: [B] lengths, [2 B] ends and starts, [B, keys] or [B, queries, keys] zeros and
// ones. keys [B, heads, keys, size] tell what is what.
Mask mask_of(ConvertContext& c, std::size_t input, ValueId keys, DType dtype, double filter) {
  if (!c.has_input(input)) return {};
  const ValueId mask = c.input(input);
  const std::int64_t rank = c.rank(mask);
  const SymShape shape = *c.type(mask).shape;
  if (rank == 1) {
    const auto& known = c.type(keys).shape;
    if (known && shape[0] == (*known)[0] * Dim(2)) {
      return {.bias = filtered(c, between(c, mask, keys), dtype, filter), .lengths = {}};
    }
    if (known && shape[0] == (*known)[0] * Dim(3) + Dim(2)) refuse(c, "a mask of packed sequences");
    return {.bias = {}, .lengths = mask};
  }
  if (rank != 2 && rank != 3) refuse(c, "a mask of rank " + std::to_string(rank));
  // A single column stands for all keys and masks nothing, unless there is a single key.
  if (rank == 2 && shape[1].is(1) && known_size(c, keys, 2) != 1) return {};
  const ValueId some = binary(c, B::greater, mask, scalar(c, c.type(mask).dtype, 0));
  const ValueId bias = filtered(c, some, dtype, filter);
  return {.bias = unsqueezed(
              c, bias, rank == 2 ? std::vector<std::int64_t>{1, 2} : std::vector<std::int64_t>{1}),
          .lengths = {}};
}

// What both operators end with. Inputs [B, heads, sequence, size]; y [B, sequence, hidden]. The
// bias is input `bias`; start is the length of the past, where there is one.
std::vector<ValueId> attend(ConvertContext& c, ValueId q, ValueId k, ValueId v, const Mask& mask,
                            std::size_t bias, ValueId start, std::size_t outputs) {
  AttentionAttributes attributes{.stage = AttentionStage::biased};
  if (c.int_attribute("unidirectional", 0) != 0) attributes.right = 0;
  ScaledQueries queries{q, static_cast<double>(c.float_attribute("scale", 0.0f))};
  if (queries.scale == 0) queries = with_default_scale(c, q);
  attributes.scale = queries.scale;
  ValueId sum = mask.bias;
  if (c.has_input(bias)) {
    sum = sum.exists() ? binary(c, B::add, sum, c.input(bias)) : c.input(bias);
  }
  auto out = c.emit_many(
      op_attention(), attributes,
      {queries.q, k, v, sum, mask.lengths, attributes.right == 0 ? start : ValueId::none()},
      outputs);
  out[0] = merge_heads(c, out[0]);
  return out;
}

double filter_value(ConvertContext& c) {
  return static_cast<double>(c.float_attribute("mask_filter_value", -10000.0f));
}

// One product makes queries, keys and values, which lie behind each other in its last axis.
void attention(ConvertContext& c) {
  if (c.int_attribute("do_rotary", 0) != 0) refuse(c, "do_rotary");
  if (c.int_attribute("past_present_share_buffer", 0) != 0) refuse(c, "past_present_share_buffer");
  c.ignore_attribute("rotary_embedding_dim");
  const std::int64_t heads = heads_attribute(c, "num_heads");
  ValueId projected = c.emit(op_matmul(), NoAttributes{}, {c.input(0), c.input(1)});
  if (c.has_input(2)) projected = binary(c, B::add, projected, c.input(2));
  const auto sizes = c.ints_attribute("qkv_hidden_sizes");
  if (!sizes.empty() && sizes.size() != 3) {
    c.fail(ErrorCode::bad_attribute,
           "qkv_hidden_sizes has " + std::to_string(sizes.size()) + " numbers, but must have 3");
  }
  const auto parts =
      c.emit_many(op_split(), SplitAttributes{.axis = 2},
                  {projected, sizes.empty() ? ValueId::none() : integers(c, sizes)}, 3);
  const ValueId q = split_heads(c, parts[0], heads);
  ValueId k = split_heads(c, parts[1], heads), v = split_heads(c, parts[2], heads);
  ValueId start = ValueId::none();
  if (c.has_input(4)) {
    const ValueId past = part(c, c.input(4), 0, 0);
    start = size_along(c, past, 2);
    k = appended(c, past, k, 2);
    v = appended(c, part(c, c.input(4), 0, 1), v, 2);
  }
  const Mask mask = mask_of(c, 3, k, c.type(q).dtype, filter_value(c));
  c.set_output(0, attend(c, q, k, v, mask, 5, start, 1)[0]);
  if (c.has_output(1)) {
    c.set_output(1, concatenated(c, {unsqueezed(c, k, {0}), unsqueezed(c, v, {0})}, 0));
  }
}

// Queries, keys and values as they come in: [B, L, hidden], or keys and values [B, heads, L, size].
struct Projections {
  ValueId q, k, v;
  bool split = false;  // keys and values are in heads already
};

Projections projections_of(ConvertContext& c) {
  const ValueId query = c.input(0);
  if (c.rank(query) == 5) {  // [B, L, heads, 3, size]
    const auto at = [&](std::int64_t i) { return without_heads(c, part(c, query, 3, i)); };
    return {at(0), at(1), at(2)};
  }
  const ValueId key = c.input(1);
  if (c.rank(key) == 5) {  // [B, L, heads, 2, size]
    const auto at = [&](std::int64_t i) { return without_heads(c, part(c, key, 3, i)); };
    return {query, at(0), at(1)};
  }
  return {query, key, c.input(2), c.rank(key) == 4};
}

void add_biases(ConvertContext& c, Projections& p) {
  if (!c.has_input(3)) return;
  const std::int64_t hidden = known_size(c, p.q, 2), all = known_size(c, c.input(3), 0);
  if (p.split) refuse(c, "a bias of keys that are in heads already");
  if (hidden < 0 || all / 2 < hidden) {
    c.fail(ErrorCode::bad_shape,
           "the bias is " + c.type(c.input(3)).to_string() +
               ", but must have an element for each of the hidden sizes",
           "give the model's inputs a hidden size");
  }
  const auto parts = c.emit_many(op_split(), SplitAttributes{.axis = 0},
                                 {c.input(3), integers(c, {hidden, hidden, all - 2 * hidden})}, 3);
  p.q = binary(c, B::add, p.q, parts[0]);
  p.k = binary(c, B::add, p.k, parts[1]);
  p.v = binary(c, B::add, p.v, parts[2]);
}

void multi_head_attention(ConvertContext& c) {
  if (c.has_input(8)) refuse(c, "past_sequence_length, a cache that past and present share");
  if (c.has_input(9)) refuse(c, "cache_indirection");
  if (c.has_input(6) != c.has_input(7)) {
    c.fail(ErrorCode::model_malformed, "past_key and past_value must come together");
  }
  const std::int64_t heads = heads_attribute(c, "num_heads");
  Projections p = projections_of(c);
  add_biases(c, p);
  const ValueId q = split_heads(c, p.q, heads);
  ValueId k = p.split ? p.k : split_heads(c, p.k, heads);
  ValueId v = p.split ? p.v : split_heads(c, p.v, heads);
  const ValueId past = c.optional_input(6);
  k = appended(c, past, k, 2);
  v = appended(c, c.optional_input(7), v, 2);
  const ValueId start = past.exists() ? size_along(c, past, 2) : ValueId::none();
  const Mask mask = mask_of(c, 4, k, c.type(q).dtype, filter_value(c));
  const auto out = attend(c, q, k, v, mask, 5, start, c.has_output(3) ? 2 : 1);
  c.set_output(0, out[0]);
  if (c.has_output(1)) c.set_output(1, k);
  if (c.has_output(2)) c.set_output(2, v);
  if (c.has_output(3)) c.set_output(3, out[1]);
}

}  // namespace

void register_microsoft_attention(ConverterTable& table) {
  table.add("com.microsoft", "Attention", 1, attention);
  table.add("com.microsoft", "MultiHeadAttention", 1, multi_head_attention);
}

}  // namespace strop::onnx
