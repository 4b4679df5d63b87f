// SPDX-License-Identifier: Apache-2.0
// C[m, n] = epilogue(sum over k of A[m, k] B[n, k]) on Hopper's tensor cores: a product of
// matrices, or a convolution whose A is what TMA's im2col mode makes of an NHWC tensor.
// codegen/implicit_gemm_sm90.cpp puts before this text: the primitives and pointwise functions, the
// constants (kTileM ... kChannelOperands), Element, `multiply` (one wgmma of width kTileN) and
// `epilogue`; it also packs B in the order that this page assumes.
//
// Roles. One thread of the last warpgroup issues copies into a ring of stages; kGroups consumer
// warpgroups multiply. They share a tile (cooperative), or take tiles in turn (ping-pong: the
// epilogue of one runs beside the products of the next). The grid is persistent.
// Split K: the blocks of a cluster take each a part of K of one tile, leave their sums in shared
// memory, and each finishes a part of the tile, adding in the order of the blocks.
//
// A step of K is kBlocks blocks of kBlockBytes; a block is a tile of kTileM (kTileN) rows,
// swizzled. Columns of the accumulator are permuted channels, so that a thread holds runs of 8
// channels (one chunk, 16 bytes) of a row: chunk t of a panel of 32 channels, or chunks 2t and
// 2t + 1 of a panel of 64, t = lane % 4.

constexpr int kElementBytes = 2;
constexpr int kGroupM = kPingPong ? kTileM : kTileM / kGroups;  // rows of a consumer warpgroup
constexpr int kSlices = kGroupM / 64;                           // products of 64 rows
constexpr int kThreads = (kGroups + 1) * 128;
constexpr int kBlockM = kTileM * kBlockBytes, kBlockN = kTileN * kBlockBytes;
constexpr int kStageA = kBlocks * kBlockM, kStageB = kBlocks * kBlockN;
constexpr int kStage = kStageA + (kResident ? 0 : kStageB);
constexpr int kBlockElements = kBlockBytes / kElementBytes;
constexpr int kPanelBytes = kTileN % 64 == 0 ? 128 : 64;
constexpr int kPanelColumns = kPanelBytes / kElementBytes, kPanels = kTileN / kPanelColumns;
constexpr int kPanelChunks = kPanelBytes / 64;  // of a thread
constexpr int kPanel = kGroupM * kPanelBytes;
constexpr int kBuffer = kBoxStore ? kPanels * kPanel : 0;
constexpr int kMaxStages = 16;
constexpr int kAccumulators = kTileN / 2;
constexpr int kPartialRow = kTileN + 4;  // floats; the rest spreads rows over the banks
constexpr int kFullArrivals = 1, kEmptyArrivals = (kPingPong ? 1 : kGroups) * kMulticast;
constexpr int kBlocksOfCluster = kSplit * kMulticast;

static_assert(kGroupM % 64 == 0 && kTileN % 32 == 0 && kTileN <= 256, "tile");
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
};

struct Maps {
  const TensorMap *a, *b, *out, *tensor;
};

struct Shared {
  u32 stages, weights, buffers, full, empty, weights_full, tensor_full, turn;
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
  s.buffers = s.weights + (kResident ? p.blocks * kBlockN : 0);
  s.full = s.buffers + kGroups * kOutputBuffers * kBuffer;
  s.empty = s.full + 8 * kMaxStages;
  s.weights_full = s.empty + 8 * kMaxStages;
  s.tensor_full = s.weights_full + 8;
  s.turn = s.tensor_full + 8 * kGroups * kOutputBuffers;
  return s;
}

__device__ __forceinline__ void init_barriers(const Shared& s, const Arguments& p) {
  for (int i = 0; i < p.stages; ++i) {
    barrier_init(s.full + 8 * i, kFullArrivals);
    barrier_init(s.empty + 8 * i, kEmptyArrivals);
  }
  barrier_init(s.weights_full, 1);
  for (int i = 0; i < kGroups * kOutputBuffers; ++i) barrier_init(s.tensor_full + 8 * i, 1);
  for (int i = 0; i < kGroups; ++i) barrier_init(s.turn + 8 * i, 1);
  fence_barrier_init();
  fence_async_proxy();
}

__device__ __forceinline__ Place place_of(int tile, const Arguments& p, int rank) {
  const int row = kMulticast > 1 ? tile / p.tiles_n * kMulticast + rank : tile / p.tiles_n;
  return {row * kTileM, tile % p.tiles_n * kTileN};
}

// Blocks of K that this block of the cluster sums: [first, end).
__device__ __forceinline__ int first_block(const Arguments& p, int rank) {
  return kSplit == 1 ? 0 : static_cast<int>(static_cast<long long>(p.blocks) * rank / kSplit);
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
      load_box(to, *maps.a, block++ * kBlockElements, row, full);
      return;
    }
    load_pixels(to, *maps.a, channel_block * kBlockElements, w, h, n, tap_w * p.dilation_w,
                tap_h * p.dilation_h, full);
    if (++channel_block < p.channel_blocks) return;
    channel_block = 0;
    if (++tap_w < p.taps_w) return;
    tap_w = 0;
    ++tap_h;
  }
};

__device__ __forceinline__ void load_weights(const Maps& maps, u32 to, int block, int n, u32 full,
                                             int rank) {
  if (kMulticast == 1) {
    load_box(to, *maps.b, block * kBlockElements, n, full);
    return;
  }
  constexpr int kPart = kTileN / kMulticast;
  load_box_multicast(to + rank * kPart * kBlockBytes, *maps.b, block * kBlockElements,
                     n + rank * kPart, full, (1 << kMulticast) - 1);
}

__device__ __forceinline__ void produce(const Arguments& p, const Maps& maps, const Shared& s,
                                        int first_tile, int tile_step, int rank) {
  prefetch_map(*maps.a);
  prefetch_map(*maps.b);
  const int first = first_block(p, rank), count = block_count(p, rank);
  int ahead = 0;  // stages whose weights are already on their way: constants wait for nobody
  if (kResident) {
    const int n = place_of(first_tile, p, rank).n;
    barrier_expect(s.weights_full, p.blocks * kBlockN);
    for (int k = 0; k < p.blocks; ++k)
      load_weights(maps, s.weights + k * kBlockN, k, n, s.weights_full, rank);
  } else if (kMulticast == 1 && first_tile < p.tiles) {
    const int n = place_of(first_tile, p, rank).n;
    for (int k = 0; k < count && ahead < p.stages; k += kBlocks, ++ahead) {
      const int blocks = kBlocks == 1 ? 1 : min(kBlocks, count - k);
      const u32 stage = s.stages + ahead * kStage, full = s.full + 8 * ahead;
      barrier_expect(full, blocks * (kBlockM + kBlockN));
      for (int u = 0; u < blocks; ++u)
        load_weights(maps, stage + kStageA + u * kBlockN, first + k + u, n, full, rank);
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
        barrier_expect(full, blocks * (kBlockM + (kResident ? 0 : kBlockN)));
      }
      for (int u = 0; u < blocks; ++u) source.load(p, maps, stage + u * kBlockM, full);
      if (!has_weights) {
        for (int u = 0; u < blocks; ++u)
          load_weights(maps, stage + kStageA + u * kBlockN, first + k + u, at.n, full, rank);
      }
      if (ahead > 0) --ahead;
      ring.advance(p.stages);
    }
  }
}

// --- consumers

struct Consumer {
  int group, warp, row_in_8, t;  // warp of the group; the thread's place in a core matrix
  bool leads;                    // the thread that copies for the group

  // Row of the group's tile that accumulators 4j + 2 half + e of a slice are of.
  __device__ __forceinline__ int row(int slice, int half) const {
    return slice * 64 + warp * 16 + half * 8 + row_in_8;
  }
  // Number of the thread's chunk in a panel.
  __device__ __forceinline__ int chunk(int part) const { return t * kPanelChunks + part; }
  __device__ __forceinline__ void sync() const { sync_threads(1 + group, 128); }
};

__device__ __forceinline__ u32 swizzled(u32 panel, int row, int chunk) {
  return kPanelBytes == 128 ? panel + row * 128 + ((chunk ^ (row & 7)) << 4)
                            : panel + row * 64 + ((chunk ^ ((row >> 1) & 3)) << 4);
}

__device__ __forceinline__ void release(u32 empty) {
  if (kMulticast == 1) {
    if (threadIdx.x % 128 == 0) barrier_arrive(empty);
  } else if (threadIdx.x % 128 < kMulticast) {
    barrier_arrive_at(empty, threadIdx.x % 128);
  }
}

template <class Sum>
__device__ __forceinline__ void pin_all(Sum (&sums)[kSlices][kAccumulators]) {
#pragma unroll
  for (int i = 0; i < kSlices; ++i)
#pragma unroll
    for (int j = 0; j < kAccumulators; ++j) pin(sums[i][j]);
}

// All products of a tile. `next_turn` is the barrier that lets another group begin; the last stage
// is still to be released.
template <class Sum>
__device__ __forceinline__ int accumulate(const Arguments& p, const Shared& s, Ring ring, int count,
                                          int row, u32 next_turn,
                                          Sum (&sums)[kSlices][kAccumulators]) {
  int unreleased = -1;
  for (int k = 0; k < count; k += kBlocks) {
    barrier_wait(s.full + 8 * ring.stage, ring.parity);
    if (kPingPong && k + kBlocks >= count && threadIdx.x % 128 == 0) barrier_arrive(next_turn);
    const u32 stage = s.stages + ring.stage * kStage;
    const u32 weights = kResident ? s.weights + k * kBlockN : stage + kStageA;
    pin_all(sums);
    product_fence();
#pragma unroll
    for (int u = 0; u < kBlocks; ++u) {
      if (kBlocks > 1 && k + u >= count) break;
      const u64 a = product_operand(stage + u * kBlockM + row * kBlockBytes, kBlockBytes);
      const u64 b = product_operand(weights + u * kBlockN, kBlockBytes);
#pragma unroll
      for (int step = 0; step < kBlockBytes / 32; ++step) {
#pragma unroll
        for (int i = 0; i < kSlices; ++i) {
          multiply(sums[i], a + step * 2 + i * (64 * kBlockBytes / 16), b + step * 2,
                   (k | u | step) != 0);
        }
      }
    }
    product_commit();
    product_wait<1>();
    if (unreleased >= 0) release(s.empty + 8 * unreleased);
    unreleased = ring.stage;
    ring.advance(p.stages);
  }
  return unreleased;
}

// The channel operands of one chunk.
struct ChannelValues {
  float value[kChannelOperands > 0 ? kChannelOperands : 1][8];

  __device__ __forceinline__ void load(const float* operands, int stride, int channel) {
#pragma unroll
    for (int i = 0; i < kChannelOperands; ++i) {
      const float4* from = reinterpret_cast<const float4*>(operands + i * stride + channel);
      const float4 low = __ldg(from), high = __ldg(from + 1);
      value[i][0] = low.x, value[i][1] = low.y, value[i][2] = low.z, value[i][3] = low.w;
      value[i][4] = high.x, value[i][5] = high.y, value[i][6] = high.z, value[i][7] = high.w;
    }
  }
};

// Eight elements; `tensors` holds their operands, a word of two each.
__device__ __forceinline__ Words finish(const float (&sums)[8], const ChannelValues& channels,
                                        const Words* tensors) {
  Words out;
#pragma unroll
  for (int pair = 0; pair < 4; ++pair) {
    float result[2];
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      float channel[kChannelOperands > 0 ? kChannelOperands : 1];
      float tensor[kTensorOperands > 0 ? kTensorOperands : 1];
#pragma unroll
      for (int i = 0; i < kChannelOperands; ++i) channel[i] = channels.value[i][2 * pair + e];
#pragma unroll
      for (int i = 0; i < kTensorOperands; ++i) {
        const u32 word = tensors[i].word[pair];
        tensor[i] = e == 0 ? Element::low(word) : Element::high(word);
      }
      result[e] = epilogue(sums[2 * pair + e], channel, tensor);
    }
    out.word[pair] = Element::pack(result[0], result[1]);
  }
  return out;
}

// The eight sums of a thread's chunk.
template <class Sum>
__device__ __forceinline__ void take_chunk(const Sum (&sums)[kAccumulators], int panel, int part,
                                           int half, float (&out)[8]) {
#pragma unroll
  for (int x = 0; x < 8; ++x) {
    const int column = (panel * kPanelChunks + part) * 4 + x / 2;
    out[x] = static_cast<float>(sums[column * 4 + half * 2 + (x & 1)]);
  }
}

struct Pointers {
  u16* out;
  const u16* tensor[2];
  const float* channel;
};

// One chunk straight from and to global memory; for what TMA cannot address.
__device__ __forceinline__ void finish_in_global(const Arguments& p, const Pointers& at, int row,
                                                 int column, const float (&sums)[8],
                                                 const ChannelValues& channels) {
  if (row >= p.rows || column >= p.columns) return;
  const long long element = static_cast<long long>(row) * p.columns + column;
  const bool whole = p.columns % 8 == 0;
  Words tensors[kTensorOperands > 0 ? kTensorOperands : 1];
#pragma unroll
  for (int i = 0; i < kTensorOperands; ++i) {
    const u16* from = at.tensor[i] + element;
    if (whole) {
      const uint4 words = *reinterpret_cast<const uint4*>(from);
      tensors[i] = {{words.x, words.y, words.z, words.w}};
    } else {
#pragma unroll
      for (int x = 0; x < 4; ++x) {
        const u32 low = column + 2 * x < p.columns ? from[2 * x] : 0;
        const u32 high = column + 2 * x + 1 < p.columns ? from[2 * x + 1] : 0;
        tensors[i].word[x] = low | high << 16;
      }
    }
  }
  const Words result = finish(sums, channels, tensors);
  if (whole) {
    *reinterpret_cast<uint4*>(at.out + element) =
        make_uint4(result.word[0], result.word[1], result.word[2], result.word[3]);
    return;
  }
#pragma unroll
  for (int x = 0; x < 8; ++x) {
    if (column + x < p.columns)
      at.out[element + x] = static_cast<u16>(result.word[x / 2] >> (x & 1) * 16);
  }
}

template <class Sum>
__device__ __forceinline__ void store_direct(const Arguments& p, const Pointers& at,
                                             const Consumer& self, const Place& place,
                                             const Sum (&sums)[kSlices][kAccumulators]) {
#pragma unroll
  for (int panel = 0; panel < kPanels; ++panel) {
#pragma unroll
    for (int part = 0; part < kPanelChunks; ++part) {
      const int column = place.n + panel * kPanelColumns + self.chunk(part) * 8;
      ChannelValues channels;
      channels.load(at.channel, p.tiles_n * kTileN, column);
#pragma unroll
      for (int i = 0; i < kSlices; ++i) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          float chunk[8];
          take_chunk(sums[i], panel, part, half, chunk);
          finish_in_global(p, at, place.m + self.row(i, half), column, chunk, channels);
        }
      }
    }
  }
}

// Through swizzled shared memory, where the operand of the same place already lies.
template <class Sum>
__device__ __forceinline__ void store_swizzled(const Arguments& p, const Pointers& at,
                                               const Consumer& self, const Place& place, u32 buffer,
                                               ChannelValues& first,
                                               const Sum (&sums)[kSlices][kAccumulators]) {
  constexpr int kParts = kPanels * kPanelChunks;
  ChannelValues channels[2] = {first, first};
#pragma unroll
  for (int q = 0; q < kParts; ++q) {
    const int panel = q / kPanelChunks, part = q % kPanelChunks;
    if (q + 1 < kParts) {
      const int next =
          (q + 1) / kPanelChunks * kPanelColumns + self.chunk((q + 1) % kPanelChunks) * 8;
      channels[(q + 1) & 1].load(at.channel, p.tiles_n * kTileN, place.n + next);
    }
#pragma unroll
    for (int i = 0; i < kSlices; ++i) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const u32 address = swizzled(buffer + panel * kPanel, self.row(i, half), self.chunk(part));
        float chunk[8];
        take_chunk(sums[i], panel, part, half, chunk);
        Words tensor[1];
        if (kTensorOperands > 0) tensor[0] = load_shared(address);
        store_shared(address, finish(chunk, channels[q & 1], tensor));
      }
    }
  }
}

__device__ __forceinline__ void load_tensor(const Maps& maps, const Place& place, u32 buffer,
                                            u32 full) {
  barrier_expect(full, kBuffer);
#pragma unroll
  for (int panel = 0; panel < kPanels; ++panel)
    load_box(buffer + panel * kPanel, *maps.tensor, place.n + panel * kPanelColumns, place.m, full);
}

__device__ __forceinline__ void consume(const Arguments& p, const Maps& maps, const Pointers& at,
                                        const Shared& s, int first_tile, int tile_step, int rank) {
  Consumer self;
  self.group = threadIdx.x / 128;
  self.warp = threadIdx.x / 32 % 4;
  self.row_in_8 = threadIdx.x % 32 / 4;
  self.t = threadIdx.x % 4;
  self.leads = threadIdx.x % 128 == 0;
  const int step = kPingPong ? tile_step * kGroups : tile_step;
  const int row = kPingPong ? 0 : self.group * kGroupM;
  const u32 buffers = s.buffers + self.group * kOutputBuffers * kBuffer;
  const u32 tensor_full = s.tensor_full + 8 * self.group * kOutputBuffers;
  const u32 next_turn = s.turn + 8 * ((self.group + 1) % kGroups);
  const int count = block_count(p, rank), stages_of_tile = (count + kBlocks - 1) / kBlocks;
  int tile = first_tile + (kPingPong ? self.group * tile_step : 0);
  int stages_before = kPingPong ? self.group * stages_of_tile : 0;
  int buffer = 0;
  u32 tensor_parity = 0, turn_parity = self.group == 0;
  const auto place = [&](int of) {
    Place out = place_of(of, p, rank);
    out.m += row;
    return out;
  };
  wait_for_earlier_launch();
  if (kTensorOperands > 0 && kBoxStore && self.leads && tile < p.tiles)
    load_tensor(maps, place(tile), buffers, tensor_full);
  if (kResident) barrier_wait(s.weights_full, 0);
  for (; tile < p.tiles; tile += step) {
    SumType sums[kSlices][kAccumulators];
    // A group that skipped another's phases would take an older phase of equal parity for its own.
    if (kPingPong) {
      barrier_wait(s.turn + 8 * self.group, turn_parity);
      turn_parity ^= 1;
    }
    const Ring ring{stages_before % p.stages, static_cast<u32>(stages_before / p.stages & 1)};
    const int last = accumulate(p, s, ring, count, row, next_turn, sums);
    stages_before += kPingPong ? stages_of_tile * kGroups : stages_of_tile;
    const Place here = place(tile);
    ChannelValues channels;
    channels.load(at.channel, p.tiles_n * kTileN, here.n + self.chunk(0) * 8);
    product_wait<0>();
    release(s.empty + 8 * last);
    pin_all(sums);
    if (kSplit > 1) {
      if (kGroups > 1) sync_threads(1, kGroups * 128);  // the stages become the partial tile
      const u32 partial = s.stages;
#pragma unroll
      for (int q = 0; q < kPanels * kPanelChunks; ++q) {
        const int column = q / kPanelChunks * kPanelColumns + self.chunk(q % kPanelChunks) * 8;
#pragma unroll
        for (int i = 0; i < kSlices; ++i) {
#pragma unroll
          for (int half = 0; half < 2; ++half) {
            float chunk[8];
            take_chunk(sums[i], q / kPanelChunks, q % kPanelChunks, half, chunk);
            const u32 to = partial + ((row + self.row(i, half)) * kPartialRow + column) * 4;
            store_shared(to, *reinterpret_cast<const Words*>(chunk));
            store_shared(to + 16, *reinterpret_cast<const Words*>(chunk + 4));
          }
        }
      }
      return;
    }
    if (!kBoxStore) {
      store_direct(p, at, self, here, sums);
      continue;
    }
    const int next_buffer = buffer + 1 == kOutputBuffers ? 0 : buffer + 1;
    if (self.leads) wait_stores_read<kOutputBuffers - (kTensorOperands > 0 ? 2 : 1)>();
    if (kTensorOperands > 0) {
      if (self.leads && tile + step < p.tiles)
        load_tensor(maps, place(tile + step), buffers + next_buffer * kBuffer,
                    tensor_full + 8 * next_buffer);
      barrier_wait(tensor_full + 8 * buffer, tensor_parity);
      if (next_buffer == 0) tensor_parity ^= 1;
    } else {
      self.sync();
    }
    const u32 to = buffers + buffer * kBuffer;
    store_swizzled(p, at, self, here, to, channels, sums);
    fence_async_proxy();
    self.sync();
    if (self.leads) {
#pragma unroll
      for (int panel = 0; panel < kPanels; ++panel)
        store_box(*maps.out, to + panel * kPanel, here.n + panel * kPanelColumns, here.m);
      commit_stores();
    }
    buffer = next_buffer;
  }
  if (kBoxStore && self.leads) wait_stores();
}

// Split K: this block's part of the tile from the partial sums of all blocks of the cluster.
__device__ __forceinline__ void reduce_partials(const Arguments& p, const Pointers& at,
                                                const Shared& s, const Place& place, int rank) {
  constexpr int kChunks = kTileN / 8, kAll = kTileM * kChunks;
  for (int c = kAll * rank / kSplit + threadIdx.x; c < kAll * (rank + 1) / kSplit;
       c += kGroups * 128) {
    const int row = c / kChunks, column = c % kChunks * 8;
    const u32 from = s.stages + (row * kPartialRow + column) * 4;
    float sums[8] = {};
#pragma unroll
    for (int block = 0; block < kSplit; ++block) {
      const Words low = load_shared_of(from, block), high = load_shared_of(from + 16, block);
#pragma unroll
      for (int x = 0; x < 4; ++x) {
        sums[x] += __int_as_float(low.word[x]);
        sums[4 + x] += __int_as_float(high.word[x]);
      }
    }
    ChannelValues channels;
    channels.load(at.channel, p.tiles_n * kTileN, place.n + column);
    finish_in_global(p, at, place.m + row, place.n + column, sums, channels);
  }
}

extern "C" __global__ void __launch_bounds__(kThreads, 1)
    implicit_gemm(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b,
                  const __grid_constant__ TensorMap out_map,
                  const __grid_constant__ TensorMap tensor_map, u16* out, const u16* tensor0,
                  const u16* tensor1, const float* channel, int rows, int columns, int tiles_n,
                  int tiles, int blocks, int stages, int out_w, int out_hw, int stride_w,
                  int stride_h, int pad_w, int pad_h, int dilation_w, int dilation_h, int taps_w,
                  int channel_blocks) {
  extern __shared__ unsigned char memory[];
  const Arguments p{rows,       columns,    tiles_n,  tiles,         blocks, stages,
                    out_w,      out_hw,     stride_w, stride_h,      pad_w,  pad_h,
                    dilation_w, dilation_h, taps_w,   channel_blocks};
  const Maps maps{&a, &b, &out_map, &tensor_map};
  const Pointers at{out, {tensor0, tensor1}, channel};
  const Shared s = lay_out(memory, p);
  if (threadIdx.x == 0) init_barriers(s, p);
  if (kBlocksOfCluster > 1) {
    sync_cluster();
  } else {
    __syncthreads();
  }
  allow_later_launch();
  const int rank = kBlocksOfCluster > 1 ? static_cast<int>(cluster_rank()) : 0;
  const int first_tile = blockIdx.x / kBlocksOfCluster, tile_step = gridDim.x / kBlocksOfCluster;
  if (threadIdx.x >= kGroups * 128) {
    if (kGroups > 1) give_registers<kGroups == 3 ? 32 : 40>();
    if (threadIdx.x == kGroups * 128) produce(p, maps, s, first_tile, tile_step, rank);
  } else {
    if (kGroups > 1) take_registers<kGroups == 3 ? 160 : 232>();
    consume(p, maps, at, s, first_tile, tile_step, rank);
    if (kSplit > 1) {
      __syncwarp();
    }
  }
  if (kSplit > 1) {
    __syncthreads();
    sync_cluster();
    if (threadIdx.x < kGroups * 128) {
      reduce_partials(p, at, s, place_of(first_tile, p, rank), rank);
    }
    __syncthreads();
  }
  // No block leaves while another of its cluster may still reach into its memory.
  if (kBlocksOfCluster > 1) sync_cluster();
}
