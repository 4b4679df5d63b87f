// SPDX-License-Identifier: Apache-2.0
// Results of an implicit GEMM of bytes: its sums, floats made of them, or bytes by requantisation.
// After byte_elements.cuh and gemm_problem.cuh, before them requantize.cuh for bytes and
// float_results.cuh for floats. Channel operands of requantisation are multipliers and offsets.

enum Result { sums, floats, bytes };
constexpr Result kResult = static_cast<Result>(kResultNumber);

// Multipliers and offsets of V channels.
template <int V>
struct Factors {
  float multiplier[V], offset[V];
};

template <int V>
__device__ __forceinline__ Factors<V> factors_of(const Operands& operands, int first) {
  Factors<V> out;
  load_channel(operands, 0, first, out.multiplier);
  load_channel(operands, 1, first, out.offset);
  return out;
}

// Sums of V channels without the zero point's share, where it is still in them.
template <int V>
__device__ __forceinline__ void correct(const Operands& operands, int first, int (&x)[V]) {
  if constexpr (kCorrectedSums) {
    const int zero = x_zero(operands);
    int weights[V];
    load_run(operands.weight_sums + first, weights);
#pragma unroll
    for (int v = 0; v < V; ++v) x[v] -= zero * weights[v];
  }
}

// V results that begin at element `at` of y.
template <int V>
__device__ __forceinline__ void store_requantized(const Operands& operands,
                                                  const Factors<V>& factors, Output* y,
                                                  long long at, const int (&x)[V]) {
  unsigned out[(V + 3) / 4], residual[(V + 3) / 4] = {};
  if constexpr (kResidual) load_bytes<V>(operands.residual + at, residual);
#pragma unroll
  for (int w = 0; w < (V + 3) / 4; ++w) {
    out[w] = 0;
#pragma unroll
    for (int e = 0; e < 4 && 4 * w + e < V; ++e) {
      const int v = 4 * w + e;
      const unsigned byte =
          requantized<kResidual>(__int2float_rn(x[v]), factors.multiplier[v], factors.offset[v],
                                 residual[w], e, kTable ? operands.table : nullptr);
      out[w] |= (byte & 0xffu) << (8 * e);
    }
  }
  store_bytes<V>(y + at, out);
}

// V sums of one row.
template <int V>
__device__ __forceinline__ void finish(const Problem& p, const Operands& operands, Output* y,
                                       int batch, int m, int n, int (&x)[V]) {
  const long long at = result_index(p, batch, m, n);
  const int first = batch * p.n + n;
  correct(operands, first, x);
  if constexpr (kResult == sums) {
    store_run(y + at, x);
  } else if constexpr (kResult == floats) {
    float as_floats[V];
#pragma unroll
    for (int v = 0; v < V; ++v) as_floats[v] = __int2float_rn(x[v]);
    finish(p, operands, y, batch, m, n, as_floats);
  } else {
    store_requantized(operands, factors_of<V>(operands, first), y, at, x);
  }
}
