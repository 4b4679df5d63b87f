// SPDX-License-Identifier: Apache-2.0
// Files are written here byte by byte; those of JPEG are the fuzzer's seeds.
#include "ops/decode_image.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "ops/inflate_support.hpp"
#include "ops/picture_support.hpp"
#include "ops/run_op.hpp"

namespace strop {
namespace {

using Pixels = std::vector<int>;

Tensor bytes_of(const std::string& file) {
  Tensor out = Tensor::allocate(DType::u8, {static_cast<std::int64_t>(file.size())});
  std::copy(file.begin(), file.end(), out.mutable_values<std::uint8_t>().begin());
  return out;
}

Tensor decode(const std::string& file, PixelFormat format = PixelFormat::rgb) {
  return run_op(op_decode_image(), DecodeImageAttributes{format}, {bytes_of(file)});
}

Pixels pixels(const Tensor& picture) {
  const auto values = picture.values<std::uint8_t>();
  return {values.begin(), values.end()};
}

std::string seed(const std::string& name) {
  std::ifstream in(std::filesystem::path("fuzz/corpus/picture") / name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string big(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}
std::string little(std::uint32_t value, int bytes = 4) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

// A zlib stream of one stored block.
std::string stored(const std::string& data) {
  std::uint32_t a = 1, b = 0;
  for (const char c : data) {
    a = (a + static_cast<unsigned char>(c)) % 65'521;
    b = (b + a) % 65'521;
  }
  const auto size = static_cast<std::uint32_t>(data.size());
  return "\x78\x01\x01" + little(size, 2) + little(~size, 2) + data + big(b << 16 | a);
}

std::string chunk(const std::string& kind, const std::string& data) {
  std::uint32_t crc = 0xffffffff;
  for (const char c : kind + data) {
    crc ^= static_cast<unsigned char>(c);
    for (int i = 0; i < 8; ++i) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320u : 0);
  }
  return big(static_cast<std::uint32_t>(data.size())) + kind + data + big(~crc);
}

std::string png(std::uint32_t width, std::uint32_t height, int depth, int colour,
                const std::string& rows, const std::string& palette = "", bool interlaced = false) {
  const std::string head = big(width) + big(height) + static_cast<char>(depth) +
                           static_cast<char>(colour) + std::string(2, '\0') +
                           static_cast<char>(interlaced ? 1 : 0);
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", head) +
         (palette.empty() ? "" : chunk("PLTE", palette)) + chunk("IDAT", stored(rows)) +
         chunk("IEND", "");
}

std::string text(std::initializer_list<int> bytes) {
  std::string out;
  for (const int byte : bytes) out += static_cast<char>(byte);
  return out;
}

TEST(DecodeImage, gives_channels_in_the_order_that_is_asked_for) {
  const std::string file = "P6\n2 1\n255\n" + text({255, 0, 0, 10, 20, 30});
  EXPECT_EQ(pixels(decode(file)), (Pixels{255, 0, 0, 10, 20, 30}));
  EXPECT_EQ(pixels(decode(file, PixelFormat::bgr)), (Pixels{0, 0, 255, 30, 20, 10}));
  const Tensor grey = decode(file, PixelFormat::grayscale);
  EXPECT_EQ(grey.shape(), (Shape{1, 2, 1}));
  EXPECT_EQ(pixels(grey), (Pixels{76, 18}));
}

TEST(DecodeImage, reads_portable_maps_of_every_kind) {
  EXPECT_EQ(pixels(decode("P1 # black and white\n3 1\n1 01")),
            (Pixels{0, 0, 0, 255, 255, 255, 0, 0, 0}));
  EXPECT_EQ(pixels(decode("P2\n2 1 15\n15 1\n")), (Pixels{255, 255, 255, 17, 17, 17}));
  EXPECT_EQ(pixels(decode("P3\n1 1\n255\n1 2 3")), (Pixels{1, 2, 3}));
  EXPECT_EQ(pixels(decode("P4\n9 1\n" + text({0x7f, 0x80}))).at(3 * 8), 0);
  EXPECT_EQ(pixels(decode("P5\n1 1\n65535\n" + text({0x80, 0x00}))), (Pixels{128, 128, 128}));
}

TEST(DecodeImage, undoes_the_filters_of_png) {
  // Three rows of two pixels; sub, up, and the average of both.
  const std::string rows =
      text({1, 10, 20, 30, 1, 1, 1, 2, 5, 5, 5, 250, 250, 250, 3, 1, 1, 1, 1, 1, 1});
  EXPECT_EQ(pixels(decode(png(2, 3, 8, 2, rows))),
            (Pixels{10, 20, 30, 11, 21, 31, 15, 25, 35, 5, 15, 25, 8, 13, 18, 7, 15, 22}));
  // Paeth: left of it stands 9, above 4, above to the left 7, which is nearest to 9 + 4 - 7.
  EXPECT_EQ(pixels(decode(png(2, 2, 8, 0, text({0, 7, 4, 4, 2, 1})))),
            (Pixels{7, 7, 7, 4, 4, 4, 9, 9, 9, 8, 8, 8}));
}

TEST(DecodeImage, reads_every_kind_of_png) {
  EXPECT_EQ(pixels(decode(png(3, 1, 1, 0, text({0, 0xa0})))),
            (Pixels{255, 255, 255, 0, 0, 0, 255, 255, 255}));
  EXPECT_EQ(pixels(decode(png(2, 1, 4, 0, text({0, 0x3f})))), (Pixels{51, 51, 51, 255, 255, 255}));
  EXPECT_EQ(pixels(decode(png(1, 1, 16, 0, text({0, 0x80, 0xff})))), (Pixels{128, 128, 128}));
  EXPECT_EQ(pixels(decode(png(2, 1, 2, 3, text({0, 0x1c}), text({1, 2, 3, 4, 5, 6})))),
            (Pixels{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(pixels(decode(png(1, 1, 8, 6, text({0, 1, 2, 3, 0})))), (Pixels{1, 2, 3}));
  EXPECT_EQ(pixels(decode(png(1, 1, 8, 4, text({0, 9, 0})))), (Pixels{9, 9, 9}));
  // Interlaced, 3 x 2: passes of one pixel, of the right column, and of the last row.
  const std::string passes = text({0, 1, 0, 3, 0, 2, 0, 4, 5, 6});
  EXPECT_EQ(pixels(decode(png(3, 2, 8, 0, passes, "", true), PixelFormat::grayscale)),
            (Pixels{1, 2, 3, 4, 5, 6}));
}

std::string bmp(std::int32_t width, std::int32_t height, int bits, const std::string& rest,
                const std::string& rows, std::uint32_t packing = 0) {
  const auto start = static_cast<std::uint32_t>(54 + rest.size());
  return "BM" + little(0) + little(0) + little(start) + little(40) +
         little(static_cast<std::uint32_t>(width)) + little(static_cast<std::uint32_t>(height)) +
         little(1, 2) + little(static_cast<std::uint32_t>(bits), 2) + little(packing) +
         std::string(20, '\0') + rest + rows;
}

TEST(DecodeImage, reads_every_kind_of_bmp) {
  const std::string rows = text({1, 2, 3, 0, 4, 5, 6, 0});
  EXPECT_EQ(pixels(decode(bmp(1, 2, 24, "", rows))), (Pixels{6, 5, 4, 3, 2, 1}));
  EXPECT_EQ(pixels(decode(bmp(1, -2, 24, "", rows))), (Pixels{3, 2, 1, 6, 5, 4}));
  const std::string palette = text({1, 2, 3, 0, 4, 5, 6, 0});
  EXPECT_EQ(pixels(decode(bmp(2, 1, 1, palette, text({0x40, 0, 0, 0})))),
            (Pixels{3, 2, 1, 6, 5, 4}));
  EXPECT_EQ(pixels(decode(bmp(1, 1, 16, "", text({0x1f, 0x7c, 0, 0})))), (Pixels{255, 0, 255}));
  const std::string masks = little(0xff) + little(0xff00) + little(0xff0000);
  EXPECT_EQ(pixels(decode(bmp(1, 1, 32, masks, text({1, 2, 3, 4}), 3))), (Pixels{1, 2, 3}));
  EXPECT_EQ(pixels(decode(bmp(1, 1, 32, "", text({1, 2, 3, 4})))), (Pixels{3, 2, 1}));
}

TEST(DecodeImage, reads_every_kind_of_jpeg) {
  // Of the same picture, so all are near to the one without loss.
  const Pixels wanted = pixels(decode(seed("png_rgb")));
  ASSERT_EQ(wanted.size(), 19u * 13 * 3);
  for (const char* name :
       {"jpeg", "jpeg_444", "jpeg_422", "jpeg_progressive", "jpeg_restarts", "jpeg_rgb"}) {
    const Pixels got = pixels(decode(seed(name)));
    ASSERT_EQ(got.size(), wanted.size()) << name;
    double sum = 0;
    for (std::size_t i = 0; i < got.size(); ++i) sum += std::abs(got[i] - wanted[i]);
    EXPECT_LT(sum / static_cast<double>(got.size()), 12) << name;
  }
  const Pixels grey = pixels(decode(seed("png_l"))), got = pixels(decode(seed("jpeg_grey")));
  for (std::size_t i = 0; i < grey.size(); ++i) EXPECT_NEAR(got[i], grey[i], 40);
}

TEST(DecodeImage, of_equal_coefficients_gives_equal_pixels) {
  // Baseline and progressive files of one picture and quality hold the same numbers.
  EXPECT_EQ(pixels(decode(seed("jpeg"))), pixels(decode(seed("jpeg_progressive"))));
  EXPECT_EQ(pixels(decode(seed("jpeg"))), pixels(decode(seed("jpeg_restarts"))));
}

TEST(DecodeImage, gives_an_empty_picture_of_what_is_damaged) {
  for (const std::string& file :
       {std::string(), std::string("no picture"), std::string("BM"),
        std::string("P6\n2 2\n255\n12"), std::string("P6 1 1 0 123"),
        std::string("\xff\xd8\xff\xe0"), std::string("\x89PNG\r\n\x1a\n"), png(2, 2, 8, 2, "short"),
        png(1, 1, 3, 0, text({0, 0})), png(1, 1, 8, 0, text({9, 0}))}) {
    EXPECT_EQ(decode(file).shape(), (Shape{0, 0, 3})) << file;
    EXPECT_EQ(decode(file, PixelFormat::grayscale).shape(), (Shape{0, 0, 1}));
  }
  std::string wrong = png(1, 1, 8, 0, text({0, 7}));
  wrong[wrong.size() - 20] ^= 1;  // a checksum
  EXPECT_EQ(decode(wrong).size(), 0);
}

TEST(DecodeImage, cut_off_files_are_damaged_files) {
  for (const char* name :
       {"jpeg", "jpeg_progressive", "png_rgb", "png_p", "bmp_rgb", "bmp_p", "pnm_rgb"}) {
    const std::string whole = seed(name);
    ASSERT_FALSE(whole.empty());
    for (std::size_t size = 0; size + 40 < whole.size(); size += 1 + whole.size() / 97) {
      EXPECT_NO_THROW(decode(whole.substr(0, size))) << name << " " << size;
    }
  }
}

TEST(DecodeImage, refuses_formats_by_their_names) {
  const auto refused = [](const std::string& file, const std::string& name) {
    try {
      decode(file);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::unsupported_operator);
      EXPECT_NE(error.message().find(name), std::string::npos) << error.message();
      return;
    }
    ADD_FAILURE() << name << " is taken";
  };
  refused("GIF89a", "GIF");
  refused(std::string("II*\0", 4), "TIFF");
  refused("RIFF1234WEBPVP8 ", "WebP");
  refused(text({0, 0, 0, 12}) + "jP  \r\n\x87\n", "JPEG 2000");
  refused(text({0xff, 0xd8, 0xff, 0xc3, 0, 2}), "lossless");
  refused(text({0xff, 0xd8, 0xff, 0xc9, 0, 2}), "arithmetic");
  refused(text({0xff, 0xd8, 0xff, 0xc0, 0, 11, 12, 0, 1, 0, 1, 1, 1, 0x11, 0}), "12 bits");
  refused(bmp(1, 1, 8, "", "", 1), "run-length");
}

TEST(DecodeImage, refuses_claims_that_a_file_cannot_hold) {
  const auto code = [](const std::string& file) {
    return error_of(op_decode_image(), DecodeImageAttributes{}, {bytes_of(file)});
  };
  EXPECT_EQ(code("P6\n100000 100000\n255\n"), ErrorCode::limit_exceeded);
  EXPECT_EQ(code("P6\n2147483647 2147483647\n65535\n"), ErrorCode::limit_exceeded);
  EXPECT_EQ(code(png(100'000, 100'000, 8, 2, "")), ErrorCode::limit_exceeded);
  EXPECT_EQ(code(png(0xffffffff, 0xffffffff, 16, 6, "")), ErrorCode::limit_exceeded);
  EXPECT_EQ(code(bmp(1 << 30, INT32_MIN, 32, "", "")), ErrorCode::limit_exceeded);
  EXPECT_EQ(code(text({0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0xff, 0xff, 0xff, 0xff, 1, 1, 0x11, 0})),
            ErrorCode::limit_exceeded);
}

TEST(DecodeImage, keeps_to_the_limit_of_a_tensor) {
  const Datum file = bytes_of("P6\n2 1\n255\n123456");
  const Datum* inputs[] = {&file};
  RunLimits limits;
  limits.tensor_bytes = 5;
  std::vector<Datum> outputs;
  EXPECT_THROW(
      evaluate_op(op_decode_image(), DecodeImageAttributes{}, inputs, {}, 1, outputs, limits),
      Error);
}

TEST(Inflate, unpacks_blocks_of_every_kind) {
  const auto unpack = [](const std::string& packed, std::size_t size) {
    std::vector<std::uint8_t> out;
    const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(packed.data()),
                                           packed.size());
    return inflate(bytes, size, true, out) ? std::string(out.begin(), out.end())
                                           : std::string("damaged");
  };
  EXPECT_EQ(unpack(stored("hello"), 5), "hello");
  EXPECT_EQ(unpack(stored("hello"), 3), "hel");
  EXPECT_EQ(unpack(stored("hello"), 6), "damaged");
  // zlib.compress(b"strop strop strop strop"): fixed codes, and a copy that overlaps itself.
  const std::string fixed = text({0x78, 0x9c, 0x2b, 0x2e, 0x29, 0xca, 0x2f, 0x50, 0x28, 0x46, 0x27,
                                  0x01, 0x6f, 0x43, 0x09, 0x41});
  EXPECT_EQ(unpack(fixed, 23), "strop strop strop strop");
  std::string changed = fixed;
  changed.back() ^= 1;
  EXPECT_EQ(unpack(changed, 23), "damaged");
  EXPECT_EQ(unpack("\x79\x9c", 1), "damaged");
}

}  // namespace
}  // namespace strop
