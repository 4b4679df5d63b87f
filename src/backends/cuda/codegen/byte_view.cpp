// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/byte_view.hpp"

#include <algorithm>

#include "backends/cuda/codegen/gemm_reading.hpp"
#include "base/error.hpp"
#include "base/float_types.hpp"
#include "ops/conv_integer.hpp"
#include "ops/matmul_integer.hpp"
#include "tactic/quantized_view.hpp"

namespace strop::cuda {
namespace {

constexpr std::int64_t kRow = 16;  // bytes that rows of packed weights are multiples of

std::int64_t padded(std::int64_t size) { return (size + kRow - 1) / kRow * kRow; }

// Weights less their zero point, [group][filter][k].
struct Centred {
  std::int64_t groups = 1, filters = 1, k = 1;
  std::vector<std::int16_t> values;
  std::int64_t low = 0, high = 0;

  // Signed bytes that the largest of them is a sum of.
  int parts() const {
    int out = 1;
    while (low < -128 * out || high > 127 * out) ++out;
    return out;
  }
};

// `element(filter of all, k)` is the number of one in `w`.
template <class Element>
Centred centre(const Tensor& w, std::int64_t zero, std::int64_t groups, std::int64_t filters,
               std::int64_t k, const Element& element) {
  Centred out{groups, filters, k, {}, 0, 0};
  out.values.reserve(static_cast<std::size_t>(groups * filters * k));
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(w.data());
  for (std::int64_t filter = 0; filter < groups * filters; ++filter) {
    for (std::int64_t i = 0; i < k; ++i) {
      const std::uint8_t byte = bytes[element(filter, i)];
      const std::int64_t value =
          (w.dtype() == DType::i8 ? static_cast<std::int8_t>(byte) : std::int64_t{byte}) - zero;
      out.low = std::min(out.low, value);
      out.high = std::max(out.high, value);
      out.values.push_back(static_cast<std::int16_t>(value));
    }
  }
  return out;
}

// [group][filter][part][k], rows padded with zeros.
Tensor pack_inner(const Centred& w, int parts) {
  const std::int64_t lead = padded(w.k * parts);
  Tensor out = Tensor::zeros(DType::i8, {w.groups, w.filters, lead});
  const std::span<std::int8_t> to = out.mutable_values<std::int8_t>();
  for (std::int64_t filter = 0; filter < w.groups * w.filters; ++filter) {
    for (std::int64_t i = 0; i < w.k; ++i) {
      int rest = w.values[static_cast<std::size_t>(filter * w.k + i)];
      for (int part = 0; part < parts; ++part) {
        const int value = std::clamp(rest, -128, 127);
        to[static_cast<std::size_t>(filter * lead + part * w.k + i)] =
            static_cast<std::int8_t>(value);
        rest -= value;
      }
    }
  }
  return out;
}

// [tap][channel] of a filter a group, rows padded with zeros.
Tensor pack_taps(const Centred& w) {
  const std::int64_t lead = padded(w.groups);
  Tensor out = Tensor::zeros(DType::i8, {w.k, lead});
  const std::span<std::int8_t> to = out.mutable_values<std::int8_t>();
  for (std::int64_t channel = 0; channel < w.groups; ++channel) {
    for (std::int64_t tap = 0; tap < w.k; ++tap)
      to[static_cast<std::size_t>(tap * lead + channel)] =
          static_cast<std::int8_t>(w.values[static_cast<std::size_t>(channel * w.k + tap)]);
  }
  return out;
}

// [row][run of four taps][channel][tap] of a filter a group, runs filled up with zeros.
Tensor pack_runs_of_taps(const Centred& w, std::int64_t row) {
  const std::int64_t rows = w.k / row, runs = (row + 3) / 4;
  Tensor out = Tensor::zeros(DType::i8, {rows * runs, 4 * w.groups});
  const std::span<std::int8_t> to = out.mutable_values<std::int8_t>();
  for (std::int64_t channel = 0; channel < w.groups; ++channel) {
    for (std::int64_t tap = 0; tap < w.k; ++tap) {
      const std::int64_t run = tap / row * runs + tap % row / 4;
      to[static_cast<std::size_t>((run * w.groups + channel) * 4 + tap % row % 4)] =
          static_cast<std::int8_t>(w.values[static_cast<std::size_t>(channel * w.k + tap)]);
    }
  }
  return out;
}

Tensor weight_sums(const Centred& w) {
  Tensor out = Tensor::zeros(DType::i32, {w.groups * w.filters});
  const std::span<std::int32_t> to = out.mutable_values<std::int32_t>();
  for (std::size_t filter = 0; filter < to.size(); ++filter) {
    std::uint32_t sum = 0;
    for (std::int64_t i = 0; i < w.k; ++i)
      sum += static_cast<std::uint32_t>(std::int32_t{
          w.values[filter * static_cast<std::size_t>(w.k) + static_cast<std::size_t>(i)]});
    to[filter] = static_cast<std::int32_t>(sum);
  }
  return out;
}

Operand operand(std::int64_t input) { return Operand::in(static_cast<std::uint32_t>(input)); }

void read_factor(const Problem& problem, std::int64_t input, GemmEpilogue& into) {
  if (problem.constant(static_cast<std::size_t>(input))->size() == 1)
    into.singles |= std::uint32_t{1} << into.channel.size();
  into.channel.push_back(operand(input));
}

// What becomes of the sums, and the zero point; false, and why, when there is no kernel.
bool read_results(const Problem& problem, const QuantizedView& view, std::size_t channel_axis,
                  GemmView& into, std::string& refusal) {
  GemmProblem& p = into.problem;
  GemmBytes bytes;
  const Type& output = problem.output_type(0);
  bytes.result_type = output.dtype;
  bytes.x_zero = view.x_zero;
  if (view.x_zero_input >= 0) bytes.zero = operand(view.x_zero_input);
  for (const Dim& dim : *output.shape) {
    if (dim.is_constant() && dim.value() > kMostSize) return refusal = "it is too large", false;
  }
  if (view.floats) {
    bytes.result = GemmBytes::floats;
    if (!EpilogueReader(problem, channel_axis, into).add(view.epilogue, refusal)) return false;
  } else if (view.requantize != nullptr) {
    bytes.result = GemmBytes::bytes;
    read_factor(problem, view.multiplier, p.epilogue);
    read_factor(problem, view.offset, p.epilogue);
    bytes.requantize = read_requantize(problem, view, refusal);
    if (!bytes.requantize) return false;
    if (view.residual >= 0) bytes.residual = operand(view.residual);
    if (view.table >= 0) bytes.table = operand(view.table);
  }
  p.element = problem.input_type(static_cast<std::size_t>(view.x)).dtype;
  p.bytes = bytes;
  return true;
}

// The sums of the weights as the step's first constant, where the zero point needs them.
void correct(const Problem& problem, const Centred& w, bool pack, GemmView& into) {
  if (!into.problem.bytes->has_zero()) return;
  into.problem.bytes->weight_sums = Operand::in(constant_input(problem, 0));
  if (pack) into.constants.push_back(weight_sums(w));
}

bool are_shapes_known(const Problem& problem, std::int64_t x) {
  return problem.input_type(static_cast<std::size_t>(x)).shape.has_value() &&
         problem.output_type(0).shape.has_value();
}

Centred centred_filters(const Tensor& w, std::int64_t zero, std::int64_t groups) {
  const std::int64_t channels = w.dim(1), taps = w.size() / (w.dim(0) * channels);
  return centre(w, zero, groups, w.dim(0) / groups, channels * taps,
                [&](std::int64_t filter, std::int64_t k) {
                  return (filter * channels + k % channels) * taps + k / channels;
                });
}

// x lies in `layout`.
std::optional<GemmView> view_conv(const Problem& problem, Layout layout, bool pack,
                                  std::string& refusal) {
  const auto view = view_as_quantized(problem, op_conv_integer(), 1, refusal);
  if (!view) return std::nullopt;
  const auto x = static_cast<std::size_t>(view->x), weights = static_cast<std::size_t>(view->w);
  const Tensor& w = *problem.constant(weights);
  if (!are_shapes_known(problem, view->x) || w.rank() < 3 || w.rank() > 4) {
    refusal = "it takes 1-D and 2-D convolutions";
    return std::nullopt;
  }
  Problem last = problem;
  last.layouts.outputs = {Layout::channels_last};
  const auto& conv = view->anchor->as<ConvAttributes>();
  GemmView out;
  GemmProblem& p = out.problem;
  if (!read_results(last, *view, 1, out, refusal) ||
      !read_window(last, x, layout, w, conv, p.window, refusal))
    return std::nullopt;
  p.kind = GemmKind::conv_channels_last;
  p.window.channels = w.dim(1);
  const Centred centred = centred_filters(w, view->w_zero, conv.group);
  p.bytes->repeats = centred.parts();
  p.k = centred.k * p.bytes->repeats;
  p.batches = conv.group;
  p.m = result_dim(last, 0) * p.window.out_size[0] * p.window.out_size[1];
  p.n = centred.filters;
  p.inner_b = true;
  p.lead_b = padded(p.k.value());
  p.a = operand(view->x);
  p.b = operand(view->w);
  p.y = Operand::out(0);
  correct(problem, centred, pack, out);
  if (pack) out.replaced[weights] = {pack_inner(centred, p.bytes->repeats)};
  return out;
}

}  // namespace

std::optional<GemmView> view_as_byte_conv(const Problem& problem, bool pack, std::string& refusal) {
  return view_conv(problem, Layout::channels_last, pack, refusal);
}

std::optional<GemmView> view_as_byte_stem(const Problem& problem, bool pack, std::string& refusal) {
  const auto view = view_as_quantized(problem, op_conv_integer(), 1, refusal);
  if (!view) return std::nullopt;
  const auto x = static_cast<std::size_t>(view->x);
  const Layout layout = problem.layouts.input(x);
  auto out = view_conv(problem, layout, pack, refusal);
  if (!out) return std::nullopt;
  GemmProblem& p = out->problem;
  p.inner_a = layout == Layout::channels_last;
  if (p.bytes->result != GemmBytes::bytes) {
    refusal = "its sums are not requantised";
  } else if (p.bytes->repeats != 1) {
    refusal = "a weight less its zero point is no signed byte";
  } else {
    refusal = stem_refusal(problem, p);
  }
  if (!refusal.empty()) return std::nullopt;
  if (pack) {
    const Tensor& w = *problem.constant(p.b.index);
    Tensor centred = Tensor::allocate(DType::i8, w.shape());
    for (std::int64_t i = 0; i < w.size(); ++i)
      store_from_double(DType::i8, centred.mutable_data(), i,
                        load_as_double(w.dtype(), w.data(), i) - static_cast<double>(view->w_zero));
    out->replaced[p.b.index] = {pack_stem_filters(centred, DType::i8, p.window)};
  }
  return out;
}

std::optional<GemmView> view_as_byte_depthwise(const Problem& problem,
                                               const std::optional<DepthwiseConfig>& pack,
                                               std::string& refusal) {
  auto out = view_as_byte_conv(problem, false, refusal);
  if (!out) return std::nullopt;
  GemmProblem& p = out->problem;
  if (p.batches.is(1) || p.window.channels != 1 || !p.n.is(1) || p.bytes->repeats != 1) {
    refusal = "its groups are not of one channel and one filter";
    return std::nullopt;
  }
  p.n = p.batches;
  p.batches = 1;
  p.inner_b = false;
  const bool by_rows = pack && pack->rows > 0;
  p.lead_b = by_rows ? 4 * p.n.value() : padded(p.n.value());
  p.bytes->weight_sums.reset();
  if (pack) {
    const auto view = view_as_quantized(problem, op_conv_integer(), 1, refusal);
    const Tensor& w = *problem.constant(p.b.index);
    const Centred filters = centred_filters(w, view->w_zero, w.dim(0));
    out->replaced[p.b.index] = {by_rows ? pack_runs_of_taps(filters, p.window.kernel[1])
                                        : pack_taps(filters)};
  }
  return out;
}

std::optional<GemmView> view_as_byte_product(const Problem& problem, bool pack,
                                             std::string& refusal) {
  const std::int64_t rank = problem.output_type(0).rank();
  const auto view = view_as_quantized(problem, op_matmul_integer(), rank - 1, refusal);
  if (!view) return std::nullopt;
  const auto x = static_cast<std::size_t>(view->x), weights = static_cast<std::size_t>(view->w);
  const Tensor& w = *problem.constant(weights);
  if (w.rank() != 2) {
    refusal = "its weights are no matrix";
  } else if (rank < 2 || !are_shapes_known(problem, view->x) ||
             problem.input_type(x).rank() != rank) {
    refusal = "its first operand is no matrix, or of unknown rank";
  }
  if (!refusal.empty()) return std::nullopt;
  GemmView out;
  GemmProblem& p = out.problem;
  if (!read_results(problem, *view, static_cast<std::size_t>(rank) - 1, out, refusal))
    return std::nullopt;
  // A convolution by one element over a line of as many pixels as there are rows.
  const std::int64_t k = w.dim(0), columns = w.dim(1);
  p.kind = GemmKind::conv_channels_last;
  for (std::size_t axis = 0; axis + 1 < static_cast<std::size_t>(rank); ++axis)
    p.m = p.m * result_dim(problem, axis);
  p.window.channels = k;
  p.window.size = p.window.out_size = {Dim(1), p.m};
  const Centred centred =
      centre(w, view->w_zero, 1, columns, k,
             [&](std::int64_t column, std::int64_t row) { return row * columns + column; });
  p.bytes->repeats = centred.parts();
  p.k = k * p.bytes->repeats;
  p.n = columns;
  p.inner_b = true;
  p.lead_b = padded(p.k.value());
  p.a = operand(view->x);
  p.b = operand(view->w);
  p.y = Operand::out(0);
  correct(problem, centred, pack, out);
  if (pack) out.replaced[weights] = {pack_inner(centred, p.bytes->repeats)};
  return out;
}

std::vector<OperandLayouts> byte_conv_layouts(const Problem& problem) {
  std::string refusal;
  const auto view = view_as_quantized(problem, op_conv_integer(), 1, refusal);
  STROP_CHECK(view.has_value(), "layouts are asked for what was accepted");
  OperandLayouts last;
  last.outputs = {Layout::channels_last};
  last.inputs.assign(problem.node->inputs.size(), Layout::plain);
  last.inputs[static_cast<std::size_t>(view->x)] = Layout::channels_last;
  if (view->residual >= 0)
    last.inputs[static_cast<std::size_t>(view->residual)] = Layout::channels_last;
  for (const strop::EpilogueStep& step : view->epilogue) {
    if (step.kind == strop::EpilogueStep::binary &&
        *problem.input_type(step.input).shape == *problem.output_type(0).shape)
      last.inputs[step.input] = Layout::channels_last;
  }
  return {last};
}

std::vector<OperandLayouts> byte_stem_layouts(const Problem& problem) {
  std::string refusal;
  const auto view = view_as_quantized(problem, op_conv_integer(), 1, refusal);
  std::vector<OperandLayouts> out = byte_conv_layouts(problem);
  out.insert(out.begin(), out.front());
  out[0].inputs[static_cast<std::size_t>(view->x)] = Layout::plain;
  return out;
}

}  // namespace strop::cuda
