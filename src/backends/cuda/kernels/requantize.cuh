// SPDX-License-Identifier: Apache-2.0
// Requantisation as ops/requantize.hpp defines it. Its constants (codegen/requantize_source.hpp)
// come before this text.

// min(max(a * b + c, 0), 1), 0 for NaN.
__device__ __forceinline__ float fma_saturated(float a, float b, float c) {
  float out;
  asm("fma.rn.sat.f32 %0, %1, %2, %3;" : "=f"(out) : "f"(a), "f"(b), "f"(c));
  return out;
}

// Byte e of four of the residual, less its zero point.
__device__ __forceinline__ float residual_of(unsigned word, int e) {
  const unsigned bytes = kSignedTensor ? word ^ 0x80808080u : word;
  return __uint_as_float(__byte_perm(bytes, 0x4b000000u, 0x7440 + e)) - kTensorBias;
}

// The byte that a sum becomes, less its zero point: an integer, exactly.
__device__ __forceinline__ float centred_byte(float sum, float multiplier, float offset) {
  return __fmaf_rn(fma_saturated(sum, multiplier, offset), kByteRange, kByteRounder) - kByteBias;
}

// The result in the low byte; kResidual: with byte e of `word`, which is part of the sum or, where
// kAdds, is added to the byte that the sum becomes.
template <bool kResidual>
__device__ __forceinline__ unsigned requantized(float sum, float multiplier, float offset,
                                                unsigned word, int e) {
  float t;
  if constexpr (kResidual && kAdds) {
    const float byte = centred_byte(sum, multiplier, offset), other = residual_of(word, e);
    t = kAddsLast
            ? fma_saturated(byte, kByteMultiplier, __fmaf_rn(other, kTensorMultiplier, kByteOffset))
            : fma_saturated(other, kTensorMultiplier,
                            __fmaf_rn(byte, kByteMultiplier, kByteOffset));
  } else if constexpr (kResidual) {
    t = fma_saturated(residual_of(word, e), kTensorMultiplier, __fmaf_rn(sum, multiplier, offset));
  } else {
    t = fma_saturated(sum, multiplier, offset);
  }
  return __float_as_uint(__fmaf_rn(t, kRange, kRounder)) + static_cast<unsigned>(kAfter);
}
