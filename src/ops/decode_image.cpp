// SPDX-License-Identifier: Apache-2.0
// The pixels of an image file. Grey is (19595 R + 38470 G + 7471 B) / 2^16, rounded. What cannot be
// decoded becomes a picture of no pixels, as the standard has it; formats that are not supported,
// and claims that the file cannot hold, are errors.
#include "ops/decode_image.hpp"

#include "ir/evaluate.hpp"
#include "ops/picture_support.hpp"

namespace strop {
namespace {

std::int64_t channels(PixelFormat format) { return format == PixelFormat::grayscale ? 1 : 3; }

void infer(InferContext& context) {
  context.require_rank(0, 1);
  const auto format = context.attributes<DecodeImageAttributes>().format;
  const Dim height = context.fresh_dim(), width = context.fresh_dim();
  context.set_output(0, DType::u8, {height, width, Dim(channels(format))});
}

void reference(KernelContext& context) {
  const auto format = context.attributes<DecodeImageAttributes>().format;
  const Tensor& file = context.input(0);
  const PictureFile source{.bytes = {file.data(), static_cast<std::size_t>(file.bytes())},
                           .most_pixel_bytes = context.limits().tensor_bytes};
  const Picture picture = decode_picture(source).value_or(Picture{});
  Tensor& y = context.allocate(0, DType::u8, {picture.height, picture.width, channels(format)});
  std::uint8_t* out = y.mutable_values<std::uint8_t>().data();
  const std::uint8_t* in = picture.pixels.data();
  for (std::int64_t i = 0; i < picture.height * picture.width; ++i, in += 3) {
    if (format == PixelFormat::grayscale) {
      out[i] =
          static_cast<std::uint8_t>((19595 * in[0] + 38470 * in[1] + 7471 * in[2] + 32768) >> 16);
    } else {
      const bool reversed = format == PixelFormat::bgr;
      out[3 * i] = in[reversed ? 2 : 0];
      out[3 * i + 1] = in[1];
      out[3 * i + 2] = in[reversed ? 0 : 2];
    }
  }
}

}  // namespace

const OpDef& op_decode_image() {
  static const OpDef def{
      .name = "decode_image",
      .summary = "the pixels [height, width, channels] of an image file: JPEG, PNG, BMP or PNM",
      .attributes = &attribute_schema<DecodeImageAttributes>(),
      .inputs = {{.name = "file", .types = {DType::u8}}},
      .outputs = {{.name = "y", .types = {DType::u8}}},
      .subgraphs = {},
      .traits = {.data_dependent = true},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
