// SPDX-License-Identifier: Apache-2.0
#include "onnx/convert/quantized_support.hpp"

#include "ops/cast.hpp"
#include "ops/dequantize_linear.hpp"
#include "ops/fill.hpp"
#include "ops/gather.hpp"
#include "ops/quantize_linear.hpp"
#include "ops/range.hpp"
#include "ops/reshape.hpp"
#include "ops/shape.hpp"
#include "ops/slice.hpp"
#include "ops/transpose.hpp"
#include "ops/unpack_bits.hpp"

namespace strop::onnx::quantized {
namespace {

// The one number in a constant.
std::optional<double> known_number(ConvertContext& c, ValueId id) {
  const Tensor* tensor = c.constant(id);
  if (tensor == nullptr || tensor->size() != 1 || tensor->dtype() == DType::string) {
    return std::nullopt;
  }
  return load_as_double(tensor->dtype(), tensor->data(), 0);
}

bool same_number(ConvertContext& c, ValueId a, ValueId b) {
  if (a.exists() && a == b) return true;
  const auto left = known_number(c, a), right = known_number(c, b);
  return left && right && *left == *right;
}

}  // namespace

Quantized quantized_input(ConvertContext& c, std::size_t first) {
  return {c.input(first), c.input(first + 1), c.optional_input(first + 2)};
}

ValueId shape_of(ConvertContext& c, ValueId x) {
  return c.emit(op_shape(), ShapeAttributes{}, {x});
}

ValueId first_of(ConvertContext& c, ValueId x, ValueId size, std::int64_t axis) {
  return c.emit(op_slice(), NoAttributes{},
                {x, c.emitter().integers({0}), size, c.emitter().integers({axis})});
}

ValueId at_index(ConvertContext& c, ValueId x, std::int64_t index) {
  return c.emit(op_gather(), GatherAttributes{.axis = 0},
                {x, c.emitter().constant(Tensor::scalar<std::int64_t>(index))});
}

ValueId counting(ConvertContext& c, ValueId x, std::int64_t axis) {
  const ValueId size = at_index(c, shape_of(c, x), axis);
  return c.emit(op_range(), NoAttributes{},
                {scalar(c, DType::i64, 0), size, scalar(c, DType::i64, 1)});
}

bool may_be_single(ConvertContext& c, ValueId x) {
  if (!x.exists() || !c.type(x).shape) return true;
  for (const Dim& dim : *c.type(x).shape) {
    if (dim.is_constant() && !dim.is(1)) return false;
  }
  return true;
}

void require_single(ConvertContext& c, ValueId x, const char* what) {
  if (may_be_single(c, x)) return;
  c.fail(ErrorCode::bad_shape,
         std::string(what) + " must be a scalar, but has shape " + to_string(*c.type(x).shape));
}

ValueId dequantize(ConvertContext& c, const Quantized& x, std::int64_t axis, DType to) {
  const DequantizeLinearAttributes attributes{.to = to, .axis = axis};
  return c.emit(op_dequantize_linear(), attributes, {x.value, x.scale, x.zero_point});
}

ValueId quantize(ConvertContext& c, ValueId x, ValueId scale, ValueId zero_point, DType to) {
  return c.emit(op_quantize_linear(), QuantizeLinearAttributes{.to = to}, {x, scale, zero_point});
}

ValueId requantize(ConvertContext& c, const Quantized& x, ValueId scale, ValueId zero_point) {
  const bool same_zero =
      (!x.zero_point.exists() && !zero_point.exists()) || same_number(c, x.zero_point, zero_point);
  if (same_zero && same_number(c, x.scale, scale)) return x.value;
  return quantize(c, dequantize(c, x), scale, zero_point, c.type(x.value).dtype);
}

ValueId scale_product(ConvertContext& c, ValueId a, ValueId b) {
  return binary(c, BinaryFunction::mul, cast_to(c, a, DType::f32), cast_to(c, b, DType::f32));
}

ValueId scale_sums(ConvertContext& c, ValueId sums, ValueId scale, std::int64_t axis, DType to) {
  const std::int64_t rank = c.type(scale).rank();
  if (rank >= 0 && rank <= 1) return dequantize(c, {sums, scale, {}}, axis, to);
  const ValueId real = cast_to(c, sums, DType::f32);
  return cast_to(c, binary(c, BinaryFunction::mul, real, scale), to);
}

DType packed_type(ConvertContext& c) {
  const std::int64_t bits = c.int_attribute("bits", 4);
  if (bits == 2) return DType::u2;
  if (bits == 4) return DType::u4;
  if (bits == 8) return DType::u8;
  c.fail(ErrorCode::bad_attribute, "bits is " + std::to_string(bits), "it may be 2, 4 or 8");
}

ValueId unpack(ConvertContext& c, ValueId bytes, DType to) {
  if (c.type(bytes).dtype != DType::u8) {
    c.fail(ErrorCode::bad_type, "packed integers come in bytes (u8), not in " +
                                    std::string(to_string(c.type(bytes).dtype)));
  }
  if (to == DType::u8) return bytes;
  return c.emit(op_unpack_bits(), UnpackBitsAttributes{.to = to}, {bytes});
}

ValueId middle_zero_point(ConvertContext& c, DType dtype, ValueId shape) {
  Tensor value = Tensor::zeros(dtype, {1});
  store_from_double(dtype, value.mutable_data(), 0, 1 << (bits_of(dtype) - 1));
  return c.emit(op_fill(), FillAttributes{.value = value}, {shape});
}

void require_block_size(ConvertContext& c, std::int64_t size) {
  if (size >= 16 && (size & (size - 1)) == 0) return;
  c.fail(ErrorCode::bad_attribute, "block_size is " + std::to_string(size),
         "it must be a power of 2 and at least 16");
}

ValueId channels_first(ConvertContext& c, ValueId x) {
  std::vector<std::int64_t> perm(static_cast<std::size_t>(c.rank(x)));
  if (perm.size() < 3) c.fail(ErrorCode::bad_shape, "needs at least one spatial axis");
  perm[1] = static_cast<std::int64_t>(perm.size()) - 1;
  for (std::size_t i = 2; i < perm.size(); ++i) perm[i] = static_cast<std::int64_t>(i) - 1;
  return transposed(c, x, std::move(perm));
}

ValueId channels_last(ConvertContext& c, ValueId x) {
  std::vector<std::int64_t> perm(static_cast<std::size_t>(c.rank(x)));
  if (perm.size() < 3) c.fail(ErrorCode::bad_shape, "needs at least one spatial axis");
  for (std::size_t i = 1; i + 1 < perm.size(); ++i) perm[i] = static_cast<std::int64_t>(i) + 1;
  perm.back() = 1;
  return transposed(c, x, std::move(perm));
}

}  // namespace strop::onnx::quantized
