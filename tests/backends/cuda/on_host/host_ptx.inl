// SPDX-License-Identifier: Apache-2.0
// Stand-ins for the instructions of kernels/elements.cuh, gemm_copies.cuh, requantize.cuh,
// implicit_gemm_mma.cuh, depthwise_bytes.cuh and tensor_core.cuh; each has the name of the
// instruction and its operands.

alignas(128) static unsigned char host_shared[256 << 10];
static unsigned __cvta_generic_to_shared(const void* p) {
  return static_cast<unsigned>(static_cast<const unsigned char*>(p) - host_shared);
}
static unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
  const unsigned long long both = x | static_cast<unsigned long long>(y) << 32;
  unsigned out = 0;
  for (unsigned i = 0; i < 4; ++i)
    out |= static_cast<unsigned>(both >> (8 * (selector >> (4 * i) & 7)) & 0xff) << (8 * i);
  return out;
}
static unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((static_cast<unsigned long long>(high) << 32 | low) >> shift);
}
struct uint4 {
  unsigned x, y, z, w;
};
struct uint2 {
  unsigned x, y;
};
using host_f = float&;
static void host_fma_rn_sat_f32(host_f out, float a, float b, float c) {
  const float t = __builtin_fmaf(a, b, c);
  out = t > 0 ? (t < 1 ? t : 1.f) : 0.f;
}
static void host_ex2_approx_ftz_f32(host_f out, float x) { out = std::exp2(x); }
static void host_cvt_f32_f16(host_f out, unsigned short x) { out = host_half_to_float(x); }
static void host_cvt_rn_f16x2_f32(unsigned& out, float high, float low) {
  out = host_float_to_half(low) | static_cast<unsigned>(host_float_to_half(high)) << 16;
}
static void host_cvt_rn_bf16x2_f32(unsigned& out, float high, float low) {
  out = host_float_to_bfloat(low) | static_cast<unsigned>(host_float_to_bfloat(high)) << 16;
}
template <class... T>
void host_store(void* to, T... words) {
  const unsigned all[] = {words...};
  std::memcpy(__builtin_assume_aligned(to, 4), all, sizeof(all));
}
static void host_st_global_v4_b32(void* to, unsigned a, unsigned b, unsigned c, unsigned d) {
  if (reinterpret_cast<std::uintptr_t>(to) % 16 != 0) __builtin_trap();
  host_store(to, a, b, c, d);
}
static void host_st_global_v2_b32(void* to, unsigned a, unsigned b) {
  if (reinterpret_cast<std::uintptr_t>(to) % 8 != 0) __builtin_trap();
  host_store(to, a, b);
}
static void host_st_shared_u8(unsigned to, unsigned bits) {
  host_shared[to] = static_cast<unsigned char>(bits);
}
static void host_st_shared_u16(unsigned to, unsigned short bits) {
  if (to % 2 != 0) __builtin_trap();
  std::memcpy(host_shared + to, &bits, 2);
}
static void host_st_shared_u32(unsigned to, unsigned bits) {
  if (to % 4 != 0) __builtin_trap();
  std::memcpy(host_shared + to, &bits, 4);
}
static void host_cp_async_ca_shared_global(unsigned to, const void* from, int size, int bytes) {
  if (to % size != 0 || (bytes > 0 && reinterpret_cast<std::uintptr_t>(from) % size != 0))
    __builtin_trap();
  std::memset(host_shared + to, 0, size);
  if (bytes > 0) std::memcpy(host_shared + to, from, bytes);
}
static void host_cp_async_cg_shared_global(unsigned to, const void* from, int bytes) {
  host_cp_async_ca_shared_global(to, from, 16, bytes);
}
static void host_cp_async_commit_group() {}
static void host_cp_async_wait_group(int) {}

static void host_load_matrices(unsigned& a, unsigned& b, unsigned& c, unsigned& d, unsigned from,
                               bool transposed) {
  const unsigned t = host::running->thread, warp = t / 32 * 32, lane = t % 32;
  if (from % 16 != 0) __builtin_trap();
  host::exchange[t] = from;
  host::yield();
  unsigned* const out[] = {&a, &b, &c, &d};
  for (unsigned m = 0; m < 4; ++m) {
    unsigned short two[2];
    for (unsigned e = 0; e < 2; ++e) {
      const unsigned r = transposed ? lane % 4 * 2 + e : lane / 4;
      const unsigned column = transposed ? lane / 4 : lane % 4 * 2 + e;
      std::memcpy(&two[e], host_shared + host::exchange[warp + 8 * m + r] + 2 * column, 2);
    }
    *out[m] = two[0] | static_cast<unsigned>(two[1]) << 16;
  }
  host::yield();
}
static void host_ldmatrix_sync_aligned_m8n8_x4_shared_b16(unsigned& a, unsigned& b, unsigned& c,
                                                          unsigned& d, unsigned from) {
  host_load_matrices(a, b, c, d, from, false);
}
static void host_ldmatrix_sync_aligned_m8n8_x4_trans_shared_b16(unsigned& a, unsigned& b,
                                                                unsigned& c, unsigned& d,
                                                                unsigned from) {
  host_load_matrices(a, b, c, d, from, true);
}

// A warp's product: m16n8 with four values a thread, as many words of 32 bits of A and two of B.
// kIn values in a word; a(word, i) and b(word, i) are what they stand for.
static unsigned host_a[1024][4], host_b[1024][2];
template <int kIn, class Sum, class A, class B>
void host_multiply(Sum* (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, A value_a,
                   B value_b) {
  const unsigned t = host::running->thread, warp = t / 32 * 32, lane = t % 32;
  std::memcpy(host_a[t], a, sizeof(a));
  host_b[t][0] = b0, host_b[t][1] = b1;
  host::yield();
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned row = lane / 4 + 8 * (i / 2), column = lane % 4 * 2 + i % 2;
    for (unsigned k = 0; k < 8 * kIn; ++k) {
      const unsigned word = k / kIn, of = k % kIn;
      *c[i] += value_a(host_a[warp + row % 8 * 4 + word % 4][row / 8 + 2 * (word / 4)], of) *
               value_b(host_b[warp + column * 4 + word % 4][word / 4], of);
    }
  }
  host::yield();
}
static float host_half_of(unsigned word, unsigned i) {
  return host_half_to_float(static_cast<unsigned short>(word >> (16 * i)));
}
static float host_bfloat_of(unsigned word, unsigned i) {
  return __uint_as_float(word >> (16 * i) << 16);
}
static int host_signed_of(unsigned word, unsigned i) {
  return static_cast<signed char>(word >> (8 * i));
}
static int host_unsigned_of(unsigned word, unsigned i) {
  return static_cast<unsigned char>(word >> (8 * i));
}
template <class A>
void host_dot(int& out, unsigned a, unsigned b, int c, A value_a) {
  out = c;
  for (unsigned i = 0; i < 4; ++i) out += value_a(a, i) * host_signed_of(b, i);
}
static void host_dp4a_u32_s32(int& out, unsigned a, unsigned b, int c) {
  host_dot(out, a, b, c, host_unsigned_of);
}
static void host_dp4a_s32_s32(int& out, unsigned a, unsigned b, int c) {
  host_dot(out, a, b, c, host_signed_of);
}
#define HOST_MMA(name, Sum, in, a_of, b_of)                                                      \
  static void name(Sum& c0, Sum& c1, Sum& c2, Sum& c3, unsigned a0, unsigned a1, unsigned a2,    \
                   unsigned a3, unsigned b0, unsigned b1) {                                      \
    Sum* c[4] = {&c0, &c1, &c2, &c3};                                                            \
    const unsigned a[4] = {a0, a1, a2, a3};                                                      \
    host_multiply<in>(c, a, b0, b1, a_of, b_of);                                                 \
  }
HOST_MMA(host_mma_sync_aligned_m16n8k16_row_col_f32_f16_f16_f32, float, 2, host_half_of,
         host_half_of)
HOST_MMA(host_mma_sync_aligned_m16n8k16_row_col_f32_bf16_bf16_f32, float, 2, host_bfloat_of,
         host_bfloat_of)
HOST_MMA(host_mma_sync_aligned_m16n8k32_row_col_s32_u8_s8_s32, int, 4, host_unsigned_of,
         host_signed_of)
HOST_MMA(host_mma_sync_aligned_m16n8k32_row_col_s32_s8_s8_s32, int, 4, host_signed_of,
         host_signed_of)
