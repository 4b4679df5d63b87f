// SPDX-License-Identifier: Apache-2.0
// Results of an implicit GEMM of bytes: its sums, floats made of them, or bytes by requantisation.
// After byte_elements.cuh and gemm_problem.cuh, before them requantize.cuh for bytes and
// float_results.cuh for floats. Channel operands of requantisation are multipliers and offsets.

enum Result { sums, floats, bytes };
constexpr Result kResult = static_cast<Result>(kResultNumber);

template <int V>
__device__ __forceinline__ void requantize_run(const Operands& operands, long long at, int first,
                                               const int (&x)[V], unsigned (&out)[(V + 3) / 4]) {
  float multiplier[V], offset[V];
  load_channel(operands, 0, first, multiplier);
  load_channel(operands, 1, first, offset);
  unsigned residual[(V + 3) / 4] = {};
  if constexpr (kResidual) load_bytes<V>(operands.residual + at, residual);
#pragma unroll
  for (int w = 0; w < (V + 3) / 4; ++w) {
    out[w] = 0;
#pragma unroll
    for (int e = 0; e < 4 && 4 * w + e < V; ++e) {
      const int v = 4 * w + e;
      unsigned byte =
          requantized<kResidual>(__int2float_rn(x[v]), multiplier[v], offset[v], residual[w], e) &
          0xffu;
      if constexpr (kTable) byte = operands.table[byte];
      out[w] |= byte << (8 * e);
    }
  }
}

// V sums of one row. kCorrectedSums: the zero point's share is still in them.
template <int V>
__device__ __forceinline__ void finish(const Problem& p, const Operands& operands, Output* y,
                                       int batch, int m, int n, int (&x)[V]) {
  const long long at = result_index(p, batch, m, n);
  const int first = batch * p.n + n;
  if constexpr (kCorrectedSums) {
    const int zero = x_zero(operands);
    int weights[V];
    load_run(operands.weight_sums + first, weights);
#pragma unroll
    for (int v = 0; v < V; ++v) x[v] -= zero * weights[v];
  }
  if constexpr (kResult == sums) {
    store_run(y + at, x);
  } else if constexpr (kResult == floats) {
    float as_floats[V];
#pragma unroll
    for (int v = 0; v < V; ++v) as_floats[v] = __int2float_rn(x[v]);
    finish(p, operands, y, batch, m, n, as_floats);
  } else {
    unsigned out[(V + 3) / 4];
    requantize_run(operands, at, first, x, out);
    store_bytes<V>(y + at, out);
  }
}
