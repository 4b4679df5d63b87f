// SPDX-License-Identifier: Apache-2.0
// C[m, n] = epilogue(sum over k of A[m, k] B[n, k]) on Hopper's tensor cores: a product of
// matrices, whose A may be several tensors side by side along k, or a convolution whose A is what
// TMA's im2col mode makes of an NHWC tensor.
// codegen/implicit_gemm_sm90.cpp puts before this text: the primitives and pointwise functions, the
// constants (kTileM ... kChannelOperands; kParts: numbers that a weight is the sum of), SumType,
// `multiply` (one wgmma of width kTileN), and Element and `epilogue` or, for bytes, STROP_BYTES and
// what requantises; kPieces, the tensors that A is, with STROP_PIECES, their parameters,
// STROP_PIECE_MAPS, those parameters' addresses, and `first_block_of`, where each begins; then
// gemm_ring.cuh, gemm_rows.cuh and, with `accumulate`, gemm_products.cuh or gemm_products_f32.cuh.
// STROP_ROW_PARAMETERS are parameters that gemm_rows.cuh needs, STROP_ROW_SUMS and
// STROP_RESULT_SUMS their names or nullptr. It also packs B in the order that these pages assume.
//
// Roles. One thread of the last warpgroup issues copies into a ring of stages; kGroups consumer
// warpgroups multiply. They share a tile (cooperative), or take tiles in turn (ping-pong: the
// epilogue of one runs beside the products of the next). The grid is persistent.
// Results leave by copies from shared memory: those of a group together from a buffer of its own,
// where the operand of the epilogue came too, or (kWarpStore) each warp's from its slots, which
// leaves room for stages; the operand is then read by the threads. With kNormalize the other warps
// of the last warpgroup make the scales of rows.
// Split K: the blocks of a cluster take each a part of K of one tile, leave their sums in shared
// memory, and each finishes a part of the tile, adding in the order of the blocks.
//
// A step of K is kBlocks blocks of kBlockBytes; a block is a tile of kTileM (kTileN) rows,
// swizzled. Columns of the accumulator are permuted channels, so that a thread holds runs of 16
// bytes (chunks) of a row: chunk t of a panel of 64 bytes, or chunks 2t and 2t + 1 of a panel of
// 128, t = lane % 4.

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

// The channel operands of one chunk.
struct ChannelValues {
  float value[kChannelOperands > 0 ? kChannelOperands : 1][kChunk];

  __device__ __forceinline__ void load(const float* operands, int stride, int channel) {
#pragma unroll
    for (int i = 0; i < kChannelOperands; ++i) {
      const float4* from = reinterpret_cast<const float4*>(operands + i * stride + channel);
#pragma unroll
      for (int x = 0; x < kChunk; x += 4) {
        const float4 four = __ldg(from + x / 4);
        value[i][x] = four.x, value[i][x + 1] = four.y;
        value[i][x + 2] = four.z, value[i][x + 3] = four.w;
      }
    }
  }
};

// A chunk of results from its sums, its channel operands and `tensors`, one chunk an operand.
#ifdef STROP_BYTES
// f32(sum). On this chip conversion instructions, which run beside the arithmetic, beat its bits.
__device__ __forceinline__ float float_of(int sum, const ChannelValues& channels, int x) {
  return __int2float_rn(kCorrected ? sum + __float_as_int(channels.value[2][x]) : sum);
}
__device__ __forceinline__ Words finish(const int (&sums)[kChunk], const ChannelValues& channels,
                                        const Words* tensors, const Storage* table, RowSum&) {
  Words out;
#pragma unroll
  for (int q = 0; q < 4; ++q) {
    u32 byte[4];
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int x = 4 * q + e;
      byte[e] = requantized<(kTensorOperands > 0)>(float_of(sums[x], channels, x),
                                                   channels.value[0][x], channels.value[1][x],
                                                   kTensorOperands > 0 ? tensors[0].word[q] : 0, e);
      if constexpr (kTable) byte[e] = __ldg(table + (byte[e] & 0xffu));
    }
    out.word[q] = __byte_perm(__byte_perm(byte[0], byte[1], 0x0040),
                              __byte_perm(byte[2], byte[3], 0x0040), 0x5410);
  }
  return out;
}
#else
__device__ __forceinline__ Words finish(const float (&sums)[kChunk], const ChannelValues& channels,
                                        const Words* tensors, const Storage*, RowSum& row) {
  Words out;
#pragma unroll
  for (int q = 0; q < 4; ++q) {
    float result[2] = {};
#pragma unroll
    for (int e = 0; e < kInWord; ++e) {
      const int x = q * kInWord + e;
      float channel[kChannelOperands > 0 ? kChannelOperands : 1];
      float tensor[kTensorOperands > 0 ? kTensorOperands : 1];
#pragma unroll
      for (int i = 0; i < kChannelOperands; ++i) channel[i] = channels.value[i][x];
#pragma unroll
      for (int i = 0; i < kTensorOperands; ++i) {
        const u32 word = tensors[i].word[q];
        tensor[i] = e == 0 ? Element::low(word) : Element::high(word);
      }
      result[e] = epilogue(sums[x], channel, tensor);
      row.add(result[e]);
    }
    out.word[q] = Element::pack(result[0], result[1]);
  }
  return out;
}
#endif

// The sums of a thread's chunk.
__device__ __forceinline__ void take_chunk(const SumType (&sums)[kAccumulators], int panel,
                                           int part, int half, SumType (&out)[kChunk]) {
#pragma unroll
  for (int x = 0; x < kChunk; ++x) {
    const int column = (panel * kPanelChunks + part) * (kChunk / 2) + x / 2;
    out[x] = sums[column * 4 + half * 2 + (x & 1)];
  }
}

// The inverse deviations of a tile's rows, where scale_rows leaves them.
struct RowScales {
  u32 rows = 0, empty = 0;  // of the group's first row; the barrier that lets them be replaced

  __device__ __forceinline__ void wait(const Shared& s, int number, int row) {
    const int slot = number % kScaleSlots;
    barrier_wait(s.scales_full + 8 * slot, number / kScaleSlots & 1);
    rows = s.scales + (slot * kTileM + row) * 4;
    empty = s.scales_empty + 8 * slot;
  }
  __device__ __forceinline__ void read(const Consumer& self, int slice, float (&out)[2]) const {
#pragma unroll
    for (int half = 0; half < 2; ++half)
      out[half] = load_shared_float(rows + self.row(slice, half) * 4);
  }
  __device__ __forceinline__ void release() const { barrier_arrive(empty); }  // by every thread
};

struct Pointers {
  Storage* out;
  const Storage* tensor[2];  // of bytes the residual and the table
  const float* channel;
  const float2* row_sums;  // of A
  float2* result_sums;
};

// One chunk straight from and to global memory; for what TMA cannot address.
__device__ __forceinline__ void finish_in_global(const Arguments& p, const Pointers& at, int row,
                                                 int column, const SumType (&sums)[kChunk],
                                                 const ChannelValues& channels, RowSum& row_sum) {
  constexpr int kBits = 8 * kElementBytes;
  if (row >= p.rows || column >= p.columns) return;
  const long long element = static_cast<long long>(row) * p.columns + column;
  const bool whole = p.columns % kChunk == 0;
  Words tensors[kTensorOperands > 0 ? kTensorOperands : 1];
#pragma unroll
  for (int i = 0; i < kTensorOperands; ++i) {
    const Storage* from = at.tensor[i] + element;
    if (whole) {
      const uint4 words = *reinterpret_cast<const uint4*>(from);
      tensors[i] = {{words.x, words.y, words.z, words.w}};
    } else {
      tensors[i] = {{0, 0, 0, 0}};
#pragma unroll
      for (int x = 0; x < kChunk; ++x) {
        if (column + x < p.columns)
          tensors[i].word[x / kInWord] |= static_cast<u32>(from[x]) << x % kInWord * kBits;
      }
    }
  }
  const Words result = finish(sums, channels, tensors, at.tensor[1], row_sum);
  if (whole) {
    *reinterpret_cast<uint4*>(at.out + element) =
        make_uint4(result.word[0], result.word[1], result.word[2], result.word[3]);
    return;
  }
#pragma unroll
  for (int x = 0; x < kChunk; ++x) {
    if (column + x < p.columns)
      at.out[element + x] = static_cast<Storage>(result.word[x / kInWord] >> x % kInWord * kBits);
  }
}

__device__ __forceinline__ void read_scales(const RowScales& from, const Consumer& self,
                                            float (&scales)[kSlices][2]) {
#pragma unroll
  for (int i = 0; i < kSlices; ++i) from.read(self, i, scales[i]);
}

__device__ __forceinline__ void give_panel(const Arguments& p, const Pointers& at,
                                           const Consumer& self, const Place& place, int panel,
                                           const RowSum (&rows)[kSlices][2]) {
  const int apart = self.row(0, 1) - self.row(0, 0), column = place.n + panel * kPanelColumns;
#pragma unroll
  for (int i = 0; i < kSlices; ++i)
    give(p, at.result_sums, self.t, rows[i], place.m + self.row(i, 0), apart, column);
}

__device__ __forceinline__ void store_direct(const Arguments& p, const Pointers& at,
                                             const Consumer& self, const Place& place,
                                             const RowScales& row_scales,
                                             const SumType (&sums)[kSlices][kAccumulators]) {
  float scales[kSlices][2];
  if (kNormalize) read_scales(row_scales, self, scales);
#pragma unroll
  for (int panel = 0; panel < kPanels; ++panel) {
    RowSum rows[kSlices][2] = {};
#pragma unroll
    for (int part = 0; part < kPanelChunks; ++part) {
      const int column = place.n + panel * kPanelColumns + self.chunk(part) * kChunk;
      ChannelValues channels;
      channels.load(at.channel, p.tiles_n * kTileN, column);
#pragma unroll
      for (int i = 0; i < kSlices; ++i) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          SumType chunk[kChunk];
          take_chunk(sums[i], panel, part, half, chunk);
          if (kNormalize) scale(chunk, scales[i][half], channels.value[0]);
          const int row = place.m + self.row(i, half);
          finish_in_global(p, at, row, column, chunk, channels, rows[i][half]);
        }
      }
    }
    if (kRowSums) give_panel(p, at, self, place, panel, rows);
  }
}

// Through swizzled shared memory, where the operand of the same place already lies.
__device__ __forceinline__ void store_swizzled(const Arguments& p, const Pointers& at,
                                               const Consumer& self, const Place& place, u32 buffer,
                                               ChannelValues& first, const RowScales& row_scales,
                                               const SumType (&sums)[kSlices][kAccumulators],
                                               RowSum (&rows)[kPanels][kSlices][2]) {
  constexpr int kChunks = kPanels * kPanelChunks;
  float scales[kSlices][2];
  if (kNormalize) read_scales(row_scales, self, scales);
  ChannelValues channels[2] = {first, first};
#pragma unroll
  for (int q = 0; q < kChunks; ++q) {
    const int panel = q / kPanelChunks, part = q % kPanelChunks;
    if (q + 1 < kChunks) {
      const int next =
          (q + 1) / kPanelChunks * kPanelColumns + self.chunk((q + 1) % kPanelChunks) * kChunk;
      channels[(q + 1) & 1].load(at.channel, p.tiles_n * kTileN, place.n + next);
    }
#pragma unroll
    for (int i = 0; i < kSlices; ++i) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const u32 address =
            swizzled<kPanelBytes>(buffer + panel * kPanel, self.row(i, half), self.chunk(part));
        SumType chunk[kChunk];
        take_chunk(sums[i], panel, part, half, chunk);
        if (kNormalize) scale(chunk, scales[i][half], channels[q & 1].value[0]);
        Words tensor[1];
        if (kTensorOperands > 0) tensor[0] = load_shared(address);
        store_shared(address,
                     finish(chunk, channels[q & 1], tensor, at.tensor[1], rows[panel][i][half]));
      }
    }
  }
}

// The operand of the epilogue that a thread needs of a panel and a slice.
struct TensorWords {
  Words of[2][kPanelChunks];

  __device__ __forceinline__ void load(const Arguments& p, const Pointers& at, const Consumer& self,
                                       int slice, int m, int n) {
    const int row = m + self.row(slice, 0), column = n + self.chunk(0) * kChunk;
    const Storage* from = at.tensor[0] + static_cast<long long>(row) * p.columns + column;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
#pragma unroll
      for (int part = 0; part < kPanelChunks; ++part) {
        uint4 words = make_uint4(0, 0, 0, 0);
        if (row + half * 8 < p.rows && column + part * kChunk < p.columns)
          words = *reinterpret_cast<const uint4*>(from + part * kChunk);
        of[half][part] = {{words.x, words.y, words.z, words.w}};
      }
      from += 8 * p.columns;
    }
  }
};

// Each warp for itself: 16 rows of a panel at a time through a slot of its own, which copies empty
// while it goes on. Tiles are of so many steps that they fill the slots whole times.
__device__ __forceinline__ void store_by_warps(const Arguments& p, const Maps& maps,
                                               const Pointers& at, const Consumer& self,
                                               const Place& place, u32 slots, TensorWords& tensor,
                                               const RowScales& row_scales,
                                               const SumType (&sums)[kSlices][kAccumulators]) {
  const bool first_lane = threadIdx.x % 32 == 0;
  u32 mine[kPanelChunks];  // of slot 0, half 0
#pragma unroll
  for (int part = 0; part < kPanelChunks; ++part)
    mine[part] = swizzled<kPanelBytes>(slots, self.row_in_8, self.chunk(part));
#pragma unroll
  for (int panel = 0; panel < kPanels; ++panel) {
    const int n = place.n + panel * kPanelColumns;
    RowSum rows[kSlices][2] = {};
#pragma unroll
    for (int i = 0; i < kSlices; ++i) {
      const int step = panel * kSlices + i;
      const u32 slot = step % kWarpSlots * kWarpSlot;
      float scales[2];
      if (kNormalize) row_scales.read(self, i, scales);
      if (first_lane) wait_stores_read<kWarpSlots - 1>();
      __syncwarp();
#pragma unroll
      for (int part = 0; part < kPanelChunks; ++part) {
        int column = n + self.chunk(part) * kChunk;
        if (kSlices > 1) asm volatile("" : "+r"(column));  // rather read again than kept
        ChannelValues channels;
        channels.load(at.channel, p.tiles_n * kTileN, column);
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          SumType chunk[kChunk];
          take_chunk(sums[i], panel, part, half, chunk);
          if (kNormalize) scale(chunk, scales[half], channels.value[0]);
          store_shared(
              mine[part] + slot + half * 8 * kPanelBytes,
              finish(chunk, channels, &tensor.of[half][part], at.tensor[1], rows[i][half]));
        }
      }
      if (kTensorOperands > 0 && step + 1 < kPanels * kSlices)
        tensor.load(p, at, self, (step + 1) % kSlices, place.m,
                    place.n + (step + 1) / kSlices * kPanelColumns);
      fence_async_proxy();
      __syncwarp();
      if (first_lane) {
        store_box(*maps.out, slots + slot, n, place.m + i * 64 + self.warp * 16);
        commit_stores();
      }
    }
    if (kRowSums) give_panel(p, at, self, place, panel, rows);
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
  const int row = kPingPong ? 0 : self.group * kGroupM;
  const u32 buffers = s.buffers + self.group * kOutputBuffers * kBuffer;
  const u32 tensor_full = s.tensor_full + 8 * self.group * kOutputBuffers;
  const u32 next_turn = s.turn + 8 * ((self.group + 1) % kGroups);
  const int count = block_count(p, rank), stages_of_tile = (count + kBlocks - 1) / kBlocks;
  int buffer = 0;
  u32 tensor_parity = 0;
  // What else depends on which of the block's tiles it is takes no registers while products do.
  int number = kPingPong ? self.group : 0;
  constexpr int kStep = kPingPong ? kGroups : 1;
  const auto has = [&](int of) { return first_tile + of * tile_step < p.tiles; };
  const auto place = [&](int of) {
    Place out = place_of(first_tile + of * tile_step, p, rank);
    out.m += row;
    return out;
  };
  wait_for_earlier_launch();
  if (kTensorAhead && self.leads && has(number))
    load_tensor(maps, place(number), buffers, tensor_full);
  if (kResident) barrier_wait(s.weights_full, 0);
  for (; has(number); number += kStep) {
    SumType sums[kSlices][kAccumulators];
    if (kTensorNow && self.leads) {
      wait_stores_read<0>();
      load_tensor(maps, place(number), buffers, tensor_full);
    }
    // A group that skipped another's phases would take an older phase of equal parity for its own.
    if (kPingPong)
      barrier_wait(s.turn + 8 * self.group, (self.group == 0) ^ (number / kGroups & 1));
    const int stages_before = number * stages_of_tile;
    const Ring ring{stages_before % p.stages, static_cast<u32>(stages_before / p.stages & 1)};
    const int last = accumulate(p, s, ring, count, row, next_turn, sums);
    const Place here = place(number);
    ChannelValues channels;
    TensorWords tensor;
    if (kWarpStore) {
      if (kTensorOperands > 0) tensor.load(p, at, self, 0, here.m, here.n);
    } else {
      channels.load(at.channel, p.tiles_n * kTileN, here.n + self.chunk(0) * kChunk);
    }
    product_wait<0>();
    release(s.empty + 8 * last);
    pin_all(sums);
    if (kSplit > 1) {
      // The stages become the partial tile; threads read f32 out of them.
      if (kGroups > 1 || kParts > 1) sync_threads(1, kGroups * 128);
      const u32 partial = s.stages;
#pragma unroll
      for (int q = 0; q < kPanels * kPanelChunks; ++q) {
        const int column = q / kPanelChunks * kPanelColumns + self.chunk(q % kPanelChunks) * kChunk;
#pragma unroll
        for (int i = 0; i < kSlices; ++i) {
#pragma unroll
          for (int half = 0; half < 2; ++half) {
            SumType chunk[kChunk];
            take_chunk(sums[i], q / kPanelChunks, q % kPanelChunks, half, chunk);
            const u32 to = partial + ((row + self.row(i, half)) * kPartialRow + column) * 4;
#pragma unroll
            for (int x = 0; x < kChunk; x += 4)
              store_shared(to + x * 4, *reinterpret_cast<const Words*>(chunk + x));
          }
        }
      }
      return;
    }
    RowScales scales;
    if (kNormalize) scales.wait(s, number, row);
    if (kWarpStore) {
      store_by_warps(p, maps, at, self, here, buffers + self.warp * (kBuffer / 4), tensor, scales,
                     sums);
      if (kNormalize) scales.release();
      continue;
    }
    if (!kBoxStore) {
      store_direct(p, at, self, here, scales, sums);
      if (kNormalize) scales.release();
      continue;
    }
    const int next_buffer = buffer + 1 == kOutputBuffers ? 0 : buffer + 1;
    if (self.leads && !kTensorNow) wait_stores_read<kOutputBuffers - (kTensorAhead ? 2 : 1)>();
    if (kTensorOperands > 0) {
      if (kTensorAhead && self.leads && has(number + kStep))
        load_tensor(maps, place(number + kStep), buffers + next_buffer * kBuffer,
                    tensor_full + 8 * next_buffer);
      barrier_wait(tensor_full + 8 * buffer, tensor_parity);
      if (next_buffer == 0) tensor_parity ^= 1;
    } else {
      self.sync();
    }
    const u32 to = buffers + buffer * kBuffer;
    RowSum rows[kPanels][kSlices][2] = {};
    store_swizzled(p, at, self, here, to, channels, scales, sums, rows);
    if (kNormalize) scales.release();
    fence_async_proxy();
    self.sync();
    if (self.leads) {
#pragma unroll
      for (int panel = 0; panel < kPanels; ++panel)
        store_box(*maps.out, to + panel * kPanel, here.n + panel * kPanelColumns, here.m);
      commit_stores();
    }
    if (kRowSums) {
#pragma unroll
      for (int panel = 0; panel < kPanels; ++panel)
        give_panel(p, at, self, here, panel, rows[panel]);
    }
    buffer = next_buffer;
  }
  if (kBoxStore && (kWarpStore ? threadIdx.x % 32 == 0 : self.leads)) wait_stores();
}

#ifdef STROP_BYTES
__device__ __forceinline__ int of_bits(u32 bits) { return static_cast<int>(bits); }
#else
__device__ __forceinline__ float of_bits(u32 bits) { return __int_as_float(bits); }
#endif

// Split K: this block's part of the tile from the partial sums of all blocks of the cluster.
__device__ __forceinline__ void reduce_partials(const Arguments& p, const Pointers& at,
                                                const Shared& s, const Place& place, int rank) {
  constexpr int kChunks = kTileN / kChunk, kAll = kTileM * kChunks;
  // Threads that share a block of row sums go on together.
  constexpr int kUnit = kRowSums ? kSumsBlock / kChunk : 1;
  const auto part_of = [](int block) { return kAll / kUnit * block / kSplit * kUnit; };
  for (int c = part_of(rank) + threadIdx.x; c < part_of(rank + 1); c += kGroups * 128) {
    const int row = c / kChunks, column = c % kChunks * kChunk;
    const u32 from = s.stages + (row * kPartialRow + column) * 4;
    SumType sums[kChunk] = {};
#pragma unroll
    for (int block = 0; block < kSplit; ++block) {
#pragma unroll
      for (int x = 0; x < kChunk; x += 4) {
        const Words four = load_shared_of(from + x * 4, block);
#pragma unroll
        for (int e = 0; e < 4; ++e) sums[x + e] += of_bits(four.word[e]);
      }
    }
    ChannelValues channels;
    channels.load(at.channel, p.tiles_n * kTileN, place.n + column);
    if (kNormalize)
      scale(sums, inverse_deviation_of_row(at.row_sums, min(place.m + row, p.rows - 1)),
            channels.value[0]);
    RowSum row_sum{0, 0};
    finish_in_global(p, at, place.m + row, place.n + column, sums, channels, row_sum);
    if (kRowSums) give<kUnit>(p, at.result_sums, row_sum, place.m + row, place.n + column);
  }
}

extern "C" __global__ void __launch_bounds__(kThreads, 1)
    implicit_gemm(STROP_PIECES, const __grid_constant__ TensorMap b,
                  const __grid_constant__ TensorMap out_map,
                  const __grid_constant__ TensorMap tensor_map, Storage* out,
                  const Storage* tensor0, const Storage* tensor1, const float* channel,
                  STROP_ROW_PARAMETERS int rows, int columns, int tiles_n, int tiles, int blocks,
                  int stages, int out_w, int out_hw, int stride_w, int stride_h, int pad_w,
                  int pad_h, int dilation_w, int dilation_h, int taps_w, int channel_blocks) {
  extern __shared__ unsigned char memory[];
  const Arguments p{rows,       columns,    tiles_n,  tiles,         blocks, stages,
                    out_w,      out_hw,     stride_w, stride_h,      pad_w,  pad_h,
                    dilation_w, dilation_h, taps_w,   channel_blocks};
  const Maps maps{{STROP_PIECE_MAPS}, &b, &out_map, &tensor_map};
  const Pointers at{out, {tensor0, tensor1}, channel, STROP_ROW_SUMS, STROP_RESULT_SUMS};
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
    if (kGroups > 1) give_registers<kProducerRegisters>();
    if (threadIdx.x == kGroups * 128) produce(p, maps, s, first_tile, tile_step, rank);
    if (kNormalize && kSplit == 1 && threadIdx.x >= kGroups * 128 + 32)
      scale_rows(p, s, at.row_sums, first_tile, tile_step, rank);
    if (kSplit > 1) sync_cluster();
  } else {
    if (kGroups > 1) take_registers<kConsumerRegisters>();
    consume(p, maps, at, s, first_tile, tile_step, rank);
    if (kSplit > 1) {
      sync_cluster();
      reduce_partials(p, at, s, place_of(first_tile, p, rank), rank);
    }
  }
  // No block leaves while another of its cluster may still reach into its memory.
  if (kBlocksOfCluster > 1) sync_cluster();
}
