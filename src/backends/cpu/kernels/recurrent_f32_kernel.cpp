// SPDX-License-Identifier: Apache-2.0
// Layers of lstm, gru (whose reset gate comes after the product) and rnn, f32, with constant
// weights and the usual functions. x * w of many steps is one product; then each step adds h * r in
// place. Both are tiles (simd/tile_f32.hpp) whose columns lie in blocks of hidden units, in a block
// the gates one after the other: what has computed a block of sums goes on to its gates and states.
//
// A sum runs over the inputs and then over the hidden units, whatever the number of threads.
//
// Inputs: x [steps, batch, inputs], w, r, bias?, lengths i32 [batch]?, initial_h?, initial_c? as in
// ops/recurrent_support.hpp. Outputs: y, y_h?, y_c?. Parameters: cell, reverse, batch_first, clip.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "backends/cpu/kernels/kernel.hpp"
#include "backends/cpu/kernels/simd/functions_f32.hpp"
#include "backends/cpu/kernels/simd/tile_f32.hpp"
#include "base/parallel.hpp"
#include "base/tensor.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "recurrent kernel";
constexpr std::int64_t kProjectedRows = 240;        // rows of x that one product takes
constexpr std::int64_t kTaskProducts = 192 * 1024;  // least products for a thread

enum class Cell : std::uint8_t { lstm, gru, rnn };

Cell read_cell(const Parameters& parameters) {
  const std::string& name = parameters.string("cell");
  require(name == "lstm" || name == "gru" || name == "rnn", kWhat, "it has no such cell");
  return name == "lstm" ? Cell::lstm : name == "gru" ? Cell::gru : Cell::rnn;
}

void clip(float* values, std::int64_t count, float bound) {
  for (std::int64_t i = 0; i < count; ++i)  // NaN stays
    values[i] = values[i] < -bound ? -bound : values[i] > bound ? bound : values[i];
}

class RecurrentKernel final : public Kernel {
 public:
  explicit RecurrentKernel(const KernelInit& init)
      : cell_(read_cell(init.parameters)),
        gates_(cell_ == Cell::lstm  ? 4
               : cell_ == Cell::gru ? 3
                                    : 1),
        reverse_(init.parameters.integer("reverse") != 0),
        batch_first_(init.parameters.integer("batch_first") != 0),
        clip_(static_cast<float>(init.parameters.number("clip"))),
        tiles_(tile_set_f32()),
        sigmoid_(find_fast_function({.function = "sigmoid"})),
        tanh_(find_fast_function({.function = "tanh"})) {
    require(clip_ >= 0, kWhat, "its clip is negative");
    require(init.inputs.size() >= 3 && init.inputs.size() <= 7, kWhat,
            "it has another number of inputs");
    w_ = constant(init, 1, 3);
    r_ = constant(init, 2, 3);
    const Shape &w = init.inputs[1].constant_shape, &r = init.inputs[2].constant_shape;
    directions_ = r[0];
    hidden_ = r[2];
    inputs_ = w[2];
    require((directions_ == 1 || directions_ == 2) && hidden_ >= 1 && inputs_ >= 1 &&
                r[1] == gates_ * hidden_ && w[0] == directions_ && w[1] == r[1],
            kWhat, "its weights do not fit");
    require(directions_ == 1 || !reverse_, kWhat, "its direction does not fit");
    if (init.inputs.size() > 3 && init.inputs[3].dtype != DType::undefined) {
      bias_ = constant(init, 3, 2);
      require(init.inputs[3].constant_shape == Shape{directions_, 2 * gates_ * hidden_}, kWhat,
              "its bias does not fit");
    }
    choose_block();
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    const View& x = inputs[0];
    require(x.dtype == DType::f32 && x.dims.size() == 3 && x.dims[2] == inputs_, kWhat,
            "its input does not fit");
    steps_ = x.dims[batch_first_ ? 1 : 0];
    batch_ = x.dims[batch_first_ ? 0 : 1];
    check_operands(inputs, outputs);
    if (!packed_r_.defined()) pack_all();
    chunk_ = std::clamp<std::int64_t>(kProjectedRows / std::max<std::int64_t>(1, batch_), 1,
                                      std::max<std::int64_t>(1, steps_));
    return static_cast<std::uint64_t>(plan_workspace());
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void* workspace) override {
    Run run;
    run.x = inputs[0].as<const float>();
    run.y = outputs[0].present() ? outputs[0].as<float>() : nullptr;
    auto* memory = static_cast<float*>(workspace);
    run.sums = memory;
    run.states = run.sums + sums_size_;
    run.cells = run.states + 2 * state_size_;
    run.scratch = run.cells + state_size_;
    run.lengths = read_lengths(inputs);
    if (run.lengths != nullptr && run.y != nullptr)
      std::memset(run.y, 0, static_cast<std::size_t>(outputs[0].bytes));
    open_state(operand(inputs, 5), run.states);
    if (cell_ == Cell::lstm) open_state(operand(inputs, 6), run.cells);
    std::int64_t longest = steps_;
    if (run.lengths != nullptr) {
      longest = 0;
      for (std::int64_t i = 0; i < batch_; ++i)
        longest = std::max<std::int64_t>(longest, run.lengths[i]);
    }
    for (std::int64_t t = 0; t < longest; ++t) {
      if (t % chunk_ == 0) project(run, t, std::min(chunk_, longest - t));
      step(run, t);
    }
    close_state(run, run.states + longest % 2 * state_size_, outputs, 1);
    if (cell_ == Cell::lstm) close_state(run, run.cells, outputs, 2);
  }

 private:
  // Where a run's memory is.
  struct Run {
    const float* x = nullptr;
    const std::int32_t* lengths = nullptr;  // null: all have all steps
    float* y = nullptr;
    float* sums = nullptr;     // [direction][step of the chunk][batch][block][gate][unit]
    float* states = nullptr;   // [2: before and after a step][direction][batch][hidden]
    float* cells = nullptr;    // [direction][batch][hidden]
    float* scratch = nullptr;  // [direction][batch][block][unit]: of gru's candidate
  };

  static const float* constant(const KernelInit& init, std::size_t i, std::size_t rank) {
    const KernelInit::Operand& operand = init.inputs[i];
    require(operand.constant != nullptr && operand.dtype == DType::f32 &&
                operand.constant_shape.size() == rank,
            kWhat, "its weights are no constants");
    return static_cast<const float*>(operand.constant);
  }

  static const View* operand(std::span<const View> views, std::size_t i) {
    return i < views.size() && views[i].present() ? &views[i] : nullptr;
  }

  // The widest panel among those that waste the fewest columns.
  void choose_block() {
    std::int64_t best = 0;
    for (int v = 1; v <= tiles_.most_vectors; ++v) {
      const std::int64_t wide = std::int64_t{v} * tiles_.lanes;
      const std::int64_t columns = (hidden_ + wide - 1) / wide * wide;
      if (v > 1 && columns > best) continue;
      best = columns;
      vectors_ = v;
      units_ = wide;
    }
    blocks_ = (hidden_ + units_ - 1) / units_;
    stride_ = blocks_ * gates_ * units_;
  }

  void check_operands(std::span<const View> inputs, std::span<const View> outputs) const {
    const Shape state =
        batch_first_ ? Shape{batch_, directions_, hidden_} : Shape{directions_, batch_, hidden_};
    const Shape all = batch_first_ ? Shape{batch_, steps_, directions_, hidden_}
                                   : Shape{steps_, directions_, batch_, hidden_};
    const auto check = [&](const View* view, const Shape& shape, DType dtype = DType::f32) {
      require(view == nullptr || (view->dtype == dtype && view->shape() == shape), kWhat,
              "its operands do not fit");
    };
    check(operand(inputs, 4), {batch_}, DType::i32);
    check(operand(inputs, 5), state);
    check(operand(inputs, 6), state);
    check(operand(outputs, 0), all);
    check(operand(outputs, 1), state);
    check(operand(outputs, 2), state);
    require(outputs.size() <= 3 &&
                (cell_ == Cell::lstm || (operand(inputs, 6) == nullptr && outputs.size() <= 2)),
            kWhat, "it has operands of another cell");
  }

  // Bytes; all products are checked.
  std::int64_t plan_workspace() {
    sums_size_ = byte_size(DType::f32, {directions_, chunk_, batch_, stride_}) / 4;
    state_size_ = byte_size(DType::f32, {directions_, batch_, hidden_}) / 4;
    const std::int64_t scratch =
        cell_ == Cell::gru ? byte_size(DType::f32, {directions_, batch_, blocks_, units_}) / 4 : 0;
    const std::int64_t states = byte_size(DType::f32, {3, state_size_});
    const auto whole = try_add(byte_size(DType::f32, {sums_size_}),
                               try_add(states, byte_size(DType::f32, {scratch})).value_or(-1));
    require(whole && *whole >= 0, kWhat, "its sizes are too large");
    return *whole;
  }

  void pack_all() {
    packed_w_ = pack(w_, inputs_);
    packed_r_ = pack(r_, hidden_);
    packed_bias_ = Tensor::allocate(DType::f32, {2, directions_, stride_});
    auto* to = reinterpret_cast<float*>(packed_bias_.mutable_data());
    std::fill_n(to, 2 * directions_ * stride_, 0.0f);
    if (bias_ == nullptr) return;
    const std::int64_t columns = gates_ * hidden_;
    for (std::int64_t d = 0; d < directions_; ++d) {
      const float* of_w = bias_ + d * 2 * columns;
      const float* of_r = of_w + columns;
      for (std::int64_t gate = 0; gate < gates_; ++gate) {
        for (std::int64_t j = 0; j < hidden_; ++j) {
          const std::int64_t from = gate * hidden_ + j;
          const std::int64_t at = d * stride_ + column_of(gate, j);
          const bool apart = is_candidate_of_gru(gate);
          to[at] = apart ? of_w[from] : of_w[from] + of_r[from];
          to[directions_ * stride_ + at] = apart ? of_r[from] : 0.0f;
        }
      }
    }
  }

  // What gru's reset gate scales is summed apart.
  bool is_candidate_of_gru(std::int64_t gate) const { return cell_ == Cell::gru && gate == 2; }

  std::int64_t column_of(std::int64_t gate, std::int64_t unit) const {
    return (unit / units_ * gates_ + gate) * units_ + unit % units_;
  }

  // [direction][block][gate][depth][unit] of [direction][gate][hidden][depth]; zeros beyond the
  // last unit.
  Tensor pack(const float* from, std::int64_t depth) const {
    Tensor out = Tensor::allocate(DType::f32, {directions_, blocks_ * gates_, depth, units_});
    auto* packed = reinterpret_cast<float*>(out.mutable_data());
    parallel_for(directions_ * blocks_ * gates_, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t panel = begin; panel < end; ++panel) {
        const std::int64_t gate = panel % gates_, block = panel / gates_ % blocks_;
        const std::int64_t direction = panel / gates_ / blocks_;
        const float* rows = from + ((direction * gates_ + gate) * hidden_ + block * units_) * depth;
        float* to = packed + panel * depth * units_;
        const std::int64_t count = unit_count(block);
        for (std::int64_t k = 0; k < depth; ++k, to += units_) {
          for (std::int64_t n = 0; n < count; ++n) to[n] = rows[n * depth + k];
          std::fill(to + count, to + units_, 0.0f);
        }
      }
    });
    return out;
  }

  std::int64_t unit_count(std::int64_t block) const {
    return std::min(units_, hidden_ - block * units_);
  }

  const std::int32_t* read_lengths(std::span<const View> inputs) const {
    const View* view = operand(inputs, 4);
    if (view == nullptr) return nullptr;
    const auto* lengths = view->as<const std::int32_t>();
    for (std::int64_t i = 0; i < batch_; ++i) {
      if (lengths[i] >= 0 && lengths[i] <= steps_) continue;
      throw Error(ErrorCode::bad_value, kWhat,
                  "a sequence has length " + std::to_string(lengths[i]),
                  "lengths are from 0 to the " + std::to_string(steps_) + " steps of x");
    }
    return lengths;
  }

  // The step of the sequence that is computed as the t-th; -1: the sequence is over.
  std::int64_t time(const Run& run, std::int64_t direction, std::int64_t row,
                    std::int64_t t) const {
    const std::int64_t length = run.lengths != nullptr ? run.lengths[row] : steps_;
    if (t >= length) return -1;
    return direction == 1 || reverse_ ? length - 1 - t : t;
  }

  std::int64_t state_offset(std::int64_t direction, std::int64_t row) const {
    return (batch_first_ ? row * directions_ + direction : direction * batch_ + row) * hidden_;
  }

  void open_state(const View* initial, float* state) const {
    if (initial == nullptr) {
      std::fill_n(state, state_size_, 0.0f);
      return;
    }
    for (std::int64_t d = 0; d < directions_; ++d) {
      for (std::int64_t row = 0; row < batch_; ++row) {
        std::copy_n(initial->as<const float>() + state_offset(d, row), hidden_,
                    state + (d * batch_ + row) * hidden_);
      }
    }
  }

  // A sequence without steps has a last state of 0.
  void close_state(const Run& run, const float* state, std::span<const View> outputs,
                   std::size_t i) const {
    const View* output = operand(outputs, i);
    if (output == nullptr) return;
    for (std::int64_t d = 0; d < directions_; ++d) {
      for (std::int64_t row = 0; row < batch_; ++row) {
        float* to = output->as<float>() + state_offset(d, row);
        if (time(run, d, row, 0) < 0) {
          std::fill_n(to, hidden_, 0.0f);
        } else {
          std::copy_n(state + (d * batch_ + row) * hidden_, hidden_, to);
        }
      }
    }
  }

  static std::int64_t grain(std::int64_t products) {
    return std::max<std::int64_t>(1, kTaskProducts / std::max<std::int64_t>(1, products));
  }

  void run_tile(TileF32& tile, std::int64_t left) const {
    tile.row_count = static_cast<int>(std::min<std::int64_t>(tiles_.rows[vectors_], left));
    (tile.row_count == 1 ? tiles_.run_row : tiles_.run)[vectors_](tile);
  }

  // x * w + bias of `count` steps from t on.
  void project(const Run& run, std::int64_t t, std::int64_t count) const {
    const std::int64_t panels = blocks_ * gates_, rows = count * batch_;
    const std::int64_t tile_rows = tiles_.rows[vectors_];
    parallel_for(directions_ * panels, grain(rows * inputs_ * units_),
                 [&](std::int64_t begin, std::int64_t end) {
                   const float* pointers[kMostTileRows];
                   TileF32 tile;
                   tile.rows = pointers;
                   tile.depth = inputs_;
                   tile.out_stride = stride_;
                   for (std::int64_t task = begin; task < end; ++task) {
                     const std::int64_t direction = task / panels, panel = task % panels;
                     tile.weights =
                         reinterpret_cast<const float*>(packed_w_.data()) + task * inputs_ * units_;
                     tile.bias = bias_row(0, direction) + panel * units_;
                     tile.columns = static_cast<int>(unit_count(panel / gates_));
                     float* sums =
                         run.sums + direction * chunk_ * batch_ * stride_ + panel * units_;
                     for (std::int64_t row = 0; row < rows; row += tile_rows) {
                       for (std::int64_t i = 0; i < tile_rows; ++i)
                         pointers[i] = input_row(run, direction, t, std::min(row + i, rows - 1));
                       tile.out = sums + row * stride_;
                       run_tile(tile, rows - row);
                     }
                   }
                 });
  }

  // Row `at` of the steps from t on; any row where the sequence is over.
  const float* input_row(const Run& run, std::int64_t direction, std::int64_t t,
                         std::int64_t at) const {
    const std::int64_t row = at % batch_;
    const std::int64_t step = std::max<std::int64_t>(0, time(run, direction, row, t + at / batch_));
    return run.x + (batch_first_ ? row * steps_ + step : step * batch_ + row) * inputs_;
  }

  const float* bias_row(std::int64_t which, std::int64_t direction) const {
    return reinterpret_cast<const float*>(packed_bias_.data()) +
           (which * directions_ + direction) * stride_;
  }

  void step(const Run& run, std::int64_t t) const {
    parallel_for(directions_ * blocks_, grain(batch_ * hidden_ * gates_ * units_),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t task = begin; task < end; ++task)
                     step_block(run, t, task / blocks_, task % blocks_);
                 });
  }

  // The sums of one block of units, then its gates and states.
  void step_block(const Run& run, std::int64_t t, std::int64_t direction,
                  std::int64_t block) const {
    const std::int64_t tile_rows = tiles_.rows[vectors_], count = unit_count(block);
    const float* before = run.states + t % 2 * state_size_ + direction * batch_ * hidden_;
    float* sums =
        run.sums + (direction * chunk_ + t % chunk_) * batch_ * stride_ + block * gates_ * units_;
    float* scratch = run.scratch + (direction * batch_ * blocks_ + block) * units_;
    const float* pointers[kMostTileRows];
    TileF32 tile;
    tile.rows = pointers;
    tile.depth = hidden_;
    tile.columns = static_cast<int>(count);
    for (std::int64_t gate = 0; gate < gates_; ++gate) {
      const bool apart = is_candidate_of_gru(gate);
      tile.weights = reinterpret_cast<const float*>(packed_r_.data()) +
                     ((direction * blocks_ + block) * gates_ + gate) * hidden_ * units_;
      tile.accumulate = !apart;
      tile.bias = apart ? bias_row(1, direction) + (block * gates_ + gate) * units_ : nullptr;
      tile.low = apart ? -std::numeric_limits<float>::infinity() : -clip_;
      tile.high = -tile.low;
      tile.out_stride = apart ? blocks_ * units_ : stride_;
      for (std::int64_t row = 0; row < batch_; row += tile_rows) {
        for (std::int64_t i = 0; i < tile_rows; ++i)
          pointers[i] = before + std::min(row + i, batch_ - 1) * hidden_;
        tile.out = apart ? scratch + row * tile.out_stride : sums + row * stride_ + gate * units_;
        run_tile(tile, batch_ - row);
      }
    }
    for (std::int64_t row = 0; row < batch_; ++row) {
      const std::int64_t at = (direction * batch_ + row) * hidden_ + block * units_;
      const float* old = run.states + t % 2 * state_size_ + at;
      float* h = run.states + (t + 1) % 2 * state_size_ + at;
      const std::int64_t when = time(run, direction, row, t);
      if (when < 0) {
        std::copy_n(old, count, h);
        continue;
      }
      finish(sums + row * stride_, scratch + row * blocks_ * units_, old, h, run.cells + at, count);
      if (run.y == nullptr) continue;
      const std::int64_t place = batch_first_ ? (row * steps_ + when) * directions_ + direction
                                              : (when * directions_ + direction) * batch_ + row;
      std::copy_n(h, count, run.y + place * hidden_ + block * units_);
    }
  }

  // Gates of `count` units in the order of ONNX; gate g begins at sums + g * units.
  void finish(float* sums, const float* scratch, const float* old, float* h, float* c,
              std::int64_t count) const {
    const std::int64_t u = units_;
    switch (cell_) {
      case Cell::lstm: {
        for (int gate = 0; gate < 3; ++gate) sigmoid_(sums + gate * u, nullptr, count, 0, 0);
        tanh_(sums + 3 * u, nullptr, count, 0, 0);
        const float *input = sums, *output = sums + u, *forget = sums + 2 * u,
                    *candidate = sums + 3 * u;
        for (std::int64_t j = 0; j < count; ++j)
          h[j] = c[j] = forget[j] * c[j] + input[j] * candidate[j];
        tanh_(h, nullptr, count, 0, 0);
        for (std::int64_t j = 0; j < count; ++j) h[j] *= output[j];
        return;
      }
      case Cell::gru: {
        for (int gate = 0; gate < 2; ++gate) sigmoid_(sums + gate * u, nullptr, count, 0, 0);
        const float *update = sums, *reset = sums + u;
        float* candidate = sums + 2 * u;
        for (std::int64_t j = 0; j < count; ++j) candidate[j] += reset[j] * scratch[j];
        clip(candidate, count, clip_);
        tanh_(candidate, nullptr, count, 0, 0);
        for (std::int64_t j = 0; j < count; ++j)
          h[j] = (1.0f - update[j]) * candidate[j] + update[j] * old[j];
        return;
      }
      case Cell::rnn:
        std::copy_n(sums, count, h);
        tanh_(h, nullptr, count, 0, 0);
        return;
    }
  }

  const Cell cell_;
  const std::int64_t gates_;
  const bool reverse_, batch_first_;
  const float clip_;
  const TileSetF32& tiles_;
  const RunFunction sigmoid_, tanh_;
  const float *w_ = nullptr, *r_ = nullptr, *bias_ = nullptr;
  std::int64_t directions_ = 1, hidden_ = 0, inputs_ = 0, steps_ = 0, batch_ = 0;
  int vectors_ = 1;
  std::int64_t units_ = 1;  // of a block, the columns of a panel
  std::int64_t blocks_ = 1;
  std::int64_t stride_ = 1;  // floats of one row of sums
  std::int64_t chunk_ = 1;   // steps of x that are multiplied by w together
  std::int64_t sums_size_ = 0, state_size_ = 0;
  Tensor packed_w_, packed_r_;
  Tensor packed_bias_;  // [2][direction][block][gate][unit]: with x * w, and apart
};

}  // namespace

void register_recurrent_f32_kernel(KernelTable& table) {
  table.add("recurrent_f32", make<RecurrentKernel>);
}

}  // namespace strop::cpu
