// SPDX-License-Identifier: Apache-2.0
// The fast kernels of plugins as candidates of tuning: one tactic, a configuration per kernel of
// the operator.
#pragma once

#include "tactic/tactic.hpp"

namespace strop {

const Tactic& plugin_tactic();

}  // namespace strop
