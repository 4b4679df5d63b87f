// SPDX-License-Identifier: Apache-2.0
// ImageDecoder.
#include "onnx/converter_table.hpp"
#include "ops/decode_image.hpp"

namespace strop::onnx {
namespace {

void image_decoder(ConvertContext& c) {
  const std::string format = c.string_attribute("pixel_format", "RGB");
  DecodeImageAttributes attributes;
  if (format == "BGR") {
    attributes.format = PixelFormat::bgr;
  } else if (format == "Grayscale") {
    attributes.format = PixelFormat::grayscale;
  } else if (format != "RGB") {
    c.fail(ErrorCode::bad_attribute,
           "pixel_format is \"" + format + "\"; it may be RGB, BGR or Grayscale");
  }
  c.set_output(0, c.emit(op_decode_image(), attributes, {c.input(0)}));
}

}  // namespace

void register_image_decoder(ConverterTable& table) { table.add("ImageDecoder", 20, image_decoder); }

}  // namespace strop::onnx
