// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding (Su et al., RoFormer, arXiv:2104.09864): each pair (a, b) of a vector
// becomes (cos a - sin b, sin a + cos b), with the angle of its position. 16-bit floats are
// computed in float and rounded once.
#include "ops/rotary_embedding.hpp"

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const std::int64_t axis = context.attributes<RotaryEmbeddingAttributes>().sequence_axis;
  context.require(axis == 1 || axis == 2, ErrorCode::bad_attribute,
                  "sequence_axis is " + std::to_string(axis) + ", but must be 1 or 2");
  context.require_rank(0, 4);
  context.require_rank(1, 3);
  context.require_rank(2, 3);
  context.set_output(0, context.input(0));
  const SymShape* x = context.shape(0);
  const SymShape* cos = context.shape(1);
  const SymShape* sin = context.shape(2);
  if (cos != nullptr && sin != nullptr) {
    for (std::size_t i = 0; i < 3; ++i) {
      context.require_equal((*cos)[i], (*sin)[i], "the sizes of cos and sin");
    }
  }
  if (x == nullptr || cos == nullptr) return;
  const Dim& batch = (*cos)[0];
  if (batch.is_constant() && !batch.is(1)) {
    context.require_equal(batch, (*x)[0], "the batch of cos other than 1, and x's");
  }
  context.require_equal((*cos)[1], (*x)[static_cast<std::size_t>(axis)],
                        "the positions of cos and of x");
  const Dim &half = (*cos)[2], &size = (*x)[3];
  context.require(!half.is_constant() || !size.is_constant() || half.value() <= size.value() / 2,
                  ErrorCode::bad_shape,
                  half.to_string() + " pairs do not fit into vectors of size " + size.to_string());
}

// What turning a pair means, for pairs whose members lie `step` apart and `distance` from another.
template <class C>
void turn(const C* x, C* y, const C* cos, const C* sin, std::int64_t half, std::int64_t step,
          std::int64_t distance) {
  for (std::int64_t i = 0; i < half; ++i) {
    const C a = x[i * step], b = x[i * step + distance];
    y[i * step] = cos[i] * a - sin[i] * b;
    y[i * step + distance] = sin[i] * a + cos[i] * b;
  }
}

template <class C>
void rotate(KernelContext& context) {
  const auto& attributes = context.attributes<RotaryEmbeddingAttributes>();
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  if (x.size() == 0) return;
  std::vector<C> x_copy, cos_copy, sin_copy;
  const C* in = load_all<C>(x, x_copy);
  const C* cos = load_all<C>(context.input(1), cos_copy);
  const C* sin = load_all<C>(context.input(2), sin_copy);
  const std::int64_t positions = x.dim(attributes.sequence_axis);
  const std::int64_t between = attributes.sequence_axis == 1 ? x.dim(2) : 1;
  const std::int64_t in_batch = x.dim(1) * x.dim(2), size = x.dim(3);
  const std::int64_t half = context.input(1).dim(2);
  const std::int64_t cos_batch = context.input(1).dim(0) == 1 ? 0 : positions * half;
  const std::int64_t step = attributes.interleaved ? 2 : 1;
  const std::int64_t distance = attributes.interleaved ? 1 : half;
  parallel_for(x.dim(0) * in_batch, 1 + 8 * kChunk / size,
               [&](std::int64_t begin, std::int64_t end) {
                 std::vector<C> out(static_cast<std::size_t>(size));
                 for (std::int64_t vector = begin; vector < end; ++vector) {
                   const std::int64_t position = vector / between % positions;
                   const std::int64_t angles = vector / in_batch * cos_batch + position * half;
                   const C* from = in + vector * size;
                   turn(from, out.data(), cos + angles, sin + angles, half, step, distance);
                   std::copy(from + 2 * half, from + size, out.begin() + 2 * half);
                   store_chunk<C>(y, vector * size, size, out.data());
                 }
               });
}

void reference(KernelContext& context) {
  if (context.input(0).dtype() == DType::f64) {
    rotate<double>(context);
  } else {
    rotate<float>(context);
  }
}

}  // namespace

const OpDef& op_rotary_embedding() {
  static const OpDef def{
      .name = "rotary_embedding",
      .summary = "pairs of each vector turned by the angle of its position",
      .attributes = &attribute_schema<RotaryEmbeddingAttributes>(),
      .inputs = {{.name = "x", .types = kFloats, .same_as = 'T'},
                 {.name = "cos", .types = kFloats, .same_as = 'A'},
                 {.name = "sin", .types = kFloats, .same_as = 'A'}},
      .outputs = {{.name = "y", .types = kFloats, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
