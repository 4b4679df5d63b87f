// SPDX-License-Identifier: Apache-2.0
// Tiles of keys and values for warpgroups of Hopper, and the product with values, weights from
// registers; for flash_attention.cuh and flash_heads.cuh. After flash_tiles.cuh,
// warpgroup_products.cuh and
//
//   add_product_by_rows(float (&sums)[kWidth / 8][4], const unsigned (&a)[4], u64 b)

constexpr int kTogether = 4;      // warps that take part in a product
constexpr int kAlignment = 1024;  // of tiles

// Panels of 64 columns, in which chunk c of 16 bytes of row r lies at place c ^ r % 8.
template <int kColumns>
struct TileRows {
  static constexpr int kPitch = 64;
  static constexpr int kPeriod = 8;  // rows after which a column lies kPeriod * kPitch further on
  static constexpr int kPanel = kKeys * kPitch;
  static constexpr int kBytes = 2 * kKeys * kColumns;
  static __device__ __forceinline__ int at(int row, int column) {
    return column / kPitch * kPanel + row * kPitch + (column % kPitch ^ row % 8 * 8);
  }
};
using KeyRows = TileRows<kDepth>;
using ValueRows = TileRows<kWidth>;
static_assert(kTiles == 1 && kGroups == 1 && kHoldQ, "a warpgroup has 64 queries in registers");
static_assert(kDepth % 64 == 0 && kWidth % 64 == 0 && kKeys % 16 == 0, "tiles are of panels");

constexpr int kPitchQ = (kDepth > kWidth ? kDepth : kWidth) + 8;

// Copies have come; what follows reads them.
__device__ __forceinline__ void open_tiles() { fence_async_proxy(); }

template <int kBlocks>
__device__ __forceinline__ void pin_all(float (&sums)[kBlocks][4]) {
#pragma unroll
  for (int j = 0; j < kBlocks; ++j) {
#pragma unroll
    for (int e = 0; e < 4; ++e) pin(sums[j][e]);
  }
}

// Adds all values of a tile, by their weights.
__device__ __forceinline__ void add_values(const Scores& s, unsigned tile_v, int, int, Sums& o) {
  unsigned a[kPart / 16][4];
#pragma unroll
  for (int j = 0; j < kPart / 16; ++j) pack_weights(s[0], j, a[j]);
  pin_all(o[0]);
  product_fence();
#pragma unroll
  for (int j = 0; j < kPart / 16; ++j) {
    const u64 from = product_operand_by_rows(tile_v + j * (16 * 128), 2 * ValueRows::kPanel);
    add_product_by_rows(o[0], a[j], from);
  }
  product_commit();
  product_wait<0>();
  pin_all(o[0]);
}
