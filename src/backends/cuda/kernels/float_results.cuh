// SPDX-License-Identifier: Apache-2.0
// Results of an implicit GEMM as floats. After gemm_problem.cuh and the text of `epilogue`.

// The epilogue's operands of a channel each, of V results that begin in row m, column n.
template <int V>
struct Channels {
  float value[kChannelOperands + 1][V];
};

template <int V>
__device__ __forceinline__ Channels<V> channels_of(const Problem& p, const Operands& operands,
                                                   int batch, int m, int n) {
  Channels<V> out;
#pragma unroll
  for (int i = 0; i < kChannelOperands; ++i) {
    if constexpr (kKind == conv_plain) {
      const float value = operands.channel[i][kSingleOperands >> i & 1 ? 0 : batch * p.m + m];
#pragma unroll
      for (int v = 0; v < V; ++v) out.value[i][v] = value;
    } else {
      const int first = kKind == conv_channels_last ? batch * p.n + n : n;
      load_channel(operands, i, first, out.value[i]);
    }
  }
  return out;
}

// The epilogue on V results of one row, and their store.
template <int V>
__device__ __forceinline__ void finish(const Problem& p, const Operands& operands,
                                       const Channels<V>& channels, Output* y, int batch, int m,
                                       int n, float (&x)[V]) {
  const long long at = result_index(p, batch, m, n);
  float tensor[kTensorOperands + 1][V];
#pragma unroll
  for (int i = 0; i < kTensorOperands; ++i) load_run(operands.tensor[i] + at, tensor[i]);
#pragma unroll
  for (int v = 0; v < V; ++v) {
    float c[kChannelOperands + 1], t[kTensorOperands + 1];
#pragma unroll
    for (int i = 0; i < kChannelOperands; ++i) c[i] = channels.value[i][v];
#pragma unroll
    for (int i = 0; i < kTensorOperands; ++i) t[i] = tensor[i][v];
    x[v] = epilogue(x[v], c, t);
  }
  store_run(y + at, x);
}

template <int V>
__device__ __forceinline__ void finish(const Problem& p, const Operands& operands, Output* y,
                                       int batch, int m, int n, float (&x)[V]) {
  finish(p, operands, channels_of<V>(p, operands, batch, m, n), y, batch, m, n, x);
}
