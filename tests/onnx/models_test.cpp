// SPDX-License-Identifier: Apache-2.0
// Models that exporters really wrote: all of each is understood, and its outputs have the types
// that are known of it.
#include <filesystem>

#include "ir/evaluate.hpp"
#include "onnx/import_fixture.hpp"
#include "ops/run_op.hpp"

namespace strop::onnx {
namespace {

struct Model {
  const char* file;
  const char* first_output;  // name and type
};

class RealModels : public ::testing::TestWithParam<Model> {};

TEST_P(RealModels, is_imported_with_known_types) {
  const std::string path = std::string(STROP_TEST_DATA) + "/models/" + GetParam().file;
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  const Graph graph = import_model(path);
  EXPECT_EQ(graph.output_name(0) + " " + graph.value(graph.outputs()[0]).type.to_string(),
            GetParam().first_output);
  for (const NodeId id : graph.order()) {
    EXPECT_FALSE(graph.node(id).origins.empty()) << graph.node(id).name;
    for (const ValueId output : graph.node(id).outputs)
      EXPECT_TRUE(graph.value(output).type.shape.has_value()) << graph.value(output).name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    , RealModels,
    ::testing::Values(Model{"mnist.onnx", "33 f32[1,10]"},
                      Model{"mobilenetv2_qdq_imagenet.onnx", "scores f32[batch,1000]"},
                      Model{"nanodet_m.onnx", "792 f32[1,2704,80]"},
                      Model{"oww_embedding.onnx", "conv2d_19 f32[unk__314,1,1,96]"},
                      Model{"oww_melspectrogram.onnx",
                            "output f32[batch_size,1,floordiv(samples+128,160)-3,32]"},
                      Model{"silero_vad_op18_ifless.onnx", "output f32[batch,1]"},
                      Model{"squeezenet1_1_imagenet.onnx", "logits f32[N,1000]"},
                      Model{"ultraface_rfb_320.onnx", "scores f32[1,4420,2]"},
                      Model{"light/light_bvlc_alexnet.onnx", "prob_1 f32[1,1000]"},
                      Model{"light/light_densenet121.onnx", "fc6_1 f32[1,1000,1,1]"},
                      Model{"light/light_inception_v1.onnx", "prob_1 f32[1,1000]"},
                      Model{"light/light_inception_v2.onnx", "prob_1 f32[1,1000]"},
                      Model{"light/light_resnet50.onnx", "gpu_0/softmax_1 f32[1,1000]"},
                      Model{"light/light_shufflenet.onnx", "gpu_0/softmax_1 f32[1,1000]"},
                      Model{"light/light_squeezenet.onnx", "softmaxout_1 f32[1,1000,1,1]"},
                      Model{"light/light_vgg19.onnx", "prob_1 f32[1,1000]"},
                      Model{"light/light_zfnet512.onnx", "gpu_0/softmax_1 f32[1,1000]"}),
    [](const auto& info) {
      std::string name = std::filesystem::path(info.param.file).stem().string();
      return name;
    });

TEST(RealModelsOfPyTorch, embedding_bags_are_computed) {
  const std::string path = std::string(STROP_TEST_DATA) + "/models/aten/embedding_bag_test.onnx";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  const Graph graph = import_model(path);
  const std::vector<Datum> table = {floats({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8})};
  const auto out = evaluate_graph(graph, table);
  ASSERT_EQ(out.size(), 3u);  // rows 1, 0, 2: their sum, mean and maximum
  expect_near(out[0].tensor(), {1, 2}, {9, 12});
  expect_near(out[1].tensor(), {1, 2}, {3, 4});
  expect_near(out[2].tensor(), {1, 2}, {5, 6});
}

TEST(RealModelsRefused, operators_of_pytorch_are_named) {
  const std::string path = std::string(STROP_TEST_DATA) + "/models/aten/unknown_aten_test.onnx";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  try {
    import_model(path);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.diagnostics()[0].code, ErrorCode::unsupported_operator);
    EXPECT_NE(error.message().find("aten::unknown"), std::string::npos) << error.message();
    EXPECT_NE(error.message().find("nothing is computed before it"), std::string::npos)
        << error.message();
  }
}

}  // namespace
}  // namespace strop::onnx
