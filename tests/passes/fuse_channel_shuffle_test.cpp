// SPDX-License-Identifier: Apache-2.0
#include "passes/pass_check.hpp"
#include "passes/passes.hpp"

namespace strop {
namespace {

using testing::check_pass;
using testing::check_unchanged;

std::string shuffle(const std::string& groups, const std::string& perm, const std::string& to) {
  return "graph main(%x: f32[N,6,4,5]) -> (%y) { const %s = i64[5]{-1, " + groups +
         "} const %t = i64[4]{-1, " + to + "} %a = reshape(%x, %s) %b = transpose{perm=[" + perm +
         "]}(%a) %y = reshape(%b, %t) }";
}

TEST(FuseChannelShuffle, makes_one_node_of_any_number_of_groups) {
  for (const std::string groups : {"2, 3", "3, 2"}) {
    const std::string after = R"(graph main(%x: f32[N,6,4,5]) -> (%y) {
      %y = fused{kind="channel_shuffle"}(%x) body graph body(%x: f32[N,6,4,5]) -> (%reshape_5 "y") {
        const %constant_1 = i64[5]{0, )" +
                              groups + R"(, 4, 5}
        const %constant_4 = i64[4]{0, 6, 4, 5}
        %reshape_2 = reshape(%x, %constant_1)
        %transpose_3 = transpose{perm=[0, 2, 1, 3, 4]}(%reshape_2)
        %reshape_5 = reshape(%transpose_3, %constant_4)
      }
    })";
    check_pass(fuse_channel_shuffle(), shuffle(groups + ", 4, 5", "0, 2, 1, 3, 4", "6, 4, 5"),
               after, {.symbols = {{"N", 2}}});
  }
}

TEST(FuseChannelShuffle, leaves_other_moves) {
  // No perm: all axes reversed.
  check_unchanged(fuse_channel_shuffle(),
                  "graph main(%x: f32[4,6,4]) -> (%y) { const %s = i64[4]{4, 2, 3, 4} const %t = "
                  "i64[3]{4, 6, 4} %a = reshape(%x, %s) %b = transpose(%a) %y = reshape(%b, %t) }");
  check_unchanged(fuse_channel_shuffle(), shuffle("2, 3, 4, 5", "0, 2, 1, 4, 3", "6, 4, 5"));
  check_unchanged(fuse_channel_shuffle(), shuffle("2, 3, 4, 5", "0, 2, 1, 3, 4", "4, 6, 5"));
  check_unchanged(fuse_channel_shuffle(), shuffle("6, 2, 2, 5", "0, 2, 1, 3, 4", "6, 4, 5"));
}

}  // namespace
}  // namespace strop
