// SPDX-License-Identifier: Apache-2.0
// QAttention of ONNX Runtime: queries, keys and values are one integer product, everything after it
// is in FP32.
#include <cmath>
#include <limits>

#include "onnx/convert/quantized_support.hpp"
#include "ops/concat.hpp"
#include "ops/matmul.hpp"
#include "ops/matmul_integer.hpp"
#include "ops/select.hpp"
#include "ops/slice.hpp"
#include "ops/softmax.hpp"
#include "ops/unsqueeze.hpp"

namespace strop::onnx {
namespace {

using namespace quantized;
using B = BinaryFunction;

ValueId slice_first_axis(ConvertContext& c, ValueId x, std::int64_t start, std::int64_t end) {
  return c.emit(
      op_slice(), NoAttributes{},
      {x, c.emitter().integers({start}), c.emitter().integers({end}), c.emitter().integers({0})});
}

// What the mask adds to the scores [B, N, S, T]: 0 where a key may be seen, else `hidden`; none()
// where all may be seen.
ValueId mask_addend(ConvertContext& c, ValueId mask, ValueId x, ValueId keys, double hidden) {
  if (!mask.exists()) return mask;
  const std::int64_t rank = c.rank(mask);
  const SymShape shape = *c.type(mask).shape;
  const ValueId zero = scalar(c, DType::i32, 0);
  ValueId visible;
  if (rank == 1) {
    // How many keys a sequence has, [B]; or the ends and then the starts of the sequences, [2 B].
    const auto x_shape = c.type(x).shape;
    if (!x_shape || !(shape[0] == (*x_shape)[0] || shape[0] == (*x_shape)[0] * Dim(2))) {
      c.fail(ErrorCode::unsupported_operator,
             "mask_index has shape " + to_string(shape) +
                 ", which is neither once nor twice the batch of the input",
             "write the mask with shape [batch, length]");
    }
    const ValueId batches = reshaped(c, cast_to(c, mask, DType::i64), {-1, 1, 1, 1});
    const bool both = !(shape[0] == (*x_shape)[0]);
    const ValueId position = counting(c, keys, 2);
    if (!both) {
      visible = binary(c, B::less, position, batches);
    } else {
      const ValueId pairs = reshaped(c, batches, {2, -1, 1, 1, 1});
      visible = binary(c, B::logical_and, binary(c, B::less, position, at_index(c, pairs, 0)),
                       binary(c, B::greater_or_equal, position, at_index(c, pairs, 1)));
    }
  } else if (rank == 2) {
    if (shape[1].is(1)) return ValueId::none();  // stands for a mask that hides nothing
    visible = binary(c, B::greater, reshaped(c, mask, {0, 1, 1, -1}), zero);
  } else if (rank == 3) {
    visible =
        binary(c, B::greater,
               c.emit(op_unsqueeze(), NoAttributes{}, {mask, c.emitter().integers({1})}), zero);
  } else {
    c.fail(ErrorCode::unsupported_operator,
           "mask_index has " + std::to_string(rank) + " axes; 1 to 3 are expected");
  }
  return c.emit(op_select(), NoAttributes{},
                {visible, scalar(c, DType::f32, 0), scalar(c, DType::f32, hidden)});
}

// Query s, behind T - S earlier keys, sees keys up to its own.
ValueId hide_later_keys(ConvertContext& c, ValueId scores) {
  const ValueId earlier = binary(c, B::sub, size_along(c, scores, 3), size_along(c, scores, 2));
  const ValueId own = binary(c, B::add, reshaped(c, counting(c, scores, 2), {-1, 1}), earlier);
  const ValueId seen = binary(c, B::less_or_equal, counting(c, scores, 3), own);
  const double lowest = static_cast<double>(std::numeric_limits<float>::lowest());
  return c.emit(op_select(), NoAttributes{}, {seen, scores, scalar(c, DType::f32, lowest)});
}

void q_attention(ConvertContext& c) {
  const std::int64_t heads = c.int_attribute("num_heads");
  const bool causal = c.int_attribute("unidirectional", 0) != 0;
  const double hidden = static_cast<double>(c.float_attribute("mask_filter_value", -10000.0f));
  if (c.int_attribute("do_rotary", 0) != 0 ||
      c.int_attribute("past_present_share_buffer", 0) != 0) {
    c.fail(ErrorCode::unsupported_operator,
           "it rotates its queries (do_rotary) or writes into the past (past_present_share_buffer)",
           "export without these attributes");
  }
  const ValueId x = c.input(0), w = c.input(1), bias = c.input(2);
  const auto& w_shape = c.type(w).shape;
  if (!w_shape || w_shape->size() != 2 || !(*w_shape)[1].is_constant()) {
    c.fail(ErrorCode::bad_shape, "the weights must have a known shape [input, 3 * hidden]");
  }
  const std::int64_t width = (*w_shape)[1].value();
  if (heads < 1 || width < 1 || width % 3 != 0 || width / 3 % heads != 0) {
    c.fail(ErrorCode::bad_shape, "num_heads " + std::to_string(heads) +
                                     " does not divide a third of the weights' " +
                                     std::to_string(width) + " columns");
  }
  const std::int64_t size = width / 3 / heads;
  const double given = static_cast<double>(c.float_attribute("scale", 0.0f));
  const double scale = given != 0 ? given : 1 / std::sqrt(static_cast<double>(size));
  require_single(c, c.input(3), "input_scale");

  const ValueId sums =
      c.emit(op_matmul_integer(), NoAttributes{}, {x, w, c.optional_input(6), c.optional_input(7)});
  ValueId all = scale_sums(c, sums, scale_product(c, c.input(3), c.input(4)), 2);
  all = binary(c, B::add, all, cast_to(c, bias, DType::f32));
  // [B, S, 3 N D] to [3, B, N, S, D].
  all = transposed(c, reshaped(c, all, {0, 0, 3, heads, size}), {2, 0, 3, 1, 4});
  const ValueId q = at_index(c, all, 0);
  ValueId present = slice_first_axis(c, all, 1, 3);
  if (c.has_input(8)) {
    present = c.emit(op_concat(), ConcatAttributes{.axis = 3},
                     {cast_to(c, c.input(8), DType::f32), present});
  }
  const ValueId k = at_index(c, present, 0), v = at_index(c, present, 1);
  ValueId scores = c.emit(op_matmul(), NoAttributes{}, {q, transposed(c, k, {0, 1, 3, 2})});
  scores = binary(c, B::mul, scores, scalar(c, DType::f32, scale));
  const ValueId mask = mask_addend(c, c.optional_input(5), x, k, hidden);
  if (mask.exists()) scores = binary(c, B::add, scores, mask);
  if (causal) scores = hide_later_keys(c, scores);
  const ValueId shares = c.emit(op_softmax(), SoftmaxAttributes{.axis = 3}, {scores});
  ValueId y = c.emit(op_matmul(), NoAttributes{}, {shares, v});
  y = reshaped(c, transposed(c, y, {0, 2, 1, 3}), {0, 0, width / 3});
  const DType to = c.type(bias).dtype;
  c.set_output(0, cast_to(c, y, to));
  if (c.has_output(1)) c.set_output(1, cast_to(c, present, to));
}

}  // namespace

void register_q_attention(ConverterTable& table) {
  table.add(kMicrosoft, "QAttention", 1, q_attention);
}

}  // namespace strop::onnx
