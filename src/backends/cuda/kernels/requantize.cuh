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

// Of the byte that a sum becomes the steps above the lowest one, in the low bits.
__device__ __forceinline__ float steps_of(float sum, float multiplier, float offset) {
  return __fmaf_rn(fma_saturated(sum, multiplier, offset), kByteRange, kByteRounder);
}

// The result in the low byte, from where it lies between the bounds.
__device__ __forceinline__ unsigned result_of(float t) {
  return __float_as_uint(__fmaf_rn(t, kRange, kRounder)) + static_cast<unsigned>(kAfter);
}

// kAdds: that of a byte, less its zero point, and byte e of `word`.
__device__ __forceinline__ unsigned added(float byte, unsigned word, int e) {
  const float other = residual_of(word, e);
  return result_of(
      kAddsLast
          ? fma_saturated(byte, kByteMultiplier, __fmaf_rn(other, kTensorMultiplier, kByteOffset))
          : fma_saturated(other, kTensorMultiplier, __fmaf_rn(byte, kByteMultiplier, kByteOffset)));
}

// The result in the low byte, before a table if there is one; kResidual: with byte e of `word`,
// which is part of the sum or, where kAdds, is added to the byte that the sum becomes.
template <bool kResidual>
__device__ __forceinline__ unsigned requantized(float sum, float multiplier, float offset,
                                                unsigned word, int e) {
  if constexpr (kResidual && kAdds) {
    return added(steps_of(sum, multiplier, offset) - kByteBias, word, e);
  } else if constexpr (kResidual) {
    return result_of(
        fma_saturated(residual_of(word, e), kTensorMultiplier, __fmaf_rn(sum, multiplier, offset)));
  } else {
    return result_of(fma_saturated(sum, multiplier, offset));
  }
}

// Behind the table, where kTable; it may come before other bytes are added.
template <bool kResidual>
__device__ __forceinline__ unsigned requantized(float sum, float multiplier, float offset,
                                                unsigned word, int e, const unsigned char* table) {
  if constexpr (kTable && kResidual && kAdds) {
    const unsigned steps = __float_as_uint(steps_of(sum, multiplier, offset));
    const unsigned byte = table[(steps + static_cast<unsigned>(kByteLow)) & 0xffu];
    const unsigned bits = 0x4b000000u | (kSignedEntries ? byte ^ 0x80u : byte);
    return added(__uint_as_float(bits) - kEntryBias, word, e);
  } else {
    const unsigned byte = requantized<kResidual>(sum, multiplier, offset, word, e);
    return kTable ? table[byte & 0xffu] : byte;
  }
}
