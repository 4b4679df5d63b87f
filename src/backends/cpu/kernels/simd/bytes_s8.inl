// SPDX-License-Identifier: Apache-2.0
// TileSetS8::run_bytes and sum_row: by the tiles' own way to finish sums, a vector at a time, and
// as a plain loop.

void run_bytes(const TileS8& given, const std::uint8_t* x, std::int32_t zero, std::int64_t n) {
  TileS8 tile = given;
  tile.row_count = 1;
  for (std::int64_t i = 0; i < n; i += kSumLanes) {
    const auto count = static_cast<int>(n - i < kSumLanes ? n - i : kSumLanes);
    std::int32_t values[kSumLanes] = {};
    for (int k = 0; k < count; ++k) values[k] = (x[i + k] ^ tile.flip) - zero;
    const Sum sums[1][1] = {{load_sums(values)}};
    tile.columns = count;
    finish_tile<1, 1>(tile, sums);
    tile.out += count;
    if (tile.residual != nullptr) tile.residual += count;
  }
}

std::int32_t sum_row(const std::uint8_t* const* runs, std::int64_t stride, std::int64_t taps,
                     std::int64_t depth, std::uint8_t flip) {
  std::uint32_t sum = 0;  // modulo 2^32
  for (std::int64_t t = 0; t < taps; ++t) {
    const std::uint8_t* x = runs[t * stride];
    for (std::int64_t i = 0; i < depth; ++i) sum += static_cast<std::uint32_t>(x[i] ^ flip);
  }
  return static_cast<std::int32_t>(sum);
}
