// SPDX-License-Identifier: Apache-2.0
// Attention of f16 or bf16 on the tensor cores: one pass over the keys with running maxima and sums
// in f32 (Dao et al., arXiv:2205.14135). After flash_tiles.cuh and flash_products_*.cuh.
//
// A block has kTileRows queries of one head. Tiles of kKeys keys and values go through kStages
// buffers; kGroups groups of warps take different keys of each tile, and put what they have
// together at the end. The products' layout of C makes a warp's exponentials the operand A of the
// product with the values as they are.

constexpr int kBytesQ = (2 * kTileRows * kPitchQ + kAlignment - 1) / kAlignment * kAlignment;
constexpr int kPendingLater = kStages > 1 ? kStages - 2 : 0;
constexpr int kBytesK = KeyRows::kBytes, kBytesV = ValueRows::kBytes;

struct QueryRows {
  static constexpr int kPitch = kPitchQ;
  static constexpr int kPeriod = 1;
  static __device__ __forceinline__ int at(int row, int column) { return row * kPitch + column; }
};

// kCount rows of kHere elements, with zeros behind them and in place of rows that are not there.
template <class Rows, int kCount, int kHere, int kPadded, int kVector>
__device__ __forceinline__ void copy_rows(unsigned to, const Element* from, long long stride,
                                          int there) {
  constexpr int kChunks = kPadded / kVector;
  constexpr int kRounds = (kCount * kChunks + kThreads - 1) / kThreads;
  constexpr int kUnrolled = kRounds <= 8 ? kRounds : 4;
  const int thread = static_cast<int>(threadIdx.x);
  constexpr int kRowsAtOnce = kThreads / kChunks;
  // Whether a thread stays in its column.
  if constexpr (kThreads % kChunks == 0 && kRowsAtOnce % Rows::kPeriod == 0) {
    const int column = thread % kChunks * kVector;
    int row = thread / kChunks;
    to += 2 * Rows::at(row, column);
    from += row * stride + column;
    there = column < kHere ? there : 0;
#pragma unroll(kUnrolled)
    for (int i = 0; i < kRounds; ++i) {
      if (kCount % kRowsAtOnce != 0 && row >= kCount) break;
      copy_async<2 * kVector>(to + 2 * i * kRowsAtOnce * Rows::kPitch, from, row < there);
      row += kRowsAtOnce;
      from += kRowsAtOnce * stride;
    }
  } else {
#pragma unroll(kUnrolled)
    for (int i = thread; i < kCount * kChunks; i += kThreads) {
      const int row = i / kChunks, column = i % kChunks * kVector;
      copy_async<2 * kVector>(to + 2 * Rows::at(row, column), from + row * stride + column,
                              row < there && column < kHere);
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
        const float factor = power_of_2(fmaf(other, kFactor, -base));
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

// One tile, whose part for this warp begins at `key`. `come` waits for its values.
template <bool kFull, class Come>
__device__ __forceinline__ void attend(Warp& warp, const Block& block, HeldQ& held, unsigned tile_q,
                                       unsigned tile_k, unsigned tile_v, int key,
                                       const BiasWords& bias, const Come& come) {
  Scores s;
  const int there = kFull ? kPart : block.end - key;
  multiply_keys(held, tile_q, tile_k, warp.lane, there, s);
  take_exponentials<kFull>(warp, block, key, bias, s);
  come();
  if (kOneTile) clear(warp.o);  // not before, when registers were short
  add_values(s, tile_v, warp.lane, there, warp.o);
}

extern "C" __global__ void __launch_bounds__(kThreads, kMinBlocks) attention(PROBLEM_PARAMETERS) {
  extern __shared__ __align__(128) unsigned char shared[];
  take_turn();
  unsigned char* tiles = shared;
  if (kAlignment > 128) tiles += (kAlignment - shared_address(shared) % kAlignment) % kAlignment;
  const Problem p = PROBLEM;
  const Block block = block_of(p, blockIdx.x);
  const int kv_head = block.head / p.group;
  const Element* from_q =
      p.q + offset_of(p.q_strides, block.batch, block.head) + block.row * p.q_strides.row;
  const Element* from_k = p.k + offset_of(p.k_strides, block.batch, kv_head);
  const Element* from_v = p.v + offset_of(p.v_strides, block.batch, kv_head);
  const unsigned tile_q = shared_address(tiles);
  const int begin = block.first_key() / kKeys * kKeys, end = block.end_key();
  const int steps = kOneTile ? 1 : end > begin ? (end - begin + kKeys - 1) / kKeys : 0;

  const auto copy_step = [&](int step, int slot) {
    const int key = begin + step * kKeys;
    const unsigned to = tile_q + kBytesQ + slot * (kBytesK + kBytesV);
    copy_rows<KeyRows, kKeys, kSize, kDepth, kVectorK>(to, from_k + key * p.k_strides.row,
                                                       p.k_strides.row, block.end - key);
    if (kOneTile) commit_copies();  // scores need not wait for values
    copy_rows<ValueRows, kKeys, kValueSize, kWidth, kVectorV>(
        to + kBytesK, from_v + key * p.v_strides.row, p.v_strides.row, block.end - key);
  };
  copy_rows<QueryRows, kTileRows, kSize, kDepth, kVectorQ>(tile_q, from_q, p.q_strides.row,
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
  // Of the warps that take part in its products.
  const int first = block.row + index % kWarps / kTogether * (16 * kTiles * kTogether);
  const int last = first + 16 * kTiles * kTogether - 1;
  const bool busy = first < p.queries;
  begin_sums(warp, p, block.head);
  if (!kOneTile) clear(warp.o);

  const int row_in_tile = warp.first - block.row;
  const unsigned my_q =
      tile_q + 2 * ((row_in_tile + warp.lane % 16) * kPitchQ + warp.lane / 16 * 8);
  HeldQ held;
  BiasWords bias_words;
  const BiasOfHead head_bias = bias_of(p, block);
  int slot = 0;
#pragma unroll 1
  for (int step = 0; step < steps; ++step) {
    const int key = begin + step * kKeys + warp.group * kPart;
    load_biases(warp, head_bias, key, p, bias_words);
    // All buffers were filled at first; from then on one is, when all warps are done with it.
    if (step == 0) {
      wait_copies<kOneTile ? 1 : kStages - 1>();
    } else {
      wait_copies<kPendingLater>();
    }
    open_tiles();
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
    const auto values_come = [] {
      if (!kOneTile) return;
      wait_copies<0>();
      open_tiles();
      __syncthreads();
    };
    if (busy && key < end) {
      const unsigned tile_k =
          tile_q + kBytesQ + slot * (kBytesK + kBytesV) + 2 * warp.group * kPart * KeyRows::kPitch;
      const unsigned tile_v = tile_q + kBytesQ + slot * (kBytesK + kBytesV) + kBytesK +
                              2 * warp.group * kPart * ValueRows::kPitch;
      if (kOneTile ? kOnlyKeys == kKeys : block.all_seen(first, last, key, kPart)) {
        attend<true>(warp, block, held, my_q, tile_k, tile_v, key, bias_words, values_come);
      } else {
        attend<false>(warp, block, held, my_q, tile_k, tile_v, key, bias_words, values_come);
      }
    } else {
      values_come();
    }
    slot = slot == kStages - 1 ? 0 : slot + 1;
  }
  wait_copies<0>();
  if constexpr (kGroups > 1) {
    gather_groups(warp, reinterpret_cast<float*>(tiles + kBytesQ));
    if (warp.group > 0) return;
  } else if (steps == 0) {
    __syncthreads();  // other threads' copies of queries
  }
  if (!busy) return;
  store_rows<QueryRows>(warp, tiles, row_in_tile,
                        p.y + offset_of(p.y_strides, block.batch, block.head), p.y_strides.row,
                        p.queries);
}
