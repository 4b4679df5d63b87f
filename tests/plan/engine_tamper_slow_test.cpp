// SPDX-License-Identifier: Apache-2.0
#include "plan/engine_tamper.hpp"

namespace strop {
namespace {

using testing::EngineTamper;

TEST_F(EngineTamper, a_hundred_thousand_random_bit_flips_are_found) {
  expect_random_flips_refused(100000);
}

}  // namespace
}  // namespace strop
