// SPDX-License-Identifier: Apache-2.0
// The same bits as elements of another type of the same width. A bool has no other bits than those
// of 0 and 1, so any byte but 0 becomes true.
#include "ops/bit_cast.hpp"

#include <cstring>

#include "ir/evaluate.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const DType to = context.attributes<BitCastAttributes>().to;
  Type type = context.input(0);
  context.require(kPlain.contains(to), ErrorCode::bad_type,
                  "elements of type " + std::string(to_string(to)) + " have no bits to take over");
  context.require(bits_of(to) == bits_of(type.dtype), ErrorCode::bad_type,
                  std::string(to_string(type.dtype)) + " has " +
                      std::to_string(bits_of(type.dtype)) + " bits and " +
                      std::string(to_string(to)) + " has " + std::to_string(bits_of(to)) +
                      "; they must have as many");
  type.dtype = to;
  context.set_output(0, std::move(type));
}

void reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  if (y.bytes() == 0) return;
  if (y.dtype() == DType::boolean) {
    for (std::int64_t i = 0; i < y.size(); ++i) {
      y.mutable_data()[i] = std::byte{x.data()[i] != std::byte{0}};
    }
  } else {
    std::memcpy(y.mutable_data(), x.data(), static_cast<std::size_t>(y.bytes()));
  }
}

}  // namespace

const OpDef& op_bit_cast() {
  static const OpDef def{
      .name = "bit_cast",
      .summary = "the same bits as elements of another type of the same width",
      .attributes = &attribute_schema<BitCastAttributes>(),
      .inputs = {{.name = "x", .types = kPlain}},
      .outputs = {{.name = "y", .types = kPlain}},
      .subgraphs = {},
      .traits = {.pointwise = true},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
