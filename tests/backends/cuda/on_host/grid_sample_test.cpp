// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "backends/cuda/on_host/tactic_check.hpp"
#include "builder/plan_execution.hpp"

namespace strop::testing {
namespace {

std::string graph(const std::string& x, const std::string& grid, const std::string& attributes) {
  return "graph main(%x: " + x + ", %g: " + grid + ") -> (%y) { %y = grid_sample{" + attributes +
         "}(%x, %g) }";
}

TEST(CudaGridSample, every_mode_and_padding) {
  // Within, beyond and far beyond the borders.
  std::vector<float> places;
  for (int i = 0; i < 2 * 4 * 5 * 2; ++i)
    places.push_back(static_cast<float>(i * 37 % 101) / 22 - 2.3f);
  const Tensor grid = Tensor::from<float>({2, 4, 5, 2}, places);
  const Tensor x = random_tensor(DType::f32, {2, 9, 6, 3}, 1);
  int number = 0;
  for (const char* mode : {"linear", "nearest", "cubic"}) {
    for (const char* padding : {"zeros", "border", "reflection"}) {
      const std::string align = number++ % 2 == 0 ? "true" : "false";
      check_cuda(graph("f32[N,9,H,3]", "f32[N,4,W,2]",
                       std::string("mode=\"") + mode + "\", padding=\"" + padding +
                           "\", align_corners=" + align),
                 {"grid_sample_cuda"},
                 {.sizes = {{{"N", 2}, {"H", 6}, {"W", 5}}}, .inputs = {x, grid}});
    }
  }
}

TEST(CudaGridSample, lines_volumes_and_halves) {
  check_cuda(graph("f16[2,3,7]", "f16[2,4,1]", "align_corners=true"), {"grid_sample_cuda"});
  check_cuda(graph("bf16[1,2,3,4,5]", "f32[1,2,3,2,3]", "padding=\"border\""),
             {"grid_sample_cuda"});
  check_cuda(graph("f32[1,2,3,4,5]", "f32[1,2,3,2,3]", "mode=\"nearest\""), {"grid_sample_cuda"});
}

TEST(CudaGridSample, positions_that_are_no_numbers) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const Tensor grid =
      Tensor::from<float>({1, 1, 5, 2}, {kNan, 0, 0, kInf, -kInf, kNan, 3e38f, -3e38f, 0, 0});
  const Tensor x = random_tensor(DType::f32, {1, 2, 3, 3}, 1);
  for (const char* padding : {"zeros", "border", "reflection"})
    check_cuda(graph("f32[1,2,3,3]", "f32[1,1,5,2]", std::string("padding=\"") + padding + "\""),
               {"grid_sample_cuda"}, {.inputs = {x, grid}});
}

}  // namespace
}  // namespace strop::testing
