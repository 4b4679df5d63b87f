// SPDX-License-Identifier: Apache-2.0
// Product of an f32 tensor by a constant matrix, as tiles (simd/tile_f32.hpp): a few rows by a
// panel of columns whose weights are packed once. A panel's weights are used for all rows of a
// block, in slices of the sum that stay in the cache; bias, residual and clamp are applied in
// registers, the rest of the epilogue while the columns are still in the cache.
//
// The sum of an output runs over the depth in one fixed order, cut at slices of a fixed size,
// whatever the number of threads.
//
// Inputs: a [..., K], b [K, N] or with trans_b [N, K] (a constant), bias [N] (optional), operands
// of the epilogue. Output: [..., N].
#include <algorithm>

#include "backends/cpu/kernels/epilogue_runs.hpp"
#include "backends/cpu/kernels/pack_f32.hpp"
#include "backends/cpu/kernels/simd/tile_f32.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "product kernel matmul_f32";
constexpr std::int64_t kSliceBytes = 192 * 1024;  // of a panel's weights, to stay in the L2 cache
constexpr std::int64_t kBlockRows = 240;          // that use a slice of weights in turn

class MatmulF32Kernel final : public Kernel {
 public:
  explicit MatmulF32Kernel(const KernelInit& init)
      : trans_b_(init.parameters.integer("trans_b") != 0),
        tiles_(tile_set_f32()),
        epilogue_(parse_epilogue(init.parameters.string("epilogue")), init.inputs.size()) {
    const Shape inputs = init.parameters.integers("inputs");
    const auto is_there = [&](std::int64_t index) {
      return index >= 0 && static_cast<std::size_t>(index) < init.inputs.size();
    };
    require(inputs.size() == 3 && is_there(inputs[0]) && is_there(inputs[1]) &&
                (inputs[2] == -1 || is_there(inputs[2])),
            kWhat, "its list of inputs does not fit");
    a_ = static_cast<std::size_t>(inputs[0]);
    bias_ = inputs[2];
    b_ = static_cast<std::size_t>(inputs[1]);
    const KernelInit::Operand& b = init.inputs[b_];
    weights_shape_ = weights_shape(init, b, kWhat);
    require(weights_shape_.size() == 2, kWhat, "its second operand is no constant matrix");
    depth_ = weights_shape_[trans_b_ ? 1 : 0];
    columns_ = weights_shape_[trans_b_ ? 0 : 1];
    require(depth_ >= 1 && columns_ >= 1, kWhat, "its weights are empty");
    is_packed_ = is_packed(init);
    choose_panels();
    const auto* weights = static_cast<const float*>(b.constant);
    packed_.read(init, b, 1, columns_, depth_,
                 trans_b_ ? PlainWeights<float>::of_columns(weights, depth_)
                          : PlainWeights<float>::of_matrix(weights, depth_, columns_),
                 kWhat);
  }

  std::optional<PackedConstant> pack_constant() const override {
    if (is_packed_) return std::nullopt;
    return PackedConstant{b_, packed_parameters({}, weights_shape_), packed_.packed(panel_)};
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    const View &a = inputs[a_], &y = outputs[0];
    require(a.dtype == DType::f32 && y.dtype == DType::f32 && a.dims.size() >= 2 &&
                a.dims.back() == depth_ && y.dims.size() == a.dims.size() &&
                y.dims.back() == columns_ &&
                std::equal(a.dims.begin(), a.dims.end() - 1, y.dims.begin()),
            kWhat, "its shapes do not fit");
    if (bias_ >= 0) {
      const View& bias = inputs[static_cast<std::size_t>(bias_)];
      require(bias.dtype == DType::f32 && bias.size() == columns_, kWhat, "its bias does not fit");
    }
    epilogue_.prepare(inputs, y.dims);
    row_count_ = a.size() / depth_;
    packed_.prepare(panel_);
    return 0;
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    const std::int64_t blocks = (row_count_ + kBlockRows - 1) / kBlockRows;
    const std::int64_t panels = panel_count();
    // Rows are cut into blocks of like size.
    const std::int64_t tile_rows = tiles_.rows[vectors_];
    const std::int64_t tiles = (row_count_ + tile_rows - 1) / tile_rows;
    parallel_for(blocks * panels, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t block = task / panels;
        const std::int64_t first = tiles * block / blocks * tile_rows;
        const std::int64_t last = std::min(tiles * (block + 1) / blocks * tile_rows, row_count_);
        run_panel(inputs, outputs[0], first, last, task % panels);
      }
    });
  }

 private:
  std::int64_t panel_count() const { return (columns_ + panel_ - 1) / panel_; }

  void choose_panels() {
    double best = 0;
    for (int v = 1; v <= tiles_.most_vectors; ++v) {
      const std::int64_t wide = std::int64_t{v} * tiles_.lanes;
      const double rows = tiles_.rows[v];
      // Products, loads of weights from the L2 cache, and of elements of a from the L1 cache.
      const double cost = static_cast<double>((columns_ + wide - 1) / wide) *
                          (v * rows + 0.8 * v + 0.2 * rows) / rows;
      if (v > 1 && cost >= best) continue;
      best = cost;
      vectors_ = v;
      panel_ = wide;
    }
    slice_ = std::max<std::int64_t>(16, kSliceBytes / (panel_ * 4));
    // Slices of like size.
    slice_ = (depth_ + (depth_ + slice_ - 1) / slice_ - 1) / ((depth_ + slice_ - 1) / slice_);
  }

  void run_panel(std::span<const View> inputs, const View& y, std::int64_t first, std::int64_t last,
                 std::int64_t panel) const {
    const std::int64_t column = panel * panel_;
    const std::int64_t count = std::min(panel_, columns_ - column);
    const float* weights = packed_.panel(panel);
    const float* a = inputs[a_].as<const float>();
    const std::int64_t tile_rows = tiles_.rows[vectors_];
    const EpilogueRuns::InRegisters& after = epilogue_.in_registers();
    const float* rows[kMostTileRows];
    TileF32 tile;
    tile.rows = rows;
    tile.out_stride = columns_;
    tile.columns = static_cast<int>(count);
    for (std::int64_t k = 0; k < depth_; k += slice_) {
      tile.depth = std::min(slice_, depth_ - k);
      tile.weights = weights + k * panel_;
      tile.accumulate = k > 0;
      const bool ends = k + tile.depth == depth_;
      if (ends) {
        if (bias_ >= 0)
          tile.bias = inputs[static_cast<std::size_t>(bias_)].as<const float>() + column;
        tile.low = after.low;
        tile.high = after.high;
        tile.residual_stride = columns_;
      }
      for (std::int64_t i = first; i < last; i += tile_rows) {
        tile.row_count = static_cast<int>(std::min(tile_rows, last - i));
        for (std::int64_t r = 0; r < tile_rows; ++r)
          rows[r] = a + std::min(i + r, last - 1) * depth_ + k;
        tile.out = y.as<float>() + i * columns_ + column;
        if (ends && after.residual >= 0) {
          tile.residual = inputs[static_cast<std::size_t>(after.residual)].as<const float>() +
                          i * columns_ + column;
        }
        (tile.row_count == 1 ? tiles_.run_row : tiles_.run)[vectors_](tile);
      }
    }
    if (epilogue_.is_done()) return;
    for (std::int64_t i = first; i < last; ++i)
      epilogue_.apply(inputs, i, column, count, y.as<float>() + i * columns_ + column);
  }

  bool trans_b_;
  const TileSetF32& tiles_;
  EpilogueRuns epilogue_;
  std::size_t a_ = 0;
  std::int64_t bias_ = -1;
  std::int64_t depth_ = 0, columns_ = 0, row_count_ = 0;
  std::size_t b_ = 0;
  Shape weights_shape_;
  bool is_packed_ = false;
  PackedF32 packed_;
  int vectors_ = 1;
  std::int64_t panel_ = 1, slice_ = 1;
};

}  // namespace

void register_matmul_f32_kernel(KernelTable& table) {
  table.add("matmul_f32", make<MatmulF32Kernel>);
}

}  // namespace strop::cpu
