// SPDX-License-Identifier: Apache-2.0
// ONNX Runtime's operators on quantised tensors that are not products: real numbers from the
// inputs, the operator, quantised again. Where only elements move, each input is brought to the
// result's scale by itself. ONNX Runtime uses tables and fixed-point sums in places: its results
// may differ by one step, those of QLinearSoftmax by more where 1 / y_scale is no whole number (it
// takes the whole part).
#include "onnx/convert/pool_attributes.hpp"
#include "onnx/convert/quantized_support.hpp"
#include "ops/concat.hpp"
#include "ops/reduce.hpp"
#include "ops/reshape.hpp"
#include "ops/select.hpp"
#include "ops/softmax.hpp"
#include "ops/unary.hpp"

namespace strop::onnx {
namespace {

using namespace quantized;

// The inputs scale and zero_point (optional) at `first`, which belong to the result.
void set_quantized(ConvertContext& c, ValueId real, std::size_t first, DType to) {
  c.set_output(0, quantize(c, real, c.input(first), c.optional_input(first + 1), to));
}

template <BinaryFunction kFunction>
void binary(ConvertContext& c) {
  const Quantized a = quantized_input(c, 0), b = quantized_input(c, 3);
  const ValueId y = binary(c, kFunction, dequantize(c, a), dequantize(c, b));
  set_quantized(c, y, 6, c.type(a.value).dtype);
}

void unary(ConvertContext& c, const UnaryAttributes& attributes) {
  const Quantized x = quantized_input(c, 0);
  set_quantized(c, c.emit(op_unary(), attributes, {dequantize(c, x)}), 3, c.type(x.value).dtype);
}

void sigmoid(ConvertContext& c) { unary(c, {UnaryFunction::sigmoid}); }

void leaky_relu(ConvertContext& c) {
  const double alpha = static_cast<double>(c.float_attribute("alpha", 0.01f));
  unary(c, {.function = UnaryFunction::leaky_relu, .alpha = alpha});
}

void softmax(ConvertContext& c) {
  const Quantized x = quantized_input(c, 0);
  const bool flattened = c.int_attribute("opset") < 13;
  const std::int64_t axis = c.axis(c.int_attribute("axis", -1), 0);
  const ValueId real = dequantize(c, x);
  ValueId y;
  if (flattened && axis != c.rank(x.value) - 1) {
    const ValueId matrix = c.emit(op_reshape(), ReshapeAttributes{.flatten_axis = axis}, {real});
    y = c.emit(op_softmax(), SoftmaxAttributes{.axis = 1}, {matrix});
    y = c.emit(op_reshape(), ReshapeAttributes{}, {y, shape_of(c, x.value)});
  } else {
    y = c.emit(op_softmax(), SoftmaxAttributes{.axis = axis}, {real});
  }
  set_quantized(c, y, 3, c.type(x.value).dtype);
}

ValueId mean(ConvertContext& c, ValueId x, const std::vector<std::int64_t>& axes, bool keep_dims) {
  std::vector<ValueId> inputs = {x};
  if (!axes.empty()) inputs.push_back(c.emitter().integers(axes));
  return c.emit(op_reduce(),
                ReduceAttributes{.function = ReduceFunction::mean, .keep_dims = keep_dims}, inputs);
}

void reduce_mean(ConvertContext& c) {
  const Quantized x = quantized_input(c, 0);
  const bool keep_dims = c.int_attribute("keepdims", 1) != 0;
  const ValueId y = mean(c, dequantize(c, x), c.ints_attribute("axes"), keep_dims);
  set_quantized(c, y, 3, c.type(x.value).dtype);
}

void global_average_pool(ConvertContext& c) {
  const Quantized x = quantized_input(c, 0);
  const std::int64_t first = c.int_attribute("channels_last", 0) != 0 ? 1 : 2;
  const std::int64_t rank = c.rank(x.value);
  if (rank < 3) c.fail(ErrorCode::bad_shape, "needs at least one spatial axis");
  std::vector<std::int64_t> axes;
  for (std::int64_t i = first; i < first + rank - 2; ++i) axes.push_back(i);
  set_quantized(c, mean(c, dequantize(c, x), axes, true), 3, c.type(x.value).dtype);
}

void average_pool(ConvertContext& c) {
  PoolAttributes attributes = pool_attributes(c, PoolFunction::average);
  attributes.count_include_pad = c.int_attribute("count_include_pad", 0) != 0;
  attributes.ceil_mode = c.int_attribute("ceil_mode", 0) != 0;
  const bool last = c.int_attribute("channels_last", 0) != 0;
  Quantized x = quantized_input(c, 0);
  if (last) x.value = channels_first(c, x.value);
  const ValueId real = c.emit(op_pool(), attributes, {dequantize(c, x)});
  const ValueId y = quantize(c, real, c.input(3), c.optional_input(4), c.type(x.value).dtype);
  c.set_output(0, last ? channels_last(c, y) : y);
}

void nhwc_max_pool(ConvertContext& c) {
  PoolAttributes attributes = pool_attributes(c, PoolFunction::max);
  attributes.ceil_mode = c.int_attribute("ceil_mode", 0) != 0;
  attributes.dilations = c.ints_attribute("dilations");
  const ValueId x = channels_first(c, c.input(0));
  c.set_output(0, channels_last(c, c.emit(op_pool(), attributes, {x})));
}

void concat(ConvertContext& c) {
  std::vector<ValueId> parts;
  if (c.input_count() < 5 || c.input_count() % 3 != 2) {
    c.fail(ErrorCode::model_malformed,
           "it has " + std::to_string(c.input_count()) +
               " inputs; a scale, a zero point, and three for each part are expected");
  }
  for (std::size_t i = 2; i < c.input_count(); i += 3) {
    parts.push_back(requantize(c, quantized_input(c, i), c.input(0), c.input(1)));
  }
  c.set_output(0, c.emit(op_concat(), ConcatAttributes{.axis = c.int_attribute("axis")}, parts));
}

void where(ConvertContext& c) {
  const ValueId scale = c.input(7), zero = c.input(8);
  const ValueId a = requantize(c, quantized_input(c, 1), scale, zero);
  const ValueId b = requantize(c, quantized_input(c, 4), scale, zero);
  c.set_output(0, c.emit(op_select(), NoAttributes{}, {c.input(0), a, b}));
}

}  // namespace

void register_qlinear(ConverterTable& table) {
  table.add(kMicrosoft, "QLinearAdd", 1, binary<BinaryFunction::add>);
  table.add(kMicrosoft, "QLinearMul", 1, binary<BinaryFunction::mul>);
  table.add(kMicrosoft, "QLinearSigmoid", 1, sigmoid);
  table.add(kMicrosoft, "QLinearLeakyRelu", 1, leaky_relu);
  table.add(kMicrosoft, "QLinearSoftmax", 1, softmax);
  table.add(kMicrosoft, "QLinearReduceMean", 1, reduce_mean);
  table.add(kMicrosoft, "QLinearGlobalAveragePool", 1, global_average_pool);
  table.add(kMicrosoft, "QLinearAveragePool", 1, average_pool);
  table.add(kMicrosoft, "NhwcMaxPool", 1, nhwc_max_pool);
  table.add(kMicrosoft, "QLinearConcat", 1, concat);
  table.add(kMicrosoft, "QLinearWhere", 1, where);
}

}  // namespace strop::onnx
