// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "tactic/tactic.hpp"

namespace strop {

// Groups of a channel shuffle, as fuse_channel_shuffle spells it in a body; 0: the problem is none.
std::int64_t shuffle_groups(const Problem& problem);

}  // namespace strop
