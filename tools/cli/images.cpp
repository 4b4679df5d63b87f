// SPDX-License-Identifier: Apache-2.0
#include "cli/images.hpp"

#if STROP_WITH_IMAGES
#include <csetjmp>
#include <cstdio>
#include <memory>
// jpeglib.h wants cstdio first.
#include <jpeglib.h>
#include <png.h>
#endif

namespace strop::cli {

#if STROP_WITH_IMAGES

namespace {

[[noreturn]] void fail(const std::string& source, std::string why) {
  throw Error(ErrorCode::bad_argument, "file " + source + " is not a readable picture",
              std::move(why), "give a PNG or JPEG file, or a .npy file of the pixels");
}

// A small file can claim to hold a large picture.
void check_size(std::uint64_t width, std::uint64_t height, const std::string& source) {
  constexpr std::uint64_t kMaxPixels = 100'000'000;
  if (width == 0 || height == 0) fail(source, "it has no pixels");
  if (height > kMaxPixels / width) {
    throw Error(ErrorCode::limit_exceeded,
                "picture " + source + " has " + std::to_string(width) + " x " +
                    std::to_string(height) + " pixels",
                "at most 100 million are read");
  }
}

// libjpeg leaves by longjmp, which runs no destructors: its state lives here, and the function that
// calls setjmp owns nothing.
struct JpegReader {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  std::jmp_buf escape{};
  char message[JMSG_LENGTH_MAX] = {};

  JpegReader() {
    info.err = jpeg_std_error(&errors);
    info.client_data = this;
    errors.error_exit = [](j_common_ptr common) {
      auto* self = static_cast<JpegReader*>(common->client_data);
      common->err->format_message(common, self->message);
      std::longjmp(self->escape, 1);
    };
    // Warnings are about damaged data that is read as far as it goes.
    errors.output_message = [](j_common_ptr) {};
  }
  ~JpegReader() { jpeg_destroy_decompress(&info); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  bool start(std::span<const std::byte> bytes) {
    if (setjmp(escape) != 0) return false;
    jpeg_create_decompress(&info);
    jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()),
                 static_cast<unsigned long>(bytes.size()));
    jpeg_read_header(&info, TRUE);
    info.out_color_space = JCS_RGB;
    return true;
  }
  bool read(std::byte* pixels) {
    if (setjmp(escape) != 0) return false;
    jpeg_start_decompress(&info);
    while (info.output_scanline < info.output_height) {
      JSAMPROW row = reinterpret_cast<JSAMPROW>(pixels) +
                     static_cast<std::size_t>(info.output_scanline) * info.output_width * 3;
      jpeg_read_scanlines(&info, &row, 1);
    }
    jpeg_finish_decompress(&info);
    return true;
  }
};

}  // namespace

Tensor read_png(std::span<const std::byte> bytes, const std::string& source) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  const std::unique_ptr<png_image, void (*)(png_image*)> release(&image, png_image_free);
  if (png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) == 0)
    fail(source, image.message);
  check_size(image.width, image.height, source);
  image.format = PNG_FORMAT_RGB;
  Tensor pixels = Tensor::allocate(DType::u8, {image.height, image.width, 3});
  png_color white{255, 255, 255};
  if (png_image_finish_read(&image, &white, pixels.mutable_data(), 0, nullptr) == 0)
    fail(source, image.message);
  return pixels;
}

Tensor read_jpeg(std::span<const std::byte> bytes, const std::string& source) {
  JpegReader reader;
  if (!reader.start(bytes)) fail(source, reader.message);
  check_size(reader.info.image_width, reader.info.image_height, source);
  Tensor pixels =
      Tensor::allocate(DType::u8, {reader.info.image_height, reader.info.image_width, 3});
  if (!reader.read(pixels.mutable_data())) fail(source, reader.message);
  return pixels;
}

#else

namespace {

[[noreturn]] void fail(const std::string& source) {
  throw Error(ErrorCode::missing_library, "picture " + source + " cannot be read",
              "this Strop was built without libpng, libjpeg and libzip",
              "give a .npy file of the pixels");
}

}  // namespace

Tensor read_png(std::span<const std::byte>, const std::string& source) { fail(source); }
Tensor read_jpeg(std::span<const std::byte>, const std::string& source) { fail(source); }

#endif

}  // namespace strop::cli
