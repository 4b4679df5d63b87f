// SPDX-License-Identifier: Apache-2.0
// Any function of one quantised value: its 256 results, made when the model is built.
#include "ops/table_lookup.hpp"

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ir/infer.hpp"

namespace strop {
namespace {

constexpr DTypeSet kBytes{DType::i8, DType::u8};

void infer(InferContext& context) {
  context.require_rank(1, 1);
  if (context.shape(1) != nullptr)
    context.require_equal((*context.shape(1))[0], Dim(256), "the size of the table and 256");
  Type type = context.input(0);
  type.dtype = context.dtype(1);
  context.set_output(0, std::move(type));
}

void reference(KernelContext& context) {
  const auto* x = reinterpret_cast<const std::uint8_t*>(context.input(0).data());
  const auto* table = reinterpret_cast<const std::uint8_t*>(context.input(1).data());
  auto* y = reinterpret_cast<std::uint8_t*>(context.output(0).mutable_data());
  parallel_for(context.input(0).size(), 1 << 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) y[i] = table[x[i]];
  });
}

}  // namespace

const OpDef& op_table_lookup() {
  static const OpDef def{
      .name = "table_lookup",
      .summary = "y = table[the bits of x as an unsigned number]",
      .inputs = {{.name = "x", .types = kBytes}, {.name = "table", .types = kBytes}},
      .outputs = {{.name = "y", .types = kBytes}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
