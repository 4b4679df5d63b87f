// SPDX-License-Identifier: Apache-2.0
// Attention with products and sums in f32, for elements of any type and heads of any size: one pass
// over the keys with running maxima and sums. After flash_attention_problem.cuh.
//
// 16 x 16 threads have kTileRows queries of one head, kColumns columns of its values (a block each
// where there are more), and go through tiles of kKeys keys. Queries and keys come in pieces of
// kDepth elements. A thread has kLines queries; of keys every 16th, of columns four of every 64.

constexpr int kThreads = 256;
constexpr int kLines = kTileRows / 16, kPerThread = kKeys / 16;
constexpr int kPieces = (kSize + kDepth - 1) / kDepth;
constexpr int kColumnBlocks = (kValueSize + kColumns - 1) / kColumns;
constexpr int kPitch = kDepth + 4, kPitchP = kKeys + 4;
constexpr int kRuns = kColumns / 64;
static_assert(kDepth % 4 == 0 && kColumns % 64 == 0 && kKeys % 16 == 0, "threads share the tile");

// kCount rows of `width` elements as floats, with zeros behind them up to kPadded, and in place of
// rows that are not there. After wait_copies.
template <int kCount, int kPadded, int kPitchTo, int kVector>
__device__ __forceinline__ void copy_rows(float* to, const Element* from, long long stride,
                                          int there, int width) {
  constexpr int kChunks = kPadded / kVector;
  for (int i = static_cast<int>(threadIdx.x); i < kCount * kChunks; i += kThreads) {
    const int row = i / kChunks, column = i % kChunks * kVector;
    const bool valid = row < there && column < width;
    const Element* at = from + row * stride + column;
    float* place = to + row * kPitchTo + column;
    if constexpr (sizeof(Element) == 4) {
      copy_async<4 * kVector>(shared_address(place), at, valid);
    } else {
#pragma unroll
      for (int e = 0; e < kVector; ++e) place[e] = valid ? to_float(at[e]) : 0.f;
    }
  }
}

__device__ __forceinline__ float4 four(const float* from) {
  return *reinterpret_cast<const float4*>(from);
}

// Over the 16 threads that share queries.
template <class Operation>
__device__ __forceinline__ float reduce(float x, Operation operation) {
#pragma unroll
  for (int distance = 8; distance > 0; distance /= 2)
    x = operation(x, __shfl_xor_sync(~0u, x, distance));
  return x;
}

struct Rows {
  float largest[kLines], sum[kLines];
  float o[kLines][4 * kRuns];
};

// Products become scores, scores exponentials in `weights`, and what was summed shrinks.
__device__ __forceinline__ void weigh(float (&s)[kLines][kPerThread], Rows& rows, float* weights,
                                      const Problem& p, const Block& block, int key) {
  const int x = static_cast<int>(threadIdx.x) % 16, y = static_cast<int>(threadIdx.x) / 16;
  const BiasOfHead bias = bias_of(p, block);
#pragma unroll
  for (int i = 0; i < kLines; ++i) {
    const int line = y * kLines + i, query = block.row + line;
    float largest = rows.largest[i];
#pragma unroll
    for (int j = 0; j < kPerThread; ++j) {
      const int at = key + x + 16 * j;
      float score = s[i][j] * kScale;
      if (kSoftcap > 0) score = kSoftcap * tanhf(score / (kSoftcap > 0 ? kSoftcap : 1.f));
      bool seen = query < p.queries && block.sees(query, at);
      if (kBias != no_bias && seen) {
        const Bias element = bias.data[query * bias.row + bias.key * at];
        seen = kBias == bias_of_numbers || to_float(element) != 0;
        if (kBias == bias_of_numbers) score += to_float(element);
      }
      s[i][j] = seen ? score : HIDDEN;
      largest = fmaxf(largest, s[i][j]);
    }
    largest = reduce(largest, [](float a, float b) { return fmaxf(a, b); });
    const float base = largest == HIDDEN ? 0.f : largest;
    const float factor = expf(rows.largest[i] - base);
    rows.largest[i] = largest;
    rows.sum[i] *= factor;
#pragma unroll
    for (int c = 0; c < 4 * kRuns; ++c) rows.o[i][c] *= factor;
#pragma unroll
    for (int j = 0; j < kPerThread; ++j) {
      const float weight = expf(s[i][j] - base);
      rows.sum[i] += weight;
      weights[line * kPitchP + x + 16 * j] = weight;
    }
  }
}

extern "C" __global__ void __launch_bounds__(kThreads, kMinBlocks) attention(PROBLEM_PARAMETERS) {
  extern __shared__ __align__(128) unsigned char shared[];
  take_turn();
  const Problem p = PROBLEM;
  float* tile_q = reinterpret_cast<float*>(shared);
  float* tile_k = tile_q + kTileRows * kPitch;
  float* weights = tile_k + kKeys * kPitch;
  float* tile_v = weights + kTileRows * kPitchP;
  const Block block = block_of(p, blockIdx.x / kColumnBlocks);
  const int first_column = static_cast<int>(blockIdx.x % kColumnBlocks) * kColumns;
  const int kv_head = block.head / p.group;
  const Element* from_q =
      p.q + offset_of(p.q_strides, block.batch, block.head) + block.row * p.q_strides.row;
  const Element* from_k = p.k + offset_of(p.k_strides, block.batch, kv_head);
  const Element* from_v = p.v + offset_of(p.v_strides, block.batch, kv_head) + first_column;
  const int lane = static_cast<int>(threadIdx.x) % 16;
  const int line = static_cast<int>(threadIdx.x) / 16 * kLines;  // the first of its queries

  Rows rows;
#pragma unroll
  for (int i = 0; i < kLines; ++i) {
    rows.largest[i] = kHasSink ? to_float(p.sink[block.head]) : HIDDEN;
    rows.sum[i] = rows.largest[i] != HIDDEN && lane == 0 ? 1.f : 0.f;
#pragma unroll
    for (int c = 0; c < 4 * kRuns; ++c) rows.o[i][c] = 0.f;
  }

#pragma unroll 1
  for (int key = block.first_key() / kKeys * kKeys; key < block.end_key(); key += kKeys) {
    float s[kLines][kPerThread] = {};
    const int there = block.end - key;
    copy_rows<kKeys, kColumns, kColumns, kVectorV>(
        tile_v, from_v + key * p.v_strides.row, p.v_strides.row, there, kValueSize - first_column);
#pragma unroll 1
    for (int piece = 0; piece < kPieces; ++piece) {
      const int column = piece * kDepth;
      copy_rows<kTileRows, kDepth, kPitch, kVectorQ>(tile_q, from_q + column, p.q_strides.row,
                                                     p.queries - block.row, kSize - column);
      copy_rows<kKeys, kDepth, kPitch, kVectorK>(tile_k, from_k + key * p.k_strides.row + column,
                                                 p.k_strides.row, there, kSize - column);
      commit_copies();
      wait_copies<0>();
      __syncthreads();
#pragma unroll 4
      for (int d = 0; d < kDepth; d += 4) {
        float4 b[kPerThread];
#pragma unroll
        for (int j = 0; j < kPerThread; ++j) b[j] = four(tile_k + (lane + 16 * j) * kPitch + d);
#pragma unroll
        for (int i = 0; i < kLines; ++i) {
          const float4 a = four(tile_q + (line + i) * kPitch + d);
#pragma unroll
          for (int j = 0; j < kPerThread; ++j) {
            s[i][j] += a.x * b[j].x;
            s[i][j] += a.y * b[j].y;
            s[i][j] += a.z * b[j].z;
            s[i][j] += a.w * b[j].w;
          }
        }
      }
      if (kPieces > 1) __syncthreads();
    }
    weigh(s, rows, weights, p, block, key);
    // A query's weights are written and read by one half of a warp.
    __syncwarp();
#pragma unroll 2
    for (int k = 0; k < kKeys; k += 4) {
      float4 a[kLines];
#pragma unroll
      for (int i = 0; i < kLines; ++i) a[i] = four(weights + (line + i) * kPitchP + k);
#pragma unroll
      for (int e = 0; e < 4; ++e) {
#pragma unroll
        for (int run = 0; run < kRuns; ++run) {
          const float4 v = four(tile_v + (k + e) * kColumns + 64 * run + 4 * lane);
#pragma unroll
          for (int i = 0; i < kLines; ++i) {
            const float weight = e == 0 ? a[i].x : e == 1 ? a[i].y : e == 2 ? a[i].z : a[i].w;
            rows.o[i][4 * run] += weight * v.x;
            rows.o[i][4 * run + 1] += weight * v.y;
            rows.o[i][4 * run + 2] += weight * v.z;
            rows.o[i][4 * run + 3] += weight * v.w;
          }
        }
      }
    }
    __syncthreads();
  }

  Element* to = p.y + offset_of(p.y_strides, block.batch, block.head);
#pragma unroll
  for (int i = 0; i < kLines; ++i) {
    const int query = block.row + line + i;
    const float sum = reduce(rows.sum[i], [](float a, float b) { return a + b; });
    const float factor = sum == 0.f ? 0.f : 1.f / sum;
    if (query >= p.queries) continue;
#pragma unroll
    for (int run = 0; run < kRuns; ++run) {
#pragma unroll
      for (int e = 0; e < 4; e += kVectorY) {
        const int column = first_column + 64 * run + 4 * lane + e;
        if (column >= kValueSize) continue;
        float out[kVectorY];
#pragma unroll
        for (int v = 0; v < kVectorY; ++v)
          out[v] = divided(rows.o[i][4 * run + e + v], factor, sum);
        store_run<kVectorY>(to + query * p.y_strides.row + column, out);
      }
    }
  }
}
