// SPDX-License-Identifier: Apache-2.0
#include "passes/passes.hpp"

#include "passes/pass_check.hpp"

namespace strop {
namespace {

using testing::check_pass;
using testing::check_unchanged;

const Target kGpu = {.backend = "cuda"};

std::string patches(const std::string& attributes, const std::string& perm = "0, 2, 1",
                    const std::string& outputs = "%y") {
  return "graph main(%x: f32[B,2,4,3]) -> (" + outputs + R"() {
      const %w = f32[2,2,2,1]{1, 2, 3, 4, 5, 6, 7, 8}
      const %c = f32[2]{7, 8} const %flat = i64[3]{0, 2, -1}
      %i = conv{)" +
         attributes + R"(}(%x, %w, %c)
      %r = reshape(%i, %flat)
      %y = transpose{perm=[)" +
         perm + "]}(%r) }";
}

TEST(RewritePatchConv, multiplies_rows_of_patches) {
  check_pass(rewrite_patch_conv(), patches("strides=[2, 1]"),
             R"(graph main(%x: f32[B,2,4,3]) -> (%y) {
      const %c = f32[2]{7, 8}
      const %constant_7 = i64[6]{0, 2, 2, 2, 3, 1}
      const %constant_10 = i64[3]{0, 6, 4}
      const %constant_12 = f32[4,2]{1, 5, 2, 6, 3, 7, 4, 8}
      %reshape_8 = reshape(%x, %constant_7)
      %transpose_9 = transpose{perm=[0, 2, 4, 1, 3, 5]}(%reshape_8)
      %reshape_11 = reshape(%transpose_9, %constant_10)
      %matmul_13 = matmul(%reshape_11, %constant_12)
      %y = binary(%matmul_13, %c)
    })",
             {.tolerance = 1e-6, .target = kGpu});
}

TEST(RewritePatchConv, leaves_other_windows_moves_and_targets) {
  check_unchanged(rewrite_patch_conv(), patches("strides=[2, 1]"), {.target = {.backend = "cpu"}});
  check_unchanged(rewrite_patch_conv(), patches("strides=[2, 1]"),
                  {.target = {.backend = "cuda", .precise = true}});
  for (const char* other : {"strides=[1, 1]", "strides=[2, 2]", "strides=[2, 1], pads=[1, 0, 1, 0]",
                            "strides=[2, 1], dilations=[2, 1]"})
    check_unchanged(rewrite_patch_conv(), patches(other), {.target = kGpu});
  check_unchanged(rewrite_patch_conv(), patches("strides=[2, 1]", "1, 2, 0"), {.target = kGpu});
  check_unchanged(rewrite_patch_conv(), patches("strides=[2, 1]", "0, 2, 1", "%y, %i"),
                  {.target = kGpu});
}

}  // namespace
}  // namespace strop
