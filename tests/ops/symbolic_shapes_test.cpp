// SPDX-License-Identifier: Apache-2.0
// Symbolic sizes and contents through the operators that move elements.
#include <gtest/gtest.h>

#include "ops/concat.hpp"
#include "ops/dims.hpp"
#include "ops/expand.hpp"
#include "ops/fill.hpp"
#include "ops/gather.hpp"
#include "ops/pad.hpp"
#include "ops/pool.hpp"
#include "ops/reshape.hpp"
#include "ops/resize.hpp"
#include "ops/shape.hpp"
#include "ops/size.hpp"
#include "ops/slice.hpp"
#include "ops/split.hpp"
#include "ops/squeeze.hpp"
#include "ops/tile.hpp"
#include "ops/transpose.hpp"
#include "ops/unsqueeze.hpp"
#include "run_data.hpp"

namespace strop {
namespace {

constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();

class SymbolicShapes : public testing::Test {
 protected:
  GraphBuilder g;
  ValueId x = g.add_input("x", Type::parse("f32[N,3,H,W]"));

  std::string type(ValueId id) { return g.type(id).to_string(); }
  ValueId dim(ValueId of, std::int64_t axis) {
    const ValueId shape = g.emit(op_shape(), ShapeAttributes{}, {of});
    return g.emit(op_gather(), GatherAttributes{}, {shape, g.integers({axis})});
  }
  ValueId slice(ValueId of, ValueId start, ValueId end, std::int64_t axis) {
    return g.emit(op_slice(), NoAttributes{}, {of, start, end, g.integers({axis})});
  }
};

TEST_F(SymbolicShapes, survive_shape_gather_concat_reshape) {
  const ValueId target =
      g.emit(op_concat(), ConcatAttributes{}, {dim(x, 0), g.integers({-1}), dim(x, 3)});
  EXPECT_EQ(type(g.emit(op_reshape(), ReshapeAttributes{}, {x, target})), "f32[N,3*H,W]");
}

TEST_F(SymbolicShapes, survive_scalars_and_unsqueeze) {
  const ValueId shape = g.emit(op_shape(), ShapeAttributes{}, {x});
  const ValueId scalar = g.emit(op_gather(), GatherAttributes{},
                                {shape, g.constant(Tensor::scalar<std::int64_t>(-1))});
  EXPECT_EQ(type(scalar), "i64[]");
  const ValueId vector = g.emit(op_unsqueeze(), NoAttributes{}, {scalar, g.integers({0})});
  const ValueId back = g.emit(op_squeeze(), NoAttributes{}, {vector});
  const ValueId spread = g.emit(op_expand(), NoAttributes{}, {back, g.integers({2})});
  EXPECT_EQ(type(g.emit(op_fill(), FillAttributes{}, {spread})), "f32[W,W]");
}

TEST_F(SymbolicShapes, survive_slice_and_split_of_a_shape) {
  const ValueId shape = g.emit(op_shape(), ShapeAttributes{}, {x});
  const ValueId spatial = slice(shape, g.integers({2}), g.integers({kEnd}), 0);
  EXPECT_EQ(type(g.emit(op_fill(), FillAttributes{}, {spatial})), "f32[H,W]");
  const auto halves = g.emit(op_split(), SplitAttributes{}, {shape}, 2);
  EXPECT_EQ(type(g.emit(op_fill(), FillAttributes{}, {halves[0]})), "f32[N,3]");
  EXPECT_EQ(type(g.emit(op_fill(), FillAttributes{}, {halves[1]})), "f32[H,W]");
}

TEST_F(SymbolicShapes, slice_of_symbolic_axis_keeps_exact_sizes) {
  EXPECT_EQ(type(slice(x, g.integers({0}), g.integers({kEnd}), 2)), "f32[N,3,H,W]");
  EXPECT_EQ(type(slice(x, g.integers({1}), g.integers({kEnd}), 2)), "f32[N,3,max(0,H-1),W]");
  EXPECT_EQ(type(slice(x, g.integers({0}), g.integers({4}), 2)), "f32[N,3,min(4,H),W]");
  EXPECT_EQ(type(slice(x, g.integers({-2}), g.integers({kEnd}), 2)), "f32[N,3,min(2,H),W]");
  EXPECT_EQ(type(slice(x, g.integers({0}), g.integers({-1}), 2)), "f32[N,3,max(0,H-1),W]");
}

TEST_F(SymbolicShapes, slice_understands_symbolic_ends) {
  EXPECT_EQ(type(slice(x, g.integers({0}), dim(x, 2), 2)), "f32[N,3,H,W]");
  EXPECT_EQ(type(slice(x, g.integers({0}), dim(x, 0), 2)), "f32[N,3,min(H,N),W]");
}

TEST_F(SymbolicShapes, slice_size_agrees_with_the_kernel) {
  // Every symbolic size, evaluated, must be what the kernel gives.
  for (const std::int64_t start : {-9, -2, -1, 0, 1, 3, 9}) {
    for (const std::int64_t end : {-9, -2, -1, 0, 1, 3, 9}) {
      for (const std::int64_t step : {1, 2, -1}) {
        const ValueId y = g.emit(
            op_slice(), NoAttributes{},
            {x, g.integers({start}), g.integers({end}), g.integers({2}), g.integers({step})});
        for (const std::int64_t size : {0, 1, 2, 5}) {
          const auto symbolic = (*g.type(y).shape)[2].try_evaluate({{"H", size}});
          if (!symbolic) continue;
          const Tensor sliced =
              test::run_op(op_slice(), NoAttributes{},
                           {test::iota({size}), test::i64s({start}), test::i64s({end}),
                            test::i64s({0}), test::i64s({step})});
          EXPECT_EQ(*symbolic, sliced.size())
              << start << ":" << end << ":" << step << " of " << size;
        }
      }
    }
  }
}

TEST_F(SymbolicShapes, pad_tile_transpose_and_resize_compute_with_them) {
  EXPECT_EQ(type(g.emit(op_pad(), PadAttributes{}, {x, g.integers({0, 0, 1, 1, 0, 0, 1, 2})})),
            "f32[N,3,H+2,W+3]");
  EXPECT_EQ(type(g.emit(op_tile(), NoAttributes{}, {x, g.integers({1, 2, 1, 3})})),
            "f32[N,6,H,3*W]");
  EXPECT_EQ(type(g.emit(op_transpose(), TransposeAttributes{.perm = {0, 2, 3, 1}}, {x})),
            "f32[N,H,W,3]");
  const ValueId scales = g.constant(Tensor::from<float>({4}, {1, 1, 2, 0.5f}));
  EXPECT_EQ(type(g.emit(op_resize(), ResizeAttributes{}, {x, ValueId::none(), scales})),
            "f32[N,3,2*H,floordiv(W,2)]");
  const ValueId sizes =
      g.emit(op_concat(), ConcatAttributes{}, {dim(x, 0), g.integers({3, 7}), dim(x, 2)});
  EXPECT_EQ(
      type(g.emit(op_resize(), ResizeAttributes{}, {x, ValueId::none(), ValueId::none(), sizes})),
      "f32[N,3,7,H]");
}

TEST_F(SymbolicShapes, split_of_symbolic_axis_adds_up) {
  const auto y = g.emit(op_split(), SplitAttributes{.axis = 2}, {x}, 2);
  EXPECT_EQ(type(y[0]), "f32[N,3,floordiv(H+1,2),W]");
  EXPECT_EQ((*g.type(y[0]).shape)[2] + (*g.type(y[1]).shape)[2], Dim::symbol("H"));
}

TEST_F(SymbolicShapes, size_is_the_product) {
  const ValueId size = g.emit(op_size(), NoAttributes{}, {x});
  EXPECT_EQ(g.value(size).elements->front().to_string(), "3*H*N*W");
}

TEST_F(SymbolicShapes, dims_stand_for_themselves) {
  const ValueId dims = g.emit(op_dims(), DimsAttributes{.values = {Dim::symbol("N") * 2, Dim(3)}},
                              std::vector<ValueId>{});
  EXPECT_EQ(type(g.emit(op_fill(), FillAttributes{}, {dims})), "f32[2*N,3]");
  EXPECT_EQ(test::code_of(
                [] { test::run_op(op_dims(), DimsAttributes{.values = {Dim::symbol("N")}}, {}); }),
            ErrorCode::internal);
  EXPECT_EQ(test::run_op(op_dims(), DimsAttributes{.values = {4, 5}}, {}).to_i64(),
            (std::vector<std::int64_t>{4, 5}));
}

TEST_F(SymbolicShapes, size_made_of_an_unreadable_size_is_open_itself) {
  const ValueId any = g.add_input("any", Type::parse("f32[*]"));
  PoolAttributes attributes;
  attributes.kernel = {2, 2};
  attributes.strides = {3, 1};
  const SymShape shape = *g.type(g.emit(op_pool(), attributes, {any})).shape;
  ASSERT_EQ(shape.size(), 4u);
  for (const Dim& dim : shape) EXPECT_TRUE(dim.is_symbol()) << dim.to_string();
}

TEST_F(SymbolicShapes, unknown_ends_leave_only_that_axis_open) {
  const ValueId end = g.add_input("end", Type::parse("i64[1]"));
  const Type y = g.type(slice(x, g.integers({0}), end, 2));
  ASSERT_EQ(y.rank(), 4);
  EXPECT_EQ((*y.shape)[3], Dim::symbol("W"));
  EXPECT_TRUE((*y.shape)[2].is_symbol());
  EXPECT_NE((*y.shape)[2], Dim::symbol("H"));
}

}  // namespace
}  // namespace strop
