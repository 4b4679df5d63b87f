// SPDX-License-Identifier: Apache-2.0
// Engines from the model to the outputs with every CUDA kernel on the processor.
#include "backends/cuda/emulated/emulated_gpu.hpp"
#include "backends/cuda/emulated/shuffle_model.hpp"

namespace strop::testing {
namespace {

class EmulatedEngine : public ::testing::TestWithParam<const char*> {};

TEST_P(EmulatedEngine, agrees_with_the_reference) {
  if (!emulate_gpu()) GTEST_SKIP() << "the stand-ins for a GPU are not there, or g++";
  check_engine_on_emulated_gpu(ShuffleModel().write(), {1, 3, 23, 21}, emulated_config(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(precisions, EmulatedEngine, ::testing::Values("fp32", "fp16"));

}  // namespace
}  // namespace strop::testing
