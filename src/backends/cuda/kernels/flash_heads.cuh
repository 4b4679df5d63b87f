// SPDX-License-Identifier: Apache-2.0
// Attention where one tile has all keys of a head, on Hopper. A persistent block takes heads in
// turn; kTeams warpgroups take tiles of 64 queries in turn, whatever head they are of; one more
// thread issues copies (TMA), of a head ahead of the arithmetic. After flash_products_wgmma.cuh,
// hopper_primitives.cuh, constexpr int kTeams, kSharedBytes (of the block) and
//
//   set_to_product_of(float (&sums)[kKeys / 8][4], u64 a, u64 b)  // a and b in shared memory
//   add_product_of(...)

constexpr int kBuffers = 2;         // of keys and values
constexpr int kSlots = 2 * kTeams;  // of queries
constexpr int kBlockThreads = 128 * (kTeams + 1);

// A tile of queries, and of results on their way out: panels as of TileRows, of 64 rows.
struct SlotRows {
  static constexpr int kPanel = 64 * 64;
  static constexpr int kBytes = 2 * 64 * (kDepth > kWidth ? kDepth : kWidth);
  static __device__ __forceinline__ int at(int row, int column) {
    return column / 64 * kPanel + row * 64 + (column % 64 ^ row % 8 * 8);
  }
};

// Addresses of shared memory: tiles, then barriers of 8 bytes.
struct Places {
  unsigned keys, values, slots;
  unsigned keys_full, values_full, head_empty, slot_full, slot_empty;
};

__device__ __forceinline__ Places lay_out(unsigned begin) {
  Places out;
  out.keys = begin;
  out.values = out.keys + kBuffers * KeyRows::kBytes;
  out.slots = out.values + kBuffers * ValueRows::kBytes;
  out.keys_full = out.slots + kSlots * SlotRows::kBytes;
  out.values_full = out.keys_full + 8 * kBuffers;
  out.head_empty = out.values_full + 8 * kBuffers;
  out.slot_full = out.head_empty + 8 * kBuffers;
  out.slot_empty = out.slot_full + 8 * kSlots;
  return out;
}

// A head is done with when its tiles are.
__device__ __forceinline__ void init_barriers(const Places& s, int tiles) {
  for (int i = 0; i < kBuffers; ++i) {
    barrier_init(s.keys_full + 8 * i, 1);
    barrier_init(s.values_full + 8 * i, 1);
    barrier_init(s.head_empty + 8 * i, tiles);
  }
  for (int i = 0; i < kSlots; ++i) {
    barrier_init(s.slot_full + 8 * i, 1);
    barrier_init(s.slot_empty + 8 * i, 4);
  }
  fence_barrier_init();
  fence_async_proxy();
}

static_assert(kAlignment + kBuffers * (KeyRows::kBytes + ValueRows::kBytes) +
                      kSlots * SlotRows::kBytes + 8 * (3 * kBuffers + 2 * kSlots) <=
                  kSharedBytes,
              "all places are there");
static_assert(kOneTile, "one tile has all keys");

// Rows from `row` on of a head, kColumns wide, in panels of 64 columns.
template <int kColumns>
__device__ __forceinline__ void load_rows(unsigned to, int panel_bytes, const TensorMap& map,
                                          int row, int head, int batch, unsigned full) {
#pragma unroll
  for (int column = 0; column < kColumns; column += 64)
    load_box_4d(to + column / 64 * panel_bytes, map, column, row, head, batch, full);
}

struct Maps {
  const TensorMap *q, *k, *v;
};

__device__ __forceinline__ void produce(const Problem& p, const Maps& maps, const Places& s,
                                        int items, int tiles) {
  int tile = 0;  // of those of this block
  int turn = 0;
  for (int item = blockIdx.x; item < items; item += gridDim.x, ++turn) {
    const int head = item % p.heads, batch = item / p.heads, kv_head = head / p.group;
    const int buffer = turn % kBuffers;
    barrier_wait(s.head_empty + 8 * buffer, (turn / kBuffers & 1) ^ 1);
    barrier_expect(s.keys_full + 8 * buffer, KeyRows::kBytes);
    load_rows<kDepth>(s.keys + buffer * KeyRows::kBytes, 2 * KeyRows::kPanel, *maps.k, 0, kv_head,
                      batch, s.keys_full + 8 * buffer);
    for (int t = 0; t < tiles; ++t, ++tile) {
      const int slot = tile % kSlots;
      barrier_wait(s.slot_empty + 8 * slot, (tile / kSlots & 1) ^ 1);
      barrier_expect(s.slot_full + 8 * slot, 2 * 64 * kDepth);
      load_rows<kDepth>(s.slots + slot * SlotRows::kBytes, 2 * SlotRows::kPanel, *maps.q, 64 * t,
                        head, batch, s.slot_full + 8 * slot);
      if (t > 0) continue;
      barrier_expect(s.values_full + 8 * buffer, ValueRows::kBytes);
      load_rows<kWidth>(s.values + buffer * ValueRows::kBytes, 2 * ValueRows::kPanel, *maps.v, 0,
                        kv_head, batch, s.values_full + 8 * buffer);
    }
  }
}

// Scores are there when finish_scores has been called.
__device__ __forceinline__ void begin_scores(unsigned queries, unsigned keys, Scores& s) {
  product_fence();
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    const int panel = step / 4, column = step % 4 * 32;
    const u64 a = product_operand(queries + panel * (2 * SlotRows::kPanel) + column, 128);
    const u64 b = product_operand(keys + panel * (2 * KeyRows::kPanel) + column, 128);
    if (step == 0) {
      set_to_product_of(s[0], a, b);
    } else {
      add_product_of(s[0], a, b);
    }
  }
  product_commit();
}
__device__ __forceinline__ void finish_scores(Scores& s) {
  product_wait<0>();
  pin_all(s[0]);
}

__device__ __forceinline__ void consume(const Problem& p, const Places& s, unsigned char* memory,
                                        int items, int tiles) {
  const int team = threadIdx.x / 128, warp_of_team = threadIdx.x / 32 % 4;
  Warp warp;
  warp.lane = threadIdx.x % 32;
  warp.group = 0;
  Block block;
  block.end = kOnlyKeys;
  block.position = 0;
  for (int tile = team;; tile += kTeams) {
    const int turn = tile / tiles, item = blockIdx.x + turn * gridDim.x;
    if (item >= items) return;
    block.head = item % p.heads;
    block.batch = item / p.heads;
    block.row = tile % tiles * 64;
    warp.first = block.row + 16 * warp_of_team;
    const int slot = tile % kSlots, buffer = turn % kBuffers;
    const unsigned head_parity = turn / kBuffers & 1;
    const unsigned keys = s.keys + buffer * KeyRows::kBytes;
    const unsigned values = s.values + buffer * ValueRows::kBytes;
    // A team's slots are its own, so it knows their phase. Queries that have come tell that the
    // head before in these buffers is over, so that a phase of keys is not taken for the one before
    // it.
    barrier_wait(s.slot_full + 8 * slot, tile / kSlots & 1);
    barrier_wait(s.keys_full + 8 * buffer, head_parity);
    Scores scores;
    begin_scores(s.slots + slot * SlotRows::kBytes, keys, scores);
    BiasWords bias;
    load_biases(warp, bias_of(p, block), 0, p, bias);
    begin_sums(warp, p, block.head);
    finish_scores(scores);
    take_exponentials<kOnlyKeys == kKeys>(warp, block, 0, bias, scores);
    barrier_wait(s.values_full + 8 * buffer, head_parity);
    clear(warp.o);
    add_values(scores, values, warp.lane, kKeys, warp.o);
    // All have read keys and values, and the queries, which results replace.
    sync_threads(1 + team, 128);
    if (threadIdx.x % 128 == 0) barrier_arrive(s.head_empty + 8 * buffer);
    store_rows<SlotRows>(warp, memory + (s.slots - s.keys) + slot * SlotRows::kBytes,
                         16 * warp_of_team, p.y + offset_of(p.y_strides, block.batch, block.head),
                         p.y_strides.row, p.queries);
    fence_async_proxy();
    __syncwarp();
    if (warp.lane == 0) barrier_arrive(s.slot_empty + 8 * slot);
  }
}

extern "C" __global__ void __launch_bounds__(kBlockThreads, 1)
    attention(const __grid_constant__ TensorMap map_q, const __grid_constant__ TensorMap map_k,
              const __grid_constant__ TensorMap map_v, int batches, PROBLEM_PARAMETERS) {
  extern __shared__ __align__(128) unsigned char shared[];
  unsigned char* memory = shared + (kAlignment - shared_address(shared) % kAlignment) % kAlignment;
  const Problem p = PROBLEM;
  const Places s = lay_out(shared_address(memory));
  const int tiles = (p.queries + 63) / 64, items = batches * p.heads;
  if (threadIdx.x == 0) init_barriers(s, tiles);
  __syncthreads();
  take_turn();
  if (threadIdx.x < 128 * kTeams) {
    consume(p, s, memory, items, tiles);
  } else if (threadIdx.x == 128 * kTeams) {
    produce(p, {&map_q, &map_k, &map_v}, s, items, tiles);
  }
}
