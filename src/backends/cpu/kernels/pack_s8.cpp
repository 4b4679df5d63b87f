// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/kernels/pack_s8.hpp"

#include <algorithm>
#include <cstring>

#include "base/parallel.hpp"

namespace strop::cpu {

std::int64_t read_zero(const KernelInit& init, const char* parameter, DType dtype,
                       const char* kernel) {
  const std::int64_t zero = init.parameters.integer(parameter);
  const bool fits = dtype == DType::i8 ? zero >= -128 && zero <= 127 : zero >= 0 && zero <= 255;
  require(fits, kernel, "a zero point is no byte of its type");
  return zero;
}

std::vector<std::int8_t> signed_weights(const KernelInit::Operand& weights, std::int64_t zero,
                                        const char* kernel) {
  std::int64_t count = 1;
  for (const std::int64_t size : weights.constant_shape) count *= size;
  std::vector<std::int8_t> out(static_cast<std::size_t>(count));
  const auto* from = static_cast<const std::uint8_t*>(weights.constant);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int value = weights.dtype == DType::i8 ? static_cast<std::int8_t>(from[i]) : from[i];
    const std::int64_t less = value - zero;
    require(less >= -128 && less <= 127, kernel, "a weight less its zero point is no signed byte");
    out[i] = static_cast<std::int8_t>(less);
  }
  return out;
}

int best_vectors(const TileSetS8& tiles, std::int64_t columns) {
  int best = 1;
  double best_cost = 0;
  for (int v = 1; v <= tiles.most_vectors; ++v) {
    const std::int64_t panel = std::int64_t{v} * tiles.lanes;
    const auto panels = static_cast<double>((columns + panel - 1) / panel);
    const double rows = tiles.rows[v];
    const double cost = panels * (v * rows + 0.3 * (v + 2 * rows)) / rows;
    if (v == 1 || cost < best_cost) {
      best = v;
      best_cost = cost;
    }
  }
  return best;
}

namespace {

std::int64_t weight_bytes(SumPacking packing) {
  return packing == SumPacking::bytes || packing == SumPacking::lanes ? 1 : 2;
}

// Where weight k of four of a column lies in its block.
std::int64_t place(SumPacking packing, std::int64_t lanes, std::int64_t column, std::int64_t k) {
  switch (packing) {
    case SumPacking::bytes:
    case SumPacking::words:
      return column * 4 + k;
    case SumPacking::word_pairs:
      return k / 2 * (2 * lanes) + column * 2 + k % 2;
    case SumPacking::lanes:
      return column % 16 / 4 * 64 + (column / 16 * 4 + column % 4) * 4 + k;
  }
  return 0;
}

void put(SumPacking packing, std::byte* to, std::int64_t at, std::int8_t weight) {
  if (weight_bytes(packing) == 1) {
    to[at] = static_cast<std::byte>(weight);
  } else {
    const auto wide = static_cast<std::int16_t>(weight);
    std::memcpy(to + at * 2, &wide, 2);
  }
}

}  // namespace

void PackedS8::pack(const TileSetS8& tiles, int vectors, std::int64_t groups, std::int64_t columns,
                    std::int64_t taps, std::int64_t depth, std::int32_t x_zero,
                    const Weight& weight) {
  columns_ = std::int64_t{vectors} * tiles.lanes;
  panels_ = (columns + columns_ - 1) / columns_;
  quads_ = (depth + 3) / 4;
  panel_bytes_ = taps * quads_ * columns_ * 4 * weight_bytes(tiles.packing);
  bytes_.assign(static_cast<std::size_t>(groups * panels_ * panel_bytes_), std::byte{0});
  start_.assign(static_cast<std::size_t>(groups * panels_ * columns_), 0);
  const std::int64_t lanes = tiles.lanes;
  parallel_for(groups * panels_, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      std::byte* to = bytes_.data() + p * panel_bytes_;
      const std::int64_t first = p % panels_ * columns_;
      for (std::int64_t m = 0; m < std::min(columns_, columns - first); ++m) {
        std::int32_t sum = 0;
        for (std::int64_t t = 0; t < taps; ++t) {
          for (std::int64_t d = 0; d < depth; ++d) {
            const std::int8_t w = weight(p / panels_, first + m, t, d);
            sum += w;
            const std::int64_t block = ((t * quads_ + d / 4) * vectors + m / lanes) * lanes * 4;
            put(tiles.packing, to, block + place(tiles.packing, lanes, m % lanes, d % 4), w);
          }
        }
        start_[static_cast<std::size_t>(p * columns_ + m)] = wrapped_product(-x_zero, sum);
      }
    }
  });
}

void PackedS8::pack_channels(const TileSetS8& tiles, std::int64_t channels, std::int64_t taps,
                             std::int32_t x_zero, const ChannelWeight& weight) {
  columns_ = tiles.channel_columns;
  panels_ = (channels + columns_ - 1) / columns_;
  quads_ = (taps + 3) / 4;
  panel_bytes_ = quads_ * columns_ * 4 * weight_bytes(tiles.channel_packing);
  bytes_.assign(static_cast<std::size_t>(panels_ * panel_bytes_), std::byte{0});
  start_.assign(static_cast<std::size_t>(panels_ * columns_), 0);
  for (std::int64_t c = 0; c < channels; ++c) {
    std::int32_t sum = 0;
    for (std::int64_t t = 0; t < taps; ++t) {
      const std::int8_t w = weight(c, t);
      sum += w;
      const std::int64_t at =
          t / 4 * columns_ * 4 + place(tiles.channel_packing, columns_, c % columns_, t % 4);
      put(tiles.channel_packing, bytes_.data() + c / columns_ * panel_bytes_, at, w);
    }
    start_[static_cast<std::size_t>(c)] = wrapped_product(-x_zero, sum);
  }
}

}  // namespace strop::cpu
