// SPDX-License-Identifier: Apache-2.0
// C[m, n] = epilogue(sum over k of A[m, k] B[n, k]) on Hopper's tensor cores: a product of
// matrices, whose A may be several tensors side by side along k, or a convolution whose A is what
// TMA's im2col mode makes of an NHWC tensor.
// codegen/implicit_gemm_sm90.cpp puts before this text: the primitives and pointwise functions, the
// constants (kTileM ... kChannelOperands; kParts: numbers that a weight is the sum of), SumType,
// `multiply` (one wgmma of width kTileN), and Element and `epilogue` or, for bytes, STROP_BYTES and
// what requantises; kPieces, the tensors that A is, with STROP_PIECES, their parameters,
// STROP_PIECE_MAPS, those parameters' addresses, and `first_block_of`, where each begins; then
// gemm_ring.cuh, gemm_rows.cuh, with `accumulate` gemm_products.cuh or gemm_products_f32.cuh,
// gemm_stores.cuh and gemm_borders.cuh.
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
    const auto load_channels = [&] {
      channels.load(at.channel, p.tiles_n * kTileN, here.n + self.chunk(0) * kChunk);
    };
    if (kWarpStore) {
      if (kTensorOperands > 0) tensor.load(p, at, self, 0, here.m, here.n);
    } else if (!kBorders) {
      load_channels();
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
    if (kBorders) add_borders(p, at, self, here, sums);
    if (kBorders && !kWarpStore) load_channels();
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
    if (kBorders) {
      const int kind = kind_of_pixel(p, place.m + row);
      if (kind != 0) add_shares(p, at.channel, kind, place.n + column, sums);
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
                  int pad_h, int dilation_w, int dilation_h, int taps_w, int channel_blocks,
                  int height, int width) {
  extern __shared__ unsigned char memory[];
  const Arguments p{rows,       columns,    tiles_n,  tiles,          blocks, stages,
                    out_w,      out_hw,     stride_w, stride_h,       pad_w,  pad_h,
                    dilation_w, dilation_h, taps_w,   channel_blocks, height, width};
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
