// SPDX-License-Identifier: Apache-2.0
// Operators that only move elements, on values.
#include <gtest/gtest.h>

#include "ops/concat.hpp"
#include "ops/expand.hpp"
#include "ops/fill.hpp"
#include "ops/gather.hpp"
#include "ops/identity.hpp"
#include "ops/pad.hpp"
#include "ops/slice.hpp"
#include "ops/split.hpp"
#include "ops/squeeze.hpp"
#include "ops/tile.hpp"
#include "ops/transpose.hpp"
#include "ops/unsqueeze.hpp"
#include "run_data.hpp"

namespace strop {
namespace {

using test::code_of;
using test::i64s;
using test::iota;
using test::run_data;
using test::run_op;
using test::values_of;
using Ints = std::vector<std::int32_t>;

constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kFirst = std::numeric_limits<std::int64_t>::min();

// A packed tensor of 0, 1, 2, ... modulo what the type holds.
Tensor packed_iota(DType dtype, Shape shape) {
  Tensor out = Tensor::zeros(dtype, std::move(shape));
  for (std::int64_t i = 0; i < out.size(); ++i) {
    store_packed(out.mutable_data(), i, bits_of(dtype),
                 static_cast<std::uint8_t>(i % (1 << bits_of(dtype))));
  }
  return out;
}

Ints unpacked(const Tensor& x) {
  Ints out;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    out.push_back(load_packed(x.data(), i, bits_of(x.dtype())));
  }
  return out;
}

TEST(Transpose, permutes_three_axes) {
  const Tensor y =
      run_op(op_transpose(), TransposeAttributes{.perm = {2, 0, 1}}, {iota({2, 3, 2})});
  EXPECT_EQ(y.shape(), (Shape{2, 2, 3}));
  EXPECT_EQ(values_of<std::int32_t>(y), (Ints{0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11}));
}

TEST(Transpose, reverses_axes_without_perm) {
  const Tensor y = run_op(op_transpose(), TransposeAttributes{}, {iota({2, 3})});
  EXPECT_EQ(values_of<std::int32_t>(y), (Ints{0, 3, 1, 4, 2, 5}));
}

TEST(Transpose, moves_packed_strings_and_complex) {
  EXPECT_EQ(
      unpacked(run_op(op_transpose(), TransposeAttributes{}, {packed_iota(DType::i4, {3, 3})})),
      (Ints{0, 3, 6, 1, 4, 7, 2, 5, 8}));
  EXPECT_EQ(
      unpacked(run_op(op_transpose(), TransposeAttributes{}, {packed_iota(DType::u2, {2, 3})})),
      (Ints{0, 3, 1, 0, 2, 1}));
  const Tensor words = Tensor::from_strings({1, 2}, {"a", "bc"});
  EXPECT_EQ(values_of<std::string>(run_op(op_transpose(), TransposeAttributes{}, {words})),
            (std::vector<std::string>{"a", "bc"}));
  Tensor complex = Tensor::zeros(DType::c128, {2, 2});
  auto* parts = reinterpret_cast<double*>(complex.mutable_data());
  for (int i = 0; i < 8; ++i) parts[i] = i;
  const Tensor y = run_op(op_transpose(), TransposeAttributes{}, {complex});
  EXPECT_EQ(reinterpret_cast<const double*>(y.data())[2], 4);
  EXPECT_EQ(reinterpret_cast<const double*>(y.data())[3], 5);
}

TEST(Transpose, refuses_what_is_no_permutation) {
  for (const auto& perm : {std::vector<std::int64_t>{0, 0}, {0, 2}, {-1, 0}}) {
    EXPECT_EQ(code_of([&] {
                run_op(op_transpose(), TransposeAttributes{.perm = perm}, {iota({2, 2})});
              }),
              ErrorCode::bad_attribute);
  }
  EXPECT_EQ(code_of([] {
              run_op(op_transpose(), TransposeAttributes{.perm = {1, 0}}, {iota({2})});
            }),
            ErrorCode::bad_shape);
}

TEST(Concat, joins_along_the_middle_axis) {
  const Tensor y = run_op(op_concat(), ConcatAttributes{.axis = 1},
                          {iota({2, 1, 2}), iota({2, 2, 2}), iota({2, 0, 2})});
  EXPECT_EQ(y.shape(), (Shape{2, 3, 2}));
  EXPECT_EQ(values_of<std::int32_t>(y), (Ints{0, 1, 0, 1, 2, 3, 2, 3, 4, 5, 6, 7}));
}

TEST(Concat, joins_packed_elements_within_a_byte) {
  const Tensor x = packed_iota(DType::u4, {3});
  EXPECT_EQ(unpacked(run_op(op_concat(), ConcatAttributes{}, {x, x, x})),
            (Ints{0, 1, 2, 0, 1, 2, 0, 1, 2}));
}

TEST(Concat, refuses_sizes_ranks_and_types_that_differ) {
  const auto concat = [](const std::vector<Tensor>& inputs, std::int64_t axis) {
    return code_of([&] { run_op(op_concat(), ConcatAttributes{.axis = axis}, inputs); });
  };
  EXPECT_EQ(concat({iota({2, 3}), iota({2, 4})}, 0), ErrorCode::bad_shape);
  EXPECT_EQ(concat({iota({2, 3}), iota({2})}, 0), ErrorCode::bad_shape);
  EXPECT_EQ(concat({iota({2}), i64s({1})}, 0), ErrorCode::bad_type);
  EXPECT_EQ(concat({iota({2}), iota({2})}, 1), ErrorCode::bad_attribute);
  EXPECT_EQ(concat({iota({})}, 0), ErrorCode::bad_shape);
  EXPECT_EQ(concat({}, 0), ErrorCode::model_malformed);
  EXPECT_EQ(concat({iota({2}), Tensor(), iota({2})}, 0), ErrorCode::model_malformed);
}

TEST(Split, gives_the_last_piece_what_is_left) {
  const auto y = run_data(op_split(), SplitAttributes{.axis = 1}, {iota({2, 5})}, 3);
  EXPECT_EQ(values_of<std::int32_t>(y[0].tensor()), (Ints{0, 1, 5, 6}));
  EXPECT_EQ(values_of<std::int32_t>(y[2].tensor()), (Ints{4, 9}));
}

TEST(Split, follows_given_sizes) {
  const auto y = run_data(op_split(), SplitAttributes{.axis = -1}, {iota({4}), i64s({1, 0, 3})}, 3);
  EXPECT_EQ(y[1].tensor().size(), 0);
  EXPECT_EQ(values_of<std::int32_t>(y[2].tensor()), (Ints{1, 2, 3}));
}

TEST(Split, refuses_sizes_that_do_not_add_up) {
  const auto split = [](const std::vector<std::int64_t>& sizes, std::size_t outputs) {
    return code_of([&] {
      run_data(op_split(), SplitAttributes{}, {iota({4}), i64s(sizes)}, outputs);
    });
  };
  EXPECT_EQ(split({1, 2}, 2), ErrorCode::bad_shape);
  EXPECT_EQ(split({1, 2, 1}, 2), ErrorCode::bad_shape);
  EXPECT_EQ(split({-1, 5}, 2), ErrorCode::bad_shape);
  EXPECT_EQ(split({kEnd, kEnd, 6}, 3), ErrorCode::bad_shape);
}

Tensor slice(const Tensor& x, std::int64_t start, std::int64_t end, std::int64_t step,
             std::int64_t axis = 0) {
  return run_op(op_slice(), NoAttributes{},
                {x, i64s({start}), i64s({end}), i64s({axis}), i64s({step})});
}

TEST(Slice, clamps_starts_and_ends) {
  const Tensor x = iota({5});
  EXPECT_EQ(values_of<std::int32_t>(slice(x, -3, kEnd, 1)), (Ints{2, 3, 4}));
  EXPECT_EQ(values_of<std::int32_t>(slice(x, kFirst, kEnd, 2)), (Ints{0, 2, 4}));
  EXPECT_EQ(values_of<std::int32_t>(slice(x, 1, -1, 2)), (Ints{1, 3}));
  EXPECT_EQ(slice(x, 4, 2, 1).size(), 0);
  EXPECT_EQ(slice(x, 7, 9, 1).size(), 0);
  EXPECT_EQ(slice(iota({0}), 0, kEnd, 1).size(), 0);
}

TEST(Slice, walks_backwards_with_a_negative_step) {
  const Tensor x = iota({5});
  EXPECT_EQ(values_of<std::int32_t>(slice(x, -1, kFirst, -1)), (Ints{4, 3, 2, 1, 0}));
  EXPECT_EQ(values_of<std::int32_t>(slice(x, kEnd, 0, -2)), (Ints{4, 2}));
  EXPECT_EQ(values_of<std::int32_t>(slice(x, 3, kFirst, kFirst)), (Ints{3}));
  EXPECT_EQ(values_of<std::int32_t>(slice(x, 0, kEnd, kEnd)), (Ints{0}));
  EXPECT_EQ(slice(iota({0}), -1, kFirst, -1).size(), 0);
}

TEST(Slice, cuts_several_axes) {
  const Tensor y =
      run_op(op_slice(), NoAttributes{}, {iota({3, 4}), i64s({1, 1}), i64s({3, 3}), i64s({-1, 0})});
  EXPECT_EQ(y.shape(), (Shape{2, 2}));
  EXPECT_EQ(values_of<std::int32_t>(y), (Ints{5, 6, 9, 10}));
  EXPECT_EQ(unpacked(slice(packed_iota(DType::u4, {7}), 1, 6, 2)), (Ints{1, 3, 5}));
}

TEST(Slice, refuses_step_zero_and_axes_that_repeat) {
  EXPECT_EQ(code_of([] { slice(iota({5}), 0, 1, 0); }), ErrorCode::bad_value);
  EXPECT_EQ(code_of([] { slice(iota({5}), 0, 1, 1, 1); }), ErrorCode::bad_attribute);
  EXPECT_EQ(code_of([] {
              run_op(op_slice(), NoAttributes{},
                     {iota({5, 5}), i64s({1, 1}), i64s({3, 3}), i64s({1, -1})});
            }),
            ErrorCode::bad_value);
  EXPECT_EQ(code_of([] {
              run_op(op_slice(), NoAttributes{}, {iota({5, 5}), i64s({1, 1}), i64s({3})});
            }),
            ErrorCode::bad_shape);
}

TEST(Gather, takes_negative_indices) {
  const Tensor y = run_op(op_gather(), GatherAttributes{.axis = 1},
                          {iota({2, 3}), Tensor::from<std::int32_t>({1, 2}, {-1, 0})});
  EXPECT_EQ(y.shape(), (Shape{2, 1, 2}));
  EXPECT_EQ(values_of<std::int32_t>(y), (Ints{2, 0, 5, 3}));
}

TEST(Gather, refuses_indices_out_of_range) {
  for (const std::int64_t index : {std::int64_t{3}, std::int64_t{-4}, kEnd, kFirst}) {
    EXPECT_EQ(code_of([&] {
                run_op(op_gather(), GatherAttributes{}, {iota({3, 2}), i64s({0, index})});
              }),
              ErrorCode::bad_value);
  }
  EXPECT_EQ(code_of([] {
              run_op(op_gather(), GatherAttributes{}, {iota({0, 2}), i64s({0})});
            }),
            ErrorCode::bad_value);
}

TEST(Gather, takes_rows_of_strings_and_packed_elements) {
  const Tensor words = Tensor::from_strings({3}, {"a", "b", "c"});
  EXPECT_EQ(values_of<std::string>(run_op(op_gather(), GatherAttributes{}, {words, i64s({2, 0})})),
            (std::vector<std::string>{"c", "a"}));
  EXPECT_EQ(unpacked(run_op(op_gather(), GatherAttributes{},
                            {packed_iota(DType::i4, {3, 3}), i64s({2, 1})})),
            (Ints{6, 7, 8, 3, 4, 5}));
}

TEST(Squeeze, drops_the_named_axes) {
  EXPECT_EQ(run_op(op_squeeze(), NoAttributes{}, {iota({1, 2, 1}), i64s({-1})}).shape(),
            (Shape{1, 2}));
  EXPECT_EQ(run_op(op_squeeze(), NoAttributes{}, {iota({1, 2, 1})}).shape(), (Shape{2}));
  EXPECT_EQ(code_of([] {
              run_op(op_squeeze(), NoAttributes{}, {iota({1, 2}), i64s({1})});
            }),
            ErrorCode::bad_shape);
}

TEST(Unsqueeze, counts_axes_in_the_result) {
  EXPECT_EQ(run_op(op_unsqueeze(), NoAttributes{}, {iota({2}), i64s({-1, 0})}).shape(),
            (Shape{1, 2, 1}));
  EXPECT_EQ(code_of([] {
              run_op(op_unsqueeze(), NoAttributes{}, {iota({2}), i64s({0, -3})});
            }),
            ErrorCode::bad_value);
  EXPECT_EQ(code_of([] {
              run_op(op_unsqueeze(), NoAttributes{}, {iota({2}), i64s({3})});
            }),
            ErrorCode::bad_attribute);
}

TEST(Expand, broadcasts_both_ways) {
  const Tensor y = run_op(op_expand(), NoAttributes{}, {iota({3, 1}), i64s({2, 1, 2})});
  EXPECT_EQ(y.shape(), (Shape{2, 3, 2}));
  EXPECT_EQ(values_of<std::int32_t>(y), (Ints{0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(run_op(op_expand(), NoAttributes{}, {iota({3, 4}), i64s({1})}).shape(), (Shape{3, 4}));
}

TEST(Expand, refuses_sizes_that_do_not_fit) {
  EXPECT_EQ(code_of([] {
              run_op(op_expand(), NoAttributes{}, {iota({3}), i64s({2})});
            }),
            ErrorCode::bad_shape);
  EXPECT_EQ(code_of([] {
              run_op(op_expand(), NoAttributes{}, {iota({1}), i64s({-1})});
            }),
            ErrorCode::bad_shape);
  EXPECT_EQ(code_of([] {
              run_op(op_expand(), NoAttributes{}, {iota({1}), i64s({kEnd, kEnd})});
            }),
            ErrorCode::bad_shape);
  EXPECT_EQ(code_of([] {
              run_op(op_expand(), NoAttributes{}, {iota({1}), i64s({kEnd / 16})});
            }),
            ErrorCode::limit_exceeded);
}

TEST(Tile, repeats_along_every_axis) {
  const Tensor y = run_op(op_tile(), NoAttributes{}, {iota({2, 2}), i64s({2, 2})});
  EXPECT_EQ(values_of<std::int32_t>(y), (Ints{0, 1, 0, 1, 2, 3, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3}));
  EXPECT_EQ(run_op(op_tile(), NoAttributes{}, {iota({2, 2}), i64s({0, 3})}).shape(), (Shape{0, 6}));
}

TEST(Tile, refuses_repeats_that_overflow) {
  EXPECT_EQ(code_of([] {
              run_op(op_tile(), NoAttributes{}, {iota({4}), i64s({kEnd / 2})});
            }),
            ErrorCode::bad_shape);
  EXPECT_EQ(code_of([] {
              run_op(op_tile(), NoAttributes{}, {iota({4}), i64s({-1})});
            }),
            ErrorCode::bad_value);
  EXPECT_EQ(code_of([] {
              run_op(op_tile(), NoAttributes{}, {iota({4}), i64s({1, 1})});
            }),
            ErrorCode::bad_shape);
}

Tensor pad(PadMode mode, const Tensor& x, const std::vector<std::int64_t>& pads,
           const Tensor& value = {}) {
  return run_op(op_pad(), PadAttributes{.mode = mode}, {x, i64s(pads), value});
}

TEST(Pad, continues_each_mode_beyond_the_edge) {
  const Tensor x = iota({3});
  EXPECT_EQ(
      values_of<std::int32_t>(pad(PadMode::constant, x, {1, 2}, Tensor::scalar<std::int32_t>(9))),
      (Ints{9, 0, 1, 2, 9, 9}));
  EXPECT_EQ(values_of<std::int32_t>(pad(PadMode::constant, x, {1, 1})), (Ints{0, 0, 1, 2, 0}));
  EXPECT_EQ(values_of<std::int32_t>(pad(PadMode::reflect, x, {2, 5})),
            (Ints{2, 1, 0, 1, 2, 1, 0, 1, 2, 1}));
  EXPECT_EQ(values_of<std::int32_t>(pad(PadMode::edge, x, {2, 1})), (Ints{0, 0, 0, 1, 2, 2}));
  EXPECT_EQ(values_of<std::int32_t>(pad(PadMode::wrap, x, {1, 4})), (Ints{2, 0, 1, 2, 0, 1, 2, 0}));
}

TEST(Pad, removes_elements_where_pads_are_negative) {
  EXPECT_EQ(values_of<std::int32_t>(pad(PadMode::constant, iota({4}), {-1, 2})),
            (Ints{1, 2, 3, 0, 0}));
  EXPECT_EQ(values_of<std::int32_t>(pad(PadMode::edge, iota({4}), {2, -2})), (Ints{0, 0, 0, 1}));
}

TEST(Pad, pads_the_named_axes_only) {
  const Tensor y =
      run_op(op_pad(), PadAttributes{},
             {iota({1, 2}), i64s({1, 0}), Tensor::scalar<std::int32_t>(7), i64s({-1})});
  EXPECT_EQ(values_of<std::int32_t>(y), (Ints{7, 0, 1}));
}

TEST(Pad, refuses_pads_that_overflow_or_eat_the_axis) {
  EXPECT_EQ(code_of([] {
              pad(PadMode::constant, iota({3}), {std::int64_t{1} << 62, 0});
            }),
            ErrorCode::bad_shape);
  EXPECT_EQ(code_of([] {
              pad(PadMode::constant, iota({3}), {kFirst, kEnd});
            }),
            ErrorCode::bad_shape);
  EXPECT_EQ(code_of([] {
              pad(PadMode::constant, iota({3}), {std::int64_t{1} << 59, 0});
            }),
            ErrorCode::limit_exceeded);
  EXPECT_EQ(code_of([] { pad(PadMode::constant, iota({3}), {-2, -2}); }), ErrorCode::bad_shape);
  EXPECT_EQ(code_of([] { pad(PadMode::reflect, iota({3}), {-3, 1}); }), ErrorCode::bad_shape);
  EXPECT_EQ(code_of([] { pad(PadMode::edge, iota({0}), {1, 0}); }), ErrorCode::bad_shape);
  EXPECT_EQ(code_of([] { pad(PadMode::constant, iota({3}), {1}); }), ErrorCode::bad_shape);
}

TEST(Fill, repeats_its_value) {
  const Tensor y = run_op(op_fill(), FillAttributes{.value = Tensor::from<std::int32_t>({1}, {7})},
                          {i64s({2, 2})});
  EXPECT_EQ(values_of<std::int32_t>(y), (Ints{7, 7, 7, 7}));
  EXPECT_EQ(run_op(op_fill(), FillAttributes{}, {i64s({})}).shape(), Shape{});
  const Tensor word = Tensor::from_strings({1}, {"w"});
  EXPECT_EQ(values_of<std::string>(run_op(op_fill(), FillAttributes{.value = word}, {i64s({2})})),
            (std::vector<std::string>{"w", "w"}));
}

TEST(Fill, refuses_negative_and_enormous_shapes) {
  EXPECT_EQ(code_of([] { run_op(op_fill(), FillAttributes{}, {i64s({-1})}); }),
            ErrorCode::bad_shape);
  EXPECT_EQ(code_of([] {
              run_op(op_fill(), FillAttributes{}, {i64s({kEnd, kEnd})});
            }),
            ErrorCode::bad_shape);
  EXPECT_EQ(code_of([] {
              run_op(op_fill(), FillAttributes{}, {i64s({1 << 20, 1 << 20})});
            }),
            ErrorCode::limit_exceeded);
}

TEST(Identity, passes_sequences_on) {
  const auto y = run_data(op_identity(), NoAttributes{}, {Datum(Sequence{iota({2}), iota({1})})});
  ASSERT_EQ(y[0].sequence().size(), 2u);
  EXPECT_TRUE(y[0].sequence()[0].tensor().identical(iota({2})));
}

}  // namespace
}  // namespace strop
