// SPDX-License-Identifier: Apache-2.0
// QEmbedLayerNormalization of ONNX Runtime: rows of quantised tables as real numbers, their sum
// normalised in FP32.
#include "onnx/convert/quantized_support.hpp"
#include "ops/gather.hpp"
#include "ops/reduce.hpp"
#include "ops/select.hpp"
#include "ops/unary.hpp"

namespace strop::onnx {
namespace {

using namespace quantized;
using B = BinaryFunction;

// Rows of a quantised table as real numbers.
ValueId embedding(ConvertContext& c, std::size_t table, std::size_t parameters, ValueId ids) {
  const ValueId rows = c.emit(op_gather(), GatherAttributes{.axis = 0}, {c.input(table), ids});
  require_single(c, c.input(parameters), "the scale of an embedding");
  return dequantize(c, {rows, c.input(parameters), c.input(parameters + 5)});
}

void q_embed_layer_norm(ConvertContext& c) {
  const double epsilon = static_cast<double>(c.float_attribute("epsilon", 1e-12f));
  const ValueId ids = c.input(0);
  if (c.rank(ids) != 2) c.fail(ErrorCode::bad_shape, "input_ids must be [batch, length]");
  const ValueId positions = counting(c, ids, 1);
  ValueId x = binary(c, B::add, embedding(c, 2, 8, ids), embedding(c, 3, 9, positions));
  if (c.has_input(1)) x = binary(c, B::add, x, embedding(c, 4, 10, c.input(1)));

  const auto mean = [&](ValueId of) {
    return c.emit(op_reduce(), ReduceAttributes{.function = ReduceFunction::mean},
                  {of, c.emitter().integers({2})});
  };
  const ValueId centred = binary(c, B::sub, x, mean(x));
  const ValueId variance = mean(binary(c, B::mul, centred, centred));
  const ValueId deviation = c.emit(op_unary(), UnaryAttributes{UnaryFunction::sqrt},
                                   {binary(c, B::add, variance, scalar(c, DType::f32, epsilon))});
  const ValueId gamma = dequantize(c, {c.input(5), c.input(11), c.input(16)});
  const ValueId beta = dequantize(c, {c.input(6), c.input(12), c.input(17)});
  const ValueId y = binary(c, B::mul, binary(c, B::div, centred, deviation), gamma);
  c.set_output(0, binary(c, B::add, y, beta));

  if (!c.has_output(1)) return;
  // How many words each sequence has: entries of the mask that are 1.
  const ReduceAttributes count{.function = ReduceFunction::sum, .keep_dims = false};
  const ValueId one = scalar(c, DType::i32, 1), zero = scalar(c, DType::i32, 0);
  const ValueId marked = c.has_input(7) ? c.input(7) : binary(c, B::mul, ids, zero);
  const ValueId words =
      c.emit(op_select(), NoAttributes{}, {binary(c, B::equal, marked, one), one, zero});
  c.set_output(1, c.emit(op_reduce(), count, {words, c.emitter().integers({1})}));
}

}  // namespace

void register_q_embed_layer_norm(ConverterTable& table) {
  table.add(kMicrosoft, "QEmbedLayerNormalization", 1, q_embed_layer_norm);
}

}  // namespace strop::onnx
