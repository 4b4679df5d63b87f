// SPDX-License-Identifier: Apache-2.0
// Element types, runs of V elements as one load or store (addresses are multiples of the run), and
// copies from global to shared memory that run beside the arithmetic. Included as text by kernels.

struct f16 {
  unsigned short bits;
};
struct bf16 {
  unsigned short bits;
};
using f32 = float;

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(f16 x) {
  float out;
  asm("cvt.f32.f16 %0, %1;" : "=f"(out) : "h"(x.bits));
  return out;
}
__device__ __forceinline__ float to_float(bf16 x) {
  return __int_as_float(static_cast<int>(static_cast<unsigned>(x.bits) << 16));
}

// Two elements in a word, the first in its low half.
__device__ __forceinline__ void unpack(unsigned pair, float& a, float& b, f16) {
  a = to_float(f16{static_cast<unsigned short>(pair)});
  b = to_float(f16{static_cast<unsigned short>(pair >> 16)});
}
__device__ __forceinline__ void unpack(unsigned pair, float& a, float& b, bf16) {
  a = __int_as_float(static_cast<int>(pair << 16));
  b = __int_as_float(static_cast<int>(pair & 0xffff0000u));
}
__device__ __forceinline__ unsigned pack(float a, float b, f16) {
  unsigned out;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(out) : "f"(b), "f"(a));
  return out;
}
__device__ __forceinline__ unsigned pack(float a, float b, bf16) {
  unsigned out;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(out) : "f"(b), "f"(a));
  return out;
}

__device__ __forceinline__ float multiply_add(float a, float b, float c) { return fmaf(a, b, c); }

template <int kWords>
struct Words {
  unsigned word[kWords];
};

template <int kWords>
__device__ __forceinline__ Words<kWords> load_words(const void* from) {
  Words<kWords> out;
  if constexpr (kWords == 4) {
    const uint4 in = *static_cast<const uint4*>(from);
    out = {{in.x, in.y, in.z, in.w}};
  } else if constexpr (kWords == 2) {
    const uint2 in = *static_cast<const uint2*>(from);
    out = {{in.x, in.y}};
  } else {
    out = {{*static_cast<const unsigned*>(from)}};
  }
  return out;
}

// To global memory. Written out, since the compiler splits such a store of values it has apart.
template <int kWords>
__device__ __forceinline__ void store_words(void* to, const Words<kWords>& in) {
  if constexpr (kWords == 4) {
    asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(to), "r"(in.word[0]),
                 "r"(in.word[1]), "r"(in.word[2]), "r"(in.word[3])
                 : "memory");
  } else if constexpr (kWords == 2) {
    asm volatile("st.global.v2.b32 [%0], {%1, %2};" ::"l"(to), "r"(in.word[0]), "r"(in.word[1])
                 : "memory");
  } else {
    *static_cast<unsigned*>(to) = in.word[0];
  }
}

// V elements as floats. Runs beyond 16 bytes are several loads.
template <int V, class T>
__device__ __forceinline__ void load_run(const T* from, float (&to)[V]) {
  if constexpr (sizeof(T) == 2 && V == 1) {
    to[0] = to_float(from[0]);
  } else if constexpr (sizeof(T) == 2) {
    const Words<V / 2> in = load_words<V / 2>(from);
#pragma unroll
    for (int i = 0; i < V / 2; ++i) unpack(in.word[i], to[2 * i], to[2 * i + 1], T{});
  } else {
    constexpr int kWords = V < 4 ? V : 4;
#pragma unroll
    for (int i = 0; i < V; i += kWords) {
      const Words<kWords> in = load_words<kWords>(from + i);
#pragma unroll
      for (int j = 0; j < kWords; ++j) to[i + j] = __int_as_float(static_cast<int>(in.word[j]));
    }
  }
}

template <int V, class T>
__device__ __forceinline__ void store_run(T* to, const float (&from)[V]) {
  if constexpr (sizeof(T) == 2 && V == 1) {
    to[0].bits = static_cast<unsigned short>(pack(from[0], 0.f, T{}));
  } else if constexpr (sizeof(T) == 2) {
    Words<V / 2> out;
#pragma unroll
    for (int i = 0; i < V / 2; ++i) out.word[i] = pack(from[2 * i], from[2 * i + 1], T{});
    store_words<V / 2>(to, out);
  } else {
    constexpr int kWords = V < 4 ? V : 4;
#pragma unroll
    for (int i = 0; i < V; i += kWords) {
      Words<kWords> out;
#pragma unroll
      for (int j = 0; j < kWords; ++j)
        out.word[j] = static_cast<unsigned>(__float_as_int(from[i + j]));
      store_words<kWords>(to + i, out);
    }
  }
}

__device__ __forceinline__ unsigned shared_address(const void* pointer) {
  return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

// kBytes (4, 8 or 16) from global to shared memory, or as many zeros; nothing is read then, from
// wherever that would be.
template <int kBytes>
__device__ __forceinline__ void copy_async(unsigned to, const void* from, bool valid) {
  const int bytes = valid ? kBytes : 0;
  if constexpr (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(to), "l"(from), "n"(kBytes),
                 "r"(bytes)
                 : "memory");
  }
}
__device__ __forceinline__ void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int kPending>
__device__ __forceinline__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// Waits for what earlier launches write, and lets the next one begin; every thread of the kernel
// calls it before it reads.
__device__ __forceinline__ void take_turn() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
