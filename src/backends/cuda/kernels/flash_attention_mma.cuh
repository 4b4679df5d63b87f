// SPDX-License-Identifier: Apache-2.0
// Attention of f16 or bf16 on the tensor cores: one pass over the keys with running maxima and sums
// in f32 (Dao et al., arXiv:2205.14135). After flash_attention_problem.cuh and tensor_core.cuh.
//
// A block has kTileRows = 16 kTiles kWarps queries of one head. Tiles of kKeys keys and values go
// through kStages buffers; kGroups groups of warps take different keys of each tile, and put what
// they have together at the end. A warp has 16 kTiles queries: the products' layout of C makes its
// exponentials the operand A of the product with the values as they are.
//
// kSize and kValueSize are what heads have, kDepth and kWidth the same rounded up to 16. Rows in
// shared memory are 16 bytes longer, so that eight of them begin in different banks.

constexpr int kThreads = 32 * kWarps * kGroups;
constexpr int kPart = kKeys / kGroups;  // keys of a warp in a tile
constexpr int kPitchQ = (kDepth > kWidth ? kDepth : kWidth) + 8;
constexpr int kPitchK = kDepth + 8, kPitchV = kWidth + 8;
constexpr int kBytesQ = 2 * kTileRows * kPitchQ;
constexpr int kBytesK = 2 * kKeys * kPitchK, kBytesV = 2 * kKeys * kPitchV;
constexpr int kSteps = kDepth / 16;              // of the products with the keys
constexpr bool kHoldQ = kTiles * kDepth <= 128;  // in registers, for all keys
// Exponents are powers of 2.
constexpr float kLog2e = 1.4426950408889634f;
// Scores stay as the products are until the exponentials are taken.
constexpr bool kDeferred = kBias == no_bias && kSoftcap == 0 && kScale > 0;
constexpr float kFactor = kDeferred ? kScale * kLog2e : 1.f;
constexpr float kPerCap = 1.f / (kSoftcap > 0 ? kSoftcap : 1.f);
constexpr int kBiasLines = kBias == no_bias ? 0 : kBiasRows ? 2 * kTiles : 1;
static_assert(kTileRows == 16 * kTiles * kWarps && kPart % 16 == 0, "warps share the tile");

__device__ __forceinline__ float tanh_of(float x) { return 1.f - 2.f / (__expf(2.f * x) + 1.f); }

// kCount rows of kHere elements, with zeros behind them and in place of rows that are not there.
template <int kCount, int kHere, int kPadded, int kPitch, int kVector>
__device__ __forceinline__ void copy_rows(unsigned to, const Element* from, long long stride,
                                          int there) {
  constexpr int kChunks = kPadded / kVector;
  constexpr int kRounds = (kCount * kChunks + kThreads - 1) / kThreads;
  constexpr int kUnrolled = kRounds <= 8 ? kRounds : 4;
  const int thread = static_cast<int>(threadIdx.x);
  if constexpr (kThreads % kChunks == 0) {  // a thread stays in its column
    constexpr int kRowsAtOnce = kThreads / kChunks;
    const int column = thread % kChunks * kVector;
    int row = thread / kChunks;
    to += 2 * (row * kPitch + column);
    from += row * stride + column;
    there = column < kHere ? there : 0;
#pragma unroll(kUnrolled)
    for (int i = 0; i < kRounds; ++i) {
      if (kCount % kRowsAtOnce != 0 && row >= kCount) break;
      copy_async<2 * kVector>(to + 2 * i * kRowsAtOnce * kPitch, from, row < there);
      row += kRowsAtOnce;
      from += kRowsAtOnce * stride;
    }
  } else {
#pragma unroll(kUnrolled)
    for (int i = thread; i < kCount * kChunks; i += kThreads) {
      const int row = i / kChunks, column = i % kChunks * kVector;
      copy_async<2 * kVector>(to + 2 * (row * kPitch + column), from + row * stride + column,
                              row < there && column < kHere);
    }
  }
}

__device__ __forceinline__ unsigned bits_of(unsigned char x) { return x; }
template <class Half>
__device__ __forceinline__ unsigned bits_of(Half x) {
  return x.bits;
}

// The bias of keys `key` and key + 1, as two halves of a word.
__device__ __forceinline__ unsigned load_bias(const BiasOfHead& bias, const Bias* line, int key,
                                              int keys) {
  if (key >= keys) return 0;
  if (sizeof(Bias) == 2 && bias.key != 0 && keys % 2 == 0)
    return *reinterpret_cast<const unsigned*>(line + key);
  const unsigned low = bits_of(line[bias.key * key]);
  return low | (bias.key != 0 && key + 1 < keys ? bits_of(line[key + 1]) : low) << 16;
}

// A score, to the base of 2, with its bias: one half of a word.
__device__ __forceinline__ float biased(float x, unsigned word, bool second, unsigned char) {
  return (second ? word >> 16 : word & 0xffffu) != 0 ? x : HIDDEN;
}
template <class Half>
__device__ __forceinline__ float biased(float x, unsigned word, bool second, Half) {
  float low, high;
  unpack(word, low, high, Half{});
  return x + kLog2e * (second ? high : low);
}

struct Warp {
  int first;  // its first query, of the whole
  int group, lane;
  float o[kTiles][kWidth / 8][4];
  float largest[kTiles][2], sum[kTiles][2];  // sums are a thread's own

  __device__ __forceinline__ int query(int tile, int half) const {
    return first + 16 * tile + 8 * half + lane / 4;
  }
};

// One row's maximum grows: what was summed so far shrinks.
__device__ __forceinline__ float rescale(Warp& warp, int i, int h, float largest) {
  const float base = largest == HIDDEN ? 0.f : largest * kFactor;
  const float factor = power_of_2(warp.largest[i][h] * kFactor - base);
  warp.largest[i][h] = largest;
  warp.sum[i][h] *= factor;
#pragma unroll
  for (int j = 0; j < kWidth / 8; ++j) {
    warp.o[i][j][2 * h] *= factor;
    warp.o[i][j][2 * h + 1] *= factor;
  }
  return base;
}

// kFull: every query of the warp sees all keys of its part of the tile, which begins at `key`.
template <bool kFull>
__device__ __forceinline__ void attend(
    Warp& warp, const Block& block, unsigned (&held)[kHoldQ ? kTiles : 1][kHoldQ ? kSteps : 1][4],
    unsigned tile_q, unsigned tile_k, unsigned tile_v, int key,
    const unsigned (&bias)[kBiasLines > 0 ? kBiasLines : 1][kPart / 8]) {
  const int lane = warp.lane, t = lane % 4;
  const int there = block.end - key;
  float s[kTiles][kPart / 8][4] = {};
  const unsigned from_k = tile_k + 2 * ((lane / 16 * 8 + lane % 8) * kPitchK + lane / 8 % 2 * 8);
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    unsigned fresh[kTiles][4];
    if constexpr (!kHoldQ) {
#pragma unroll
      for (int i = 0; i < kTiles; ++i)
        load_matrices<false>(tile_q + 2 * (16 * i * kPitchQ + 16 * step), fresh[i]);
    }
#pragma unroll
    for (int j = 0; j < kPart / 16; ++j) {
      if (!kFull && 16 * j >= there) break;
      unsigned b[4];
      load_matrices<false>(from_k + 2 * (16 * j * kPitchK + 16 * step), b);
#pragma unroll
      for (int i = 0; i < kTiles; ++i) {
        const auto& a =
            kHoldQ ? held[i % (kHoldQ ? kTiles : 1)][step % (kHoldQ ? kSteps : 1)] : fresh[i];
        multiply(s[i][2 * j], a, b[0], b[1], Element{});
        multiply(s[i][2 * j + 1], a, b[2], b[3], Element{});
      }
    }
  }
#pragma unroll
  for (int i = 0; i < kTiles; ++i) {
#pragma unroll
    for (int j = 0; j < kPart / 8; ++j) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        float x = s[i][j][e];
        if constexpr (!kDeferred) {
          x *= kSoftcap > 0 ? kScale : kScale * kLog2e;
          if (kSoftcap > 0) x = kSoftcap * kLog2e * tanh_of(x * kPerCap);
        }
        if constexpr (kBias != no_bias)
          x = biased(x, bias[kBiasRows ? 2 * i + e / 2 : 0][j], e % 2 != 0, Bias{});
        if constexpr (!kFull)
          x = block.sees(warp.query(i, e / 2), key + 8 * j + 2 * t + e % 2) ? x : HIDDEN;
        s[i][j][e] = x;
      }
    }
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float largest = warp.largest[i][h];
#pragma unroll
      for (int j = 0; j < kPart / 8; ++j)
        largest = fmaxf(largest, fmaxf(s[i][j][2 * h], s[i][j][2 * h + 1]));
      largest = fmaxf(largest, __shfl_xor_sync(~0u, largest, 1));
      largest = fmaxf(largest, __shfl_xor_sync(~0u, largest, 2));
      const float base = rescale(warp, i, h, largest);
#pragma unroll
      for (int j = 0; j < kPart / 8; ++j) {
#pragma unroll
        for (int e = 2 * h; e < 2 * h + 2; ++e) {
          s[i][j][e] = power_of_2(s[i][j][e] * kFactor - base);
          warp.sum[i][h] += s[i][j][e];
        }
      }
    }
  }
  const unsigned from_v = tile_v + 2 * ((lane / 8 % 2 * 8 + lane % 8) * kPitchV + lane / 16 * 8);
#pragma unroll
  for (int j = 0; j < kPart / 16; ++j) {
    if (!kFull && 16 * j >= there) break;
    unsigned a[kTiles][4];
#pragma unroll
    for (int i = 0; i < kTiles; ++i) {
      a[i][0] = pack(s[i][2 * j][0], s[i][2 * j][1], Element{});
      a[i][1] = pack(s[i][2 * j][2], s[i][2 * j][3], Element{});
      a[i][2] = pack(s[i][2 * j + 1][0], s[i][2 * j + 1][1], Element{});
      a[i][3] = pack(s[i][2 * j + 1][2], s[i][2 * j + 1][3], Element{});
    }
#pragma unroll
    for (int d = 0; d < kWidth / 16; ++d) {
      unsigned b[4];
      load_matrices<true>(from_v + 2 * (16 * j * kPitchV + 16 * d), b);
#pragma unroll
      for (int i = 0; i < kTiles; ++i) {
        multiply(warp.o[i][2 * d], a[i], b[0], b[1], Element{});
        multiply(warp.o[i][2 * d + 1], a[i], b[2], b[3], Element{});
      }
    }
  }
}

// What the groups of warps have for the same queries comes together in group 0.
__device__ __forceinline__ void gather_groups(Warp& warp, float* shared) {
  constexpr int kLanes = 32 * kWarps;
  constexpr int kNumbers = kTiles * (kWidth / 2 + 4);  // of a thread
  float* mine = shared + static_cast<int>(threadIdx.x) % kLanes;
  __syncthreads();
  if (warp.group > 0) {
    float* to = mine + (warp.group - 1) * kNumbers * kLanes;
    int n = 0;
#pragma unroll
    for (int i = 0; i < kTiles; ++i) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        to[n++ * kLanes] = warp.largest[i][h];
        to[n++ * kLanes] = warp.sum[i][h];
#pragma unroll
        for (int j = 0; j < kWidth / 8; ++j) {
          to[n++ * kLanes] = warp.o[i][j][2 * h];
          to[n++ * kLanes] = warp.o[i][j][2 * h + 1];
        }
      }
    }
  }
  __syncthreads();
  if (warp.group > 0) return;
#pragma unroll 1
  for (int group = 1; group < kGroups; ++group) {
    const float* from = mine + (group - 1) * kNumbers * kLanes;
    int n = 0;
#pragma unroll
    for (int i = 0; i < kTiles; ++i) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const float other = from[n++ * kLanes];
        const float base = rescale(warp, i, h, fmaxf(warp.largest[i][h], other));
        const float factor = power_of_2(other * kFactor - base);
        warp.sum[i][h] += factor * from[n++ * kLanes];
#pragma unroll
        for (int j = 0; j < kWidth / 8; ++j) {
          warp.o[i][j][2 * h] += factor * from[n++ * kLanes];
          warp.o[i][j][2 * h + 1] += factor * from[n++ * kLanes];
        }
      }
    }
  }
}

// Through the warp's rows of `tile`, so that its stores are long. Nobody else touches them.
__device__ __forceinline__ void store_rows(Warp& warp, unsigned char* tile, Element* y,
                                           long long stride, int queries) {
  const int lane = warp.lane;
  __syncwarp();
#pragma unroll
  for (int i = 0; i < kTiles; ++i) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float sum = warp.sum[i][h];
      sum += __shfl_xor_sync(~0u, sum, 1);
      sum += __shfl_xor_sync(~0u, sum, 2);
      const float factor = sum == 0.f ? 0.f : 1.f / sum;
      const int row = 16 * i + 8 * h + lane / 4;
#pragma unroll
      for (int j = 0; j < kWidth / 8; ++j) {
        *reinterpret_cast<unsigned*>(tile + 2 * (row * kPitchQ + 8 * j + 2 * (lane % 4))) =
            pack(divided(warp.o[i][j][2 * h], factor, sum),
                 divided(warp.o[i][j][2 * h + 1], factor, sum), Element{});
      }
    }
  }
  __syncwarp();
  constexpr int kChunks = kValueSize / kVectorY;
  for (int i = lane; i < 16 * kTiles * kChunks; i += 32) {
    const int row = i / kChunks, column = i % kChunks * kVectorY;
    if (warp.first + row >= queries) break;
    store_words<kVectorY / 2>(y + (warp.first + row) * stride + column,
                              load_words<kVectorY / 2>(tile + 2 * (row * kPitchQ + column)));
  }
}

extern "C" __global__ void __launch_bounds__(kThreads, kMinBlocks) attention(PROBLEM_PARAMETERS) {
  extern __shared__ __align__(128) unsigned char shared[];
  const Problem p = PROBLEM;
  const Block block = block_of(p, blockIdx.x);
  const int kv_head = block.head / p.group;
  const Element* from_q =
      p.q + offset_of(p.q_strides, block.batch, block.head) + block.row * p.q_strides.row;
  const Element* from_k = p.k + offset_of(p.k_strides, block.batch, kv_head);
  const Element* from_v = p.v + offset_of(p.v_strides, block.batch, kv_head);
  const unsigned tile_q = shared_address(shared);
  const int begin = block.first_key() / kKeys * kKeys, end = block.end_key();
  const int steps = end > begin ? (end - begin + kKeys - 1) / kKeys : 0;

  const auto copy_step = [&](int step, int slot) {
    const int key = begin + step * kKeys;
    const unsigned to = tile_q + kBytesQ + slot * (kBytesK + kBytesV);
    copy_rows<kKeys, kSize, kDepth, kPitchK, kVectorK>(to, from_k + key * p.k_strides.row,
                                                       p.k_strides.row, block.end - key);
    copy_rows<kKeys, kValueSize, kWidth, kPitchV, kVectorV>(
        to + kBytesK, from_v + key * p.v_strides.row, p.v_strides.row, block.end - key);
  };
  copy_rows<kTileRows, kSize, kDepth, kPitchQ, kVectorQ>(tile_q, from_q, p.q_strides.row,
                                                         p.queries - block.row);
#pragma unroll
  for (int i = 0; i < kStages; ++i) {
    if (i < steps) copy_step(i, i);
    commit_copies();
  }

  Warp warp;
  const int index = static_cast<int>(threadIdx.x) / 32;
  warp.lane = static_cast<int>(threadIdx.x) % 32;
  warp.group = index / kWarps;
  warp.first = block.row + index % kWarps * 16 * kTiles;
  const int last = warp.first + 16 * kTiles - 1;
  const bool busy = warp.first < p.queries;
  float sink_score = HIDDEN;
  if (kHasSink && warp.group == 0) sink_score = to_float(p.sink[block.head]) * (kLog2e / kFactor);
#pragma unroll
  for (int i = 0; i < kTiles; ++i) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      warp.largest[i][h] = sink_score;
      warp.sum[i][h] = sink_score != HIDDEN && warp.lane % 4 == 0 ? 1.f : 0.f;
    }
#pragma unroll
    for (int j = 0; j < kWidth / 8; ++j) {
#pragma unroll
      for (int e = 0; e < 4; ++e) warp.o[i][j][e] = 0.f;
    }
  }

  const int row_in_tile = warp.first - block.row;
  const unsigned my_q =
      tile_q + 2 * ((row_in_tile + warp.lane % 16) * kPitchQ + warp.lane / 16 * 8);
  unsigned held[kHoldQ ? kTiles : 1][kHoldQ ? kSteps : 1][4];
  unsigned bias_words[kBiasLines > 0 ? kBiasLines : 1][kPart / 8];
  const BiasOfHead head_bias = bias_of(p, block);
  int slot = 0;
#pragma unroll 1
  for (int step = 0; step < steps; ++step) {
    const int key = begin + step * kKeys + warp.group * kPart;
#pragma unroll
    for (int line = 0; line < kBiasLines; ++line) {
      const int query = kBiasRows ? min(warp.query(line / 2, line % 2), p.queries - 1) : 0;
#pragma unroll
      for (int j = 0; j < kPart / 8; ++j)
        bias_words[line][j] = load_bias(head_bias, head_bias.data + query * head_bias.row,
                                        key + 8 * j + 2 * (warp.lane % 4), p.keys);
    }
    // All buffers were filled at first; from then on one is, when all warps are done with it.
    if (step == 0) {
      wait_copies<kStages - 1>();
    } else {
      wait_copies<kStages - 2>();
    }
    __syncthreads();
    if (step > 0) {
      const int ahead = step + kStages - 1;
      if (ahead < steps) copy_step(ahead, slot == 0 ? kStages - 1 : slot - 1);
      commit_copies();
    }
    if (kHoldQ && step == 0) {
#pragma unroll
      for (int i = 0; i < kTiles; ++i) {
#pragma unroll
        for (int j = 0; j < kSteps; ++j)
          load_matrices<false>(my_q + 2 * (16 * i * kPitchQ + 16 * j),
                               held[kHoldQ ? i : 0][kHoldQ ? j : 0]);
      }
    }
    if (busy && key < end) {
      const unsigned tile_k =
          tile_q + kBytesQ + slot * (kBytesK + kBytesV) + 2 * warp.group * kPart * kPitchK;
      const unsigned tile_v = tile_q + kBytesQ + slot * (kBytesK + kBytesV) + kBytesK +
                              2 * warp.group * kPart * kPitchV;
      if (block.all_seen(warp.first, last, key, kPart)) {
        attend<true>(warp, block, held, my_q, tile_k, tile_v, key, bias_words);
      } else {
        attend<false>(warp, block, held, my_q, tile_k, tile_v, key, bias_words);
      }
    }
    slot = slot == kStages - 1 ? 0 : slot + 1;
  }
  wait_copies<0>();
  if constexpr (kGroups > 1) {
    gather_groups(warp, reinterpret_cast<float*>(shared + kBytesQ));
    if (warp.group > 0) return;
  } else if (steps == 0) {
    __syncthreads();  // other threads' copies of queries
  }
  if (!busy) return;
  store_rows(warp, shared + 2 * row_in_tile * kPitchQ,
             p.y + offset_of(p.y_strides, block.batch, block.head), p.y_strides.row, p.queries);
}
