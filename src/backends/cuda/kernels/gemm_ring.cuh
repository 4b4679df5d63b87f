// SPDX-License-Identifier: Apache-2.0
// The ring of stages of implicit_gemm_sm90.cuh, which says what the constants are: where things lie
// in shared memory, and the thread that issues copies into it.

constexpr int kInWord = 4 / kElementBytes, kChunk = 4 * kInWord;  // elements of 4 and 16 bytes
constexpr int kGroupM = kPingPong ? kTileM : kTileM / kGroups;    // rows of a consumer warpgroup
constexpr int kSlices = kGroupM / 64;                             // products of 64 rows
constexpr int kThreads = (kGroups + 1) * 128;
// Of a thread; together no more than the launch has. A producer that divides for its part of K
// needs more, and threads that scale rows have more where accumulators leave them.
constexpr bool kLongEpilogue = kRowSums || (kWarpStore && kTensorOperands > 0);
constexpr bool kWideScalers = kNormalize && kGroups == 2 && kSlices * kTileN <= 128;
constexpr int kProducerRegisters = kGroups == 3 && kLongEpilogue ? 32
                                   : kGroups == 3 || kSplit > 1  ? 56
                                   : kWideScalers                ? 72
                                                                 : 40;
constexpr int kConsumerRegisters = kGroups == 3   ? (kLongEpilogue ? 160 : 152)
                                   : kSplit > 1   ? 224
                                   : kWideScalers ? 216
                                                  : 232;
constexpr int kLaunchRegisters = 65536 / kThreads / 8 * 8;
static_assert(kGroups == 1 || kProducerRegisters + kGroups * kConsumerRegisters <=
                                  (kGroups + 1) * kLaunchRegisters,
              "a group would wait for registers for ever");
constexpr int kBlockM = kTileM * kBlockBytes, kBlockN = kTileN * kBlockBytes;
constexpr int kWeights = kParts * kBlockN;  // of a block of K
constexpr int kStageA = kBlocks * kBlockM, kStageB = kBlocks * kWeights;
constexpr int kStage = kStageA + (kResident ? 0 : kStageB);
constexpr int kBlockElements = kBlockBytes / kElementBytes;
constexpr int kPanelBytes = kTileN * kElementBytes % 128 == 0 ? 128 : 64;
constexpr int kPanelColumns = kPanelBytes / kElementBytes, kPanels = kTileN / kPanelColumns;
constexpr int kPanelChunks = kPanelBytes / 64;  // of a thread
constexpr int kPanel = kGroupM * kPanelBytes;
constexpr int kWarpSlot = 16 * kPanelBytes;  // where a warp's results leave from
constexpr int kBuffer = kWarpStore ? 4 * kWarpSlots * kWarpSlot : kBoxStore ? kPanels * kPanel : 0;
constexpr int kScalers = 96;  // threads that scale rows
// The operand of a tile comes into the buffer that its result will leave from: with one buffer when
// the tile begins, with more one tile ahead.
constexpr bool kTensorBox = kTensorOperands > 0 && kBoxStore && !kWarpStore;
constexpr bool kTensorNow = kTensorBox && kOutputBuffers == 1;
constexpr bool kTensorAhead = kTensorBox && kOutputBuffers > 1;
constexpr int kMaxStages = 16;
constexpr int kAccumulators = kTileN / 2;
constexpr int kPartialRow = kTileN + 4;  // words; the rest spreads rows over the banks
constexpr int kFullArrivals = 1, kEmptyArrivals = (kPingPong ? 1 : kGroups) * kMulticast;
constexpr int kTurnArrivals = 4;  // a warp each
constexpr int kBlocksOfCluster = kSplit * kMulticast;

static_assert(kGroupM % 64 == 0 && kTileN * kElementBytes % 64 == 0 && kTileN <= 256, "tile");
static_assert(!kResident || (kSplit == 1 && kMulticast == 1), "resident weights are of one tile");
static_assert(kSplit == 1 || (!kPingPong && kMulticast == 1), "split K is cooperative");
static_assert(!kBoxStore || kTensorOperands <= 1, "one operand fits the output's buffer");

struct Arguments {
  int rows, columns;   // of C
  int tiles_n, tiles;  // tiles are numbered along n first
  int blocks;          // of K
  int stages;
  // im2col: pixels of a row and an image of the output, and what a tap is
  int out_w, out_hw, stride_w, stride_h, pad_w, pad_h, dilation_w, dilation_h, taps_w;
  int channel_blocks;  // blocks of K a tap
  int height, width;   // of an image of A
};

struct Maps {
  const TensorMap* a[kPieces];
  const TensorMap *b, *out, *tensor;
};

struct Shared {
  u32 stages, weights, buffers, full, empty, weights_full, tensor_full, turn;
  u32 scales_full, scales_empty, scales;
};

struct Place {
  int m, n;
};

// A position in the ring; parity is that of the phase to wait for.
struct Ring {
  int stage;
  u32 parity;

  __device__ __forceinline__ void advance(int stages) {
    if (++stage == stages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

__device__ __forceinline__ Shared lay_out(unsigned char* memory, const Arguments& p) {
  Shared s;
  s.stages = (shared_address(memory) + 1023) & ~1023u;
  s.weights = s.stages + p.stages * kStage;
  s.buffers = s.weights + (kResident ? p.blocks * kWeights : 0);
  s.full = s.buffers + kGroups * kOutputBuffers * kBuffer;
  s.empty = s.full + 8 * kMaxStages;
  s.weights_full = s.empty + 8 * kMaxStages;
  s.tensor_full = s.weights_full + 8;
  s.turn = s.tensor_full + 8 * kGroups * kOutputBuffers;
  s.scales_full = s.turn + 8 * kGroups;
  s.scales_empty = s.scales_full + 8 * kScaleSlots;
  s.scales = s.scales_empty + 8 * kScaleSlots;
  return s;
}

__device__ __forceinline__ void init_barriers(const Shared& s, const Arguments& p) {
  for (int i = 0; i < p.stages; ++i) {
    barrier_init(s.full + 8 * i, kFullArrivals);
    barrier_init(s.empty + 8 * i, kEmptyArrivals);
  }
  barrier_init(s.weights_full, 1);
  for (int i = 0; i < kGroups * kOutputBuffers; ++i) barrier_init(s.tensor_full + 8 * i, 1);
  for (int i = 0; i < kGroups; ++i) barrier_init(s.turn + 8 * i, kTurnArrivals);
  for (int i = 0; i < kScaleSlots; ++i) {
    barrier_init(s.scales_full + 8 * i, kScalers);
    barrier_init(s.scales_empty + 8 * i, 128 * (kPingPong ? 1 : kGroups));
  }
  fence_barrier_init();
  fence_async_proxy();
}

__device__ __forceinline__ Place place_of(int tile, const Arguments& p, int rank) {
  const int row = kMulticast > 1 ? tile / p.tiles_n * kMulticast + rank : tile / p.tiles_n;
  return {row * kTileM, tile % p.tiles_n * kTileN};
}

// Blocks of K that this block of the cluster sums: [first, end).
__device__ __forceinline__ int first_block(const Arguments& p, int rank) {
  return kSplit == 1 ? 0 : p.blocks * rank / kSplit;
}
__device__ __forceinline__ int block_count(const Arguments& p, int rank) {
  return kSplit == 1 ? p.blocks : first_block(p, rank + 1) - first_block(p, rank);
}

// --- the producer

// Walks A along K: channels fastest, then the taps of a row, then rows of taps.
struct Source {
  int w, h, n, row;                 // of the tile's first pixel
  int channel_block, tap_w, tap_h;  // im2col
  int block;

  __device__ __forceinline__ void start(const Arguments& p, const Place& at, int first) {
    row = at.m;
    block = first;
    if (!kIm2col) return;
    n = at.m / p.out_hw;
    const int pixel = at.m - n * p.out_hw;
    h = pixel / p.out_w;
    w = (pixel - h * p.out_w) * p.stride_w - p.pad_w;
    h = h * p.stride_h - p.pad_h;
    const int tap = first / p.channel_blocks;
    channel_block = first - tap * p.channel_blocks;
    tap_h = tap / p.taps_w;
    tap_w = tap - tap_h * p.taps_w;
  }
  __device__ __forceinline__ void load(const Arguments& p, const Maps& maps, u32 to, u32 full) {
    if (!kIm2col) {
      const TensorMap* piece = maps.a[0];
      int begin = 0;
#pragma unroll
      for (int i = 1; i < kPieces; ++i) {
        if (block >= first_block_of(i)) piece = maps.a[i], begin = first_block_of(i);
      }
      load_box(to, *piece, (block++ - begin) * kBlockElements, row, full);
      return;
    }
    load_pixels(to, *maps.a[0], channel_block * kBlockElements, w, h, n, tap_w * p.dilation_w,
                tap_h * p.dilation_h, full);
    if (++channel_block < p.channel_blocks) return;
    channel_block = 0;
    if (++tap_w < p.taps_w) return;
    tap_w = 0;
    ++tap_h;
  }
};

// A block of K, all its parts.
__device__ __forceinline__ void load_weights(const Maps& maps, u32 to, int block, int n, u32 full,
                                             int rank) {
#pragma unroll
  for (int part = 0; part < kParts; ++part) {
    const u32 at = to + part * kBlockN;
    const int k = (block * kParts + part) * kBlockElements;
    if (kMulticast == 1) {
      load_box(at, *maps.b, k, n, full);
    } else {
      constexpr int kColumns = kTileN / kMulticast;
      load_box_multicast(at + rank * kColumns * kBlockBytes, *maps.b, k, n + rank * kColumns, full,
                         (1 << kMulticast) - 1);
    }
  }
}

__device__ __forceinline__ void produce(const Arguments& p, const Maps& maps, const Shared& s,
                                        int first_tile, int tile_step, int rank) {
#pragma unroll
  for (int i = 0; i < kPieces; ++i) prefetch_map(*maps.a[i]);
  prefetch_map(*maps.b);
  const int first = first_block(p, rank), count = block_count(p, rank);
  int ahead = 0;  // stages whose weights are already on their way: constants wait for nobody
  if (kResident) {
    const int n = place_of(first_tile, p, rank).n;
    barrier_expect(s.weights_full, p.blocks * kWeights);
    for (int k = 0; k < p.blocks; ++k)
      load_weights(maps, s.weights + k * kWeights, k, n, s.weights_full, rank);
  } else if (kMulticast == 1 && first_tile < p.tiles) {
    const int n = place_of(first_tile, p, rank).n;
    for (int k = 0; k < count && ahead < p.stages; k += kBlocks, ++ahead) {
      const int blocks = kBlocks == 1 ? 1 : min(kBlocks, count - k);
      const u32 stage = s.stages + ahead * kStage, full = s.full + 8 * ahead;
      barrier_expect(full, blocks * (kBlockM + kWeights));
      for (int u = 0; u < blocks; ++u)
        load_weights(maps, stage + kStageA + u * kWeights, first + k + u, n, full, rank);
    }
  }
  wait_for_earlier_launch();
  Ring ring{0, 1};
  for (int tile = first_tile; tile < p.tiles; tile += tile_step) {
    const Place at = place_of(tile, p, rank);
    Source source;
    source.start(p, at, first);
    for (int k = 0; k < count; k += kBlocks) {
      const int blocks = kBlocks == 1 ? 1 : min(kBlocks, count - k);
      const u32 stage = s.stages + ring.stage * kStage, full = s.full + 8 * ring.stage;
      barrier_wait(s.empty + 8 * ring.stage, ring.parity);
      const bool has_weights = kResident || ahead > 0;
      if (kResident || !has_weights) {
        barrier_expect(full, blocks * (kBlockM + (kResident ? 0 : kWeights)));
      }
      for (int u = 0; u < blocks; ++u) source.load(p, maps, stage + u * kBlockM, full);
      if (!has_weights) {
        for (int u = 0; u < blocks; ++u)
          load_weights(maps, stage + kStageA + u * kWeights, first + k + u, at.n, full, rank);
      }
      if (ahead > 0) --ahead;
      ring.advance(p.stages);
    }
  }
}

// Each warp gives its group's turn away when it has had it itself. One that others had left behind
// would miss a phase, and take an older one of equal parity for its own: where tiles are of one
// step, a turn comes back before the products of the tile have brought the warps together.
__device__ __forceinline__ void give_turn(u32 next) {
  if (threadIdx.x % 32 == 0) barrier_arrive(next);
}

__device__ __forceinline__ void release(u32 empty) {
  if (kMulticast == 1) {
    if (threadIdx.x % 128 == 0) barrier_arrive(empty);
  } else if (threadIdx.x % 128 < kMulticast) {
    barrier_arrive_at(empty, threadIdx.x % 128);
  }
}

// Of the 16 bytes `chunk` of a row in swizzled memory.
template <int kRowBytes>
__device__ __forceinline__ u32 swizzled(u32 rows, int row, int chunk) {
  return kRowBytes == 128 ? rows + row * 128 + ((chunk ^ (row & 7)) << 4)
                          : rows + row * 64 + ((chunk ^ ((row >> 1) & 3)) << 4);
}

__device__ __forceinline__ void pin_all(SumType (&sums)[kSlices][kAccumulators]) {
#pragma unroll
  for (int i = 0; i < kSlices; ++i)
#pragma unroll
    for (int j = 0; j < kAccumulators; ++j) pin(sums[i][j]);
}
