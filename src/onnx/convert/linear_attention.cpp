// SPDX-License-Identifier: Apache-2.0
// LinearAttention, and CausalConvWithState, which models put before it: a depthwise convolution
// over what came before and the input.
#include "ops/linear_attention.hpp"

#include "onnx/convert/attention_support.hpp"
#include "onnx/convert/emit_support.hpp"
#include "ops/conv.hpp"
#include "ops/fill.hpp"
#include "ops/slice.hpp"

namespace strop::onnx {
namespace {

// The update rule says which of the gates there are.
void check_gates(ConvertContext& c) {
  const std::string rule = c.string_attribute("update_rule", "gated_delta");
  const bool decays = rule == "gated" || rule == "gated_delta";
  const bool corrects = rule == "delta" || rule == "gated_delta";
  if (!decays && !corrects && rule != "linear") {
    c.fail(ErrorCode::bad_attribute, "update_rule is \"" + rule + "\"",
           "it may be linear, gated, delta or gated_delta");
  }
  const auto check = [&](std::size_t i, const char* name, bool wanted) {
    if (c.has_input(i) == wanted) return;
    c.fail(ErrorCode::model_malformed,
           "update_rule " + rule + (wanted ? " needs" : " takes no") + " input " + name);
  };
  check(4, "decay", decays);
  check(5, "beta", corrects);
}

// decay [B, T, heads] or [B, T, heads * D].
ValueId decay_of(ConvertContext& c, std::int64_t heads) {
  return c.has_input(4) ? with_heads(c, c.input(4), heads) : ValueId::none();
}

void linear_attention(ConvertContext& c) {
  check_gates(c);
  c.ignore_attribute("chunk_size");  // how to compute it, not what
  const std::int64_t heads = heads_attribute(c, "q_num_heads");
  const std::int64_t kv_heads = heads_attribute(c, "kv_num_heads");
  ScaledQueries q{with_heads(c, c.input(0), heads),
                  static_cast<double>(c.float_attribute("scale", 0.0f))};
  if (q.scale == 0) q = with_default_scale(c, q.q);
  const auto out =
      c.emit_many(op_linear_attention(), LinearAttentionAttributes{.scale = q.scale},
                  {q.q, with_heads(c, c.input(1), kv_heads), with_heads(c, c.input(2), kv_heads),
                   c.optional_input(3), decay_of(c, kv_heads), c.optional_input(5)},
                  2);
  c.set_output(0, without_heads(c, out[0]));
  c.set_output(1, out[1]);
}

// `count` zeros before the sequence of each channel of x.
ValueId zeros_before(ConvertContext& c, ValueId x, std::int64_t count) {
  const ValueId shape =
      concatenated(c, {size_along(c, x, 0), size_along(c, x, 1), integers(c, {count})}, 0);
  return c.emit(op_fill(), FillAttributes{.value = Tensor::zeros(c.type(x).dtype, {1})}, {shape});
}

void causal_conv(ConvertContext& c) {
  const std::string activation = c.string_attribute("activation", "none");
  if (activation != "none" && activation != "silu" && activation != "swish") {
    c.fail(ErrorCode::bad_attribute, "activation is \"" + activation + "\"",
           "it may be none, silu or swish");
  }
  const ValueId x = c.input(0), weight = c.input(1);
  const std::int64_t channels = known_size(c, weight, 0), kernel = known_size(c, weight, 2);
  if (channels < 1 || kernel < 1) {
    c.fail(ErrorCode::bad_shape,
           "the weights are " + c.type(weight).to_string() +
               ", but must be [channels, 1, kernel size] with sizes that are known");
  }
  if (const auto past = c.has_input(3) ? known_size(c, c.input(3), 2) : -1;
      past >= 0 && past != kernel - 1) {
    c.fail(ErrorCode::bad_shape, "past_state holds " + std::to_string(past) +
                                     " columns, but a kernel of size " + std::to_string(kernel) +
                                     " needs " + std::to_string(kernel - 1));
  }
  const ValueId before = c.has_input(3) ? c.input(3) : zeros_before(c, x, kernel - 1);
  const ValueId whole = concatenated(c, {before, x}, 2);
  ValueId y =
      c.emit(op_conv(), ConvAttributes{.group = channels}, {whole, weight, c.optional_input(2)});
  if (activation != "none") y = unary(c, {UnaryFunction::silu}, y);
  c.set_output(0, y);
  if (!c.has_output(1)) return;
  // The last kernel - 1 columns, counted from the end of the input: past and input together may be
  // no more than those.
  const ValueId begin = size_along(c, x, 2);
  const ValueId end = binary(c, BinaryFunction::add, begin, integers(c, {kernel - 1}));
  c.set_output(1, c.emit(op_slice(), NoAttributes{}, {whole, begin, end, integers(c, {2})}));
}

}  // namespace

void register_linear_attention(ConverterTable& table) {
  table.add("LinearAttention", 27, linear_attention);
  table.add("CausalConvWithState", 27, causal_conv);
}

}  // namespace strop::onnx
