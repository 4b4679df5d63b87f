// SPDX-License-Identifier: Apache-2.0
// Bytes that hold several small integers each, lowest bits first, as a tensor of those integers:
// the same memory, because packed tensors are stored that way. Rows are whole bytes.
#include "ops/unpack_bits.hpp"

#include <cstring>

#include "ir/evaluate.hpp"

namespace strop {
namespace {

constexpr DTypeSet kSmall{DType::u8, DType::i8, DType::u4, DType::i4, DType::u2, DType::i2};

void infer(InferContext& context) {
  const DType to = context.attributes<UnpackBitsAttributes>().to;
  context.require(kSmall.contains(to), ErrorCode::bad_type,
                  "bytes cannot be unpacked to " + std::string(to_string(to)));
  if (context.shape(0) == nullptr) {
    return context.set_output(0, Type::tensor_of_unknown_rank(to));
  }
  SymShape shape = *context.shape(0);
  context.require(!shape.empty(), ErrorCode::bad_shape, "a scalar has no axis to unpack along");
  shape.back() = shape.back() * Dim(8 / bits_of(to));
  context.set_output(0, to, std::move(shape));
}

void reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  if (x.bytes() == 0) return;
  std::memcpy(context.output(0).mutable_data(), x.data(), static_cast<std::size_t>(x.bytes()));
}

}  // namespace

const OpDef& op_unpack_bits() {
  static const OpDef def{
      .name = "unpack_bits",
      .summary = "bytes as the 2-, 4- or 8-bit integers packed in them, lowest bits first",
      .attributes = &attribute_schema<UnpackBitsAttributes>(),
      .inputs = {{.name = "x", .types = {DType::u8}}},
      .outputs = {{.name = "y", .types = kSmall}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
