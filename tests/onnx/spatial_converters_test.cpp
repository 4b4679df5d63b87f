// SPDX-License-Identifier: Apache-2.0
// Spatial and linear-algebra operators through the importer: what differs between opsets, and
// inputs of open shape.
#include <cmath>

#include "onnx/operator_call.hpp"
#include "ops/run_op.hpp"

namespace strop::onnx {
namespace {

constexpr Known kAll[] = {Known::contents, Known::rank, Known::nothing};

wire::Message number(const char* name, std::int64_t value) {
  return wire::int_attribute(name, value);
}
wire::Message text(const char* name, const char* value) {
  return wire::string_attribute(name, value);
}
wire::Message list(const char* name, const std::vector<std::int64_t>& values) {
  return wire::ints_attribute(name, values);
}
Tensor i64s(const std::vector<std::int64_t>& values) {
  return Tensor::from<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
}

TEST(DepthToSpace, takes_blocks_from_depth) {
  const Tensor x = ramp({1, 8, 1, 2});
  const wire::Message block = number("blocksize", 2);
  // Channel by block row, block column, and then the channel that remains; or the other way round.
  const std::vector<double> depth_first = {0, 4, 1, 5, 8, 12, 9, 13, 2, 6, 3, 7, 10, 14, 11, 15};
  const std::vector<double> column_first = {0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15};
  for (const Known known : kAll) {
    for (const std::int64_t opset : {1, 11, 13}) {
      expect_near(run_call({"DepthToSpace", opset, {x}, {block}}, known)[0], {1, 2, 2, 4},
                  depth_first);
    }
    expect_near(run_call({"DepthToSpace", 11, {x}, {block, text("mode", "CRD")}}, known)[0],
                {1, 2, 2, 4}, column_first);
  }
  const Graph graph = import_bytes(model_of({"DepthToSpace", 13, {x}, {block}}, Known::rank));
  EXPECT_EQ(graph.value(graph.outputs()[0]).type.to_string(),
            "f32[i0_0,floordiv(i0_1,4),2*i0_2,2*i0_3]");
}

TEST(DepthToSpace, is_undone_by_space_to_depth) {
  const wire::Message block = number("blocksize", 3);
  for (const Known known : kAll) {
    const Tensor x = ramp({2, 1, 6, 3});
    const Tensor deep = run_call({"SpaceToDepth", 1, {x}, {block}}, known)[0];
    EXPECT_EQ(deep.shape(), (Shape{2, 9, 2, 1}));
    expect_near(deep, {2, 9, 2, 1},
                {0,  9,  1,  10, 2,  11, 3,  12, 4,  13, 5,  14, 6,  15, 7,  16, 8,  17,
                 18, 27, 19, 28, 20, 29, 21, 30, 22, 31, 23, 32, 24, 33, 25, 34, 26, 35});
    EXPECT_TRUE(run_call({"DepthToSpace", 13, {deep}, {block}}, known)[0].identical(x));
    EXPECT_EQ(run_call({"SpaceToDepth", 13, {ramp({0, 1, 6, 3})}, {block}}, known)[0].shape(),
              (Shape{0, 9, 2, 1}));
  }
}

TEST(DepthToSpace, refuses_blocks_that_do_not_divide) {
  const Tensor x = ramp({1, 6, 3, 4});
  const auto code = [&](const char* op, std::vector<wire::Message> attributes, Tensor of = {}) {
    return refusal_of({op, 13, {of.defined() ? of : x}, std::move(attributes)});
  };
  EXPECT_EQ(code("DepthToSpace", {number("blocksize", 2)}), ErrorCode::bad_shape);
  EXPECT_EQ(code("SpaceToDepth", {number("blocksize", 2)}), ErrorCode::bad_shape);
  EXPECT_EQ(code("DepthToSpace", {number("blocksize", 0)}), ErrorCode::bad_attribute);
  EXPECT_EQ(code("DepthToSpace", {number("blocksize", std::int64_t{1} << 62)}),
            ErrorCode::bad_attribute);
  EXPECT_EQ(code("SpaceToDepth", {number("blocksize", -1)}), ErrorCode::bad_attribute);
  EXPECT_EQ(code("DepthToSpace", {}), ErrorCode::bad_attribute);
  EXPECT_EQ(code("DepthToSpace", {number("blocksize", 1), text("mode", "CDR")}),
            ErrorCode::bad_attribute);
  EXPECT_EQ(code("SpaceToDepth", {number("blocksize", 1)}, ramp({1, 1, 1})), ErrorCode::bad_shape);
  EXPECT_EQ(refusal_of({"DepthToSpace", 10, {x}, {number("blocksize", 1), text("mode", "CRD")}}),
            ErrorCode::bad_attribute);
  // What does not divide at run time is an error there.
  for (const char* op : {"DepthToSpace", "SpaceToDepth"}) {
    try {
      run_call({op, 13, {x}, {number("blocksize", 2)}}, Known::nothing);
      ADD_FAILURE() << op;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::bad_shape);
    }
  }
}

TEST(GridSampleConverter, names_its_modes_by_opset) {
  const Tensor x = ramp({1, 1, 1, 2}), grid = floats({1, 1, 1, 2}, {0, 0});
  const wire::Message corners = number("align_corners", 1);
  for (const std::int64_t opset : {16, 20, 22}) {
    expect_near(run_call({"GridSample", opset, {x, grid}, {corners}})[0], {1, 1, 1, 1}, {0.5});
  }
  expect_near(run_call({"GridSample", 16, {x, grid}, {corners, text("mode", "bicubic")}})[0],
              {1, 1, 1, 1}, {0.59375});
  expect_near(
      run_call({"GridSample", 20, {x, grid}, {corners, text("mode", "cubic")}}, Known::nothing)[0],
      {1, 1, 1, 1}, {0.59375});
  EXPECT_EQ(refusal_of({"GridSample", 16, {x, grid}, {text("mode", "linear")}}),
            ErrorCode::bad_attribute);
  EXPECT_EQ(refusal_of({"GridSample", 22, {x, grid}, {text("mode", "bilinear")}}),
            ErrorCode::bad_attribute);
  EXPECT_EQ(refusal_of({"GridSample", 22, {x, grid}, {text("padding_mode", "wrap")}}),
            ErrorCode::bad_attribute);
}

TEST(RoiConverters, regions_are_shifted_from_opset_16_on) {
  const Tensor x = ramp({1, 1, 4, 4}), rois = floats({1, 4}, {0, 0, 2, 2}), images = i64s({0});
  const wire::Message one = number("sampling_ratio", 1);
  for (const Known known : kAll) {
    expect_near(run_call({"RoiAlign", 10, {x, rois, images}, {one}}, known)[0], {1, 1, 1, 1}, {5});
    expect_near(run_call({"RoiAlign", 16, {x, rois, images}, {one}}, known)[0], {1, 1, 1, 1},
                {2.5});
  }
  const wire::Message unshifted = text("coordinate_transformation_mode", "output_half_pixel");
  expect_near(run_call({"RoiAlign", 22, {x, rois, images}, {one, unshifted}})[0], {1, 1, 1, 1},
              {5});
  EXPECT_EQ(refusal_of({"RoiAlign", 10, {x, rois, images}, {unshifted}}), ErrorCode::bad_attribute);
  EXPECT_EQ(refusal_of({"RoiAlign", 16, {x, rois, images}, {text("mode", "sum")}}),
            ErrorCode::bad_attribute);
  expect_near(run_call({"MaxRoiPool",
                        1,
                        {x, floats({1, 5}, {0, 0, 0, 3, 3})},
                        {list("pooled_shape", {1, 2})}})[0],
              {1, 1, 1, 2}, {13, 15});
  EXPECT_EQ(refusal_of({"MaxRoiPool", 1, {x, rois}, {list("pooled_shape", {1})}}),
            ErrorCode::bad_attribute);
  EXPECT_EQ(refusal_of({"MaxRoiPool", 1, {x, rois}}), ErrorCode::bad_attribute);
}

TEST(SpatialConverters, run_on_open_shapes) {
  const Tensor x = floats({1, 1, 2}, {1, 2});
  for (const Known known : kAll) {
    expect_near(run_call({"MaxUnpool",
                          9,
                          {x, Tensor::from<std::int64_t>({1, 1, 2}, {1, 2})},
                          {list("kernel_shape", {2}), list("strides", {2})}},
                         known)[0],
                {1, 1, 4}, {0, 1, 2, 0});
    expect_near(run_call({"CenterCropPad", 18, {x, i64s({4})}, {list("axes", {-1})}}, known)[0],
                {1, 1, 4}, {0, 1, 2, 0});
    expect_near(
        run_call({"Col2Im", 18, {floats({1, 2, 2}, {1, 2, 3, 4}), i64s({3}), i64s({2})}}, known)[0],
        {1, 1, 3}, {1, 5, 4});
    expect_near(
        run_call({"AffineGrid", 20, {floats({1, 2, 3}, {1, 0, 0, 0, 1, 0}), i64s({1, 1, 1, 2})}},
                 known)[0],
        {1, 1, 2, 2}, {-0.5, 0, 0.5, 0});
    expect_near(run_call({"DeformConv",
                          19,
                          {x, floats({1, 1, 1}, {2}), floats({1, 1, 2}, {0.5f, 0})},
                          {list("kernel_shape", {1})}},
                         known)[0],
                {1, 1, 2}, {3, 4});
    expect_near(run_call({"Einsum", 12, {x, x}, {text("equation", "abi,...i->b")}}, known)[0], {1},
                {5});
    expect_near(run_call({"Det", 11, {floats({2, 2}, {1, 2, 3, 4})}}, known)[0], {}, {-2});
  }
  EXPECT_EQ(refusal_of({"MaxUnpool", 9, {x, Tensor::zeros(DType::i64, {1, 1, 2})}}),
            ErrorCode::bad_attribute);
  EXPECT_EQ(refusal_of({"DeformConv",
                        19,
                        {x, floats({1, 1, 1}, {2}), floats({1, 1, 2}, {0, 0})},
                        {list("kernel_shape", {2})}}),
            ErrorCode::bad_shape);
  EXPECT_EQ(refusal_of({"Einsum", 12, {x}}), ErrorCode::bad_attribute);
}

TEST(LpNormalization, is_zero_where_the_norm_is) {
  const Tensor x = floats({2, 2}, {3, 0, -4, 0});
  for (const Known known : kAll) {
    expect_near(run_call({"LpNormalization", 1, {x}, {number("axis", 0)}}, known)[0], {2, 2},
                {0.6, 0, -0.8, 0});
    expect_near(
        run_call({"LpNormalization", 22, {x}, {number("axis", 0), number("p", 1)}}, known)[0],
        {2, 2}, {3.0 / 7, 0, -4.0 / 7, 0});
    expect_near(run_call({"LpNormalization", 1, {x}}, known)[0], {2, 2}, {1, 0, -1, 0});
  }
  // The sum of squares passes the largest number of 16 bits.
  Tensor half = Tensor::from<float16>({2}, {float16(300.0f), float16(400.0f)});
  expect_near(run_call({"LpNormalization", 1, {half}})[0], {2}, {0.6, 0.8}, 1e-3);
  EXPECT_EQ(refusal_of({"LpNormalization", 1, {x}, {number("p", 3)}}), ErrorCode::bad_attribute);
  EXPECT_EQ(refusal_of({"LpNormalization", 1, {x}, {number("axis", 2)}}), ErrorCode::bad_attribute);
  EXPECT_EQ(refusal_of({"LpNormalization", 1, {i64s({1})}}), ErrorCode::bad_type);
}

}  // namespace
}  // namespace strop::onnx
