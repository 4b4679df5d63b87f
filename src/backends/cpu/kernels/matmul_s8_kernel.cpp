// SPDX-License-Identifier: Apache-2.0
// Product of bytes with a constant matrix, exact sums by tiles: conv_s8_kernel.cpp without a
// window.
//
// Inputs: a [..., M, K] (i8 or u8), b [K, N] (a constant), and for requantised results multiplier,
// offset (f32 constants of one or N elements) and perhaps a residual like the output. Parameters:
// inputs (a, b), x_zero, w_zero, x_zero_input (perhaps: an input that holds the zero point of a,
// which is 0 in x_zero then) and those of requantize_parameters.hpp.
#include <algorithm>
#include <vector>

#include "backends/cpu/kernels/pack_s8.hpp"
#include "backends/cpu/kernels/requantize_parameters.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "product kernel matmul_s8";
constexpr std::int64_t kBlockTiles = 12;  // that reuse a panel of weights

class MatmulS8Kernel final : public Kernel {
 public:
  explicit MatmulS8Kernel(const KernelInit& init)
      : requantize_(init, kWhat), tiles_(tile_set_s8()) {
    const Shape inputs = init.parameters.integers("inputs");
    const auto is_there = [&](std::int64_t index) {
      return index >= 0 && static_cast<std::size_t>(index) < init.inputs.size();
    };
    require(inputs.size() == 2 && is_there(inputs[0]) && is_there(inputs[1]), kWhat,
            "its list of inputs does not fit");
    a_ = static_cast<std::size_t>(inputs[0]);
    b_ = static_cast<std::size_t>(inputs[1]);
    const KernelInit::Operand& b = init.inputs[b_];
    a_type_ = init.inputs[a_].dtype;
    weights_shape_ = weights_shape(init, b, kWhat);
    require(is_byte(b.dtype) && is_byte(a_type_) && weights_shape_.size() == 2, kWhat,
            "its operands are no bytes, or its second one no constant matrix");
    depth_ = weights_shape_[0];
    columns_ = weights_shape_[1];
    require(depth_ >= 1 && columns_ >= 1, kWhat, "its weights are empty");
    requantize_.set_channels(init, columns_, largest_sum(weights_shape_, columns_), kWhat);
    a_zero_ = unsigned_zero(a_type_, read_zero(init, "x_zero", a_type_, kWhat));
    if (init.parameters.has("x_zero_input")) {
      const std::int64_t zero = init.parameters.integer("x_zero_input");
      require(is_there(zero) && init.inputs[static_cast<std::size_t>(zero)].dtype == a_type_, kWhat,
              "its zero point does not fit");
      zero_input_ = zero;
    }
    is_packed_ = is_packed(init);
    vectors_ = best_vectors(tiles_, columns_);
    // With a zero point of 1, sums begin with what is to be multiplied by the real one.
    packed_.read(init, b, 1, columns_, depth_, zero_input_ < 0 ? a_zero_ : 1,
                 PlainWeights<std::int8_t>::of_matrix(nullptr, depth_, columns_), kWhat);
  }

  std::optional<PackedConstant> pack_constant() const override {
    if (is_packed_) return std::nullopt;
    const FormS8 form = FormS8::of_tiles(tiles_, vectors_, 1, depth_);
    return PackedConstant{b_, packed_.parameters(form, weights_shape_), packed_.packed(form)};
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs,
                        int threads) override {
    threads_ = threads;
    const View& a = inputs[a_];
    require(a.dtype == a_type_ && a.dims.size() >= 2 && a.dims.back() == depth_ &&
                outputs[0].dims.size() == a.dims.size() && outputs[0].dims.back() == columns_ &&
                std::equal(a.dims.begin(), a.dims.end() - 1, outputs[0].dims.begin()),
            kWhat, "its shapes do not fit");
    requantize_.prepare(inputs, outputs[0], columns_, kWhat);
    row_count_ = a.size() / depth_;
    packed_.prepare(FormS8::of_tiles(tiles_, vectors_, 1, depth_));
    if (zero_input_ >= 0) {
      require(inputs[static_cast<std::size_t>(zero_input_)].size() == 1, kWhat,
              "its zero point does not fit");
      start_.resize(static_cast<std::size_t>(packed_.panels() * packed_.columns()));
    }
    // Rows are read in fours: the end of the last one is read from a copy.
    return depth_ % 4 == 0 ? 0 : static_cast<std::uint64_t>(row_count_ * depth_ + 3);
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void* workspace) override {
    const auto* a = inputs[a_].as<const std::uint8_t>();
    if (depth_ % 4 != 0) {
      std::copy_n(a, row_count_ * depth_, static_cast<std::uint8_t*>(workspace));
      a = static_cast<const std::uint8_t*>(workspace);
    }
    requantize_.begin_run(inputs);
    zero_ = a_zero_;
    if (zero_input_ >= 0) {
      const auto byte = inputs[static_cast<std::size_t>(zero_input_)].as<const std::uint8_t>()[0];
      zero_ = byte ^ flip_of(a_type_);
      const std::int32_t* of_one = packed_.start(0);
      for (std::size_t i = 0; i < start_.size(); ++i) start_[i] = wrapped_product(zero_, of_one[i]);
    }
    const std::int64_t block = tiles_.rows[vectors_] * kBlockTiles;
    const std::int64_t blocks = (row_count_ + block - 1) / block;
    const std::int64_t panels = packed_.panels();
    const std::int64_t parts = std::clamp<std::int64_t>(4 * threads_ / blocks, 1, panels);
    parallel_for(blocks * parts, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t first = task / parts * block;
        run_block(inputs, outputs[0], a, first, std::min(block, row_count_ - first),
                  panels * (task % parts) / parts, panels * (task % parts + 1) / parts);
      }
    });
  }

 private:
  void run_block(std::span<const View> inputs, const View& y, const std::uint8_t* a,
                 std::int64_t first, std::int64_t count, std::int64_t first_panel,
                 std::int64_t end_panel) const {
    const std::int64_t tile_rows = tiles_.rows[vectors_];
    TileS8 tile;
    tile.quads = packed_.quads();
    tile.flip = flip_of(a_type_);
    requantize_.set_constants(tile);
    const std::uint8_t* rows[kMostTileRows];
    tile.rows = rows;
    std::int32_t terms[kMostTileRows * kBlockTiles] = {};
    if (packed_.zero_left() != 0) {
      for (std::int64_t i = 0; i < count; ++i) {
        const std::uint8_t* row = a + (first + i) * depth_;
        const std::int32_t sum = tiles_.sum_row(&row, 1, 1, depth_, tile.flip);
        terms[i] = wrapped_product(
            packed_.zero_left(),
            wrapped_difference(wrapped_product(zero_, static_cast<std::int32_t>(depth_)), sum));
      }
    }
    const std::int64_t tiles = (count + tile_rows - 1) / tile_rows;
    for (std::int64_t p = first_panel; p < end_panel; ++p) {
      const std::int64_t column = p * packed_.columns();
      tile.weights = packed_.panel(p);
      tile.start = zero_input_ < 0 ? packed_.start(p) : start_.data() + p * packed_.columns();
      tile.columns = static_cast<int>(std::min(packed_.columns(), columns_ - column));
      for (std::int64_t i = 0; i < count; i += tile_rows) {
        packed_.prefetch(p + 1, i / tile_rows, tiles);
        tile.row_count = static_cast<int>(std::min(tile_rows, count - i));
        for (std::int64_t r = 0; r < tile_rows; ++r)
          rows[r] = a + (first + std::min(i + r, count - 1)) * depth_;
        requantize_.set_place(inputs, y, first + i, columns_, column, tile);
        if (packed_.zero_left() != 0) tile.row_terms = terms + i;
        tiles_.run[vectors_](tile);
      }
    }
    if (!requantize_.has_rest()) return;
    const std::int64_t begin = first_panel * packed_.columns();
    const std::int64_t end = std::min(columns_, end_panel * packed_.columns());
    requantize_.finish_rows(inputs, y, first, count, columns_, begin, end - begin);
  }

  RequantizeParameters requantize_;
  const TileSetS8& tiles_;
  std::size_t a_ = 0;
  DType a_type_ = DType::undefined;
  std::int32_t a_zero_ = 0, zero_ = 0;  // as unsigned bytes; zero_: of this run
  std::int64_t depth_ = 0, columns_ = 0, row_count_ = 0;
  std::int64_t zero_input_ = -1;
  std::vector<std::int32_t> start_;  // of this run's zero point
  std::size_t b_ = 0;
  Shape weights_shape_;
  bool is_packed_ = false;
  PackedS8 packed_;
  int threads_ = 1, vectors_ = 1;
};

}  // namespace

void register_matmul_s8_kernel(KernelTable& table) { table.add("matmul_s8", make<MatmulS8Kernel>); }

}  // namespace strop::cpu
