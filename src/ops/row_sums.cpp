// SPDX-License-Identifier: Apache-2.0
// Sums of a row's blocks and of their squares, in double, rounded once; what normalize_by_sums
// needs to know of a row.
#include "ops/row_sums.hpp"

#include <algorithm>
#include <array>

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
  Tensor& y = context.output(0);
  if (y.size() == 0) return;
  const std::int64_t size = x.shape().back();
  const std::int64_t blocks = y.shape()[y.shape().size() - 2];
  float* out = y.mutable_values<float>().data();
  parallel_for(y.size() / 2, 1 + 8 * kChunk / std::min(size, block),
               [&](std::int64_t first, std::int64_t last) {
                 std::array<double, kChunk> buffer;
                 for (std::int64_t i = first; i < last; ++i) {
                   const std::int64_t begin = i % blocks * block;
                   const std::int64_t count = std::min(block, size - begin);
                   const std::int64_t from = i / blocks * size + begin;
                   double sum = 0, squares = 0;
                   for (std::int64_t at = 0; at < count; at += kChunk) {
                     const std::int64_t some = std::min(kChunk, count - at);
                     const double* v = load_chunk<double>(x, from + at, some, buffer.data());
                     for (std::int64_t k = 0; k < some; ++k) {
                       sum += v[k];
                       squares += v[k] * v[k];
                     }
                   }
                   out[2 * i] = static_cast<float>(sum);
                   out[2 * i + 1] = static_cast<float>(squares);
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
