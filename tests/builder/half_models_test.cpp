// SPDX-License-Identifier: Apache-2.0
// Trained models with all values in f16 or bf16, on the reference backend: what rounding costs
// them, as the norm of an output's error over that of the output. Models of pictures see pictures.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/tolerance.hpp"
#include "builder/pipeline.hpp"
#include "builder/plan_execution.hpp"
#include "builder/sample_shapes.hpp"
#include "builder/value_ranges.hpp"
#include "ir/evaluate.hpp"
#include "onnx/importer.hpp"
#include "ops/decode_image.hpp"
#include "ops/run_op.hpp"
#include "passes/pass_runner.hpp"

namespace strop {
namespace {

const std::string kData = STROP_TEST_DATA;

constexpr double kF16 = 5e-3, kBf16 = 4e-2;  // the loss allowed

struct Model {
  const char* file;
  std::vector<std::string> pictures{};  // what it sees, one after the other; none: noise
  WantedShapes shapes{};
};

void PrintTo(const Model& model, std::ostream* out) { *out << model.file; }

// [1, 3, height, width], about as exporters normalise it.
Tensor read_picture(const std::string& path, const Shape& shape) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  Tensor packed = Tensor::allocate(DType::u8, {static_cast<std::int64_t>(bytes.size())});
  std::ranges::copy(bytes, reinterpret_cast<char*>(packed.mutable_data()));
  const Tensor pixels = run_op(op_decode_image(), DecodeImageAttributes{}, {packed});
  Tensor out = Tensor::allocate(DType::f32, shape);
  const std::int64_t height = shape[2], width = shape[3];
  for (std::int64_t i = 0; i < out.size(); ++i) {
    const std::int64_t channel = i / width / height, y = i / width % height, x = i % width;
    const std::int64_t row = y * pixels.dim(0) / height, column = x * pixels.dim(1) / width;
    const auto at = static_cast<std::size_t>((row * pixels.dim(1) + column) * 3 + channel);
    const auto pixel = static_cast<float>(pixels.values<std::uint8_t>()[at]);
    out.mutable_values<float>()[static_cast<std::size_t>(i)] = (pixel / 255 - 0.45f) / 0.225f;
  }
  return out;
}

// `picture`: empty for noise.
std::vector<Datum> inputs_of(const Graph& graph, const Model& model, const std::string& picture) {
  const auto sample = find_sample_symbols(graph, model.shapes);
  std::vector<Datum> out;
  for (std::size_t i = 0; i < graph.inputs().size(); ++i) {
    const Type& type = graph.value(graph.inputs()[i]).type;
    const Shape shape = evaluate(*type.shape, sample.value());
    out.emplace_back(picture.empty() ? random_tensor(type.dtype, shape, i + 1)
                                     : read_picture(kData + "/images/imagenet/" + picture, shape));
  }
  return out;
}

Graph after_passes(const Graph& imported, const Model& model, DType storage) {
  BuildConfig config;
  config.shapes = model.shapes;
  Target target{.backend = "cuda", .storage = storage};
  target.ranges = [&](const Graph& graph) { return measure_value_ranges(graph, config); };
  Graph graph = imported.clone();
  run_passes(graph, default_passes(), target);
  return graph;
}

double norm_of_error(const Tensor& got, const Tensor& expected) {
  if (expected.dtype() != DType::f32) return compare(got, expected, 0).largest_relative;
  const std::span<const float> a = got.values<float>(), b = expected.values<float>();
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const double exact = static_cast<double>(b[i]), off = static_cast<double>(a[i]) - exact;
    error += off * off;
    norm += exact * exact;
  }
  return error == 0 ? 0 : std::sqrt(error / norm);
}

// Of the worst output.
double loss_of(const Graph& graph, const std::vector<Datum>& inputs,
               const std::vector<Datum>& expected) {
  const std::vector<Datum> got = evaluate_graph(graph, inputs);
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i)
    worst = std::max(worst, norm_of_error(got[i].tensor(), expected[i].tensor()));
  return worst;
}

class HalfModels : public ::testing::TestWithParam<Model> {};

TEST_P(HalfModels, lose_no_more_than_their_type_allows) {
  const Model& model = GetParam();
  const std::string path = kData + "/models/" + model.file;
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  for (const std::string& picture : model.pictures) {
    if (!std::filesystem::exists(kData + "/images/imagenet/" + picture))
      GTEST_SKIP() << "no " << picture;
  }
  const Graph imported = onnx::import_model(path);
  const Graph exact = after_passes(imported, model, DType::f32);
  const Graph f16 = after_passes(imported, model, DType::f16);
  const Graph bf16 = after_passes(imported, model, DType::bf16);
  double f16_loss = 0, bf16_loss = 0;
  std::vector<std::string> seen = model.pictures;
  if (seen.empty()) seen.emplace_back();
  for (const std::string& picture : seen) {
    const std::vector<Datum> inputs = inputs_of(imported, model, picture);
    const std::vector<Datum> expected = evaluate_graph(exact, inputs);
    f16_loss = std::max(f16_loss, loss_of(f16, inputs, expected));
    bf16_loss = std::max(bf16_loss, loss_of(bf16, inputs, expected));
  }
  RecordProperty("f16", std::to_string(f16_loss));
  RecordProperty("bf16", std::to_string(bf16_loss));
  EXPECT_LE(f16_loss, kF16);
  EXPECT_LE(bf16_loss, kBf16);
}

const std::vector<std::string> kPicture = {"0003_n01491361.jpg"};
const std::vector<std::string> kPictures = {"0003_n01491361.jpg", "0251_n02110341.jpg",
                                            "0499_n03041632.jpg"};
const WantedShapes kSound = {{"input", {1, 256}}, {"state", {2, 1, 128}}};

INSTANTIATE_TEST_SUITE_P(
    , HalfModels,
    ::testing::Values(Model{"mnist.onnx"}, Model{"mobilenetv2_qdq_imagenet.onnx", kPicture},
                      Model{"nanodet_m.onnx", kPictures}, Model{"oww_embedding.onnx"},
                      Model{"oww_melspectrogram.onnx"}, Model{"silero_vad.onnx", {}, kSound},
                      Model{"silero_vad_op18_ifless.onnx", {}, kSound},
                      Model{"squeezenet1_1_imagenet.onnx", kPicture},
                      Model{"ultraface_rfb_320.onnx", kPicture},
                      Model{"light/light_densenet121.onnx"}, Model{"light/light_inception_v1.onnx"},
                      Model{"light/light_inception_v2.onnx"}, Model{"light/light_resnet50.onnx"},
                      Model{"light/light_shufflenet.onnx"}, Model{"light/light_squeezenet.onnx"},
                      Model{"light/light_zfnet512.onnx"}),
    [](const auto& info) { return std::filesystem::path(info.param.file).stem().string(); });

}  // namespace
}  // namespace strop
