// SPDX-License-Identifier: Apache-2.0
// Pictures and archives as inputs: what strop run reads is what their encoders were given.
#include <gtest/gtest.h>

#if STROP_TEST_WITH_IMAGES
#include <cstdio>
#include <cstdlib>
// jpeglib.h wants cstdio first.
#include <jpeglib.h>
#include <png.h>
#include <zip.h>

#include <nlohmann/json.hpp>

#include "cli/npy_text.hpp"
#include "cli/run_program.hpp"
#include "support/model_writer.hpp"
#include "support/temporary_folder.hpp"

namespace strop {
namespace {

using testing::floats;
using testing::npy;
using testing::ProgramResult;

constexpr int kWidth = 16, kHeight = 8;

// A picture of two halves, so that rows, columns and colours cannot be taken for each other.
std::string pixels() {
  std::string out;
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) out += x < kWidth / 2 ? "\xff\x20\x10" : "\x10\x40\xe0";
  }
  return out;
}

std::string png_file(const std::string& rgb) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = kWidth;
  image.height = kHeight;
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = 0;
  EXPECT_NE(png_image_write_to_memory(&image, nullptr, &size, 0, rgb.data(), 0, nullptr), 0);
  std::string out(size, '\0');
  EXPECT_NE(png_image_write_to_memory(&image, out.data(), &size, 0, rgb.data(), 0, nullptr), 0);
  out.resize(size);
  return out;
}

std::string jpeg_file(const std::string& rgb) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &memory, &size);
  info.image_width = kWidth;
  info.image_height = kHeight;
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 100, TRUE);
  info.comp_info[0].h_samp_factor = info.comp_info[0].v_samp_factor = 1;  // colours of every pixel
  jpeg_start_compress(&info, TRUE);
  std::string row;
  while (info.next_scanline < info.image_height) {
    row = rgb.substr(static_cast<std::size_t>(info.next_scanline) * kWidth * 3, kWidth * 3);
    auto* line = reinterpret_cast<JSAMPROW>(row.data());
    jpeg_write_scanlines(&info, &line, 1);
  }
  jpeg_finish_compress(&info);
  std::string out(reinterpret_cast<char*>(memory), size);
  jpeg_destroy_compress(&info);
  std::free(memory);
  return out;
}

// As numpy.savez_compressed writes it.
void write_npz(const std::string& path,
               const std::vector<std::pair<std::string, std::string>>& arrays) {
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  ASSERT_NE(archive, nullptr);
  for (const auto& [name, content] : arrays) {
    zip_source_t* source = zip_source_buffer(archive, content.data(), content.size(), 0);
    ASSERT_GE(zip_file_add(archive, (name + ".npy").c_str(), source, ZIP_FL_ENC_UTF_8), 0);
  }
  ASSERT_EQ(zip_close(archive), 0);
}

// x: u8[H,W,3] -> Identity -> y, run on one file.
class InputFormats : public ::testing::Test {
 protected:
  std::string picture_model() {
    using namespace onnx::wire;
    const Message type = tensor_type(kUint8, {"H", "W", 3});
    ModelParts parts;
    parts.graph.nodes = {{"Identity", {"x"}, {"y"}, {}, "same", {}, {}}};
    parts.graph.inputs = {value_info("x", type)};
    parts.graph.outputs = {value_info("y", type)};
    return folder_.file("picture.onnx", model(parts));
  }
  // The file y.npy that a run leaves.
  std::string run(const std::vector<std::string>& inputs, const std::string& model) {
    std::vector<std::string> arguments = {"run", model, "--output", folder_.path("out")};
    for (const std::string& input : inputs) {
      arguments.emplace_back("--input");
      arguments.push_back(input);
    }
    const ProgramResult result = testing::run_program(STROP_CLI, arguments);
    EXPECT_EQ(result.exit_code, 0) << result.output;
    return folder_.content("out/y.npy");
  }
  testing::TemporaryFolder folder_;
};

TEST_F(InputFormats, png_is_read_as_red_green_blue_rows) {
  const std::string file = folder_.file("half.png", png_file(pixels()));
  EXPECT_EQ(run({"x=" + file}, picture_model()), npy("|u1", "(8,16,3,)", pixels()));
}

TEST_F(InputFormats, jpeg_is_read_as_red_green_blue_rows) {
  const std::string file = folder_.file("half.JPG", jpeg_file(pixels()));
  const std::string got = run({file}, picture_model());
  const std::string wanted = npy("|u1", "(8,16,3,)", pixels());
  ASSERT_EQ(got.size(), wanted.size());
  const std::size_t head = wanted.size() - pixels().size();
  EXPECT_EQ(got.substr(0, head), wanted.substr(0, head));
  // Flat halves on the borders of its blocks: quality 100 is off by its rounding only.
  for (std::size_t i = head; i < wanted.size(); ++i) {
    EXPECT_NEAR(static_cast<unsigned char>(got[i]), static_cast<unsigned char>(wanted[i]), 3) << i;
  }
}

TEST_F(InputFormats, archive_gives_each_input_the_array_of_its_name) {
  using namespace onnx::wire;
  const Message type = tensor_type(kFloat, {"N"});
  ModelParts parts;
  parts.graph.nodes = {{"Sub", {"a", "b"}, {"y"}, {}, "difference", {}, {}}};
  parts.graph.inputs = {value_info("a", type), value_info("b", type)};
  parts.graph.outputs = {value_info("y", type)};
  const std::string two = folder_.file("sub.onnx", model(parts));
  const std::string archive = folder_.path("both.npz");
  write_npz(archive, {{"b", npy("<f4", "(2,)", floats({1, 2}))},
                      {"a", npy("<f4", "(2,)", floats({10, 20}))}});
  const std::string wanted = npy("<f4", "(2,)", floats({9, 18}));
  EXPECT_EQ(run({archive}, two), wanted);
  EXPECT_EQ(run({"a=" + archive, "b=" + archive}, two), wanted);
}

TEST_F(InputFormats, only_array_of_an_archive_needs_no_name) {
  const std::string archive = folder_.path("one.npz");
  write_npz(archive, {{"arr_0", npy("|u1", "(8, 16, 3)", pixels())}});
  EXPECT_EQ(run({"x=" + archive}, picture_model()), npy("|u1", "(8,16,3,)", pixels()));
}

}  // namespace
}  // namespace strop
#endif
