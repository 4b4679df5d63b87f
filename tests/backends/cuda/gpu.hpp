// SPDX-License-Identifier: Apache-2.0
// What tests of the CUDA backend need to know of this machine.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "base/error.hpp"
#include "builder/targets.hpp"

namespace strop::testing {

// The first GPU as a target; nothing, and why, where there is none.
inline const std::optional<BuildTarget>& gpu(std::string* why = nullptr) {
  static std::string reason;
  static const std::optional<BuildTarget> target = []() -> std::optional<BuildTarget> {
    BuildConfig config;
    config.device = "cuda:0";
    try {
      return find_target(config);
    } catch (const Error& error) {
      reason = error.message();
      return std::nullopt;
    }
  }();
  if (why != nullptr) *why = reason;
  return target;
}

}  // namespace strop::testing

#define STROP_SKIP_WITHOUT_GPU()                                         \
  do {                                                                   \
    std::string why_no_gpu;                                              \
    if (!::strop::testing::gpu(&why_no_gpu)) GTEST_SKIP() << why_no_gpu; \
  } while (false)
