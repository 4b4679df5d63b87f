// SPDX-License-Identifier: Apache-2.0
// A row of x becomes a map from key to the scalar of that column; a vector is one row.
#include "ops/zip_map.hpp"

#include "ir/evaluate.hpp"
#include "ops/sequence_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const Tensor& keys = context.attributes<ZipMapAttributes>().keys;
  context.require(keys.rank() == 1 && (keys.dtype() == DType::i64 || keys.dtype() == DType::string),
                  ErrorCode::bad_attribute,
                  "keys must be a vector of i64 or string, but is " + describe(keys));
  if (const SymShape* x = context.shape(0)) {
    context.require(x->size() == 1 || x->size() == 2, ErrorCode::bad_shape,
                    "x must be a vector or a matrix");
    context.require_equal(x->back(), Dim(keys.size()), "columns of x and keys");
  }
  context.set_output(0,
                     Type::sequence(Type::map(keys.dtype(), Type::tensor(context.dtype(0), {}))));
}

void reference(KernelContext& context) {
  const Tensor& keys = context.attributes<ZipMapAttributes>().keys;
  const Tensor& x = context.input(0);
  const std::int64_t rows = x.rank() == 1 ? 1 : x.dim(0), columns = keys.size();
  check_sequence_length(context, rows);
  // All scalars lie in one copy of x, which they keep alive.
  const auto values = std::make_shared<Tensor>(x.clone());
  const std::int64_t width = bits_of(x.dtype()) / 8;
  Sequence out;
  for (std::int64_t n = 0; n < rows; ++n) {
    Map map;
    map.keys = keys;
    map.values.reserve(static_cast<std::size_t>(columns));
    for (std::int64_t i = 0; i < columns; ++i) {
      std::byte* at = values->mutable_data() + (n * columns + i) * width;
      map.values.emplace_back(Tensor::wrap(x.dtype(), {}, at, values));
    }
    out.emplace_back(std::move(map));
  }
  context.set_output(0, std::move(out));
}

}  // namespace

const OpDef& op_zip_map() {
  static const OpDef def{
      .name = "zip_map",
      .summary = "the rows of x as a sequence of maps from key to value",
      .attributes = &attribute_schema<ZipMapAttributes>(),
      .inputs = {{.name = "x", .types = {DType::f32}}},
      .outputs = {{.name = "maps", .types = kAny, .kind = Operand::sequence}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
