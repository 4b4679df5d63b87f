// SPDX-License-Identifier: Apache-2.0
// What the sequence operators share.
#pragma once

#include <cstdint>

#include "ir/evaluate.hpp"
#include "ir/infer.hpp"

namespace strop {

// The type of elements of which some are of type `a` and some of type `b`: equal shapes stay,
// others are unknown. Fails when the element types differ.
Type common_element(const InferContext& context, const Type& a, const Type& b);

// Input `input`, a scalar, as a place among `count` ones; negative counts from the end.
std::int64_t sequence_position(const KernelContext& context, std::size_t input, std::int64_t count);

// Throws Error(limit_exceeded) when a sequence may not be that long.
void check_sequence_length(const KernelContext& context, std::int64_t length);

// Bytes of all tensors in a value; one that two places share counts twice.
std::int64_t bytes_of(const Datum& datum);

// Throws Error(limit_exceeded) when the values of one sequence may not take so many bytes.
void check_sequence_bytes(const KernelContext& context, std::int64_t bytes);

// Infers the type of the tensor at a position input: one number.
void require_scalar(InferContext& context, std::size_t input);

}  // namespace strop
