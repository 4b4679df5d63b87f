// SPDX-License-Identifier: Apache-2.0
// The update of a cache of keys or values: y = cache, and then for each sample b of the batch (the
// first axis) y[b, ..., starts[b] + i, ...] = update[b, ..., i, ...]. Without starts at 0.
#include "ops/tensor_scatter.hpp"

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/dispatch.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  context.set_output(0, context.input(0));
  const SymShape* cache = context.shape(0);
  const SymShape* update = context.shape(1);
  if (context.has_input(2)) context.require_rank(2, 1);
  if (cache == nullptr) return;
  const auto axis =
      static_cast<std::size_t>(normalize_axis(context.attributes<TensorScatterAttributes>().axis,
                                              static_cast<std::int64_t>(cache->size())));
  context.require(axis > 0, ErrorCode::bad_attribute,
                  "the sequence cannot be on axis 0, which counts the samples");
  if (context.has_input(2) && context.shape(2) != nullptr) {
    context.require_equal(cache->front(), context.shape(2)->front(),
                          "the batch and the number of starts");
  }
  if (update == nullptr) return;
  context.require_rank(1, static_cast<std::int64_t>(cache->size()));
  for (std::size_t a = 0; a < cache->size(); ++a) {
    const Dim &size = (*cache)[a], &count = (*update)[a];
    if (a != axis) {
      context.require_equal(size, count, "the sizes of cache and update beside the sequence");
    } else if (size.is_constant() && count.is_constant()) {
      context.require(count.value() <= size.value(), ErrorCode::bad_shape,
                      "an update of " + count.to_string() + " places is longer than the cache, " +
                          size.to_string());
    }
  }
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<TensorScatterAttributes>();
  const Tensor& cache = context.input(0);
  Tensor& y = context.output(0);
  if (y.size() == 0) return;
  const std::int64_t axis = normalize_axis(attributes.axis, cache.rank());
  const AxisSplit split(cache.shape(), axis);
  const std::int64_t length = context.input(1).dim(axis);
  std::vector<std::int64_t> starts(static_cast<std::size_t>(cache.dim(0)), 0);
  if (context.has_input(2)) starts = context.input(2).to_i64();
  for (std::int64_t& start : starts) {
    if (attributes.circular) {
      start %= split.size;
      start += start < 0 ? split.size : 0;
    } else if (start < 0 || start > split.size - length) {
      context.fail("an update of " + std::to_string(length) + " places at " +
                       std::to_string(start) + " is not within the cache",
                   "the axis has size " + std::to_string(split.size));
    }
  }
  const Tensor update = unpack_elements(context.input(1));
  const bool packed = update.dtype() != y.dtype();
  Tensor to = packed ? unpack_elements(cache) : y;
  if (!packed) copy_whole(cache, y);
  const std::int64_t rows_of_sample = split.outer / cache.dim(0);
  parallel_for(
      split.outer, 1 + 65536 / (1 + length * split.inner),
      [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
          const std::int64_t start = starts[static_cast<std::size_t>(row / rows_of_sample)];
          const std::int64_t before_end = std::min(length, split.size - start);
          const std::int64_t from = row * length * split.inner;
          const std::int64_t first = row * split.size * split.inner;
          copy_elements(update, from, to, first + start * split.inner, before_end * split.inner);
          copy_elements(update, from + before_end * split.inner, to, first,
                        (length - before_end) * split.inner);
        }
      });
  if (packed) pack_elements(to, y);
}

}  // namespace

const OpDef& op_tensor_scatter() {
  static const OpDef def{
      .name = "tensor_scatter",
      .summary = "a cache with an update written into it from a place of each sample on",
      .attributes = &attribute_schema<TensorScatterAttributes>(),
      .inputs = {{.name = "cache", .types = kAny, .same_as = 'T'},
                 {.name = "update", .types = kAny, .same_as = 'T'},
                 {.name = "starts", .types = kIndices, .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kAny, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.moves_only = true},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
