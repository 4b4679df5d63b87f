// SPDX-License-Identifier: Apache-2.0
// Product of a tensor by a constant bf16 matrix with f32 sums, as tiles (simd/tile_bf16.hpp): as
// matmul_f32, which says how. An f32 operand is rounded first.
//
// The sum of an output runs over the depth in one fixed order, cut at slices of a fixed size,
// whatever the number of threads.
//
// Inputs: a [..., K] (bf16 or f32), b [K, N] or with trans_b [N, K] (a bf16 constant), bias [N]
// (f32, optional), residual (bf16, like the output), operands of the epilogue (f32). Output:
// [..., N], bf16 or f32.
#include <algorithm>

#include "backends/cpu/kernels/narrow_operands.hpp"
#include "backends/cpu/kernels/pack_bf16.hpp"
#include "backends/cpu/kernels/panel_width.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "product kernel matmul_bf16";
constexpr std::int64_t kSliceBytes = 192 * 1024;  // of a panel's weights, to stay in the L2 cache
constexpr std::int64_t kBlockRows = 144;          // that use a slice of weights in turn
constexpr std::int64_t kMostPanel = 64;           // columns

class MatmulBf16Kernel final : public Kernel {
 public:
  explicit MatmulBf16Kernel(const KernelInit& init)
      : trans_b_(init.parameters.integer("trans_b") != 0),
        tiles_(tile_set_bf16()),
        epilogue_(init, kWhat) {
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
    const auto* weights = static_cast<const std::uint16_t*>(b.constant);
    packed_.read(init, b, 1, columns_, depth_,
                 trans_b_ ? PlainWeights<std::uint16_t>::of_columns(weights, depth_)
                          : PlainWeights<std::uint16_t>::of_matrix(weights, depth_, columns_),
                 kWhat);
  }

  std::optional<PackedConstant> pack_constant() const override {
    if (is_packed_) return std::nullopt;
    const FormBf16 form{panel_, 1, depth_};
    return PackedConstant{b_, packed_parameters(PackedBf16::numbers(form), weights_shape_),
                          packed_.packed(form)};
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    const View &a = inputs[a_], &y = outputs[0];
    require((a.dtype == DType::f32 || a.dtype == DType::bf16) && a.dims.size() >= 2 &&
                a.dims.back() == depth_ && y.dims.size() == a.dims.size() &&
                y.dims.back() == columns_ &&
                std::equal(a.dims.begin(), a.dims.end() - 1, y.dims.begin()),
            kWhat, "its shapes do not fit");
    if (bias_ >= 0) {
      const View& bias = inputs[static_cast<std::size_t>(bias_)];
      require(bias.dtype == DType::f32 && bias.size() == columns_, kWhat, "its bias does not fit");
    }
    epilogue_.prepare(inputs, y, kWhat);
    row_count_ = a.size() / depth_;
    packed_.prepare({panel_, 1, depth_});
    return a.dtype == DType::f32 ? a.bytes / 2 : 0;
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void* workspace) override {
    const View& a = inputs[a_];
    const auto* narrow = a.as<const std::uint16_t>();
    if (a.dtype == DType::f32) {
      narrow_all(tiles_, a.as<const float>(), static_cast<std::uint16_t*>(workspace), a.size());
      narrow = static_cast<const std::uint16_t*>(workspace);
    }
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
        run_panel(inputs, outputs[0], narrow, first, last, task % panels);
      }
    });
  }

 private:
  std::int64_t panel_count() const { return (columns_ + panel_ - 1) / panel_; }

  void choose_panels() {
    vectors_ = panel_vectors(tiles_, columns_);
    panel_ = std::int64_t{vectors_} * tiles_.lanes;
    require(panel_ <= kMostPanel, kWhat, "its panels are too wide");
    // Slices of like size, of whole pairs.
    const std::int64_t most = kSliceBytes / (panel_ * 2);
    const std::int64_t slices = (depth_ + most - 1) / most;
    slice_ = ((depth_ + slices - 1) / slices + 1) / 2 * 2;
  }

  void run_panel(std::span<const View> inputs, const View& y, const std::uint16_t* a,
                 std::int64_t first, std::int64_t last, std::int64_t panel) const {
    alignas(64) float buffer[(kBlockRows + kMostTileRows) * kMostPanel];
    const std::int64_t column = panel * panel_;
    const std::int64_t count = std::min(panel_, columns_ - column);
    const std::int64_t tile_rows = tiles_.rows[vectors_];
    const std::uint16_t* rows[kMostTileRows];
    TileBf16 tile;
    tile.rows = rows;
    tile.columns = static_cast<int>(count);
    if (bias_ >= 0) tile.bias = inputs[static_cast<std::size_t>(bias_)].as<const float>() + column;
    for (std::int64_t k = 0; k < depth_; k += slice_) {
      tile.depth = std::min(slice_, depth_ - k);
      tile.weights = packed_.panel(panel) + k * panel_;
      for (std::int64_t i = first; i < last; i += tile_rows) {
        float* sums = buffer + (i - first) * panel_;
        tile.row_count = static_cast<int>(std::min(tile_rows, last - i));
        for (std::int64_t r = 0; r < tile_rows; ++r)
          rows[r] = a + std::min(i + r, last - 1) * depth_ + k;
        tile.begin = k > 0 ? sums : nullptr;
        tile.sums = sums;
        if (k + tile.depth == depth_)
          epilogue_.set_finish(inputs, y, i * columns_ + column, sums, panel_, tile);
        tiles_.run[vectors_](tile);
      }
    }
    epilogue_.finish_rest(inputs, y, tiles_, first, last - first, column, count, buffer, panel_);
  }

  bool trans_b_;
  const TileSetBf16& tiles_;
  NarrowEpilogue epilogue_;
  std::size_t a_ = 0;
  std::int64_t bias_ = -1;
  std::int64_t depth_ = 0, columns_ = 0, row_count_ = 0;
  std::size_t b_ = 0;
  Shape weights_shape_;
  bool is_packed_ = false;
  PackedBf16 packed_;
  int vectors_ = 1;
  std::int64_t panel_ = 1, slice_ = 1;
};

}  // namespace

void register_matmul_bf16_kernel(KernelTable& table) {
  table.add("matmul_bf16", make<MatmulBf16Kernel>);
}

}  // namespace strop::cpu
