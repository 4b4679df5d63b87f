// SPDX-License-Identifier: Apache-2.0
#include "base/kill_while_writing.hpp"

namespace strop::os {
namespace {

TEST(AtomicFile, is_old_or_new_after_each_of_1000_kills) { kill_while_writing(1000); }

}  // namespace
}  // namespace strop::os
