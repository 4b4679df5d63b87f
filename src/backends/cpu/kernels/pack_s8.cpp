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

double largest_sum(const Shape& weights, std::int64_t channels) {
  double terms = 1.0 / static_cast<double>(channels);
  for (const std::int64_t size : weights) terms *= static_cast<double>(size);
  return terms * 255 * 255;
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

constexpr std::int64_t kMostLanes = 64;

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

// Where things lie in a form, for groups of that many columns.
struct Places {
  Places(const FormS8& of, std::int64_t groups, std::int64_t columns)
      : form(of),
        panels((columns + of.panel_columns() - 1) / of.panel_columns()),
        panel_bytes(of.taps * of.quads() * of.panel_columns() * 4 * weight_bytes(of.packing)),
        start((groups * panels * panel_bytes + 63) / 64 * 64),
        bytes(start + groups * panels * of.panel_columns() * 4) {}

  // Of element `k` of four of quad `quad` (of all taps) of column `m` of a panel.
  std::int64_t weight(std::int64_t quad, std::int64_t m, std::int64_t k) const {
    const std::int64_t block = (quad * form.vectors + m / form.lanes) * form.lanes * 4;
    return (block + place(form.packing, form.lanes, m % form.lanes, k)) *
           weight_bytes(form.packing);
  }

  FormS8 form;
  std::int64_t panels, panel_bytes;  // of a group; of a panel
  std::int64_t start, bytes;         // in the tensor
};

void put(SumPacking packing, std::byte* to, std::int8_t weight) {
  if (weight_bytes(packing) == 1) {
    *to = static_cast<std::byte>(weight);
  } else {
    const auto wide = static_cast<std::int16_t>(weight);
    std::memcpy(to, &wide, 2);
  }
}

// Both sizes of a weight begin with its low byte.
std::int8_t get(const std::byte* from) { return static_cast<std::int8_t>(*from); }

FormS8 read_form(const std::vector<std::int64_t>& numbers, std::int64_t depth, const char* kernel) {
  const auto packing = static_cast<SumPacking>(numbers[0]);
  const FormS8 form{packing, numbers[1], numbers[2], numbers[3], numbers[4]};
  const std::int64_t most_lanes = packing == SumPacking::lanes ? 64 : 1;
  require(numbers[0] >= 0 && numbers[0] <= static_cast<std::int64_t>(SumPacking::lanes) &&
              form.lanes >= most_lanes && form.lanes <= kMostLanes && form.vectors >= 1 &&
              form.vectors <= kMostTileVectors && form.taps >= 1 && form.depth >= 1 &&
              form.taps <= depth && form.depth <= depth / form.taps &&
              form.taps * form.depth == depth,
          kernel, "its packed weights do not fit");
  return form;
}

}  // namespace

void PackedS8::read(const KernelInit& init, const KernelInit::Operand& weights, std::int64_t groups,
                    std::int64_t columns, std::int64_t depth, std::int32_t x_zero,
                    const PlainWeights<std::int8_t>& plain, const char* kernel) {
  require(weights.constant != nullptr && is_byte(weights.dtype), kernel,
          "its weights are no constant of bytes");
  groups_ = groups;
  columns_ = columns;
  depth_ = depth;
  x_zero_ = x_zero;
  plain_ = plain;
  if (is_packed(init)) {
    stored_form_ = read_form(packed_numbers(init, weights, 5, kernel), depth, kernel);
    const Places places(stored_form_, groups, columns);
    require(weights.constant_shape == Shape{places.bytes}, kernel, "its packed weights do not fit");
    stored_ = static_cast<const std::byte*>(weights.constant);
    const std::int64_t left =
        init.parameters.has("w_zero_left") ? init.parameters.integer("w_zero_left") : 0;
    require(left >= -255 && left <= 255, kernel, "its zero point does not fit");
    zero_left_ = static_cast<std::int32_t>(left);
    return;
  }
  const std::int64_t zero = read_zero(init, "w_zero", weights.dtype, kernel);
  signed_.resize(static_cast<std::size_t>(groups * columns * depth));
  const auto* from = static_cast<const std::uint8_t*>(weights.constant);
  const auto value = [&](std::size_t i) -> std::int64_t {
    return weights.dtype == DType::i8 ? static_cast<std::int8_t>(from[i]) : from[i];
  };
  bool fits = true;
  for (std::size_t i = 0; i < signed_.size(); ++i)
    fits = fits && value(i) - zero >= -128 && value(i) - zero <= 127;
  const std::int64_t taken = fits ? zero : weights.dtype == DType::i8 ? 0 : 128;
  zero_left_ = static_cast<std::int32_t>(zero - taken);
  for (std::size_t i = 0; i < signed_.size(); ++i)
    signed_[i] = static_cast<std::int8_t>(value(i) - taken);
  plain_.data = signed_.data();
}

void PackedS8::read_lines(PackedS8& from, std::int64_t height, std::int64_t width,
                          std::int64_t times) {
  if (from.signed_.empty()) from.unpack();
  columns_ = from.columns_ * times;
  depth_ = from.depth_;
  x_zero_ = from.x_zero_;
  signed_.resize(static_cast<std::size_t>(columns_ * depth_));
  const PlainWeights<std::int8_t>& plain = from.plain_;
  for (std::int64_t column = 0; column < columns_; ++column) {
    const std::int8_t* of_column = plain.data + column % from.columns_ * plain.column_stride;
    for (std::int64_t k = 0; k < depth_; ++k) {
      const std::int64_t at = k % height * width + k / height;
      signed_[static_cast<std::size_t>(column * depth_ + k)] =
          of_column[at / plain.inner * plain.outer_stride + at % plain.inner * plain.inner_stride];
    }
  }
  plain_ = PlainWeights<std::int8_t>::of_columns(signed_.data(), depth_);
}

void PackedS8::prepare(const FormS8& form) {
  if (data_ != nullptr && form_ == form) return;
  if (stored_ != nullptr && stored_form_ == form) return use(form, stored_);
  if (stored_ != nullptr && signed_.empty()) unpack();
  own_ = packed(form);
  use(form, own_.data());
}

void PackedS8::use(const FormS8& form, const std::byte* data) {
  const Places places(form, groups_, columns_);
  form_ = form;
  panels_ = places.panels;
  panel_bytes_ = places.panel_bytes;
  data_ = data;
  start_ = reinterpret_cast<const std::int32_t*>(data + places.start);
}

// The engine's weights as plain ones, each column for itself.
void PackedS8::unpack() {
  const Places places(stored_form_, groups_, columns_);
  signed_.resize(static_cast<std::size_t>(groups_ * columns_ * depth_));
  plain_ = PlainWeights<std::int8_t>::of_columns(signed_.data(), depth_);
  const std::int64_t panel_columns = stored_form_.panel_columns();
  parallel_for(groups_ * columns_, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t column = begin; column < end; ++column) {
      const std::int64_t of_group = column % columns_;
      const std::byte* panel =
          stored_ +
          (column / columns_ * places.panels + of_group / panel_columns) * places.panel_bytes;
      for (std::int64_t k = 0; k < depth_; ++k) {
        const std::int64_t d = k % stored_form_.depth;
        const std::int64_t quad = k / stored_form_.depth * stored_form_.quads() + d / 4;
        signed_[static_cast<std::size_t>(column * depth_ + k)] =
            get(panel + places.weight(quad, of_group % panel_columns, d % 4));
      }
    }
  });
}

Tensor PackedS8::packed(const FormS8& form) const {
  const Places places(form, groups_, columns_);
  const std::int64_t panel_columns = form.panel_columns();
  Tensor out = Tensor::zeros(DType::u8, {places.bytes});
  std::byte* const weights = out.mutable_data();
  auto* const start = reinterpret_cast<std::int32_t*>(weights + places.start);
  parallel_for(groups_ * places.panels, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      std::byte* const to = weights + p * places.panel_bytes;
      const std::int64_t first = p % places.panels * panel_columns;
      const std::int64_t of_all = p / places.panels * columns_ + first;
      for (std::int64_t m = 0; m < std::min(panel_columns, columns_ - first); ++m) {
        const std::int8_t* column = plain_.data + (of_all + m) * plain_.column_stride;
        std::int32_t sum = 0;
        std::int64_t quad = 0, k = 0, d = 0;  // of the tap that is under way
        for (std::int64_t o = 0; o < plain_.outer; ++o) {
          for (std::int64_t i = 0; i < plain_.inner; ++i) {
            const std::int8_t w = column[o * plain_.outer_stride + i * plain_.inner_stride];
            sum += w;
            put(form.packing, to + places.weight(quad, m, k), w);
            k = (k + 1) % 4;
            const bool tap_ends = ++d == form.depth;
            if (k == 0 || tap_ends) ++quad;
            if (tap_ends) k = d = 0;
          }
        }
        start[p * panel_columns + m] = wrapped_product(-x_zero_, sum);
      }
    }
  });
  return out;
}

std::string PackedS8::parameters(const FormS8& form, const Shape& weights) const {
  std::string out = packed_parameters(numbers(form), weights);
  if (zero_left_ != 0) out += ";w_zero_left=" + std::to_string(zero_left_);
  return out;
}

std::vector<std::int64_t> PackedS8::numbers(const FormS8& form) {
  return {static_cast<std::int64_t>(form.packing), form.lanes, form.vectors, form.taps, form.depth};
}

}  // namespace strop::cpu
