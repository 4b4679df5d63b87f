// SPDX-License-Identifier: Apache-2.0
#include "ops/indexing_support.hpp"

#include "ops/move_elements_support.hpp"

namespace strop {

void refuse_index(const KernelContext& context, std::int64_t index, std::int64_t axis,
                  std::int64_t size) {
  context.fail("index " + std::to_string(index) + " is out of range",
               "axis " + std::to_string(axis) + " has size " + std::to_string(size));
}

std::optional<std::int64_t> check_indices_along_axis(InferContext& context, std::int64_t axis) {
  const SymShape* x = context.shape(0);
  const SymShape* indices = context.shape(1);
  if (x == nullptr) return std::nullopt;
  axis = normalize_axis(axis, static_cast<std::int64_t>(x->size()));
  if (indices == nullptr) return axis;
  context.require_rank(1, static_cast<std::int64_t>(x->size()));
  for (std::size_t a = 0; a < x->size(); ++a) {
    const Dim &most = (*x)[a], &count = (*indices)[a];
    if (a == static_cast<std::size_t>(axis) || !most.is_constant() || !count.is_constant()) {
      continue;
    }
    context.require(count.value() <= most.value(), ErrorCode::bad_shape,
                    "there are " + count.to_string() + " indices on axis " + std::to_string(a) +
                        ", which has size " + most.to_string());
  }
  return axis;
}

void pick_known_elements(InferContext& context) {
  const auto from = context.elements(0);
  const auto indices = context.integers(1);
  if (!from || !indices || static_cast<std::int64_t>(indices->size()) > kMaxTrackedElements) return;
  std::vector<Dim> out;
  for (const std::int64_t index : *indices) {
    const std::int64_t place = place_on_axis(index, static_cast<std::int64_t>(from->size()));
    if (place < 0) return;  // refused when it runs
    out.push_back((*from)[static_cast<std::size_t>(place)]);
  }
  context.set_elements(0, std::move(out));
}

std::vector<std::int64_t> tuple_offsets(const KernelContext& context, const Shape& data,
                                        const Tensor& indices, std::int64_t batch_dims) {
  if (indices.size() == 0) return {};
  const Shape strides = contiguous_strides(data);
  // Of an empty tensor strides mean nothing, and no tuple names a slice with elements.
  const bool empty = element_count(data) == 0;
  const std::int64_t length = indices.shape().back();
  const auto first = static_cast<std::size_t>(batch_dims);
  std::int64_t tuples = 1, batches = 1;
  for (std::size_t a = 0; a + 1 < indices.shape().size(); ++a) {
    (a < first ? batches : tuples) *= indices.shape()[a];
  }
  const std::int64_t batch_stride = batch_dims > 0 ? strides[first - 1] : 0;
  std::vector<std::int64_t> offsets = offset_table(batches * tuples);
  std::vector<std::int64_t> owned;
  const std::int64_t* index = load_all<std::int64_t>(indices, owned);
  parallel_for(batches * tuples, 4096, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      std::int64_t offset = empty ? 0 : t / tuples * batch_stride;
      for (std::int64_t i = 0; i < length; ++i) {
        const std::size_t axis = first + static_cast<std::size_t>(i);
        const std::int64_t place = place_on_axis(index[t * length + i], data[axis]);
        if (place < 0) {
          refuse_index(context, index[t * length + i], static_cast<std::int64_t>(axis), data[axis]);
        }
        if (!empty) offset += place * strides[axis];
      }
      offsets[static_cast<std::size_t>(t)] = offset;
    }
  });
  return offsets;
}

std::optional<std::size_t> tuple_size(InferContext& context, std::int64_t batch_dims) {
  const SymShape* x = context.shape(0);
  const SymShape* indices = context.shape(1);
  context.require(batch_dims >= 0, ErrorCode::bad_attribute,
                  "batch_dims is " + std::to_string(batch_dims) + "; it must not be negative");
  for (std::size_t i = 0; i < 2; ++i) {
    const SymShape* shape = context.shape(i);
    context.require(shape == nullptr || static_cast<std::int64_t>(shape->size()) > batch_dims,
                    ErrorCode::bad_shape,
                    std::string(context.op().inputs[i].name) + " must have more than " +
                        std::to_string(batch_dims) + " axes");
  }
  if (indices == nullptr || !indices->back().is_constant()) return std::nullopt;
  const std::int64_t length = indices->back().value();
  const std::int64_t most =
      x != nullptr ? static_cast<std::int64_t>(x->size()) - batch_dims : length;
  context.require(length >= 1 && length <= most, ErrorCode::bad_shape,
                  "the last axis of the indices has size " + std::to_string(length) +
                      "; there must be 1 to " + std::to_string(most) +
                      " indices in a tuple, one for each axis they select on");
  return static_cast<std::size_t>(length);
}

}  // namespace strop
