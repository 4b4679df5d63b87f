// SPDX-License-Identifier: Apache-2.0
// Scores of queries in registers by warpgroups, for flash_attention.cuh. After
// flash_products_wgmma.cuh and
//
//   set_to_product(float (&sums)[kPart / 8][4], const unsigned (&a)[4], u64 b)
//   add_product(...)

// Scores with all keys of a tile.
__device__ __forceinline__ void multiply_keys(HeldQ& held, unsigned, unsigned tile_k, int, int,
                                              Scores& s) {
  product_fence();
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    const unsigned from = tile_k + step / 4 * (2 * KeyRows::kPanel) + step % 4 * 32;
    if (step == 0) {
      set_to_product(s[0], held[0][step], product_operand(from, 128));
    } else {
      add_product(s[0], held[0][step], product_operand(from, 128));
    }
  }
  product_commit();
  product_wait<0>();
  pin_all(s[0]);
}
