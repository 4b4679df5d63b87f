// SPDX-License-Identifier: Apache-2.0
// Sums of a row's blocks and of their squares, in double, rounded once; what normalize_by_sums
// needs to know of a row.
#include "ops/row_sums.hpp"

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const std::int64_t block = context.attributes<RowSumsAttributes>().block;
  context.require(block > 0, ErrorCode::model_malformed, "blocks hold at least one element");
  const SymShape* x = context.shape(0);
  if (x == nullptr) return context.set_output(0, Type::tensor_of_unknown_rank(DType::f32));
  context.require(!x->empty(), ErrorCode::bad_shape, "x has no rows");
  SymShape out = *x;
  out.back() = ceildiv(out.back(), Dim(block));
  out.push_back(Dim(2));
  context.set_output(0, DType::f32, std::move(out));
}

void reference(KernelContext& context) {
  const std::int64_t block = context.attributes<RowSumsAttributes>().block;
  const Tensor& x = context.input(0);
  const std::int64_t size = x.dim(x.rank() - 1), blocks = (size + block - 1) / block;
  if (x.size() == 0) return;
  float* out = context.output(0).mutable_values<float>().data();
  parallel_for(x.size() / size, 1 + kChunk / size, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> row(static_cast<std::size_t>(size));
    for (std::int64_t r = begin; r < end; ++r) {
      for (std::int64_t i = 0; i < size; i += kChunk)
        load_chunk<double>(x, r * size + i, std::min(kChunk, size - i), row.data() + i);
      for (std::int64_t b = 0; b < blocks; ++b) {
        double sum = 0, squares = 0;
        for (std::int64_t i = b * block; i < std::min(size, (b + 1) * block); ++i) {
          const double value = row[static_cast<std::size_t>(i)];
          sum += value;
          squares += value * value;
        }
        out[(r * blocks + b) * 2] = static_cast<float>(sum);
        out[(r * blocks + b) * 2 + 1] = static_cast<float>(squares);
      }
    }
  });
}

}  // namespace

const OpDef& op_row_sums() {
  static const OpDef def{
      .name = "row_sums",
      .summary = "of each block of neighbours along the last axis the sum and the sum of squares",
      .attributes = &attribute_schema<RowSumsAttributes>(),
      .inputs = {{.name = "x", .types = kFloats}},
      .outputs = {{.name = "sums", .types = {DType::f32}}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
