// SPDX-License-Identifier: Apache-2.0
#include "passes/passes.hpp"

#include "passes/pass_check.hpp"

namespace strop {
namespace {

using testing::check_pass;
using testing::check_unchanged;

constexpr double kRounding = 1e-5;

const std::string kParameters = R"(
  const %scale = f32[2]{2, 4}
  const %bias = f32[2]{1, -1}
  const %mean = f32[2]{0.5, 1}
  const %variance = f32[2]{3, 0}
)";

TEST(FuseBatchNorm, folds_batch_normalisation_into_a_convolution) {
  EXPECT_EQ(
      check_pass(fuse_batch_norm(), "graph main(%x: f32[N,1,4,4]) -> (%z) {" + kParameters + R"(
                         const %w = f32[2,1,1,2]{1, 2, 3, 4}
                         const %b = f32[2]{10, 20}
                         %y = conv{strides=[2, 1]}(%x, %w, %b)
                         %z = batch_norm{epsilon=1}(%y, %scale, %bias, %mean, %variance)
                       })",
                 R"(graph main(%x: f32[N,1,4,4]) -> (%z) {
                         const %w = f32[2,1,1,2]{1, 2, 12, 16}
                         const %constant_10 = f32[2]{10.5, 75}
                         %z = conv{strides=[2, 1]}(%x, %w, %constant_10)
                       })",
                 {.tolerance = kRounding}),
      1);
}

TEST(FuseBatchNorm, scales_the_right_weights_of_a_grouped_transposed_convolution) {
  // w is [C, M / group, taps]: channels 0 and 1 make outputs 0 and 1, channels 2 and 3 the others.
  check_pass(fuse_batch_norm(),
             R"(graph main(%x: f32[N,4,3]) -> (%z) {
               const %w = f32[4,2,1]{1, 1, 1, 1, 1, 1, 1, 1}
               const %m = f32[4,1]{1, 2, 3, 4}
               %y = conv_transpose{group=2}(%x, %w)
               %z = binary{function="mul"}(%m, %y)
             })",
             R"(graph main(%x: f32[N,4,3]) -> (%z) {
               const %w = f32[4,2,1]{1, 2, 1, 2, 3, 4, 3, 4}
               const %constant_6 = f32[4]{0, 0, 0, 0}
               %z = conv_transpose{group=2}(%x, %w, %constant_6)
             })",
             {.tolerance = kRounding});
}

TEST(FuseBatchNorm, follows_a_chain_of_scales_and_shifts) {
  // ((conv - 1) * 2 + [1, 2]) / 4, then 3 minus it
  check_pass(fuse_batch_norm(),
             R"(graph main(%x: f32[N,1,4]) -> (%z) {
               const %w = f32[2,1,1]{8, 16}
               const %one = f32[]{1}
               const %two = f32[1,1,1]{2}
               const %add = f32[1,2,1]{1, 2}
               const %four = f32[1]{4}
               const %three = f32[]{3}
               %a = conv(%x, %w)
               %b = binary{function="sub"}(%a, %one)
               %c = binary{function="mul"}(%b, %two)
               %d = binary(%add, %c)
               %e = binary{function="div"}(%d, %four)
               %z = binary{function="sub"}(%three, %e)
             })",
             R"(graph main(%x: f32[N,1,4]) -> (%z) {
               const %w = f32[2,1,1]{-4, -8}
               const %constant_14 = f32[2]{3.25, 3}
               %z = conv(%x, %w, %constant_14)
             })",
             {.tolerance = kRounding});
}

TEST(FuseBatchNorm, folds_into_gemm_and_matmul) {
  check_pass(fuse_batch_norm(),
             R"(graph main(%x: f32[N,2]) -> (%z, %u) {
               const %w = f32[3,2]{1, 2, 3, 4, 5, 6}
               const %c = f32[1,3]{1, 2, 3}
               const %m = f32[3]{2, 3, 4}
               const %v = f32[2,2]{1, 2, 3, 4}
               const %k = f32[2]{10, 100}
               const %t = f32[]{7}
               %y = gemm{alpha=0.5, beta=2, trans_b=true}(%x, %w, %c)
               %z = binary{function="mul"}(%y, %m)
               %p = matmul(%x, %v)
               %q = binary{function="mul"}(%p, %k)
               %u = binary(%q, %t)
             })",
             R"(graph main(%x: f32[N,2]) -> (%z, %u) {
               const %w = f32[3,2]{2, 4, 9, 12, 20, 24}
               const %constant_13 = f32[3]{4, 12, 24}
               const %v = f32[2,2]{10, 200, 30, 400}
               const %constant_17 = f32[2]{7, 7}
               %z = gemm{alpha=0.5, trans_b=true}(%x, %w, %constant_13)
               %matmul_16 = matmul(%x, %v)
               %u = binary(%matmul_16, %constant_17)
             })",
             {.tolerance = kRounding});
}

TEST(FuseBatchNorm, leaves_what_it_may_not_change) {
  const std::string start = "graph main(%x: f32[N,2,4], %w2: f32[2,2,1]) -> (%z) {" + kParameters +
                            "const %w = f32[2,2,1]{1, 2, 3, 4} const %last = f32[4]{1, 2, 3, 4}\n";
  // Somebody else reads the convolution.
  check_unchanged(fuse_batch_norm(), start + R"(
    %y = conv(%x, %w)
    %b = batch_norm(%y, %scale, %bias, %mean, %variance)
    %z = binary(%y, %b) })");
  // The weights are no constant.
  check_unchanged(fuse_batch_norm(), start + R"(
    %y = conv(%x, %w2)
    %z = batch_norm(%y, %scale, %bias, %mean, %variance) })");
  // The constant runs along another axis.
  check_unchanged(fuse_batch_norm(), start + R"(
    %y = conv(%x, %w)
    %z = binary{function="mul"}(%y, %last) })");
  // A bias after a matrix product is the epilogue's.
  check_unchanged(fuse_batch_norm(), R"(graph main(%x: f32[N,2]) -> (%z) {
    const %w = f32[2,2]{1, 2, 3, 4}
    const %b = f32[2]{1, 2}
    %y = matmul(%x, %w)
    %z = binary(%y, %b) })");
  // A precise target keeps the order of the sums.
  check_unchanged(fuse_batch_norm(), start + R"(
    %y = conv(%x, %w)
    %z = batch_norm(%y, %scale, %bias, %mean, %variance) })",
                  {.target = {.precise = true}});
}

}  // namespace
}  // namespace strop
