// SPDX-License-Identifier: Apache-2.0
// Resize and its predecessor Upsample. Before opset 11 coordinates were always index / scale, and
// the nearest element the one before.
#include "ops/resize.hpp"

#include "onnx/convert/attribute_support.hpp"
#include "onnx/converter_table.hpp"

namespace strop::onnx {
namespace {

ResizeAttributes old_attributes(ConvertContext& c) {
  const std::string mode = c.string_attribute("mode", "nearest");
  ResizeAttributes attributes{.coordinates = ResizeCoordinates::asymmetric,
                              .nearest = ResizeNearest::floor};
  if (mode == "linear" || mode == "bilinear") {
    attributes.mode = ResizeMode::linear;
  } else if (mode != "nearest") {
    c.fail(ErrorCode::bad_attribute, "mode is \"" + mode + "\"; it may be nearest or linear");
  }
  return attributes;
}

void emit_scaled(ConvertContext& c, const std::vector<float>& scales) {
  const auto count = static_cast<std::int64_t>(scales.size());
  const ValueId input = c.emitter().constant(Tensor::from<float>({count}, scales));
  c.set_output(0, c.emit(op_resize(), old_attributes(c), {c.input(0), ValueId::none(), input}));
}

void upsample_images(ConvertContext& c) {
  emit_scaled(c, {1, 1, c.float_attribute("height_scale"), c.float_attribute("width_scale")});
}

void upsample_by_attribute(ConvertContext& c) { emit_scaled(c, c.floats_attribute("scales")); }

void resize_by_scales(ConvertContext& c) {
  c.set_output(0,
               c.emit(op_resize(), old_attributes(c), {c.input(0), ValueId::none(), c.input(1)}));
}

void resize(ConvertContext& c) {
  ResizeAttributes attributes;
  attributes.mode = enum_attribute<ResizeMode>(c, "mode", "nearest");
  attributes.coordinates =
      enum_attribute<ResizeCoordinates>(c, "coordinate_transformation_mode", "half_pixel");
  attributes.nearest = enum_attribute<ResizeNearest>(c, "nearest_mode", "round_prefer_floor");
  attributes.cubic_coefficient = c.float_attribute("cubic_coeff_a", -0.75f);
  attributes.exclude_outside = c.int_attribute("exclude_outside", 0) != 0;
  attributes.extrapolation_value = c.float_attribute("extrapolation_value", 0.0f);
  if (c.opset() >= 18) {
    attributes.antialias = c.int_attribute("antialias", 0) != 0;
    attributes.axes = c.ints_attribute("axes");
    attributes.aspect = enum_attribute<ResizeAspect>(c, "keep_aspect_ratio_policy", "stretch");
  }
  // Only one mode reads the region; others carry an empty one along.
  const bool cropping = attributes.coordinates == ResizeCoordinates::tf_crop_and_resize;
  const ValueId roi = cropping ? c.optional_input(1) : ValueId::none();
  c.set_output(0, c.emit(op_resize(), attributes,
                         {c.input(0), roi, c.optional_input(2), c.optional_input(3)}));
}

}  // namespace

void register_resize(ConverterTable& table) {
  table.add("Upsample", 1, upsample_images);
  table.add("Upsample", 7, upsample_by_attribute);
  table.add("Upsample", 9, resize_by_scales);
  table.add("Resize", 10, resize_by_scales);
  table.add("Resize", 11, resize);
}

}  // namespace strop::onnx
