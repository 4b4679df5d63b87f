// SPDX-License-Identifier: Apache-2.0
// Compiles one source for several instruction sets. Before including this file a .cpp defines
// STROP_SIMD_SOURCE, the .inl with the code; it is included once for each set, in a namespace of
// its own (generic, avx2, avx512) within strop::cpu, where `Vec` and its functions are those of
// that set (vec_generic.inl says what there is). Everything that the .inl uses from elsewhere is
// included by the .cpp before, so that no other code is compiled for instructions a machine may not
// have.
//
// The set is chosen at run time: STROP_FOR_THIS_CPU(name) is `name` of the best namespace.
#pragma once

#include <bit>
#include <cstdint>

#include "backends/cpu/isa.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#define STROP_SIMD_X86 1
#endif

// GCC 12 takes the undefined operands within its own intrinsics for a mistake.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

namespace strop::cpu::generic {
#include "backends/cpu/kernels/simd/vec_generic.inl"
#include STROP_SIMD_SOURCE
}  // namespace strop::cpu::generic

#if STROP_SIMD_X86
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
namespace strop::cpu::avx2 {
#include "backends/cpu/kernels/simd/vec_avx2.inl"
#include STROP_SIMD_SOURCE
}  // namespace strop::cpu::avx2
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#endif
namespace strop::cpu::avx512 {
#include "backends/cpu/kernels/simd/vec_avx512.inl"
#include STROP_SIMD_SOURCE
}  // namespace strop::cpu::avx512
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

// `name` in the namespace of the best set; a function or an object.
#if STROP_SIMD_X86
#define STROP_FOR_THIS_CPU(name)                                                 \
  (::strop::cpu::isa() >= ::strop::cpu::Isa::avx512 ? ::strop::cpu::avx512::name \
   : ::strop::cpu::isa() == ::strop::cpu::Isa::avx2 ? ::strop::cpu::avx2::name   \
                                                    : ::strop::cpu::generic::name)
#else
#define STROP_FOR_THIS_CPU(name) (::strop::cpu::generic::name)
#endif
