// SPDX-License-Identifier: Apache-2.0
// RelativePositionBias of com.microsoft: the bias of T5 (Raffel et al., arXiv:1910.10683). The
// distance of key and query falls into a bucket, near ones each into their own and far ones into
// buckets that grow with the logarithm, and a table holds a bias for each bucket and head.
#include <cmath>

#include "onnx/convert/emit_support.hpp"
#include "ops/gather.hpp"
#include "ops/select.hpp"

namespace strop::onnx {
namespace {

using B = BinaryFunction;

ValueId number(ConvertContext& c, std::int64_t value) {
  return scalar(c, DType::i64, static_cast<double>(value));
}

// Buckets [0, count) of distances >= 0.
ValueId buckets(ConvertContext& c, ValueId distance, std::int64_t count, std::int64_t farthest) {
  const std::int64_t near = count / 2;  // as many distances have a bucket of their own
  // In FP32 and in this order, as models compute it: powers of two fall onto whole buckets. The
  // distance 0 is near, whatever this says.
  const ValueId positive = cast_to(c, binary(c, B::max, distance, number(c, 1)), DType::f32);
  const auto divided = [&](ValueId x, double by) {
    return binary(c, B::div, x, scalar(c, DType::f32, by));
  };
  const double first = static_cast<double>(near);
  const ValueId logarithm = scaled(c,
                                   divided(unary(c, {UnaryFunction::log}, divided(positive, first)),
                                           std::log(static_cast<double>(farthest) / first)),
                                   static_cast<double>(count - near));
  const ValueId far =
      binary(c, B::min, binary(c, B::add, cast_to(c, logarithm, DType::i64), number(c, near)),
             number(c, count - 1));
  return c.emit(op_select(), NoAttributes{},
                {binary(c, B::less, distance, number(c, near)), distance, far});
}

void relative_position_bias(ConvertContext& c) {
  const std::int64_t farthest = c.int_attribute("max_distance");
  const bool bidirectional = c.int_attribute("is_bidirectional", 0) != 0;
  const ValueId table = c.input(0);
  const std::int64_t all = known_size(c, table, 0), count = bidirectional ? all / 2 : all;
  if (count < 2 || farthest <= count / 2) {
    c.fail(ErrorCode::bad_attribute, "a table of " + std::to_string(all) +
                                         " buckets and max_distance " + std::to_string(farthest) +
                                         " leave no bucket for far keys");
  }
  const ValueId queries = unsqueezed(c, counted(c, c.input(1)), {1});
  const ValueId behind = binary(c, B::sub, queries, counted(c, c.input(2)));  // [queries, keys]
  ValueId bucket;
  if (bidirectional) {  // keys after the query have the second half of the buckets
    const ValueId ahead = cast_to(c, binary(c, B::less, behind, number(c, 0)), DType::i64);
    const ValueId distance = unary(c, {UnaryFunction::abs}, behind);
    bucket = binary(c, B::add, buckets(c, distance, count, farthest),
                    binary(c, B::mul, ahead, number(c, count)));
  } else {
    bucket = buckets(c, binary(c, B::max, behind, number(c, 0)), count, farthest);
  }
  const ValueId rows = c.emit(op_gather(), GatherAttributes{.axis = 0}, {table, bucket});
  c.set_output(0, unsqueezed(c, transposed(c, rows, {2, 0, 1}), {0}));
}

}  // namespace

void register_relative_position_bias(ConverterTable& table) {
  table.add("com.microsoft", "RelativePositionBias", 1, relative_position_bias);
}

}  // namespace strop::onnx
