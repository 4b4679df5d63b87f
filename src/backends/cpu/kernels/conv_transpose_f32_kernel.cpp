// SPDX-License-Identifier: Apache-2.0
// Transposed convolution over f32 tensors whose channels lie innermost, as products of tiles
// (simd/tile_f32.hpp). Outputs whose places leave the same remainder by the stride (a phase) see
// the same taps of the window: each phase is a convolution by those alone, whose results lie a
// stride apart. Where windows do not overlap, the phases of a line are columns of one product.
//
// The sum of an output runs over taps and channels in one fixed order.
//
// Inputs: x [N, H, W, C] or [N, W, C], w [C, M, kernel...] (a constant, packed once), bias [M] (a
// constant, optional), operands of the epilogue. Output: [N, OH, OW, M] or [N, OW, M].
#include <algorithm>

#include "backends/cpu/kernels/epilogue_runs.hpp"
#include "backends/cpu/kernels/panel_width.hpp"
#include "backends/cpu/kernels/simd/tile_f32.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "kernel conv_transpose_f32";
constexpr std::int64_t kMost = std::int64_t{1} << 30;  // products of two stay in range
constexpr std::int64_t kMostTaps = 512;
constexpr std::int64_t kMostStride = 64;
constexpr std::int64_t kTaskProducts = 256 * 1024;  // least for a thread

// Tap `kernel` of the window meets output phase + stride * j at input shift + j.
struct Tap {
  std::int64_t kernel, shift;
};

struct Axis {
  std::int64_t kernel = 1, stride = 1, dilation = 1, before = 0, output_padding = 0;
  std::int64_t input = 1, output = 1, begin = 0;
  std::vector<std::vector<Tap>> phases;

  void resolve(const std::string& rule) {
    const std::int64_t covered =
        (input - 1) * stride + (kernel - 1) * dilation + 1 + output_padding;
    const std::int64_t total = std::max<std::int64_t>(0, covered - output);
    begin = rule == "pads" ? before : rule == "none" ? 0 : total / 2;
    if (rule == "lower") begin = total - total / 2;
    phases.assign(static_cast<std::size_t>(stride), {});
    for (std::int64_t k = 0; k < kernel; ++k) {
      const std::int64_t from = begin - k * dilation;  // of phase 0, times the stride
      const std::int64_t phase = ((-from) % stride + stride) % stride;
      phases[static_cast<std::size_t>(phase)].push_back({k, (from + phase) / stride});
    }
  }
  // Outputs of a phase.
  std::int64_t count(std::int64_t phase) const {
    return output > phase ? (output - phase + stride - 1) / stride : 0;
  }
  bool is_apart() const { return kernel == stride && dilation == 1 && begin == 0; }
};

class ConvTransposeKernel final : public Kernel {
 public:
  explicit ConvTransposeKernel(const KernelInit& init)
      : rule_(init.parameters.string("begin")),
        tiles_(tile_set_f32()),
        epilogue_(parse_epilogue(init.parameters.string("epilogue")), init.inputs.size()) {
    require(rule_ == "pads" || rule_ == "none" || rule_ == "upper" || rule_ == "lower", kWhat,
            "its padding is not known");
    const Shape inputs = init.parameters.integers("inputs");
    require(inputs.size() == 3, kWhat, "its list of inputs does not fit");
    const auto operand = [&](std::int64_t i) -> const KernelInit::Operand& {
      require(i >= 0 && static_cast<std::size_t>(i) < init.inputs.size(), kWhat,
              "it names an input that is not there");
      return init.inputs[static_cast<std::size_t>(i)];
    };
    operand(inputs[0]);
    x_ = static_cast<std::size_t>(inputs[0]);
    read_window(init.parameters);
    const KernelInit::Operand& w = operand(inputs[1]);
    require(w.constant != nullptr && w.dtype == DType::f32 &&
                w.constant_shape.size() == 2 + spatial_ &&
                std::ranges::all_of(w.constant_shape,
                                    [](std::int64_t size) { return size >= 1 && size <= kMost; }),
            kWhat, "its weights are no constant");
    weights_ = static_cast<const float*>(w.constant);
    channels_ = w.constant_shape[0];
    out_channels_ = w.constant_shape[1];
    wide_.kernel = w.constant_shape.back();
    high_.kernel = spatial_ == 2 ? w.constant_shape[2] : 1;
    require(high_.kernel * wide_.kernel <= kMostTaps, kWhat, "its window has too many elements");
    padding_.assign(static_cast<std::size_t>(channels_), 0.0f);
    if (inputs[2] < 0) return;
    const KernelInit::Operand& bias = operand(inputs[2]);
    require(bias.constant != nullptr && bias.dtype == DType::f32 &&
                bias.constant_shape == Shape{out_channels_},
            kWhat, "its bias does not fit");
    given_bias_ = static_cast<const float*>(bias.constant);
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    const View &x = inputs[x_], &y = outputs[0];
    const std::size_t rank = spatial_ + 2;
    require(outputs.size() == 1 && x.dtype == DType::f32 && y.dtype == DType::f32 &&
                x.dims.size() == rank && y.dims.size() == rank && x.dims[0] == y.dims[0] &&
                x.dims.back() == channels_ && y.dims.back() == out_channels_,
            kWhat, "its shapes do not fit");
    epilogue_.prepare(inputs, y.dims);
    batch_ = x.dims[0];
    const auto set = [&](Axis& axis, std::size_t at) {
      axis.input = x.dims[at];
      axis.output = y.dims[at];
      require(axis.input >= 1 && axis.input <= kMost && axis.output <= kMost, kWhat,
              "an axis is empty or too long");
    };
    if (spatial_ == 2) set(high_, 1);
    set(wide_, rank - 2);
    const std::int64_t high_before = high_.begin, wide_before = wide_.begin;
    high_.resolve(spatial_ == 2 ? rule_ : "none");
    wide_.resolve(rule_);
    const bool merged = wide_.is_apart() && wide_.output == wide_.input * wide_.stride;
    if (!packed_.empty() && merged == merged_ && high_before == high_.begin &&
        wide_before == wide_.begin)
      return 0;
    merged_ = merged;
    columns_ = merged_ ? wide_.stride * out_channels_ : out_channels_;
    pack();
    return 0;
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    const std::int64_t taps = (high_.kernel * wide_.kernel + high_.stride - 1) / high_.stride;
    const std::int64_t line =
        std::max<std::int64_t>(1, wide_.input * taps * channels_ * panels_ * panel_);
    parallel_for(batch_ * high_.output, std::max<std::int64_t>(1, kTaskProducts / line),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t at = begin; at < end; ++at) run_line(inputs, outputs[0], at);
                 });
  }

 private:
  void read_window(const Parameters& parameters) {
    spatial_ = parameters.integers("strides").size();
    require(spatial_ == 1 || spatial_ == 2, kWhat, "it has one or two spatial axes");
    const auto read = [&](std::string_view key, std::size_t count, std::int64_t lowest,
                          std::int64_t highest) {
      const Shape values = parameters.integers(key);
      require(
          values.size() == count &&
              std::ranges::all_of(
                  values, [&](std::int64_t value) { return value >= lowest && value <= highest; }),
          kWhat, "strides, dilations or pads do not fit");
      return values;
    };
    const Shape strides = read("strides", spatial_, 1, kMostStride);
    const Shape dilations = read("dilations", spatial_, 1, kMost);
    const Shape pads = read("pads", 2 * spatial_, 0, kMost);
    const Shape output_padding = read("output_padding", spatial_, 0, kMost);
    const auto set = [&](Axis& axis, std::size_t i) {
      axis.stride = strides[i];
      axis.dilation = dilations[i];
      axis.before = pads[i];
      axis.output_padding = output_padding[i];
    };
    set(wide_, spatial_ - 1);
    if (spatial_ == 2) set(high_, 0);
  }

  // Phases of a line that are computed one after the other.
  std::int64_t line_phases() const { return merged_ ? 1 : wide_.stride; }
  const std::vector<Tap>& wide_taps(std::int64_t phase) const {
    return wide_.phases[static_cast<std::size_t>(phase)];
  }

  // [phase of lines][phase in a line][panel][tap][channel][panel columns], zeros beyond the last
  // column.
  void pack() {
    panel_ = std::int64_t{vectors_ = panel_vectors(tiles_, columns_)} * tiles_.lanes;
    panels_ = (columns_ + panel_ - 1) / panel_;
    packed_.clear();
    starts_.clear();
    for (const std::vector<Tap>& lines : high_.phases) {
      for (std::int64_t phase = 0; phase < line_phases(); ++phase) {
        starts_.push_back(packed_.size());
        for (std::int64_t p = 0; p < panels_; ++p) {
          for (const Tap& line : lines) {
            // Merged phases have one tap each, that of their place.
            if (merged_) {
              pack_tap(line.kernel, -1, p);
            } else {
              for (const Tap& tap : wide_taps(phase)) pack_tap(line.kernel, tap.kernel, p);
            }
          }
        }
      }
    }
    if (packed_.empty()) packed_.push_back(0);
    bias_.assign(static_cast<std::size_t>(columns_), 0.0f);
    for (std::int64_t m = 0; given_bias_ != nullptr && m < columns_; ++m)
      bias_[static_cast<std::size_t>(m)] = given_bias_[m % out_channels_];
  }

  void pack_tap(std::int64_t kh, std::int64_t kw, std::int64_t panel) {
    const std::size_t at = packed_.size();
    packed_.resize(at + static_cast<std::size_t>(channels_ * panel_), 0.0f);
    const std::int64_t first = panel * panel_, count = std::min(panel_, columns_ - first);
    for (std::int64_t c = 0; c < channels_; ++c) {
      float* to = packed_.data() + at + c * panel_;
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t m = (first + i) % out_channels_;
        const std::int64_t k = kw >= 0 ? kw : (first + i) / out_channels_;
        to[i] = weights_[((c * out_channels_ + m) * high_.kernel + kh) * wide_.kernel + k];
      }
    }
  }

  // One line of the output: all columns of image at / OH, line at % OH.
  void run_line(std::span<const View> inputs, const View& y, std::int64_t at) const {
    for (std::int64_t phase = 0; phase < line_phases(); ++phase) run_phase(inputs, y, at, phase);
    if (epilogue_.is_done()) return;
    epilogue_.apply_rows(inputs, at * wide_.output, wide_.output, 0, out_channels_,
                         y.as<float>() + at * wide_.output * out_channels_, out_channels_);
  }

  void run_phase(std::span<const View> inputs, const View& y, std::int64_t at,
                 std::int64_t phase) const {
    static const std::vector<Tap> only = {{0, 0}};
    const std::int64_t image = at / high_.output, line = at % high_.output;
    const std::int64_t line_phase = line % high_.stride, step = line / high_.stride;
    const std::vector<Tap>& lines = high_.phases[static_cast<std::size_t>(line_phase)];
    const std::vector<Tap>& taps = merged_ ? only : wide_taps(phase);
    const std::int64_t count = merged_ ? wide_.input : wide_.count(phase);
    const std::int64_t tap_count = static_cast<std::int64_t>(lines.size() * taps.size());
    const float* packed =
        packed_.data() + starts_[static_cast<std::size_t>(line_phase * line_phases() + phase)];
    const float* x = inputs[x_].as<const float>() + image * high_.input * wide_.input * channels_;
    const std::int64_t tile_rows = tiles_.rows[vectors_];
    const EpilogueRuns::InRegisters& last = epilogue_.in_registers();
    const float* pointers[kMostTaps * kMostTileRows];
    TileF32 tile;
    tile.rows = pointers;
    tile.taps = tap_count;
    tile.depth = channels_;
    tile.out_stride = wide_.stride * out_channels_;
    tile.residual_stride = tile.out_stride;
    tile.low = last.low;
    tile.high = last.high;
    for (std::int64_t j = 0; j < count; j += tile_rows) {
      const float** to = pointers;
      for (const Tap& of_line : lines) {
        const std::int64_t row = of_line.shift + step;
        const bool there = row >= 0 && row < high_.input;
        for (const Tap& tap : taps) {
          for (std::int64_t i = 0; i < tile_rows; ++i) {
            const std::int64_t column = tap.shift + std::min(j + i, count - 1);
            *to++ = there && column >= 0 && column < wide_.input
                        ? x + (row * wide_.input + column) * channels_
                        : padding_.data();
          }
        }
      }
      tile.row_count = static_cast<int>(std::min(tile_rows, count - j));
      const std::int64_t place = (at * wide_.output + phase + j * wide_.stride) * out_channels_;
      for (std::int64_t p = 0; p < panels_; ++p) {
        tile.columns = static_cast<int>(std::min(panel_, columns_ - p * panel_));
        tile.weights = packed + p * tap_count * channels_ * panel_;
        tile.bias = bias_.data() + p * panel_;
        tile.out = y.as<float>() + place + p * panel_;
        if (last.residual >= 0) {
          tile.residual = inputs[static_cast<std::size_t>(last.residual)].as<const float>() +
                          place + p * panel_;
        }
        tiles_.run[vectors_](tile);
      }
    }
  }

  const std::string rule_;
  const TileSetF32& tiles_;
  EpilogueRuns epilogue_;
  std::size_t x_ = 0, spatial_ = 2;
  Axis high_, wide_;
  std::int64_t batch_ = 0, channels_ = 1, out_channels_ = 1;
  const float *weights_ = nullptr, *given_bias_ = nullptr;
  bool merged_ = false;
  std::int64_t columns_ = 1, panel_ = 1, panels_ = 1;
  int vectors_ = 1;
  std::vector<float> packed_;
  std::vector<std::size_t> starts_;  // in packed_, by the phases of lines and within a line
  std::vector<float> bias_;          // of the columns
  std::vector<float> padding_;       // what lies outside of the input
};

}  // namespace

void register_conv_transpose_f32_kernel(KernelTable& table) {
  table.add("conv_transpose_f32", make<ConvTransposeKernel>);
}

}  // namespace strop::cpu
