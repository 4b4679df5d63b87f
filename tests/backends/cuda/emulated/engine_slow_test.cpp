// SPDX-License-Identifier: Apache-2.0
// As engine_test.cpp, with candidates that made-up times choose.
#include "backends/cuda/emulated/emulated_gpu.hpp"
#include "backends/cuda/emulated/shuffle_model.hpp"

namespace strop::testing {
namespace {

TEST(EmulatedEngine, agrees_with_the_reference_whatever_tuning_takes) {
  setenv("STROP_EMULATED_SEED", "7", 1);
  if (!emulate_gpu()) GTEST_SKIP() << "the stand-ins for a GPU are not there, or g++";
  for (const char* precision : {"fp32", "fp16"}) {
    BuildConfig config = emulated_config(precision);
    config.tuning = true;
    config.budget_seconds = 1000;
    for (int i = 0; i < 3; ++i)
      check_engine_on_emulated_gpu(ShuffleModel().write(), {1, 3, 23, 21}, config);
  }
}

}  // namespace
}  // namespace strop::testing
