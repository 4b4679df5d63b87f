// SPDX-License-Identifier: Apache-2.0
// A tensor without elements may have sizes whose product fits no integer. Every operator here ends
// with a result or an error for it; the sanitizers see what overflows on the way.
#include <gtest/gtest.h>

#include "ops/cumulative.hpp"
#include "ops/gather_elements.hpp"
#include "ops/gather_nd.hpp"
#include "ops/non_max_suppression.hpp"
#include "ops/one_hot.hpp"
#include "ops/reverse_sequence.hpp"
#include "ops/run_op.hpp"
#include "ops/scatter_elements.hpp"
#include "ops/scatter_nd.hpp"
#include "ops/tensor_scatter.hpp"
#include "ops/top_k.hpp"
#include "ops/trilu.hpp"
#include "ops/unique.hpp"

namespace strop {
namespace {

constexpr std::int64_t kHuge = std::int64_t{1} << 62;

Tensor empty(DType dtype, const Shape& shape) { return Tensor::zeros(dtype, shape); }
Tensor number(std::int64_t value) { return Tensor::scalar<std::int64_t>(value); }

TEST(HugeEmptyShapes, end_with_a_result_or_an_error) {
  for (const Shape& shape :
       {Shape{0, kHuge, kHuge}, Shape{kHuge, 0, kHuge}, Shape{kHuge, kHuge, 0}}) {
    SCOPED_TRACE(to_string(shape));
    const Tensor x = empty(DType::f32, shape);
    const Tensor at = empty(DType::i64, shape);
    const Tensor one = Tensor::zeros(DType::i64, {1, 1, 1}), update = ramp({1, 1, 1});
    for (std::int64_t axis = 0; axis < 3; ++axis) {
      error_of(op_gather_elements(), GatherElementsAttributes{.axis = axis}, {x, at});
      error_of(op_gather_elements(), GatherElementsAttributes{.axis = axis}, {x, one});
      error_of(op_scatter_elements(), ScatterElementsAttributes{.axis = axis}, {x, at, x});
      error_of(op_scatter_elements(), ScatterElementsAttributes{.axis = axis}, {x, one, update});
      error_of(op_tensor_scatter(), TensorScatterAttributes{.axis = axis}, {x, x});
      error_of(op_tensor_scatter(), TensorScatterAttributes{.axis = axis, .circular = true},
               {x, empty(DType::f32, {shape[0], 0, shape[2]})});
      error_of(op_top_k(), TopKAttributes{.axis = axis}, {x, number(0)}, 2);
      error_of(op_top_k(), TopKAttributes{.axis = axis}, {x, number(1)}, 2);
      error_of(op_unique(), UniqueAttributes{.axis = axis}, {x}, 4);
      error_of(op_one_hot(), OneHotAttributes{.axis = axis}, {at, number(3), ramp({2})});
      error_of(op_cumulative(), CumulativeAttributes{}, {x, number(axis)});
    }
    for (std::int64_t batch_dims = 0; batch_dims < 3; ++batch_dims) {
      error_of(op_gather_nd(), GatherNdAttributes{.batch_dims = batch_dims}, {x, at});
      error_of(op_gather_nd(), GatherNdAttributes{.batch_dims = batch_dims}, {x, one});
    }
    error_of(op_gather_nd(), GatherNdAttributes{}, {ramp({2, 2}), at});
    error_of(op_scatter_nd(), ScatterNdAttributes{}, {x, one, update});
    error_of(op_scatter_nd(), ScatterNdAttributes{}, {x, Tensor::zeros(DType::i64, {1, 1}), x});
    error_of(op_unique(), UniqueAttributes{}, {x}, 4);
    error_of(op_trilu(), TriluAttributes{}, {x, number(-1)});
    error_of(op_reverse_sequence(), ReverseSequenceAttributes{},
             {x, Tensor::zeros(DType::i64, {1})});
  }
  for (const auto& [batch, boxes] :
       {std::pair{std::int64_t{0}, kHuge}, std::pair{kHuge, std::int64_t{0}}}) {
    error_of(op_non_max_suppression(), NonMaxSuppressionAttributes{},
             {empty(DType::f32, {batch, boxes, 4}), empty(DType::f32, {batch, kHuge, boxes}),
              number(1)});
  }
}

}  // namespace
}  // namespace strop
