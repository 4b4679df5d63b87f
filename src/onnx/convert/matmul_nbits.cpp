// SPDX-License-Identifier: Apache-2.0
// MatMulNBits of ONNX Runtime: weights quantised in blocks along the axis that is summed over. It
// becomes dequantize_linear before a matmul, the form that the standard writes for such weights,
// and computes in the type of its input whatever its accuracy_level, which only allows less.
#include <utility>

#include "onnx/convert/quantized_support.hpp"
#include "ops/dequantize_linear.hpp"
#include "ops/gather.hpp"
#include "ops/matmul.hpp"

namespace strop::onnx {
namespace {

using namespace quantized;
using B = BinaryFunction;

struct NBits {
  DType dtype = DType::u4;
  std::int64_t n = 1, k = 1, block = 16, blocks = 1;
};

NBits nbits_attributes(ConvertContext& c) {
  NBits a;
  a.dtype = packed_type(c);
  a.n = c.int_attribute("N");
  a.k = c.int_attribute("K");
  a.block = c.int_attribute("block_size");
  constexpr std::int64_t kMost = std::int64_t{1} << 31;
  for (const auto& [name, value] : {std::pair{"N", a.n}, {"K", a.k}, {"block_size", a.block}}) {
    if (value < 1 || value > kMost) {
      c.fail(ErrorCode::bad_attribute, std::string(name) + " is " + std::to_string(value) +
                                           "; it must be from 1 to " + std::to_string(kMost));
    }
  }
  require_block_size(c, a.block);
  if (const auto layout = c.int_attribute("weight_prepacked", 0); layout != 0) {
    c.fail(ErrorCode::unsupported_operator,
           "its weights are in layout " + std::to_string(layout) + " of one GPU's kernels",
           "export with weight_prepacked=0");
  }
  c.ignore_attribute("accuracy_level");
  a.blocks = (a.k + a.block - 1) / a.block;
  return a;
}

// Real weights [N, K] of type `to`.
ValueId nbits_weights(ConvertContext& c, const NBits& a, DType to) {
  const std::int64_t padded = a.blocks * a.block;
  ValueId q = reshaped(c, unpack(c, c.input(1), a.dtype), {a.n, padded});
  ValueId scales = reshaped(c, c.input(2), {a.n, a.blocks});
  ValueId zero = c.optional_input(3);
  const bool real_zero = zero.exists() && kFloats.contains(c.type(zero).dtype);
  if (!zero.exists()) {
    zero = middle_zero_point(c, a.dtype, c.emitter().integers({a.n, a.blocks}));
  } else if (real_zero) {
    zero = reshaped(c, zero, {a.n, a.blocks});
  } else {
    const std::int64_t per_byte = 8 / bits_of(a.dtype);
    const std::int64_t stored = (a.blocks + per_byte - 1) / per_byte * per_byte;
    zero = reshaped(c, unpack(c, zero, a.dtype), {a.n, stored});
    if (stored != a.blocks) zero = first_of(c, zero, c.emitter().integers({a.blocks}), 1);
  }
  // Column k belongs to block k / block_size, or to the block that g_idx names.
  const ValueId k = c.emitter().integers({a.k});
  const bool named = c.has_input(4);
  if (named) {
    const ValueId g = first_of(c, c.input(4), k, 0);
    const GatherAttributes along{.axis = 1};
    scales = c.emit(op_gather(), along, {scales, g});
    zero = c.emit(op_gather(), along, {zero, g});
  }
  if (named && a.k != padded) q = first_of(c, q, k, 1);
  ValueId w;
  if (real_zero) {
    q = cast_to(c, q, DType::f32);
    if (!named) {
      q = reshaped(c, q, {a.n, a.blocks, a.block});
      scales = reshaped(c, scales, {a.n, a.blocks, 1});
      zero = reshaped(c, zero, {a.n, a.blocks, 1});
    }
    const ValueId difference = binary(c, B::sub, q, cast_to(c, zero, DType::f32));
    w = binary(c, B::mul, difference, cast_to(c, scales, DType::f32));
    w = cast_to(c, reshaped(c, w, {a.n, named ? a.k : padded}), to);
  } else {
    const DequantizeLinearAttributes blocks{.to = to, .axis = 1, .block_size = named ? 1 : a.block};
    w = c.emit(op_dequantize_linear(), blocks, {q, scales, zero});
  }
  return named || a.k == padded ? w : first_of(c, w, k, 1);
}

void matmul_nbits(ConvertContext& c) {
  const NBits a = nbits_attributes(c);
  const ValueId x = c.input(0);
  const ValueId w = transposed(c, nbits_weights(c, a, c.type(x).dtype), {1, 0});
  ValueId y = c.emit(op_matmul(), NoAttributes{}, {x, w});
  if (c.has_input(5)) y = binary(c, B::add, y, c.input(5));
  c.set_output(0, y);
}

}  // namespace

void register_matmul_nbits(ConverterTable& table) {
  table.add(kMicrosoft, "MatMulNBits", 1, matmul_nbits);
}

}  // namespace strop::onnx
