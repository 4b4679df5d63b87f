// SPDX-License-Identifier: Apache-2.0
// Operators on images that are one operator of the IR each: Col2Im, MaxUnpool, CenterCropPad,
// GridSample, AffineGrid, MaxRoiPool, RoiAlign, DeformConv. Opsets added element types, and what
// the functions below say.
#include "onnx/convert/attribute_support.hpp"
#include "onnx/convert/conv_attributes.hpp"
#include "ops/affine_grid.hpp"
#include "ops/center_crop_pad.hpp"
#include "ops/col2im.hpp"
#include "ops/deform_conv.hpp"
#include "ops/grid_sample.hpp"
#include "ops/max_roi_pool.hpp"
#include "ops/max_unpool.hpp"
#include "ops/roi_align.hpp"

namespace strop::onnx {
namespace {

void col2im(ConvertContext& c) {
  Col2imAttributes attributes;
  attributes.strides = c.ints_attribute("strides");
  attributes.dilations = c.ints_attribute("dilations");
  attributes.pads = c.ints_attribute("pads");
  c.set_output(0, c.emit(op_col2im(), attributes, {c.input(0), c.input(1), c.input(2)}));
}

void max_unpool(ConvertContext& c) {
  MaxUnpoolAttributes attributes;
  attributes.kernel = c.ints_attribute("kernel_shape");
  attributes.strides = c.ints_attribute("strides");
  attributes.pads = c.ints_attribute("pads");
  if (attributes.kernel.empty()) c.fail(ErrorCode::bad_attribute, "kernel_shape is missing");
  c.set_output(0,
               c.emit(op_max_unpool(), attributes, {c.input(0), c.input(1), c.optional_input(2)}));
}

void center_crop_pad(ConvertContext& c) {
  c.set_output(0, c.emit(op_center_crop_pad(), CenterCropPadAttributes{c.ints_attribute("axes")},
                         {c.input(0), c.input(1)}));
}

// Before opset 20 the modes have the names of their two-dimensional forms.
GridSampleMode grid_mode(ConvertContext& c) {
  if (c.opset() >= 20) return enum_attribute<GridSampleMode>(c, "mode", "linear");
  const std::string mode = c.string_attribute("mode", "bilinear");
  if (mode == "bilinear") return GridSampleMode::linear;
  if (mode == "nearest") return GridSampleMode::nearest;
  if (mode == "bicubic") return GridSampleMode::cubic;
  c.fail(ErrorCode::bad_attribute,
         "mode is \"" + mode + "\"; it may be one of bilinear, nearest, bicubic");
}

void grid_sample(ConvertContext& c) {
  GridSampleAttributes attributes;
  attributes.mode = grid_mode(c);
  attributes.padding = enum_attribute<GridSamplePadding>(c, "padding_mode", "zeros");
  attributes.align_corners = c.int_attribute("align_corners", 0) != 0;
  c.set_output(0, c.emit(op_grid_sample(), attributes, {c.input(0), c.input(1)}));
}

void affine_grid(ConvertContext& c) {
  const AffineGridAttributes attributes{.align_corners = c.int_attribute("align_corners", 0) != 0};
  c.set_output(0, c.emit(op_affine_grid(), attributes, {c.input(0), c.input(1)}));
}

void max_roi_pool(ConvertContext& c) {
  MaxRoiPoolAttributes attributes;
  const auto shape = c.ints_attribute("pooled_shape");
  if (shape.size() != 2) {
    c.fail(ErrorCode::bad_attribute, "pooled_shape has " + std::to_string(shape.size()) +
                                         " values; it must be height and width");
  }
  attributes.height = shape[0];
  attributes.width = shape[1];
  attributes.spatial_scale = c.float_attribute("spatial_scale", 1.0f);
  c.set_output(0, c.emit(op_max_roi_pool(), attributes, {c.input(0), c.input(1)}));
}

// Opset 10 did not shift regions by half an element.
void roi_align(ConvertContext& c) {
  RoiAlignAttributes attributes;
  attributes.mode = enum_attribute<RoiAlignMode>(c, "mode", "avg");
  attributes.coordinates = c.opset() < 16 ? RoiAlignCoordinates::output_half_pixel
                                          : enum_attribute<RoiAlignCoordinates>(
                                                c, "coordinate_transformation_mode", "half_pixel");
  attributes.height = c.int_attribute("output_height", 1);
  attributes.width = c.int_attribute("output_width", 1);
  attributes.sampling_ratio = c.int_attribute("sampling_ratio", 0);
  attributes.spatial_scale = c.float_attribute("spatial_scale", 1.0f);
  c.set_output(0, c.emit(op_roi_align(), attributes, {c.input(0), c.input(1), c.input(2)}));
}

void deform_conv(ConvertContext& c) {
  check_kernel_shape(c, 1);
  DeformConvAttributes attributes;
  attributes.strides = c.ints_attribute("strides");
  attributes.dilations = c.ints_attribute("dilations");
  attributes.pads = c.ints_attribute("pads");
  attributes.group = c.int_attribute("group", 1);
  attributes.offset_group = c.int_attribute("offset_group", 1);
  c.set_output(
      0, c.emit(op_deform_conv(), attributes,
                {c.input(0), c.input(1), c.input(2), c.optional_input(3), c.optional_input(4)}));
}

}  // namespace

void register_spatial(ConverterTable& table) {
  table.add("Col2Im", 18, col2im);
  table.add("MaxUnpool", 9, max_unpool);
  table.add("CenterCropPad", 18, center_crop_pad);
  table.add("GridSample", 16, grid_sample);
  table.add("AffineGrid", 20, affine_grid);
  table.add("MaxRoiPool", 1, max_roi_pool);
  table.add("RoiAlign", 10, roi_align);
  table.add("DeformConv", 19, deform_conv);
}

}  // namespace strop::onnx
