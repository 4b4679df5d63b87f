// SPDX-License-Identifier: Apache-2.0
// layer_norm over the last axis whose statistics come from sums and sums of squares (row_sums): as
// exact as these are, which is as exact as x where x is of halves. In double, rounded once.
#include "ops/normalize_by_sums.hpp"

#include <algorithm>
#include <cmath>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  context.set_output(0, context.input(0));
  const SymShape* x = context.shape(0);
  if (x == nullptr) return;
  context.require(!x->empty(), ErrorCode::bad_shape, "x has no rows");
  if (const SymShape* sums = context.shape(1)) {
    context.require(
        sums->size() == x->size() + 1 && sums->back().is(2), ErrorCode::bad_shape,
        "sums is " + to_string(*sums) + ", but must be two numbers a block of " + to_string(*x));
    for (std::size_t axis = 0; axis + 1 < x->size(); ++axis)
      context.require_equal((*sums)[axis], (*x)[axis], "a size of sums and x's");
  }
  for (const std::size_t i : {2, 3}) {
    if (!context.has_input(i) || context.shape(i) == nullptr) continue;
    context.require_rank(i, 1);
    context.require_equal((*context.shape(i))[0], x->back(), "a size of scale or bias and x's");
  }
}

// Mean and inverse deviation of a row.
std::pair<double, double> statistics_of(const float* sums, std::int64_t blocks, std::int64_t size,
                                        double epsilon) {
  double sum = 0, squares = 0;
  for (std::int64_t b = 0; b < blocks; ++b) sum += sums[2 * b], squares += sums[2 * b + 1];
  const double mean = sum / static_cast<double>(size);
  const double variance = std::max(0.0, squares / static_cast<double>(size) - mean * mean);
  return {mean, 1 / std::sqrt(variance + epsilon)};
}

void reference(KernelContext& context) {
  const double epsilon = context.attributes<NormalizeBySumsAttributes>().epsilon;
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  if (x.size() == 0) return;
  const std::int64_t size = x.dim(x.rank() - 1), rows = x.size() / size;
  const std::int64_t blocks = context.input(1).size() / (2 * rows);
  const float* sums = context.input(1).values<float>().data();
  std::vector<double> scale_copy, bias_copy;
  const double* scale =
      context.has_input(2) ? load_all<double>(context.input(2), scale_copy) : nullptr;
  const double* bias =
      context.has_input(3) ? load_all<double>(context.input(3), bias_copy) : nullptr;
  parallel_for(rows, 1 + kChunk / size, [&](std::int64_t begin, std::int64_t end) {
    std::array<double, kChunk> in, out;
    for (std::int64_t r = begin; r < end; ++r) {
      const auto [mean, inverse] = statistics_of(sums + r * blocks * 2, blocks, size, epsilon);
      for (std::int64_t i = 0; i < size; i += kChunk) {
        const std::int64_t count = std::min(kChunk, size - i);
        const double* from = load_chunk<double>(x, r * size + i, count, in.data());
        double* to = result_chunk<double>(y, r * size + i, out.data());
        for (std::int64_t k = 0; k < count; ++k) {
          to[k] = (from[k] - mean) * inverse;
          if (scale != nullptr) to[k] *= scale[i + k];
          if (bias != nullptr) to[k] += bias[i + k];
        }
        store_chunk<double>(y, r * size + i, count, to);
      }
    }
  });
}

}  // namespace

const OpDef& op_normalize_by_sums() {
  static const OpDef def{
      .name = "normalize_by_sums",
      .summary = "layer_norm over the last axis, with the statistics that row_sums gives",
      .attributes = &attribute_schema<NormalizeBySumsAttributes>(),
      .inputs = {{.name = "x", .types = kFloats, .same_as = 'T'},
                 {.name = "sums", .types = {DType::f32}},
                 {.name = "scale", .types = kFloats, .arity = Operand::optional},
                 {.name = "bias", .types = kFloats, .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kFloats, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
