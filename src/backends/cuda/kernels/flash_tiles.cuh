// SPDX-License-Identifier: Apache-2.0
// What a warp of flash_attention.cuh has of its queries, and what becomes of scores. After
// flash_attention_problem.cuh, tensor_core.cuh and
//
//   constexpr int kDepth, kWidth, kTiles, kWarps, kGroups, kKeys, kStages, kMinBlocks;
//   constexpr int kOnlyKeys (where one tile has all keys, their number; else 0);
//   constexpr int kVectorQ, kVectorK, kVectorV, kVectorY (elements that may be moved at once);
//
// kSize and kValueSize are what heads have, kDepth and kWidth the same rounded up to what products
// take. A warp has 16 kTiles queries, in the layout of C of the products.

constexpr int kThreads = 32 * kWarps * kGroups;
constexpr int kPart = kKeys / kGroups;           // keys of a warp in a tile
constexpr int kSteps = kDepth / 16;              // of the products with the keys
constexpr bool kHoldQ = kTiles * kDepth <= 128;  // in registers, for all keys
constexpr int kAtOnce = 4;                       // partial maxima and sums of a row
// Exponents are powers of 2.
constexpr float kLog2e = 1.4426950408889634f;
// Scores stay as the products are until the exponentials are taken.
constexpr bool kDeferred = kBias == no_bias && kSoftcap == 0 && kScale > 0;
constexpr float kFactor = kDeferred ? kScale * kLog2e : 1.f;
constexpr float kPerCap = 1.f / (kSoftcap > 0 ? kSoftcap : 1.f);
constexpr int kBiasLines = kBias == no_bias ? 0 : kBiasRows ? 2 * kTiles : 1;
// One tile has all keys there are; so many, where that is known.
constexpr bool kOneTile = kOnlyKeys > 0;
static_assert(kTileRows == 16 * kTiles * kWarps && kPart % 16 == 0, "warps share the tile");
static_assert(kOnlyKeys <= kKeys && (!kOneTile || kGroups == 1), "one tile has all keys");

using HeldQ = unsigned[kHoldQ ? kTiles : 1][kHoldQ ? kSteps : 1][4];
using Scores = float[kTiles][kPart / 8][4];
using Sums = float[kTiles][kWidth / 8][4];
using BiasWords = unsigned[kBiasLines > 0 ? kBiasLines : 1][kPart / 8];

__device__ __forceinline__ float tanh_of(float x) { return 1.f - 2.f / (__expf(2.f * x) + 1.f); }

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
  Sums o;
  float largest[kTiles][2], sum[kTiles][2];  // sums are a thread's own

  __device__ __forceinline__ int query(int tile, int half) const {
    return first + 16 * tile + 8 * half + lane / 4;
  }
};

// Of keys from `key` on.
__device__ __forceinline__ void load_biases(const Warp& warp, const BiasOfHead& bias, int key,
                                            const Problem& p, BiasWords& words) {
#pragma unroll
  for (int line = 0; line < kBiasLines; ++line) {
    const int query = kBiasRows ? min(warp.query(line / 2, line % 2), p.queries - 1) : 0;
#pragma unroll
    for (int j = 0; j < kPart / 8; ++j)
      words[line][j] =
          load_bias(bias, bias.data + query * bias.row, key + 8 * j + 2 * (warp.lane % 4), p.keys);
  }
}

// A sink counts once, for all groups together.
__device__ __forceinline__ void begin_sums(Warp& warp, const Problem& p, int head) {
  float sink_score = HIDDEN;
  if (kHasSink && warp.group == 0) sink_score = to_float(p.sink[head]) * (kLog2e / kFactor);
#pragma unroll
  for (int i = 0; i < kTiles; ++i) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      warp.largest[i][h] = sink_score;
      warp.sum[i][h] = sink_score != HIDDEN && warp.lane % 4 == 0 ? 1.f : 0.f;
    }
  }
}

__device__ __forceinline__ void clear(Sums& o) {
#pragma unroll
  for (int i = 0; i < kTiles; ++i) {
#pragma unroll
    for (int j = 0; j < kWidth / 8; ++j) o[i][j][0] = o[i][j][1] = o[i][j][2] = o[i][j][3] = 0.f;
  }
}

// One row's maximum grows: what was summed so far shrinks.
__device__ __forceinline__ float rescale(Warp& warp, int i, int h, float largest) {
  const float base = largest == HIDDEN ? 0.f : largest * kFactor;
  const float factor = power_of_2(fmaf(warp.largest[i][h], kFactor, -base));
  warp.largest[i][h] = largest;
  warp.sum[i][h] *= factor;
  if (kOneTile) return base;
#pragma unroll
  for (int j = 0; j < kWidth / 8; ++j) {
    warp.o[i][j][2 * h] *= factor;
    warp.o[i][j][2 * h + 1] *= factor;
  }
  return base;
}

// Of the scores of keys from `key` on, the exponentials. kFull: every query of the warp sees all of
// them.
template <bool kFull>
__device__ __forceinline__ void take_exponentials(Warp& warp, const Block& block, int key,
                                                  const BiasWords& bias, Scores& s) {
  const int t = warp.lane % 4;
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
        if (!kFull && 8 * j + 8 > kOnlyKeys)
          x = block.sees(warp.query(i, e / 2), key + 8 * j + 2 * t + e % 2) ? x : HIDDEN;
        s[i][j][e] = x;
      }
    }
    // Several at a time: each step of one alone would wait for the step before.
    float largest[2][kAtOnce], sums[2][kAtOnce];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
#pragma unroll
      for (int a = 0; a < kAtOnce; ++a)
        largest[h][a] = a == 0 ? warp.largest[i][h] : HIDDEN, sums[h][a] = 0.f;
    }
#pragma unroll
    for (int j = 0; j < kPart / 8; ++j) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        float& of = largest[e / 2][(2 * j + e % 2) % kAtOnce];
        of = fmaxf(of, s[i][j][e]);
      }
    }
    float base[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float of_row = largest[h][0];
#pragma unroll
      for (int a = 1; a < kAtOnce; ++a) of_row = fmaxf(of_row, largest[h][a]);
      of_row = fmaxf(of_row, __shfl_xor_sync(~0u, of_row, 1));
      of_row = fmaxf(of_row, __shfl_xor_sync(~0u, of_row, 2));
      base[h] = rescale(warp, i, h, of_row);
    }
#pragma unroll
    for (int j = 0; j < kPart / 8; ++j) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        s[i][j][e] = power_of_2(fmaf(s[i][j][e], kFactor, -base[e / 2]));
        sums[e / 2][(2 * j + e % 2) % kAtOnce] += s[i][j][e];
      }
    }
#pragma unroll
    for (int h = 0; h < 2; ++h) {
#pragma unroll
      for (int a = 0; a < kAtOnce; ++a) warp.sum[i][h] += sums[h][a];
    }
  }
}

// Keys 16 j and the 15 after them as operand A of the product with their values.
__device__ __forceinline__ void pack_weights(const float (&s)[kPart / 8][4], int j,
                                             unsigned (&a)[4]) {
  a[0] = pack(s[2 * j][0], s[2 * j][1], Element{});
  a[1] = pack(s[2 * j][2], s[2 * j][3], Element{});
  a[2] = pack(s[2 * j + 1][0], s[2 * j + 1][1], Element{});
  a[3] = pack(s[2 * j + 1][2], s[2 * j + 1][3], Element{});
}

// Through the warp's rows of a tile, from `first_row` on, so that its stores are long. Nobody else
// touches them.
template <class Rows>
__device__ __forceinline__ void store_rows(Warp& warp, unsigned char* tile, int first_row,
                                           Element* y, long long stride, int queries) {
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
        *reinterpret_cast<unsigned*>(tile + 2 * Rows::at(first_row + row, 8 * j + 2 * (lane % 4))) =
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
    store_words<kVectorY / 2>(
        y + (warp.first + row) * stride + column,
        load_words<kVectorY / 2>(tile + 2 * Rows::at(first_row + row, column)));
  }
}
