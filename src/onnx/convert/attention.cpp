// SPDX-License-Identifier: Apache-2.0
// Attention. Past keys and values are joined before it, 3-D inputs are split into heads. A causal
// query i sees the keys up to i + offset, where the offset is the length of the past, or of a cache
// that is kept outside (nonpad_kv_seqlen) less the queries themselves.
#include "ops/attention.hpp"

#include <limits>

#include "onnx/convert/attention_support.hpp"
#include "onnx/convert/emit_support.hpp"
#include "ops/pad.hpp"

namespace strop::onnx {
namespace {

void check_inputs(ConvertContext& c) {
  if (c.has_input(4) != c.has_input(5)) {
    c.fail(ErrorCode::model_malformed, "past_key and past_value must come together");
  }
  if (c.has_input(6) && (c.has_input(4) || c.has_output(1) || c.has_output(2))) {
    c.fail(ErrorCode::model_malformed,
           "nonpad_kv_seqlen says that the cache is kept outside, which leaves no place for past "
           "and present");
  }
}

// From opset 24 on a mask may end before the keys do; those without are hidden.
ValueId mask_of(ConvertContext& c, DType dtype, ValueId keys) {
  if (!c.has_input(3)) return ValueId::none();
  ValueId mask = c.input(3);
  if (c.type(mask).dtype != DType::boolean) mask = cast_to(c, mask, dtype);
  const std::int64_t rank = c.opset() >= 24 ? c.rank(mask) : 0;
  if (rank == 0) return mask;
  const Dim& length = (*c.type(mask).shape)[static_cast<std::size_t>(rank - 1)];
  const auto& shape = c.type(keys).shape;
  if (shape && shape->size() == 4 && (*shape)[2] == length) return mask;
  const ValueId missing =
      binary(c, BinaryFunction::sub, size_along(c, keys, 2), size_along(c, mask, rank - 1));
  const ValueId pads = concatenated(c, {integers(c, {0}), missing}, 0);
  const bool boolean = c.type(mask).dtype == DType::boolean;
  const ValueId hidden =
      boolean ? ValueId::none() : scalar(c, dtype, -std::numeric_limits<double>::infinity());
  return c.emit(op_pad(), PadAttributes{}, {mask, pads, hidden, integers(c, {-1})});
}

AttentionAttributes attributes_of(ConvertContext& c) {
  AttentionAttributes out;
  out.softcap = static_cast<double>(c.float_attribute("softcap", 0.0f));
  const std::int64_t mode = c.int_attribute("qk_matmul_output_mode", 0);
  if (mode < 0 || mode > 3) {
    c.fail(ErrorCode::bad_attribute,
           "qk_matmul_output_mode is " + std::to_string(mode) + "; it may be 0 to 3");
  }
  out.stage = static_cast<AttentionStage>(mode);
  if (c.opset() >= 25) {
    out.left = c.int_attribute("left_window_size", -1);
    out.right = c.int_attribute("right_window_size", -1);
  }
  if (c.int_attribute("is_causal", 0) != 0) out.right = 0;
  return out;
}

// Softmax is computed in FP32 at least; FP64 only where it is asked for.
DType compute_type(ConvertContext& c, DType dtype) {
  const std::int64_t number = c.int_attribute("softmax_precision", 1);
  const auto precision = dtype_from_onnx(number);
  if (!precision || !kFloats.contains(*precision)) {
    c.fail(ErrorCode::bad_attribute,
           "softmax_precision is " + std::to_string(number) + ", which is no floating-point type");
  }
  return *precision == DType::f64 ? DType::f64 : dtype;
}

void attention(ConvertContext& c) {
  check_inputs(c);
  AttentionAttributes attributes = attributes_of(c);
  ValueId q = c.input(0), k = c.input(1), v = c.input(2);
  const DType dtype = c.type(q).dtype, wide = compute_type(c, dtype);
  const bool packed = c.rank(q) == 3;
  if (packed) {
    q = split_heads(c, q, heads_attribute(c, "q_num_heads"));
    const std::int64_t kv_heads = heads_attribute(c, "kv_num_heads");
    k = split_heads(c, k, kv_heads);
    v = split_heads(c, v, kv_heads);
  } else {  // the shapes say how many there are
    c.ignore_attribute("q_num_heads");
    c.ignore_attribute("kv_num_heads");
  }
  const ValueId past = c.optional_input(4);
  k = appended(c, past, k, 2);
  v = appended(c, c.optional_input(5), v, 2);
  if (c.has_output(1)) c.set_output(1, k);
  if (c.has_output(2)) c.set_output(2, v);

  const ValueId mask = mask_of(c, wide, k);
  const ValueId lengths = c.optional_input(6);
  ValueId start = ValueId::none();
  if (attributes.left >= 0 || attributes.right >= 0) {
    if (past.exists()) start = size_along(c, past, 2);
    if (lengths.exists()) start = binary(c, BinaryFunction::sub, lengths, size_along(c, q, 2));
  }
  ScaledQueries queries{cast_to(c, q, wide), 0};
  if (c.has_attribute("scale")) {
    queries.scale = static_cast<double>(c.float_attribute("scale"));
  } else {
    queries = with_default_scale(c, queries.q);
  }
  attributes.scale = queries.scale;
  const auto out =
      c.emit_many(op_attention(), attributes,
                  {queries.q, cast_to(c, k, wide), cast_to(c, v, wide), mask, lengths, start},
                  c.has_output(3) ? 2 : 1);
  const ValueId y = cast_to(c, out[0], dtype);
  c.set_output(0, packed ? merge_heads(c, y) : y);
  if (c.has_output(3)) c.set_output(3, cast_to(c, out[1], dtype));
}

}  // namespace

void register_attention(ConverterTable& table) { table.add("Attention", 23, attention); }

}  // namespace strop::onnx
