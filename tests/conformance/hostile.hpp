// SPDX-License-Identifier: Apache-2.0
// Every operator of the IR under hostile calls. Nodes of the standard's cases, with the inputs they
// really get, are the start; attributes, element types, shapes, arity and contents are then changed
// at random: zero, negative and enormous sizes and numbers, missing and surplus inputs, indices out
// of range. Inference (on concrete, symbolic and unknown shapes) and the reference kernel must give
// a result or an Error that blames the call, within the limits they are given.
#pragma once

#include <cstdint>
#include <filesystem>

namespace strop::conformance {

struct HostileOptions {
  std::filesystem::path data;  // of the standard's cases
  std::uint64_t seed = 1;      // of the changes
  std::int64_t calls = 300;    // per operator
  std::string filter;          // part of the operator's name
};

// Prints what failed and the totals; returns the number of failures. A call that ends the process
// is named on stderr before.
int run_hostile(const HostileOptions& options);

}  // namespace strop::conformance
