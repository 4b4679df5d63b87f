// SPDX-License-Identifier: Apache-2.0
// Tiles of bf16 for instruction sets that have no products of bf16 pairs.
#include "backends/cpu/kernels/simd/bf16_words.inl"
#include "backends/cpu/kernels/simd/tile_bf16.inl"
