// SPDX-License-Identifier: Apache-2.0
// Words of shared memory and the elements in them, for implicit_gemm_sm90.cuh. After
// hopper_primitives.cuh.

__device__ __forceinline__ u32 shared_address(const void* pointer) {
  return static_cast<u32>(__cvta_generic_to_shared(pointer));
}

struct alignas(16) Words {
  u32 word[4];
};
__device__ __forceinline__ Words load_shared(u32 address) {
  Words out;
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(out.word[0]), "=r"(out.word[1]), "=r"(out.word[2]), "=r"(out.word[3])
               : "r"(address)
               : "memory");
  return out;
}
__device__ __forceinline__ void store_shared(u32 address, const Words& words) {
  asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(words.word[0]),
               "r"(words.word[1]), "r"(words.word[2]), "r"(words.word[3])
               : "memory");
}
__device__ __forceinline__ float load_shared_float(u32 address) {
  float out;
  asm volatile("ld.shared.f32 %0, [%1];" : "=f"(out) : "r"(address) : "memory");
  return out;
}
__device__ __forceinline__ void store_shared_float(u32 address, float value) {
  asm volatile("st.shared.f32 [%0], %1;" ::"r"(address), "f"(value) : "memory");
}
// From another block of the cluster.
__device__ __forceinline__ Words load_shared_of(u32 address, u32 block) {
  Words out;
  asm volatile(
      "{\n.reg .b32 remote;\nmapa.shared::cluster.u32 remote, %4, %5;\n"
      "ld.shared::cluster.v4.u32 {%0, %1, %2, %3}, [remote];\n}"
      : "=r"(out.word[0]), "=r"(out.word[1]), "=r"(out.word[2]), "=r"(out.word[3])
      : "r"(address), "r"(block)
      : "memory");
  return out;
}

// --- what is in a word: two halves, or one float

struct Half {
  static __device__ __forceinline__ float low(u32 word) { return to_float(static_cast<u16>(word)); }
  static __device__ __forceinline__ float high(u32 word) {
    return to_float(static_cast<u16>(word >> 16));
  }
  static __device__ __forceinline__ u32 pack(float low, float high) {
    u32 out;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(out) : "f"(high), "f"(low));
    return out;
  }
  static __device__ __forceinline__ float to_float(u16 bits) {
    float out;
    asm("cvt.f32.f16 %0, %1;" : "=f"(out) : "h"(bits));
    return out;
  }
};

struct Bfloat {
  static __device__ __forceinline__ float low(u32 word) { return __int_as_float(word << 16); }
  static __device__ __forceinline__ float high(u32 word) {
    return __int_as_float(word & 0xffff0000u);
  }
  static __device__ __forceinline__ u32 pack(float low, float high) {
    u32 out;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(out) : "f"(high), "f"(low));
    return out;
  }
  static __device__ __forceinline__ float to_float(u16 bits) {
    return __int_as_float(static_cast<u32>(bits) << 16);
  }
};

// One f32 is a word.
struct Float {
  static __device__ __forceinline__ float low(u32 word) {
    return __int_as_float(static_cast<int>(word));
  }
  static __device__ __forceinline__ float high(u32) { return 0; }
  static __device__ __forceinline__ u32 pack(float low, float) { return __float_as_int(low); }
};
