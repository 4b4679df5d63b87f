// SPDX-License-Identifier: Apache-2.0
#include "passes/pass_check.hpp"
#include "passes/passes.hpp"

namespace strop {
namespace {

using testing::check_pass;
using testing::check_unchanged;

std::string padded(const std::string& pad, const std::string& conv) {
  return "graph main(%x: f32[N,2,6,7], %w: f32[3,2,3,3]) -> (%y) { const %zero = f32[]{0} const "
         "%one "
         "= f32[]{1} const %axes = i64[2]{-1, 2} const %all = i64[8]{0, 0, 1, 2, 0, 0, 3, 4} const "
         "%two = i64[4]{5, 1, 6, 2} const %negative = i64[8]{0, 0, -1, 0, 0, 0, 0, 0} const "
         "%channels = i64[8]{0, 1, 0, 0, 0, 0, 0, 0} %p = pad" +
         pad + " %y = conv" + conv + " }";
}

std::string plain(const std::string& conv) {
  return "graph main(%x: f32[N,2,6,7], %w: f32[3,2,3,3]) -> (%y) { %y = conv" + conv + "(%x, %w) }";
}

TEST(FusePad, adds_zeros_to_those_of_the_convolution) {
  check_pass(fuse_pad(), padded("(%x, %all)", "(%p, %w)"), plain("{pads=[1, 2, 3, 4]}"),
             {.symbols = {{"N", 2}}});
  check_pass(
      fuse_pad(),
      padded("(%x, %all, %zero)", "{strides=[2, 1], dilations=[1, 2], pads=[1, 0, 0, 1]}(%p, %w)"),
      plain("{strides=[2, 1], dilations=[1, 2], pads=[2, 2, 3, 5]}"), {.symbols = {{"N", 2}}});
  check_pass(fuse_pad(), padded("(%x, %two, %zero, %axes)", "(%p, %w)"),
             plain("{pads=[1, 5, 2, 6]}"), {.symbols = {{"N", 2}}});
}

TEST(FusePad, leaves_what_is_no_zero_or_no_image) {
  for (const char* pad : {"(%x, %all, %one)", "{mode=\"edge\"}(%x, %all)", "(%x, %negative)"})
    check_unchanged(fuse_pad(), padded(pad, "(%p, %w)"));
  check_unchanged(fuse_pad(), padded("(%x, %all)", "{auto_pad=\"same_upper\"}(%p, %w)"));
  check_unchanged(fuse_pad(),
                  "graph main(%x: f32[1,2,6,7], %w: f32[3,3,3,3]) -> (%y) { const "
                  "%channels = i64[8]{0, 1, 0, 0, 0, 0, 0, 0} %p = pad(%x, %channels) %y "
                  "= conv(%p, %w) }");
}

}  // namespace
}  // namespace strop
