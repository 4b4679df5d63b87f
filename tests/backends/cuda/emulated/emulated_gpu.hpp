// SPDX-License-Identifier: Apache-2.0
// Puts the stand-ins of tests/backends/cuda/emulator in the place of NVIDIA's driver and compiler
// for the rest of this process, and checks whole engines on them.
#pragma once

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "backends/cuda/gpu.hpp"
#include "builder/pipeline.hpp"
#include "builder/plan_execution.hpp"
#include "runtime/context.hpp"
#include "support/model_writer.hpp"

namespace strop::testing {

// Whether they are there; they compile with g++.
inline bool emulate_gpu() {
  static const bool done = [] {
    if (std::system("g++ --version > /dev/null 2>&1") != 0) return false;
    setenv("STROP_CUDA_LIBRARY_PATH", STROP_EMULATED_GPU, 1);
    setenv("STROP_KERNEL_CACHE", "off", 1);
    // Who asks for libcuda.so.1 from now on is given this one.
    return dlopen(STROP_EMULATED_GPU "/libcuda.so.1", RTLD_NOW | RTLD_GLOBAL) != nullptr;
  }();
  return done && gpu().has_value();
}

// What has no stand-ins, and the libraries, which want a real driver.
inline BuildConfig emulated_config(const std::string& precision) {
  BuildConfig config;
  config.device = "cuda:0";
  config.precision = precision;
  config.tuning = false;
  config.verify = Verify::always;
  config.tactics = {"-cudnn",         "-cublaslt",        "-conv_wgmma",
                    "-matmul_wgmma",  "-conv_wgmma_f32",  "-matmul_wgmma_f32",
                    "-conv_wgmma_s8", "-matmul_wgmma_s8", "-attention_wgmma"};
  return config;
}

// Builds with the builder's own check against the reference, and runs three times: in order, as a
// graph that is made, and as one that is there.
inline void check_engine_on_emulated_gpu(const std::string& model, const Shape& input,
                                         const BuildConfig& config) {
  BuildResult built = build_model(onnx::wire::as_bytes(model), nullptr, config);
  EXPECT_TRUE(built.report.self_check.done) << built.report.self_check.note;
  for (const NodeReport& node : built.report.lowering.nodes)
    EXPECT_NE(node.backend, "reference") << node.node;
  const auto engine = std::make_shared<const Engine>(std::move(built.engine));
  Context context(engine, ContextOptions{});
  const Tensor x = random_tensor(DType::f32, input, 1);
  context.bind(engine->inputs()[0].name, x);
  Tensor first;
  for (int run = 0; run < 3; ++run) {
    context.run();
    const Tensor y = context.output_tensor(engine->outputs()[0].name).clone();
    if (run == 0) first = y;
    EXPECT_TRUE(y.identical(first)) << "run " << run;
  }
}

}  // namespace strop::testing
