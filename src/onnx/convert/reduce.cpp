// SPDX-License-Identifier: Apache-2.0
// Reductions: axes are an attribute before opset 18 (ReduceSum: 13), an input from there on. Global
// pools are reductions over the spatial axes.
#include "ops/reduce.hpp"

#include <numeric>

#include "onnx/converter_table.hpp"
#include "ops/arg_reduce.hpp"
#include "ops/binary.hpp"
#include "ops/unary.hpp"

namespace strop::onnx {
namespace {

using R = ReduceFunction;

template <R kFunction>
void by_attribute(ConvertContext& c) {
  const ReduceAttributes attributes{.function = kFunction,
                                    .keep_dims = c.int_attribute("keepdims", 1) != 0};
  std::vector<ValueId> inputs = {c.input(0)};
  const auto axes = c.ints_attribute("axes");
  if (!axes.empty()) inputs.push_back(c.emitter().integers(axes));
  c.set_output(0, c.emit(op_reduce(), attributes, inputs));
}

template <R kFunction>
void by_input(ConvertContext& c) {
  const ReduceAttributes attributes{
      .function = kFunction,
      .keep_dims = c.int_attribute("keepdims", 1) != 0,
      .noop_with_empty_axes = c.int_attribute("noop_with_empty_axes", 0) != 0};
  c.set_output(0, c.emit(op_reduce(), attributes, {c.input(0), c.optional_input(1)}));
}

template <R kFunction>
void add_reduction(ConverterTable& table, const char* name, int by_input_since) {
  table.add(name, 1, by_attribute<kFunction>);
  table.add(name, by_input_since, by_input<kFunction>);
}

template <bool kLargest>
void arg_reduce(ConvertContext& c) {
  ArgReduceAttributes attributes{.largest = kLargest};
  attributes.axis = c.int_attribute("axis", 0);
  if (c.type(c.input(0)).rank() >= 0) attributes.axis = c.axis(attributes.axis, 0);
  attributes.keep_dims = c.int_attribute("keepdims", 1) != 0;
  attributes.select_last = c.int_attribute("select_last_index", 0) != 0;
  c.set_output(0, c.emit(op_arg_reduce(), attributes, {c.input(0)}));
}

ValueId spatial_axes(ConvertContext& c) {
  const std::int64_t rank = c.rank(c.input(0));
  if (rank < 3) c.fail(ErrorCode::bad_shape, "needs at least one spatial axis");
  std::vector<std::int64_t> axes(static_cast<std::size_t>(rank - 2));
  std::iota(axes.begin(), axes.end(), 2);
  return c.emitter().integers(axes);
}

template <R kFunction>
void global_pool(ConvertContext& c) {
  c.set_output(0, c.emit(op_reduce(), ReduceAttributes{.function = kFunction},
                         {c.input(0), spatial_axes(c)}));
}

void global_lp_pool(ConvertContext& c) {
  // A float in opset 1, an integer from 2 on.
  const double p = c.opset() < 2 ? static_cast<double>(c.float_attribute("p", 2.0f))
                                 : static_cast<double>(c.int_attribute("p", 2));
  const ValueId x = c.input(0), axes = spatial_axes(c);
  if (p == 1 || p == 2) {
    const ReduceAttributes norm{.function = p == 1 ? R::l1 : R::l2};
    return c.set_output(0, c.emit(op_reduce(), norm, {x, axes}));
  }
  if (!(p > 0)) c.fail(ErrorCode::bad_attribute, "p must be positive");
  const auto number = [&](double value) {
    Tensor scalar = Tensor::allocate(c.type(x).dtype, {});
    store_from_double(scalar.dtype(), scalar.mutable_data(), 0, value);
    return c.emitter().constant(scalar);
  };
  const BinaryAttributes pow{BinaryFunction::pow};
  const ValueId size = c.emit(op_unary(), UnaryAttributes{UnaryFunction::abs}, {x});
  const ValueId powers = c.emit(op_binary(), pow, {size, number(p)});
  const ValueId sum = c.emit(op_reduce(), ReduceAttributes{.function = R::sum}, {powers, axes});
  c.set_output(0, c.emit(op_binary(), pow, {sum, number(1 / p)}));
}

}  // namespace

void register_reduce(ConverterTable& table) {
  add_reduction<R::sum>(table, "ReduceSum", 13);
  add_reduction<R::mean>(table, "ReduceMean", 18);
  add_reduction<R::max>(table, "ReduceMax", 18);
  add_reduction<R::min>(table, "ReduceMin", 18);
  add_reduction<R::prod>(table, "ReduceProd", 18);
  add_reduction<R::l1>(table, "ReduceL1", 18);
  add_reduction<R::l2>(table, "ReduceL2", 18);
  add_reduction<R::log_sum>(table, "ReduceLogSum", 18);
  add_reduction<R::log_sum_exp>(table, "ReduceLogSumExp", 18);
  add_reduction<R::sum_square>(table, "ReduceSumSquare", 18);
  table.add("ArgMax", 1, arg_reduce<true>);
  table.add("ArgMin", 1, arg_reduce<false>);
  table.add("GlobalAveragePool", 1, global_pool<R::mean>);
  table.add("GlobalMaxPool", 1, global_pool<R::max>);
  table.add("GlobalLpPool", 1, global_lp_pool);
}

}  // namespace strop::onnx
