// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <vector>

#include "backends/cpu/onednn_library.hpp"
#include "backends/cpu/tactic_check.hpp"

namespace strop {
namespace {

using testing::check_tactics;
using testing::refusals;

class CpuPool : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!cpu::onednn_available()) GTEST_SKIP() << cpu::onednn_description();
  }
  void check(const std::string& x, const std::string& attributes,
             const std::vector<SymbolValues>& sizes = {}) {
    const bool two_axes = std::ranges::count(x, ',') == 3;
    const bool explicit_pads = attributes.find("auto_pad") == std::string::npos;
    for (const std::string function : {"max", "average"}) {
      std::vector<std::string> candidates = {"pool_onednn"};
      if (two_axes && explicit_pads) candidates.emplace_back("pool_cpu@nhwc");
      if (two_axes && explicit_pads && function == "max") candidates.emplace_back("pool_cpu");
      check_tactics("graph main(%x: f32[" + x + "]) -> (%y) { %y = pool{function=\"" + function +
                        "\", " + attributes + "}(%x) }",
                    candidates, {.sizes = sizes});
    }
  }
};

TEST_F(CpuPool, agrees_in_one_to_three_dimensions) {
  check("2,3,17", "kernel=[3], strides=[2]");
  check("2,3,9,11", "kernel=[3, 2], strides=[2, 1], pads=[1, 0, 0, 1]");
  check("1,2,5,6,7", "kernel=[2, 2, 3]");
}

TEST_F(CpuPool, agrees_where_sizes_round_up_or_rows_are_not_reached) {
  check("1,3,10,11", "kernel=[3, 3], strides=[2, 2], ceil_mode=true");
  check("1,3,10,11", "kernel=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=true");
  check("1,3,10,12", "kernel=[3, 3], strides=[4, 4]");
  check("1,3,13,13", "kernel=[1, 1], strides=[2, 2], ceil_mode=true");
}

TEST_F(CpuPool, agrees_for_dilations_and_derived_pads) {
  check("1,3,14,14", "kernel=[3, 3], dilations=[2, 3]");
  check("2,6,1,3", "kernel=[1, 2], dilations=[2, 1], strides=[2, 1], pads=[0, 0, 0, 1]");
  for (const char* auto_pad : {"same_upper", "same_lower", "valid"}) {
    check("1,3,10,11", "kernel=[3, 2], strides=[2, 2], auto_pad=\"" + std::string(auto_pad) + "\"");
  }
}

TEST_F(CpuPool, agrees_where_padding_counts) {
  check_tactics(
      "graph main(%x: f32[1,3,9,9]) -> (%y) { %y = pool{function=\"average\", kernel=[3, 3], "
      "strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=true}(%x) }",
      {"pool_onednn"});
}

TEST_F(CpuPool, own_means_and_maxima_of_windows_within_the_padding) {
  for (const char* attributes : {"kernel=[1, 3], pads=[1, 0, 1, 0]",
                                 "kernel=[1, 3], pads=[1, 0, 1, 0], count_include_pad=true",
                                 "kernel=[1, 2], pads=[0, 2, 0, 3]"}) {
    for (const char* function : {"max", "average"}) {
      check_tactics("graph main(%x: f32[1,3,4,5]) -> (%y) { %y = pool{function=\"" +
                        std::string(function) + "\", " + attributes + "}(%x) }",
                    {"pool_cpu@nhwc"});
    }
  }
}

TEST_F(CpuPool, agrees_at_sizes_that_change_and_on_empty_tensors) {
  check("N,8,H,W", "kernel=[2, 2], strides=[2, 2]",
        {{{"N", 1}, {"H", 8}, {"W", 9}},
         {{"N", 0}, {"H", 8}, {"W", 9}},
         {{"N", 2}, {"H", 31}, {"W", 4}}});
}

TEST_F(CpuPool, refuses_what_onednn_does_otherwise) {
  EXPECT_EQ(
      refusals(
          "graph main(%x: f32[1,3,9,9]) -> (%y) { %y = pool{function=\"lp\", kernel=[3, 3]}(%x) }"),
      "pool_cpu: it takes maxima of f32, bf16 and bytes, and means of f32; pool_onednn: oneDNN has "
      "no Lp pooling");
  EXPECT_EQ(refusals("graph main(%x: f32[1,3,9,9]) -> (%y) { %y = pool{function=\"average\", "
                     "kernel=[3, 3], ceil_mode=true, count_include_pad=true}(%x) }"),
            "pool_cpu: it counts no padding where sizes round up; pool_onednn: oneDNN would count "
            "elements beyond "
            "the padding");
  for (const char* window :
       {"kernel=[2, 2], dilations=[1, 3]", "kernel=[1, 3], pads=[1, 0, 0, 0]"}) {
    EXPECT_EQ(refusals("graph main(%x: f32[1,3,9,W]) -> (%y) { %y = pool{function=\"average\", " +
                       std::string(window) + "}(%x) }"),
              "pool_onednn: oneDNN takes no windows that may lie in the padding");
  }
}

}  // namespace
}  // namespace strop
