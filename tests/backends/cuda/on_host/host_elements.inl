// SPDX-License-Identifier: Apache-2.0
// Stand-ins for kernels/elements.cuh and kernels/tensor_core.cuh; after host_prelude.inl.
struct f16 {
  unsigned short bits;
};
struct bf16 {
  unsigned short bits;
};
using f32 = float;
struct float4 {
  float x, y, z, w;
};

inline float to_float(float x) { return x; }
inline float to_float(f16 x) { return host_half_to_float(x.bits); }
inline float to_float(bf16 x) { return __uint_as_float(static_cast<unsigned>(x.bits) << 16); }
inline void narrow(float x, float& to) { to = x; }
inline void narrow(float x, f16& to) { to.bits = host_float_to_half(x); }
inline void narrow(float x, bf16& to) { to.bits = host_float_to_bfloat(x); }

template <class T>
void unpack(unsigned pair, float& a, float& b, T) {
  a = to_float(T{static_cast<unsigned short>(pair)});
  b = to_float(T{static_cast<unsigned short>(pair >> 16)});
}
template <class T>
unsigned pack(float a, float b, T) {
  T low, high;
  narrow(a, low), narrow(b, high);
  return low.bits | static_cast<unsigned>(high.bits) << 16;
}

template <int kWords>
struct Words {
  unsigned word[kWords];
};
template <int kWords>
Words<kWords> load_words(const void* from) {
  Words<kWords> out;
  std::memcpy(&out, from, sizeof(out));
  return out;
}
template <int kWords>
void store_words(void* to, const Words<kWords>& in) {
  std::memcpy(to, &in, sizeof(in));
}
template <int V, class T>
void store_run(T* to, const float (&from)[V]) {
  for (int i = 0; i < V; ++i) narrow(from[i], to[i]);
}

inline unsigned shared_address(const void* pointer) {
  return static_cast<unsigned>(static_cast<const unsigned char*>(pointer) - host::dynamic_shared);
}
template <int kBytes>
void copy_async(unsigned to, const void* from, bool valid) {
  host::uncommitted[host::running->thread].push_back(
      {host::dynamic_shared + to, valid ? from : nullptr, kBytes});
}

template <bool kTransposed>
void load_matrices(unsigned from, unsigned (&to)[4]) {
  load_any(to, reinterpret_cast<const unsigned short*>(host::dynamic_shared + from), kTransposed);
}
template <class T>
void multiply(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, T) {
  const unsigned t = host::running->thread, warp = t / 32 * 32, lane = t % 32;
  for (int i = 0; i < 4; ++i) operand_a[t][i] = a[i];
  operand_b[t][0] = b0, operand_b[t][1] = b1;
  host::sync_warp();
  const auto element = [](unsigned pair, unsigned e) {
    return to_float(T{static_cast<unsigned short>(pair >> (16 * e))});
  };
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned row = lane / 4 + 8 * (i / 2), column = lane % 4 * 2 + i % 2;
    for (unsigned k = 0; k < 16; ++k) {
      c[i] += element(operand_a[warp + row % 8 * 4 + k % 8 / 2][row / 8 + 2 * (k / 8)], k % 2) *
              element(operand_b[warp + column * 4 + k % 8 / 2][k / 8], k % 2);
    }
  }
  host::sync_warp();
}
inline void take_turn() {}
inline float power_of_2(float x) { return std::exp2(x); }
