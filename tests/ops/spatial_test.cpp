// SPDX-License-Identifier: Apache-2.0
// col2im, max_unpool and center_crop_pad.
#include "ops/center_crop_pad.hpp"
#include "ops/col2im.hpp"
#include "ops/max_unpool.hpp"
#include "ops/run_op.hpp"

namespace strop {
namespace {

Tensor i64s(const std::vector<std::int64_t>& values) {
  return Tensor::from<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
}

using Sizes = std::vector<std::int64_t>;
constexpr std::int64_t kHuge = std::int64_t{1} << 40;

Tensor fold(const Col2imAttributes& attributes, const Tensor& columns, const Sizes& image,
            const Sizes& block) {
  return run_op(op_col2im(), attributes, {columns, i64s(image), i64s(block)});
}
ErrorCode fold_code(const Col2imAttributes& attributes, Shape columns, const Sizes& image,
                    const Sizes& block) {
  return error_of(op_col2im(), attributes,
                  {Tensor::zeros(DType::f32, std::move(columns)), i64s(image), i64s(block)});
}

TEST(Col2im, adds_where_blocks_overlap) {
  // Rows of the columns are the block's elements, columns the blocks' positions.
  expect_near(fold({}, floats({1, 2, 3}, {1, 2, 3, 10, 20, 30}), {4}, {2}), {1, 1, 4},
              {1, 12, 23, 30});
  expect_near(fold({.strides = {2}}, floats({1, 2, 2}, {1, 2, 10, 20}), {4}, {2}), {1, 1, 4},
              {1, 10, 2, 20});
  expect_near(fold({.dilations = {2}}, floats({1, 2, 2}, {1, 2, 10, 20}), {4}, {2}), {1, 1, 4},
              {1, 2, 10, 20});
  // What falls into the padding is dropped.
  expect_near(fold({.pads = {1, 0}}, floats({1, 2, 2}, {1, 2, 10, 20}), {2}, {2}), {1, 1, 2},
              {12, 20});
  // A last element that no block reaches.
  expect_near(fold({.strides = {3}}, floats({1, 2, 1}, {1, 10}), {4}, {2}), {1, 1, 4},
              {1, 10, 0, 0});
}

TEST(Col2im, counts_channels_and_positions_in_order) {
  const Tensor columns = ramp({2, 8, 2});
  // Two channels, block 2 x 2, image 2 x 3.
  expect_near(
      fold({}, columns, {2, 3}, {2, 2}), {2, 2, 2, 3},
      {0, 3, 3, 4, 11, 7, 8, 19, 11, 12, 27, 15, 16, 35, 19, 20, 43, 23, 24, 51, 27, 28, 59, 31});
}

TEST(Col2im, takes_other_types) {
  const auto folded = [](DType dtype) {
    Tensor columns = Tensor::allocate(dtype, {1, 2, 2});
    for (std::int64_t i = 0; i < 4; ++i) store_from_double(dtype, columns.mutable_data(), i, 100);
    return doubles_of(fold({}, columns, {3}, {2}));
  };
  for (const DType dtype : {DType::f64, DType::f16, DType::bf16, DType::i32, DType::u64}) {
    EXPECT_EQ(folded(dtype), (std::vector<double>{100, 200, 100})) << to_string(dtype);
  }
  EXPECT_EQ(folded(DType::i8), (std::vector<double>{100, -56, 100}));
  EXPECT_EQ(folded(DType::boolean), (std::vector<double>{1, 1, 1}));
  Tensor complex = Tensor::allocate(DType::c64, {1, 2, 2});
  const float parts[] = {1, -1, 2, -2, 10, -10, 20, -20};
  std::copy_n(parts, 8, reinterpret_cast<float*>(complex.mutable_data()));
  const Tensor sum = fold({}, complex, {3}, {2});
  const auto* got = reinterpret_cast<const float*>(sum.data());
  EXPECT_EQ(std::vector<float>(got, got + 6), (std::vector<float>{1, -1, 12, -12, 20, -20}));
}

TEST(Col2im, refuses_what_does_not_fit) {
  EXPECT_EQ(fold_code({}, {1, 2, 3}, {4}, {2}), ErrorCode::ok);
  EXPECT_EQ(fold_code({}, {0, 2, 3}, {4}, {2}), ErrorCode::ok);
  EXPECT_EQ(fold_code({}, {1, 0, 3}, {4}, {2}), ErrorCode::ok);
  EXPECT_EQ(fold_code({}, {1, 3, 3}, {4}, {2}), ErrorCode::bad_shape);
  EXPECT_EQ(fold_code({}, {1, 2, 2}, {4}, {2}), ErrorCode::bad_shape);
  EXPECT_EQ(fold_code({}, {1, 2, 3}, {4}, {2, 1}), ErrorCode::bad_shape);
  EXPECT_EQ(fold_code({}, {1, 2, 3}, {4}, {0}), ErrorCode::bad_shape);
  EXPECT_EQ(fold_code({}, {1, 2, 3}, {-4}, {2}), ErrorCode::bad_shape);
  EXPECT_EQ(fold_code({}, {1, 2, 3}, {1}, {2}), ErrorCode::bad_shape);
  EXPECT_EQ(fold_code({}, {1, 0, 0}, {}, {}), ErrorCode::bad_shape);
  EXPECT_EQ(fold_code({}, {1, 2, 3}, Sizes(65, 1), Sizes(65, 1)), ErrorCode::bad_shape);
  EXPECT_EQ(fold_code({}, {1, 0, 0}, {kHuge, kHuge}, {kHuge, kHuge}), ErrorCode::bad_shape);
  EXPECT_EQ(fold_code({}, {1, 0, 0}, {kHuge, kHuge}, {1 << 30, 1 << 30}), ErrorCode::bad_shape);
  EXPECT_EQ(fold_code({.strides = {0}}, {1, 2, 3}, {4}, {2}), ErrorCode::bad_attribute);
  EXPECT_EQ(fold_code({.dilations = {1, 1}}, {1, 2, 3}, {4}, {2}), ErrorCode::bad_attribute);
  EXPECT_EQ(fold_code({.pads = {-1, 0}}, {1, 2, 3}, {4}, {2}), ErrorCode::bad_attribute);
  EXPECT_EQ(error_of(op_col2im(), Col2imAttributes{},
                     {Tensor::from_strings({1, 2, 1}, {"a", "b"}), i64s({2}), i64s({2})}),
            ErrorCode::bad_type);
}

TEST(Col2im, infers_open_shapes) {
  const auto type = [](const std::vector<std::string>& inputs,
                       const std::vector<std::vector<Dim>>& elements) {
    return infer_op(op_col2im(), Col2imAttributes{}, inputs, 1, elements)[0].type.to_string();
  };
  const Dim h = Dim::symbol("H");
  EXPECT_EQ(type({"f32[N,12,L]", "i64[2]", "i64[2]"}, {{}, {h, 4}, {2, 2}}), "f32[N,3,H,4]");
  EXPECT_EQ(type({"f32[N,C,L]", "i64[2]", "i64[2]"}, {}), "f32[N,#test.1,#test.2,#test.3]");
  EXPECT_EQ(type({"f32[*]", "i64[*]", "i64[*]"}, {}), "f32[*]");
}

Tensor unpool(const MaxUnpoolAttributes& attributes, const Tensor& x,
              const std::vector<std::int64_t>& indices, const Tensor& shape = {}) {
  return run_op(op_max_unpool(), attributes,
                {x, Tensor::from<std::int64_t>(x.shape(), indices), shape});
}
ErrorCode unpool_code(const MaxUnpoolAttributes& attributes, Shape x, std::int64_t index,
                      const Tensor& shape = {}) {
  const Tensor values = Tensor::zeros(DType::f32, x);
  return error_of(
      op_max_unpool(), attributes,
      {values,
       Tensor::from<std::int64_t>(
           x, std::vector<std::int64_t>(static_cast<std::size_t>(values.size()), index)),
       shape});
}

TEST(MaxUnpool, puts_elements_where_they_were) {
  const MaxUnpoolAttributes square{.kernel = {2, 2}, .strides = {2, 2}};
  const Tensor x = floats({1, 1, 2, 2}, {1, 2, 3, 4});
  expect_near(unpool(square, x, {5, 7, 13, 15}), {1, 1, 4, 4},
              {0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 3, 0, 4});
  // In a larger result the same tensor is its corner.
  expect_near(
      unpool({.kernel = {2}, .strides = {2}}, floats({1, 1, 2}, {1, 2}), {1, 2}, i64s({1, 1, 6})),
      {1, 1, 6}, {0, 1, 2, 0, 0, 0});
  expect_near(unpool(square, x, {5, 7, 13, 15}, i64s({1, 1, 4, 5})), {1, 1, 4, 5},
              {0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 4, 0});
  // Padding shrinks the result; indices count images and channels too; the last of two remains.
  expect_near(
      unpool({.kernel = {3}, .strides = {2}, .pads = {1, 1}}, ramp({2, 1, 2}, 1), {0, 2, 3, 3}),
      {2, 1, 3}, {1, 0, 2, 4, 0, 0});
  const Tensor half = run_op(op_max_unpool(), MaxUnpoolAttributes{.kernel = {2}},
                             {Tensor::from<float16>({1, 1, 1}, {float16(1.5f)}),
                              Tensor::from<std::int64_t>({1, 1, 1}, {1})});
  expect_near(half, {1, 1, 2}, {0, 1.5});
}

TEST(MaxUnpool, refuses_indices_and_shapes_out_of_range) {
  const MaxUnpoolAttributes pairs{.kernel = {2}, .strides = {2}};
  EXPECT_EQ(unpool_code(pairs, {1, 1, 2}, 3), ErrorCode::ok);
  EXPECT_EQ(unpool_code(pairs, {1, 1, 2}, 4), ErrorCode::bad_value);
  EXPECT_EQ(unpool_code(pairs, {1, 1, 2}, -1), ErrorCode::bad_value);
  EXPECT_EQ(unpool_code(pairs, {1, 1, 2}, 4, i64s({1, 1, 9})), ErrorCode::bad_value);
  EXPECT_EQ(unpool_code(pairs, {1, 1, 0}, 0), ErrorCode::ok);
  EXPECT_EQ(unpool_code(pairs, {0, 1, 2}, 0), ErrorCode::ok);
  EXPECT_EQ(unpool_code(pairs, {1, 1, 2}, 0, i64s({1, 1, 3})), ErrorCode::bad_shape);
  EXPECT_EQ(unpool_code(pairs, {1, 1, 2}, 0, i64s({1, 2, 4})), ErrorCode::bad_shape);
  EXPECT_EQ(unpool_code(pairs, {1, 1, 2}, 0, i64s({1, 4})), ErrorCode::bad_shape);
  EXPECT_EQ(unpool_code(pairs, {1, 1, 1, 2}, 0), ErrorCode::bad_shape);
  EXPECT_EQ(unpool_code({}, {1, 1}, 0), ErrorCode::bad_attribute);
  EXPECT_EQ(unpool_code({.kernel = {0}}, {1, 1, 2}, 0), ErrorCode::bad_attribute);
  EXPECT_EQ(unpool_code({.kernel = {2}, .pads = {9, 9}}, {1, 1, 2}, 0), ErrorCode::bad_shape);
  EXPECT_EQ(error_of(op_max_unpool(), pairs,
                     {ramp({1, 1, 2}), Tensor::from<std::int64_t>({1, 1, 3}, {0, 0, 0})}),
            ErrorCode::bad_shape);
  EXPECT_EQ(infer_op(op_max_unpool(), pairs, {"f32[N,3,W]", "i64[N,3,W]"})[0].type.to_string(),
            "f32[N,3,2*W]");
  EXPECT_EQ(infer_op(op_max_unpool(), pairs, {"f32[*]", "i64[*]", "i64[3]"}, 1,
                     {{}, {}, {Dim::symbol("N"), 3, 8}})[0]
                .type.to_string(),
            "f32[N,3,8]");
}

Tensor centred(const Tensor& x, const Sizes& sizes, const Sizes& axes = {}) {
  return run_op(op_center_crop_pad(), CenterCropPadAttributes{axes}, {x, i64s(sizes)});
}

TEST(CenterCropPad, keeps_the_centre) {
  const Tensor x = ramp({5}, 1);
  expect_near(centred(x, {3}), {3}, {2, 3, 4});
  expect_near(centred(x, {2}), {2}, {2, 3});
  expect_near(centred(x, {4}), {4}, {1, 2, 3, 4});
  expect_near(centred(x, {7}), {7}, {0, 1, 2, 3, 4, 5, 0});
  expect_near(centred(x, {8}), {8}, {0, 1, 2, 3, 4, 5, 0, 0});
  // One axis grows, the other shrinks.
  expect_near(centred(ramp({1, 3}, 1), {3, 1}), {3, 1}, {0, 2, 0});
  expect_near(centred(ramp({2, 3}, 1), {1}, {-1}), {2, 1}, {2, 5});
  expect_near(centred(ramp({2, 3}, 1), {1, 1}, {1, 0}), {1, 1}, {2});
}

TEST(CenterCropPad, takes_every_type_and_empty_tensors) {
  EXPECT_EQ(values_of<std::string>(centred(Tensor::from_strings({1}, {"a"}), {2})),
            (std::vector<std::string>{"a", ""}));
  const Tensor sizes = Tensor::from<std::int32_t>({1}, {3});
  EXPECT_EQ(values_of<bool>(run_op(op_center_crop_pad(), CenterCropPadAttributes{},
                                   {Tensor::from<bool>({1}, {true}), sizes})),
            (std::vector<bool>{false, true, false}));
  expect_near(centred(floats({0}, {}), {2}), {2}, {0, 0});
  EXPECT_EQ(centred(ramp({4}), {0}).shape(), Shape{0});
  EXPECT_EQ(centred(ramp({}), {}).shape(), Shape{});
  EXPECT_EQ(centred(Tensor::zeros(DType::c128, {1, 1}), {2, 2}).shape(), (Shape{2, 2}));
}

TEST(CenterCropPad, refuses_sizes_and_axes_that_do_not_fit) {
  const auto code = [](const Sizes& sizes, const Sizes& axes) {
    return error_of(op_center_crop_pad(), CenterCropPadAttributes{axes},
                    {ramp({2, 3}), i64s(sizes)});
  };
  EXPECT_EQ(code({1}, {}), ErrorCode::bad_shape);
  EXPECT_EQ(code({1, 1}, {0}), ErrorCode::bad_shape);
  EXPECT_EQ(code({1}, {2}), ErrorCode::bad_attribute);
  EXPECT_EQ(code({1, 1}, {0, -2}), ErrorCode::bad_attribute);
  EXPECT_EQ(code({-1}, {0}), ErrorCode::bad_value);
  EXPECT_EQ(code({kHuge, kHuge}, {}), ErrorCode::bad_shape);
  EXPECT_EQ(infer_op(op_center_crop_pad(), CenterCropPadAttributes{{1}}, {"f32[N,M]", "i64[1]"}, 1,
                     {{}, {Dim::symbol("K")}})[0]
                .type.to_string(),
            "f32[N,K]");
  EXPECT_EQ(infer_op(op_center_crop_pad(), CenterCropPadAttributes{{1}}, {"f32[N,M]", "i32[*]"})[0]
                .type.to_string(),
            "f32[N,#test.0]");
}

}  // namespace
}  // namespace strop
