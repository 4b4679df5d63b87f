// SPDX-License-Identifier: Apache-2.0
// Attention of f32 heads, y = softmax(scale * q k^T + bias) v, without the matrix of scores in
// memory: a task takes a few queries of one head past blocks of keys, keeps the largest score and
// the sum of the exponentials, and corrects the sums of earlier blocks where a larger score appears
// (online softmax: Milakov, Gimelshein, arXiv:1805.02867; Dao et al., arXiv:2205.14135). Both
// products are tiles of simd/tile_f32.hpp over keys and values that are packed first.
//
// Queries go in tiles and keys in blocks of fixed sizes, so that a result does not depend on the
// number of threads. A query that sees no key gives zeros, and with zero_nan = 1 one whose weights
// are no numbers does.
//
// Inputs by the parameters q, k, v and bias. A parameter of q, k and v is "input" for a tensor
// [B, H, L, D], or "input,offset,stride,heads,size,rows_first" for heads in the columns of
// [B, L, columns], or with rows_first = 1 of [L, B, columns]. Output: [B, H, L, D], or with
// merged = 1 [B, L, H * D], with merged_rows_first = 1 [L, B, H * D]. Parameters scale, zero_nan.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "backends/cpu/kernels/kernel.hpp"
#include "backends/cpu/kernels/simd/rows_f32.hpp"
#include "backends/cpu/kernels/simd/tile_f32.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "attention kernel";
constexpr std::int64_t kQueries = 24;      // of a task: a multiple of the rows of most tiles
constexpr std::int64_t kKeys = 256;        // of a block, at most
constexpr std::int64_t kMostValues = 256;  // floats of a head's value

// Heads within a tensor.
struct Heads {
  std::size_t input = 0;
  bool packed = false, rows_first = false;
  std::int64_t offset = 0, head_stride = 0, count = 0, size = 0;
  std::int64_t batch = 0, rows = 0, row_stride = 0, batch_stride = 0;

  const float* at(const View& view, std::int64_t b, std::int64_t head) const {
    return view.as<const float>() + b * batch_stride + offset + head * head_stride;
  }
};

Heads read_heads(const KernelInit& init, const char* name) {
  const std::vector<std::int64_t> given = init.parameters.integers(name);
  require((given.size() == 1 || given.size() == 6) && given[0] >= 0 &&
              static_cast<std::size_t>(given[0]) < init.inputs.size(),
          kWhat, "its list of inputs does not fit");
  Heads heads;
  heads.input = static_cast<std::size_t>(given[0]);
  if (given.size() == 1) return heads;
  heads.packed = true;
  heads.offset = given[1];
  heads.head_stride = given[2];
  heads.count = given[3];
  heads.size = given[4];
  heads.rows_first = given[5] != 0;
  constexpr std::int64_t kMost = std::int64_t{1} << 31;
  for (std::size_t i = 1; i < 5; ++i)
    require(given[i] >= (i < 3 ? 0 : 1) && given[i] < kMost, kWhat, "its heads do not fit");
  return heads;
}

void prepare_heads(Heads& heads, const View& view) {
  require(view.dtype == DType::f32, kWhat, "an operand is not f32");
  if (!heads.packed) {
    require(view.dims.size() == 4, kWhat, "an operand does not have four axes");
    heads.count = view.dims[1];
    heads.size = view.dims[3];
    heads.rows = view.dims[2];
    heads.row_stride = heads.size;
    heads.head_stride = heads.rows * heads.size;
    heads.batch_stride = heads.count * heads.head_stride;
  } else {
    require(view.dims.size() == 3, kWhat, "an operand does not have three axes");
    heads.rows = view.dims[heads.rows_first ? 0 : 1];
    heads.row_stride = view.dims[2];
    heads.batch_stride = view.dims[1] * view.dims[2];
    if (heads.rows_first) std::swap(heads.row_stride, heads.batch_stride);
    require(heads.offset + (heads.count - 1) * heads.head_stride + heads.size <= view.dims[2],
            kWhat, "its heads do not fit into the columns");
  }
  heads.batch = view.dims[heads.rows_first ? 1 : 0];
}

// Panels of [depth][columns] floats side by side.
struct Panels {
  int vectors = 1;
  std::int64_t columns = 1;  // of a panel
  std::int64_t count = 0;
  std::int64_t depth = 0;

  void set(const TileSetF32& tiles, std::int64_t all_columns, std::int64_t panel_depth) {
    // As few columns of padding as can be, in panels as wide as can be.
    double best = 0;
    for (int v = 1; v <= tiles.most_vectors; ++v) {
      const std::int64_t wide = std::int64_t{v} * tiles.lanes;
      const double rows = tiles.rows[v];
      const double cost = static_cast<double>((all_columns + wide - 1) / wide) *
                          (v * rows + 0.3 * (v + rows)) / rows;
      if (v > 1 && cost >= best) continue;
      best = cost;
      vectors = v;
      columns = wide;
    }
    count = (all_columns + columns - 1) / columns;
    depth = panel_depth;
  }
  std::int64_t size() const { return count * depth * columns; }
};

class AttentionKernel final : public Kernel {
 public:
  explicit AttentionKernel(const KernelInit& init)
      : q_(read_heads(init, "q")),
        k_(read_heads(init, "k")),
        v_(read_heads(init, "v")),
        scale_(static_cast<float>(init.parameters.number("scale"))),
        merged_(init.parameters.integer("merged") != 0),
        merged_rows_first_(init.parameters.integer("merged_rows_first") != 0),
        zero_nan_(init.parameters.integer("zero_nan") != 0),
        tiles_(tile_set_f32()),
        rows_(row_set_f32()) {
    const std::int64_t bias = init.parameters.integer("bias");
    require(bias < static_cast<std::int64_t>(init.inputs.size()), kWhat,
            "its list of inputs does not fit");
    if (bias >= 0) bias_ = static_cast<std::size_t>(bias);
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    prepare_heads(q_, inputs[q_.input]);
    prepare_heads(k_, inputs[k_.input]);
    prepare_heads(v_, inputs[v_.input]);
    const bool fits = q_.batch == k_.batch && q_.batch == v_.batch && k_.count == v_.count &&
                      k_.rows == v_.rows && q_.size == k_.size && v_.size <= kMostValues &&
                      (k_.count > 0 ? q_.count % k_.count == 0 : q_.count == 0);
    require(fits, kWhat, "its queries, keys and values do not fit");
    const View& y = outputs[0];
    Shape wanted = {q_.batch, q_.count, q_.rows, v_.size};
    if (merged_) wanted = {q_.batch, q_.rows, q_.count * v_.size};
    if (merged_ && merged_rows_first_) std::swap(wanted[0], wanted[1]);
    require(y.dtype == DType::f32 && y.shape() == wanted, kWhat, "its output does not fit");
    prepare_bias(inputs);
    // Keys in blocks of whole panels.
    k_panels_.set(tiles_, std::min(k_.rows, kKeys), k_.size);
    block_ = kKeys / k_panels_.columns * k_panels_.columns;
    k_panels_.count = (k_.rows + k_panels_.columns - 1) / k_panels_.columns;
    v_panels_.set(tiles_, v_.size, v_.rows);
    const auto matrices = static_cast<std::uint64_t>(k_.batch * k_.count);
    const auto floats = static_cast<std::uint64_t>(k_panels_.size() + v_panels_.size());
    return matrices * floats * sizeof(float);
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void* workspace) override {
    auto* k_packed = static_cast<float*>(workspace);
    const std::int64_t matrices = k_.batch * k_.count;
    float* v_packed = k_packed + matrices * k_panels_.size();
    parallel_for(matrices, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t at = begin; at < end; ++at) {
        pack_keys(k_.at(inputs[k_.input], at / k_.count, at % k_.count),
                  k_packed + at * k_panels_.size());
        pack_values(v_.at(inputs[v_.input], at / k_.count, at % k_.count),
                    v_packed + at * v_panels_.size());
      }
    });
    const std::int64_t blocks = (q_.rows + kQueries - 1) / kQueries;
    const std::int64_t shared = k_.count > 0 ? q_.count / k_.count : 1;
    parallel_for(q_.batch * q_.count * blocks, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t head = task / blocks % q_.count, batch = task / blocks / q_.count;
        const std::int64_t matrix = batch * k_.count + head / shared;
        attend(inputs, outputs[0], batch, head, task % blocks * kQueries,
               k_packed + matrix * k_panels_.size(), v_packed + matrix * v_panels_.size());
      }
    });
  }

 private:
  void prepare_bias(std::span<const View> inputs) {
    std::fill_n(bias_strides_, 4, 0);
    if (!bias_) return;
    const View& bias = inputs[*bias_];
    require(bias.dtype == DType::f32 && bias.dims.size() <= 4, kWhat, "its bias does not fit");
    const std::int64_t scores[] = {q_.batch, q_.count, q_.rows, k_.rows};
    std::int64_t stride = 1;
    for (std::size_t i = bias.dims.size(); i-- > 0;) {
      const std::size_t axis = i + 4 - bias.dims.size();
      require(bias.dims[i] == 1 || bias.dims[i] == scores[axis], kWhat, "its bias does not fit");
      if (bias.dims[i] != 1) bias_strides_[axis] = stride;
      stride *= bias.dims[i];
    }
  }

  // [L, D] to panels of [D][keys], by way of a block whose rows lie close together: rows of a large
  // tensor may all fall into the same few sets of the cache.
  void pack_keys(const float* keys, float* to) const {
    constexpr std::int64_t kBlock = 64, kStride = kBlock + 16;
    alignas(64) float block[kMostTileVectors * 16 * kStride];
    const std::int64_t columns = k_panels_.columns;
    for (std::int64_t first = 0; first < k_.rows; first += columns) {
      const std::int64_t count = std::min(columns, k_.rows - first);
      for (std::int64_t d = 0; d < k_.size; d += kBlock) {
        const std::int64_t depth = std::min(kBlock, k_.size - d);
        for (std::int64_t j = 0; j < count; ++j)
          std::copy_n(keys + (first + j) * k_.row_stride + d, depth, block + j * kStride);
        for (std::int64_t i = 0; i < depth; ++i, to += columns) {
          for (std::int64_t j = 0; j < count; ++j) to[j] = block[j * kStride + i];
          std::fill(to + count, to + columns, 0.0f);
        }
      }
    }
  }

  // [L, D] to panels of [keys][columns].
  void pack_values(const float* values, float* to) const {
    const std::int64_t columns = v_panels_.columns;
    for (std::int64_t first = 0; first < v_.size; first += columns) {
      const std::int64_t count = std::min(columns, v_.size - first);
      for (std::int64_t j = 0; j < v_.rows; ++j, to += columns) {
        std::copy_n(values + j * v_.row_stride + first, count, to);
        std::fill(to + count, to + columns, 0.0f);
      }
    }
  }

  void attend(std::span<const View> inputs, const View& y, std::int64_t batch, std::int64_t head,
              std::int64_t first, const float* keys, const float* values) const {
    alignas(64) float scores[kQueries * kKeys];
    alignas(64) float sums[kQueries * kMostValues];
    ScoreRow state[kQueries];
    const std::int64_t count = std::min(kQueries, q_.rows - first);
    for (std::int64_t i = 0; i < count; ++i)
      state[i] = {-std::numeric_limits<float>::infinity(), 0.0f};
    const float* queries = q_.at(inputs[q_.input], batch, head) + first * q_.row_stride;
    const float* bias = bias_ ? inputs[*bias_].as<const float>() + batch * bias_strides_[0] +
                                    head * bias_strides_[1] + first * bias_strides_[2]
                              : nullptr;
    std::fill_n(sums, count * v_.size, 0.0f);
    for (std::int64_t key = 0; key < k_.rows; key += block_) {
      const std::int64_t block = std::min(block_, k_.rows - key);
      multiply(queries, q_.row_stride, count, k_panels_, key / k_panels_.columns, keys, 0, k_.size,
               scores, block_, block, false);
      for (std::int64_t i = 0; i < count; ++i) {
        const float* own =
            bias == nullptr ? nullptr : bias + i * bias_strides_[2] + key * bias_strides_[3];
        const float correction =
            rows_.exponentials(scores + i * block_, block, scale_, own, bias_strides_[3], state[i]);
        // NaN is no 1, and goes on.
        if (key > 0 && correction != 1.0f)
          rows_.multiply(sums + i * v_.size, sums + i * v_.size, v_.size, correction);
      }
      multiply(scores, block_, count, v_panels_, 0, values, key, block, sums, v_.size, v_.size,
               true);
    }
    for (std::int64_t i = 0; i < count; ++i) {
      float* to = y.as<float>();
      if (merged_ && merged_rows_first_) {
        to += (((first + i) * q_.batch + batch) * q_.count + head) * v_.size;
      } else if (merged_) {
        to += ((batch * q_.rows + first + i) * q_.count + head) * v_.size;
      } else {
        to += ((batch * q_.count + head) * q_.rows + first + i) * v_.size;
      }
      if (zero_nan_ && std::isnan(state[i].sum)) {
        std::fill_n(to, v_.size, 0.0f);
        continue;
      }
      const float factor = state[i].sum == 0.0f ? 0.0f : 1.0f / state[i].sum;
      rows_.multiply(sums + i * v_.size, to, v_.size, factor);
    }
  }

  // out [count, columns] = a [count, depth] times rows [row, row + depth) of the panels from
  // `panel` on.
  void multiply(const float* a, std::int64_t a_stride, std::int64_t count, const Panels& panels,
                std::int64_t panel, const float* packed, std::int64_t row, std::int64_t depth,
                float* out, std::int64_t out_stride, std::int64_t columns, bool accumulate) const {
    const std::int64_t tile_rows = tiles_.rows[panels.vectors];
    const float* rows[kMostTileRows];
    TileF32 tile;
    tile.rows = rows;
    tile.depth = depth;
    tile.out_stride = out_stride;
    tile.accumulate = accumulate;
    for (std::int64_t column = 0; column < columns; column += panels.columns, ++panel) {
      tile.weights = packed + (panel * panels.depth + row) * panels.columns;
      tile.columns = static_cast<int>(std::min(panels.columns, columns - column));
      for (std::int64_t i = 0; i < count; i += tile_rows) {
        for (std::int64_t r = 0; r < tile_rows; ++r)
          rows[r] = a + std::min(i + r, count - 1) * a_stride;
        tile.row_count = static_cast<int>(std::min(tile_rows, count - i));
        tile.out = out + i * out_stride + column;
        tiles_.run[panels.vectors](tile);
      }
    }
  }

  Heads q_, k_, v_;
  std::optional<std::size_t> bias_;
  std::int64_t bias_strides_[4] = {};
  float scale_;
  bool merged_, merged_rows_first_;
  bool zero_nan_;
  const TileSetF32& tiles_;
  const RowSetF32& rows_;
  Panels k_panels_, v_panels_;
  std::int64_t block_ = kKeys;
};

}  // namespace

void register_attention_f32_kernel(KernelTable& table) {
  table.add("attention_f32", make<AttentionKernel>);
}

}  // namespace strop::cpu
