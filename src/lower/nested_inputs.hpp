// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <set>
#include <string>

#include "ir/graph.hpp"

namespace strop {

// The nested graph with inputs whose sizes can be told when it runs: by symbols that are `known`
// around it, and by those that stand alone in its inputs. A size that says more (what a loop
// carries may be described as it was before passes found better words) becomes a symbol of its own.
std::shared_ptr<const Graph> with_known_inputs(const std::shared_ptr<const Graph>& nested,
                                               const std::set<std::string>& known);

}  // namespace strop
