// SPDX-License-Identifier: Apache-2.0
// Products of f32 matrices of which neither is a constant, such as those of attention: y[i] =
// a[i] b[i] for every i of the leading axes. A panel of b's columns is packed into a piece of
// workspace and multiplied by all rows of a as tiles (simd/tile_f32.hpp).
//
// The sum of an output runs over the depth in one fixed order, whatever the number of threads.
//
// Inputs: a [..., M, K], b [..., K, N], with equal leading axes. Output: [..., M, N].
#include <algorithm>

#include "backends/cpu/kernels/kernel.hpp"
#include "backends/cpu/kernels/panel_width.hpp"
#include "backends/cpu/kernels/simd/tile_f32.hpp"
#include "backends/cpu/kernels/workspace_pieces.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "product kernel matmul_batch_f32";

class MatmulBatchF32Kernel final : public Kernel {
 public:
  explicit MatmulBatchF32Kernel(const KernelInit& init) : tiles_(tile_set_f32()) {
    require(init.inputs.size() == 2 && init.outputs.size() == 1, kWhat, "its operands do not fit");
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs,
                        int threads) override {
    const View &a = inputs[0], &b = inputs[1], &y = outputs[0];
    const std::size_t rank = a.dims.size();
    require(a.dtype == DType::f32 && b.dtype == DType::f32 && y.dtype == DType::f32 && rank >= 2 &&
                b.dims.size() == rank && y.dims.size() == rank &&
                std::equal(a.dims.begin(), a.dims.end() - 2, b.dims.begin()) &&
                std::equal(a.dims.begin(), a.dims.end() - 1, y.dims.begin()) &&
                a.dims[rank - 1] == b.dims[rank - 2] && b.dims[rank - 1] == y.dims[rank - 1],
            kWhat, "its shapes do not fit");
    rows_ = a.dims[rank - 2];
    depth_ = a.dims[rank - 1];
    columns_ = b.dims[rank - 1];
    pieces_.resize(threads);
    if (y.size() == 0) return 0;  // run is not called
    batch_ = y.size() / (rows_ * columns_);
    vectors_ = panel_vectors(tiles_, columns_);
    panel_ = std::int64_t{vectors_} * tiles_.lanes;
    panels_ = (columns_ + panel_ - 1) / panel_;
    piece_size_ = depth_ * panel_;
    return static_cast<std::uint64_t>(piece_size_ * threads * 4);
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void* workspace) override {
    const auto* a = inputs[0].as<const float>();
    const auto* b = inputs[1].as<const float>();
    auto* y = outputs[0].as<float>();
    parallel_for(batch_ * panels_, 1, [&](std::int64_t begin, std::int64_t end) {
      const WorkspacePieces::Use piece(pieces_);
      float* packed = static_cast<float*>(workspace) + piece.index() * piece_size_;
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t i = task / panels_, column = task % panels_ * panel_;
        pack(b + i * depth_ * columns_ + column, std::min(panel_, columns_ - column), packed);
        multiply(a + i * rows_ * depth_, packed, column, y + i * rows_ * columns_ + column);
      }
    });
  }

 private:
  void pack(const float* b, std::int64_t count, float* packed) const {
    for (std::int64_t k = 0; k < depth_; ++k) {
      std::copy_n(b + k * columns_, count, packed + k * panel_);
      std::fill(packed + k * panel_ + count, packed + (k + 1) * panel_, 0.0f);
    }
  }

  void multiply(const float* a, const float* packed, std::int64_t column, float* y) const {
    const std::int64_t tile_rows = tiles_.rows[vectors_];
    const float* rows[kMostTileRows];
    TileF32 tile;
    tile.rows = rows;
    tile.depth = depth_;
    tile.weights = packed;
    tile.out_stride = columns_;
    tile.columns = static_cast<int>(std::min(panel_, columns_ - column));
    for (std::int64_t i = 0; i < rows_; i += tile_rows) {
      tile.row_count = static_cast<int>(std::min(tile_rows, rows_ - i));
      for (std::int64_t r = 0; r < tile_rows; ++r)
        rows[r] = a + std::min(i + r, rows_ - 1) * depth_;
      tile.out = y + i * columns_;
      tiles_.run[vectors_](tile);
    }
  }

  const TileSetF32& tiles_;
  std::int64_t batch_ = 0, rows_ = 0, depth_ = 0, columns_ = 0;
  int vectors_ = 1;
  std::int64_t panel_ = 1, panels_ = 1, piece_size_ = 0;  // floats
  WorkspacePieces pieces_;
};

}  // namespace

void register_matmul_batch_f32_kernel(KernelTable& table) {
  table.add("matmul_batch_f32", make<MatmulBatchF32Kernel>);
}

}  // namespace strop::cpu
