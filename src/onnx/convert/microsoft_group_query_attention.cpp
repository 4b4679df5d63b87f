// SPDX-License-Identifier: Apache-2.0
// GroupQueryAttention of com.microsoft: rotary embedding, a cache of keys and values that each
// sequence of the batch has filled to its own length, and attention over it. The caches that come
// out are as long as the longer of the past and the whole; behind the end of a sequence they are
// zero. Quantized, windowed and padded caches are refused.
#include "onnx/convert/attention_support.hpp"
#include "onnx/convert/emit_support.hpp"
#include "ops/attention.hpp"
#include "ops/fill.hpp"
#include "ops/gather.hpp"
#include "ops/pad.hpp"
#include "ops/rotary_embedding.hpp"
#include "ops/select.hpp"
#include "ops/slice.hpp"
#include "ops/split.hpp"

namespace strop::onnx {
namespace {

using B = BinaryFunction;

void refuse_unless(ConvertContext& c, bool taken, const std::string& what) {
  if (taken) return;
  c.fail(ErrorCode::unsupported_operator, what + " is not supported",
         "export the model with a plain floating-point cache");
}

void refuse_options(ConvertContext& c) {
  for (const char* name : {"k_quant_type", "v_quant_type"}) {
    refuse_unless(c, c.string_attribute(name, "NONE") == "NONE", "a quantized cache");
  }
  refuse_unless(c, !c.has_input(12) && !c.has_input(13), "a quantized cache");
  refuse_unless(c, c.int_attribute("sliding_window_cache", 0) == 0, "sliding_window_cache");
  refuse_unless(c, !c.has_input(14) && !c.has_input(15), "a norm of queries and keys");
  refuse_unless(c, !c.has_input(16), "query_seqlens");
  refuse_unless(c, !c.has_output(3), "the output of scores");
  for (const char* name :
       {"kv_cache_bit_width", "qk_output", "qk_norm_epsilon", "q_norm_epsilon", "k_norm_epsilon"}) {
    c.ignore_attribute(name);
  }
  if (c.has_input(3) != c.has_input(4)) {
    c.fail(ErrorCode::model_malformed, "past_key and past_value must come together");
  }
}

ValueId chosen(ConvertContext& c, ValueId condition, ValueId a, ValueId b) {
  return c.emit(op_select(), NoAttributes{}, {condition, a, b});
}

// [B, L, heads, size] each.
struct Projections {
  ValueId q, k, v;
};

Projections projections_of(ConvertContext& c, std::int64_t heads, std::int64_t kv_heads) {
  const ValueId query = c.input(0);
  if (c.has_input(1)) {
    return {with_heads(c, query, heads), with_heads(c, c.input(1), kv_heads),
            with_heads(c, c.input(2), kv_heads)};
  }
  const std::int64_t hidden = known_size(c, query, 2), all = heads + 2 * kv_heads;
  if (hidden < 1 || hidden % all != 0) {
    c.fail(ErrorCode::bad_shape,
           "packed queries, keys and values are " + c.type(query).to_string() + ", but must hold " +
               std::to_string(all) + " heads",
           "give the model's inputs a hidden size");
  }
  const std::int64_t size = hidden / all;
  const auto parts =
      c.emit_many(op_split(), SplitAttributes{.axis = 2},
                  {query, integers(c, {heads * size, kv_heads * size, kv_heads * size})}, 3);
  return {with_heads(c, parts[0], heads), with_heads(c, parts[1], kv_heads),
          with_heads(c, parts[2], kv_heads)};
}

// Where each sequence of the batch stands, i64[B], and sizes, i64[1].
struct Progress {
  ValueId lengths;  // with the new tokens
  ValueId past;     // without
  ValueId tokens, total;
};

Progress progress_of(ConvertContext& c) {
  Progress out;
  out.tokens = size_along(c, c.input(0), 1);
  out.lengths = binary(c, B::add, cast_to(c, c.input(5), DType::i64), integers(c, {1}));
  out.past = binary(c, B::max, binary(c, B::sub, out.lengths, out.tokens), integers(c, {0}));
  out.total = reshaped(c, cast_to(c, c.input(6), DType::i64), {1});
  return out;
}

// The positions of the tokens, [B or 1, L]. Of those that are given, a first prompt (which is the
// whole) takes the first one and counts on.
ValueId positions_of(ConvertContext& c, const Progress& progress) {
  const ValueId steps = counted(c, progress.tokens);
  if (!c.has_input(9)) return binary(c, B::add, unsqueezed(c, progress.past, {1}), steps);
  const ValueId given = c.input(9);
  const ValueId first =
      c.emit(op_slice(), NoAttributes{}, {given, integers(c, {0, 0}), integers(c, {1, 1})});
  return chosen(c, binary(c, B::equal, progress.tokens, progress.total),
                binary(c, B::add, first, steps), given);
}

void rotate(ConvertContext& c, Projections& p, const Progress& progress) {
  const bool interleaved = c.int_attribute("rotary_interleaved", 0) != 0;
  if (c.int_attribute("do_rotary", 0) == 0) return;
  const ValueId positions = positions_of(c, progress);
  const auto rows = [&](std::size_t table) {
    return c.emit(op_gather(), GatherAttributes{.axis = 0}, {c.input(table), positions});
  };
  const ValueId cos = rows(7), sin = rows(8);
  const RotaryEmbeddingAttributes attributes{.sequence_axis = 1, .interleaved = interleaved};
  p.q = c.emit(op_rotary_embedding(), attributes, {p.q, cos, sin});
  p.k = c.emit(op_rotary_embedding(), attributes, {p.k, cos, sin});
}

// Appends new rows to a past [B, H, P, D] whose sequences have different lengths. The rows of past,
// the new ones and a row of zeros lie behind each other, and a table says which of them the row t
// of sequence b is. Made once for keys and values.
class CacheAppender {
 public:
  CacheAppender(ConvertContext& c, ValueId past, const Progress& progress) : c_(c) {
    heads_ = binary(c, B::mul, size_along(c, past, 0), size_along(c, past, 1));
    shape_ = c.emit(op_shape(), ShapeAttributes{.start = 0, .end = 2}, {past});
    const ValueId capacity = size_along(c, past, 2);
    length_ = binary(c, B::max, capacity, progress.total);
    zero_row_ = binary(c, B::add, capacity, progress.tokens);
    rows_ = binary(c, B::add, zero_row_, integers(c, {1}));
    const ValueId t = counted(c, length_), before = unsqueezed(c, progress.past, {1});
    const ValueId from_new = binary(c, B::sub, t, before);  // [B, T]
    const ValueId row = chosen(c, binary(c, B::less, t, before), t,
                               chosen(c, binary(c, B::less, from_new, progress.tokens),
                                      binary(c, B::add, from_new, capacity), zero_row_));
    const ValueId first = binary(c, B::mul, counted(c, heads_), rows_);
    const ValueId first_of_head = c.emit(op_reshape(), ReshapeAttributes{.allow_zero = true},
                                         {first, concatenated(c, {shape_, integers(c, {1})}, 0)});
    table_ = binary(c, B::add, first_of_head, unsqueezed(c, row, {1}));  // [B, H, T]
  }

  ValueId length() const { return length_; }

  ValueId append(ValueId past, ValueId x) {
    const ValueId size = size_along(c_, past, 3);
    const ValueId zeros =
        c_.emit(op_fill(), FillAttributes{.value = Tensor::zeros(c_.type(x).dtype, {1})},
                {concatenated(c_, {shape_, integers(c_, {1}), size}, 0)});
    const ValueId all = concatenated(c_, {past, x, zeros}, 2);
    const ValueId flat =
        c_.emit(op_reshape(), ReshapeAttributes{.allow_zero = true},
                {all, concatenated(c_, {binary(c_, B::mul, heads_, rows_), size}, 0)});
    return c_.emit(op_gather(), GatherAttributes{.axis = 0}, {flat, table_});
  }

 private:
  ConvertContext& c_;
  ValueId heads_, shape_, length_, zero_row_, rows_, table_;
};

// The bias ends with the whole; a cache may be longer.
ValueId bias_of(ConvertContext& c, const Progress& progress, ValueId length) {
  if (!c.has_input(10) || !length.exists()) return c.optional_input(10);
  const ValueId missing = binary(c, B::sub, length, progress.total);
  return c.emit(op_pad(), PadAttributes{},
                {c.input(10), concatenated(c, {integers(c, {0}), missing}, 0), ValueId::none(),
                 integers(c, {-1})});
}

ValueId sink_of(ConvertContext& c, std::int64_t heads) {
  const bool smooth = c.int_attribute("smooth_softmax", 0) > 0;
  if (c.has_input(11) || !smooth) return c.optional_input(11);
  return c.emitter().constant(Tensor::zeros(DType::f32, {heads}));
}

void group_query_attention(ConvertContext& c) {
  refuse_options(c);
  const std::int64_t heads = heads_attribute(c, "num_heads");
  const std::int64_t kv_heads = heads_attribute(c, "kv_num_heads");
  AttentionAttributes attributes;
  attributes.softcap = static_cast<double>(c.float_attribute("softcap", 0.0f));
  if (c.int_attribute("causal", 1) != 0) attributes.right = 0;
  const std::int64_t window = c.int_attribute("local_window_size", -1);
  if (window == 0 || window < -1) {
    c.fail(ErrorCode::bad_attribute,
           "local_window_size is " + std::to_string(window) + ", but must be positive, or -1");
  }
  attributes.left = window > 0 ? window - 1 : -1;  // a window counts the query's own position

  Projections p = projections_of(c, heads, kv_heads);
  const Progress progress = progress_of(c);
  rotate(c, p, progress);
  const auto heads_first = [&](ValueId x) { return transposed(c, x, {0, 2, 1, 3}); };
  ScaledQueries q{heads_first(p.q), static_cast<double>(c.float_attribute("scale", 0.0f))};
  if (q.scale == 0) q = with_default_scale(c, q.q);
  attributes.scale = q.scale;
  ValueId k = heads_first(p.k), v = heads_first(p.v), length = ValueId::none();
  if (c.has_input(3)) {
    CacheAppender cache(c, c.input(3), progress);
    k = cache.append(c.input(3), k);
    v = cache.append(c.input(4), v);
    length = cache.length();
  }
  const ValueId y = c.emit(op_attention(), attributes,
                           {q.q, k, v, bias_of(c, progress, length), progress.lengths,
                            progress.past, sink_of(c, heads)});
  c.set_output(0, merge_heads(c, y));
  if (c.has_output(1)) c.set_output(1, k);
  if (c.has_output(2)) c.set_output(2, v);
}

}  // namespace

void register_microsoft_group_query_attention(ConverterTable& table) {
  table.add("com.microsoft", "GroupQueryAttention", 1, group_query_attention);
}

}  // namespace strop::onnx
