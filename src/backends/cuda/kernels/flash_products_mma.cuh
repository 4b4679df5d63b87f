// SPDX-License-Identifier: Apache-2.0
// Products of flash_attention.cuh by every warp for itself, on chips from sm_80 on. After
// flash_tiles.cuh.

constexpr int kTogether = 1;     // warps that take part in a product
constexpr int kAlignment = 128;  // of tiles

// Rows are 16 bytes longer than their elements, so that eight of them begin in different banks.
template <int kColumns>
struct TileRows {
  static constexpr int kPitch = kColumns + 8;
  static constexpr int kPeriod = 1;  // rows after which a column lies kPeriod * kPitch further on
  static constexpr int kBytes = 2 * kKeys * kPitch;
  static __device__ __forceinline__ int at(int row, int column) { return row * kPitch + column; }
};
using KeyRows = TileRows<kDepth>;
using ValueRows = TileRows<kWidth>;

constexpr int kPitchQ = (kDepth > kWidth ? kDepth : kWidth) + 8;

// Copies have come; what follows reads them.
__device__ __forceinline__ void open_tiles() {}

// Scores with the first `there` keys of a tile; the others' are anything finite.
__device__ __forceinline__ void multiply_keys(HeldQ& held, unsigned tile_q, unsigned tile_k,
                                              int lane, int there, Scores& s) {
  constexpr int kPitchK = KeyRows::kPitch;
#pragma unroll
  for (int i = 0; i < kTiles; ++i) {
#pragma unroll
    for (int j = 0; j < kPart / 8; ++j) s[i][j][0] = s[i][j][1] = s[i][j][2] = s[i][j][3] = 0.f;
  }
  const unsigned from = tile_k + 2 * ((lane / 16 * 8 + lane % 8) * kPitchK + lane / 8 % 2 * 8);
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
      if (16 * j >= there) break;
      unsigned b[4];
      load_matrices<false>(from + 2 * (16 * j * kPitchK + 16 * step), b);
#pragma unroll
      for (int i = 0; i < kTiles; ++i) {
        const auto& a =
            kHoldQ ? held[i % (kHoldQ ? kTiles : 1)][step % (kHoldQ ? kSteps : 1)] : fresh[i];
        multiply(s[i][2 * j], a, b[0], b[1], Element{});
        multiply(s[i][2 * j + 1], a, b[2], b[3], Element{});
      }
    }
  }
}

// Adds the first `there` values of a tile, by their weights.
__device__ __forceinline__ void add_values(const Scores& s, unsigned tile_v, int lane, int there,
                                           Sums& o) {
  constexpr int kPitchV = ValueRows::kPitch;
  const unsigned from = tile_v + 2 * ((lane / 8 % 2 * 8 + lane % 8) * kPitchV + lane / 16 * 8);
#pragma unroll
  for (int j = 0; j < kPart / 16; ++j) {
    if (16 * j >= there) break;
    unsigned a[kTiles][4];
#pragma unroll
    for (int i = 0; i < kTiles; ++i) pack_weights(s[i], j, a[i]);
#pragma unroll
    for (int d = 0; d < kWidth / 16; ++d) {
      unsigned b[4];
      load_matrices<true>(from + 2 * (16 * j * kPitchV + 16 * d), b);
#pragma unroll
      for (int i = 0; i < kTiles; ++i) {
        multiply(o[i][2 * d], a[i], b[0], b[1], Element{});
        multiply(o[i][2 * d + 1], a[i], b[2], b[3], Element{});
      }
    }
  }
}
