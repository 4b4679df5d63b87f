// SPDX-License-Identifier: Apache-2.0
// How results of implicit_gemm_sm90.cuh come about and leave: the epilogue of what a thread has
// summed, and ways to store a tile. After gemm_rows.cuh and the text of `epilogue`, or of what
// requantises.

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
      byte[e] = requantized<(kTensorOperands > 0)>(
          float_of(sums[x], channels, x), channels.value[0][x], channels.value[1][x],
          kTensorOperands > 0 ? tensors[0].word[q] : 0, e, table);
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

// Which of a thread's sums of a slice is element x of a chunk.
__device__ constexpr int sum_of_chunk(int panel, int part, int half, int x) {
  return ((panel * kPanelChunks + part) * (kChunk / 2) + x / 2) * 4 + half * 2 + (x & 1);
}
__device__ __forceinline__ void take_chunk(const SumType (&sums)[kAccumulators], int panel,
                                           int part, int half, SumType (&out)[kChunk]) {
#pragma unroll
  for (int x = 0; x < kChunk; ++x) out[x] = sums[sum_of_chunk(panel, part, half, x)];
}
__device__ __forceinline__ void put_chunk(const SumType (&chunk)[kChunk], int panel, int part,
                                          int half, SumType (&out)[kAccumulators]) {
#pragma unroll
  for (int x = 0; x < kChunk; ++x) out[sum_of_chunk(panel, part, half, x)] = chunk[x];
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
