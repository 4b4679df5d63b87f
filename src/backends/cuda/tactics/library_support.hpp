// SPDX-License-Identifier: Apache-2.0
// What the tactics over NVIDIA's libraries have in common: epilogues that the libraries know.
#pragma once

#include <optional>
#include <string>

#include "backends/cuda/library_records.hpp"
#include "plan/epilogue.hpp"
#include "tactic/tactic.hpp"

namespace strop::cuda {

// A residual at most, then an activation at most. False, and why, when it is anything else.
// `chain` has its bias already.
bool read_library_chain(const Problem& problem, const Epilogue& epilogue, LibraryChain& chain,
                        std::string& refusal);

// The type of the result, if that is also the type of all inputs of the chain and of these two, and
// one that the libraries know; otherwise why not.
std::string library_types_refusal(const Problem& problem, std::size_t a, std::size_t b,
                                  const LibraryChain& chain);

// "0", "1", ... : numbers in the list of what a library suggests.
std::vector<std::string> library_choices(std::size_t count);
LibraryChoice library_choice(std::string_view config, std::uint64_t version);

// Whether the engine is for a GPU of this machine, so that the library must be here too.
bool runs_here(const Problem& problem);

}  // namespace strop::cuda
