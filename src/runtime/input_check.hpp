// SPDX-License-Identifier: Apache-2.0
// What is asked of a tensor before it becomes an input: name, element type, rank, fixed dimensions
// and size in bytes, each with an error that says what to do. Symbolic dimensions are compared
// between inputs when shapes are prepared.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "plan/engine_file.hpp"

namespace strop {

// Index of the port. Throws Error(unknown_name) listing the names there are. `kind` is "input" or
// "output".
std::size_t find_port(std::span<const EnginePort> ports, std::string_view name, const char* kind);

// Throws Error(input_type, input_rank, input_shape).
void check_input_shape(const EnginePort& port, DType dtype, std::span<const std::int64_t> dims);

// Also throws Error(input_bytes) unless `bytes` is the size of such a tensor, Error(bad_argument)
// for null or unaligned memory.
void check_input_memory(const EnginePort& port, DType dtype, std::span<const std::int64_t> dims,
                        const void* data, std::uint64_t bytes, bool must_be_aligned);

}  // namespace strop
