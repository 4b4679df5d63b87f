// SPDX-License-Identifier: Apache-2.0
// Which of the instruction sets that kernels are compiled for this process uses.
#pragma once

#include <cstdint>

namespace strop::cpu {

enum class Isa : std::uint8_t {
  generic,      // plain x86-64, or another processor
  avx2,         // with FMA
  avx512,       // F, BW, DQ, VL
  avx512_vnni,  // and 8-bit dot products
  avx512_bf16,  // and products of bf16 pairs
};

// The best one that this processor has, at most the limit.
Isa isa();

// For tests of the other sets: kernels made from now on use none above it. Results of integer
// kernels do not depend on it; those of float kernels do within their tolerance.
void limit_isa(Isa most);

}  // namespace strop::cpu
