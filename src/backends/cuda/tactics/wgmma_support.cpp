// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/tactics/wgmma_support.hpp"

#include <algorithm>
#include <bit>
#include <set>

#include "backends/cuda/codegen/launch_step.hpp"
#include "backends/cuda/codegen/scalar_source.hpp"
#include "base/error.hpp"
#include "base/float_types.hpp"
#include "ops/conv.hpp"
#include "tactic/layout_support.hpp"

namespace strop::cuda {
namespace {

constexpr std::int64_t kTypicalSize = 16;  // of a dimension of which nothing is known
constexpr double kMostRows = 1e12;         // beyond, the order of configurations stays
constexpr std::int64_t kMostKinds = 256;   // of pixels at borders; each is a number a channel

std::vector<float> floats_of(const Tensor& tensor) {
  std::vector<float> out;
  for (std::int64_t i = 0; i < tensor.size(); ++i)
    out.push_back(static_cast<float>(load_as_double(tensor.dtype(), tensor.data(), i)));
  return out;
}

// Nothing unless all are signed bytes.
std::optional<Tensor> centred_weights(const Tensor& weights, std::int64_t zero) {
  Tensor out = Tensor::allocate(DType::i8, weights.shape());
  auto* to = reinterpret_cast<std::int8_t*>(out.mutable_data());
  for (std::int64_t i = 0; i < weights.size(); ++i) {
    const auto value =
        static_cast<std::int64_t>(load_as_double(weights.dtype(), weights.data(), i)) - zero;
    if (value < -128 || value > 127) return std::nullopt;
    to[i] = static_cast<std::int8_t>(value);
  }
  return out;
}

bool has_pads(const sm90::ImplicitGemm& gemm) {
  if (!gemm.window) return false;
  for (const auto& pads : {gemm.window->pad_begin, gemm.window->pad_end}) {
    if (pads[0] != 0 || pads[1] != 0) return true;
  }
  return false;
}

// Sums over the channels, [columns, taps].
std::vector<std::int64_t> sums_of_taps(const WgmmaProblem& wgmma) {
  const std::span<const std::int8_t> weights = wgmma.centred->values<std::int8_t>();
  std::vector<std::int64_t> out;
  for (std::int64_t n = 0; n < wgmma.gemm.columns; ++n) {
    for (std::int64_t tap = 0; tap < wgmma.gemm.taps(); ++tap) {
      const std::int64_t first = n * wgmma.weight_strides[0] + tap * wgmma.weight_strides[1];
      std::int64_t sum = 0;
      for (std::int64_t c = 0; c < wgmma.gemm.channels; ++c)
        sum += weights[static_cast<std::size_t>(first + c * wgmma.weight_strides[2])];
      out.push_back(sum);
    }
  }
  return out;
}

// `factor` times the weights of each column's taps for which `counts` holds, as the bits of floats.
template <class Counts>
std::vector<float> shares(std::int64_t factor, const std::vector<std::int64_t>& sums,
                          std::int64_t taps, const Counts& counts) {
  std::vector<float> out;
  for (std::size_t first = 0; first < sums.size(); first += static_cast<std::size_t>(taps)) {
    std::int64_t sum = 0;
    for (std::int64_t tap = 0; tap < taps; ++tap)
      sum += counts(tap) ? sums[first + static_cast<std::size_t>(tap)] : 0;
    out.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(factor * sum)));
  }
  return out;
}

// More than kMostKinds where there are too many.
std::int64_t kinds_of_pixels(const sm90::GemmWindow& window) {
  std::int64_t out = 1;
  for (const std::size_t axis : {0, 1}) {
    for (const std::int64_t most : {window.most_before(axis), window.most_behind(axis)})
      out = std::min(out * (std::min(most, kMostKinds) + 1), kMostKinds + 1);
  }
  return out;
}

// What the zero point of x adds to sums of raw bytes and, around the image, of zeros.
void add_corrections(std::int64_t x_zero, WgmmaProblem& into) {
  const std::int64_t taps = into.gemm.taps();
  const std::vector<std::int64_t> sums = sums_of_taps(into);
  into.channels.push_back(shares(-x_zero, sums, taps, [](std::int64_t) { return true; }));
  if (!into.gemm.borders) return;
  const sm90::GemmWindow& window = *into.gemm.window;
  for (std::int64_t kind = 1; kind < kinds_of_pixels(window); ++kind) {
    std::array<std::int64_t, 2> before{}, behind{};
    std::int64_t rest = kind;
    for (const std::size_t axis : {1, 0}) {
      behind[axis] = rest % (window.most_behind(axis) + 1);
      rest /= window.most_behind(axis) + 1;
      before[axis] = rest % (window.most_before(axis) + 1);
      rest /= window.most_before(axis) + 1;
    }
    into.channels.push_back(shares(x_zero, sums, taps, [&](std::int64_t tap) {
      const std::array<std::int64_t, 2> at{tap / window.kernel[1], tap % window.kernel[1]};
      const auto is_outside = [&](std::size_t axis) {
        return at[axis] < before[axis] || at[axis] >= window.kernel[axis] - behind[axis];
      };
      return is_outside(0) || is_outside(1);
    }));
  }
}

template <class Function>
std::optional<Function> function_named(std::string_view name) {
  const auto names = enum_names(Function{});
  const auto at = std::ranges::find(names, name);
  if (at == names.end()) return std::nullopt;
  const auto function = static_cast<Function>(at - names.begin());
  return has_source(function) ? std::optional(function) : std::nullopt;
}

// A constant with one number a channel, under the output's rank.
bool is_of_channels(const Tensor& constant, std::int64_t rank, std::size_t axis,
                    std::int64_t columns) {
  if (constant.size() != columns || constant.rank() > rank) return false;
  const std::int64_t at = static_cast<std::int64_t>(axis) - (rank - constant.rank());
  return at >= 0 && constant.dim(at) == columns;
}

// What the kernel multiplies A's rows by, instead of normalising them first: scaled weights, less
// their mean in each column, with which the rows' means add nothing. `added` grows by what the
// rows' bias makes of each column.
Tensor fold_normalization(const Problem& problem, const WgmmaProblem& wgmma,
                          std::vector<float>& added) {
  const Tensor& weights = *problem.constant(wgmma.weights);
  const auto depth = static_cast<std::size_t>(wgmma.gemm.channels);
  const auto vector = [&](std::int64_t input, float otherwise) {
    return input >= 0 ? floats_of(*problem.constant(static_cast<std::size_t>(input)))
                      : std::vector<float>(depth, otherwise);
  };
  const std::vector<float> scale = vector(wgmma.normalized->scale, 1),
                           bias = vector(wgmma.normalized->bias, 0);
  Tensor out = Tensor::allocate(weights.dtype(), weights.shape());
  std::vector<double> scaled(depth);
  for (std::int64_t n = 0; n < wgmma.gemm.columns; ++n) {
    const auto at = [&](std::size_t k) {
      return n * wgmma.weight_strides[0] + static_cast<std::int64_t>(k) * wgmma.weight_strides[2];
    };
    double sum = 0, of_bias = 0;
    for (std::size_t k = 0; k < depth; ++k) {
      const double weight = load_as_double(weights.dtype(), weights.data(), at(k));
      scaled[k] = weight * scale[k];
      sum += scaled[k];
      of_bias += weight * bias[k];
    }
    const double mean = sum / static_cast<double>(depth);
    for (std::size_t k = 0; k < depth; ++k)
      store_from_double(out.dtype(), out.mutable_data(), at(k), scaled[k] - mean);
    float& to = added[static_cast<std::size_t>(n)];
    to = static_cast<float>(to + of_bias);
  }
  return out;
}

std::optional<EpilogueOperand> read_operand(const Problem& problem, std::size_t input,
                                            std::size_t channel_axis, WgmmaProblem& into) {
  const Type& output = problem.output_type(0);
  if (const Tensor* constant = problem.constant(input)) {
    if (constant->size() == 1 && constant->rank() <= output.rank())
      return EpilogueOperand{EpilogueOperand::scalar, 0, floats_of(*constant)[0]};
    if (is_of_channels(*constant, output.rank(), channel_axis, into.gemm.columns)) {
      into.channels.push_back(floats_of(*constant));
      return EpilogueOperand{EpilogueOperand::channel,
                             static_cast<std::uint32_t>(into.channels.size() - 1), 0};
    }
  }
  const Type& type = problem.input_type(input);
  if (type.dtype != output.dtype || !type.shape || type.shape != output.shape) return std::nullopt;
  const auto found = std::ranges::find(into.tensors, input);
  const auto index = static_cast<std::uint32_t>(found - into.tensors.begin());
  if (found == into.tensors.end()) into.tensors.push_back(static_cast<std::uint32_t>(input));
  return EpilogueOperand{EpilogueOperand::tensor, index, 0};
}

bool add_step(const Problem& problem, const strop::EpilogueStep& step, std::size_t channel_axis,
              WgmmaProblem& into, std::string& refusal) {
  EpilogueStep out;
  out.alpha = step.alpha;
  out.beta = step.beta;
  out.swapped = step.swapped;
  if (step.kind == strop::EpilogueStep::clip) {
    out.kind = EpilogueStep::clip;
  } else if (step.kind == strop::EpilogueStep::unary) {
    const auto function = function_named<UnaryFunction>(step.function);
    if (!function) refusal = "there is no kernel for " + step.function;
    if (!function) return false;
    out.unary_function = *function;
  } else {
    const auto function = function_named<BinaryFunction>(step.function);
    if (!function) refusal = "there is no kernel for " + step.function;
    if (!function) return false;
    const auto operand = read_operand(problem, step.input, channel_axis, into);
    if (!operand) refusal = "an operand is neither per channel nor like the output";
    if (!operand) return false;
    out.kind = EpilogueStep::binary;
    out.binary_function = *function;
    out.operand = *operand;
  }
  into.gemm.epilogue.push_back(out);
  return true;
}

// The size that the engine is made for, else one for which all that is open is of a typical size.
double typical(const Dim& dim, const SymbolValues* sample) {
  std::optional<std::int64_t> size;
  if (sample != nullptr) size = dim.try_evaluate(*sample);
  if (!size) {
    std::set<std::string> symbols;
    dim.collect_symbols(symbols);
    SymbolValues values;
    for (const std::string& symbol : symbols) values[symbol] = kTypicalSize;
    size = dim.try_evaluate(values);
  }
  return static_cast<double>(std::max<std::int64_t>(size.value_or(1), 1));
}

// Zeros before and after an axis; nothing when they depend on a size that is open.
std::optional<std::pair<std::int64_t, std::int64_t>> pads_of(const ConvAttributes& conv,
                                                             std::size_t axis, std::size_t axes,
                                                             const Dim& size, std::int64_t kernel) {
  if (conv.auto_pad == AutoPad::valid) return std::pair{0, 0};
  if (conv.auto_pad == AutoPad::explicit_pads)
    return std::pair{at_or(conv.pads, axis, 0), at_or(conv.pads, axes + axis, 0)};
  if (!size.is_constant()) return std::nullopt;
  const std::int64_t stride = at_or(conv.strides, axis, 1);
  const std::int64_t extent = (kernel - 1) * at_or(conv.dilations, axis, 1) + 1;
  const std::int64_t positions = (size.value() + stride - 1) / stride;
  const std::int64_t all =
      std::max<std::int64_t>((positions - 1) * stride + extent - size.value(), 0);
  const std::int64_t less = all / 2, more = all - less;
  return conv.auto_pad == AutoPad::same_upper ? std::pair{less, more} : std::pair{more, less};
}

}  // namespace

std::string wgmma_device_refusal(const Problem& problem) {
  if (problem.device == nullptr || problem.device->compute_capability != 90)
    return "its instructions are those of compute capability 9.0";
  return {};
}

Dim size_of_input(const Problem& problem, std::size_t input, std::size_t axis) {
  const Type& type = problem.input_type(input);
  if ((*type.shape)[axis].is_constant()) return (*type.shape)[axis];
  return input_dim(
      input, static_cast<std::size_t>(physical_axis(static_cast<std::int64_t>(axis), type.rank(),
                                                    problem.layouts.input(input))));
}

Dim size_of_output(const Problem& problem, std::size_t axis) {
  const Type& type = problem.output_type(0);
  if ((*type.shape)[axis].is_constant()) return (*type.shape)[axis];
  return output_dim(
      0, static_cast<std::size_t>(physical_axis(static_cast<std::int64_t>(axis), type.rank(),
                                                problem.layouts.output(0))));
}

bool add_bias(const Problem& problem, std::size_t input, WgmmaProblem& into, std::string& refusal) {
  const Tensor* bias = problem.constant(input);
  if (bias == nullptr || bias->size() != into.gemm.columns) {
    refusal = "its bias is no constant of one number a channel";
    return false;
  }
  EpilogueStep step;
  step.kind = EpilogueStep::binary;
  step.operand = {EpilogueOperand::channel, static_cast<std::uint32_t>(into.channels.size()), 0};
  into.channels.push_back(floats_of(*bias));
  into.gemm.epilogue.push_back(step);
  return true;
}

bool add_normalized(const Problem& problem, const NormalizedRows& rows, std::int64_t bias,
                    WgmmaProblem& into, std::string& refusal) {
  const Type& sums = problem.input_type(static_cast<std::size_t>(rows.sums));
  const std::int64_t size = into.gemm.channels;
  const auto is_vector = [&](std::int64_t input) {
    if (input < 0) return true;
    const Tensor* constant = problem.constant(static_cast<std::size_t>(input));
    return constant != nullptr && constant->rank() == 1 && constant->size() == size;
  };
  if (!is_vector(rows.scale) || !is_vector(rows.bias)) {
    refusal = "its rows are scaled by what is no constant of one number a column";
  } else if (size % sm90::kSumsBlock != 0 || sums.rank() < 2 ||
             !(*sums.shape)[static_cast<std::size_t>(sums.rank() - 2)].is(size /
                                                                          sm90::kSumsBlock)) {
    refusal = "sums of its rows are of other blocks than the kernel makes";
  }
  if (!refusal.empty()) return false;
  const Tensor* added = bias >= 0 ? problem.constant(static_cast<std::size_t>(bias)) : nullptr;
  if (bias >= 0 && (added == nullptr || added->size() != into.gemm.columns)) {
    refusal = "its bias is no constant of one number a channel";
    return false;
  }
  into.normalized = rows;
  into.gemm.normalize = sm90::GemmNormalize{rows.epsilon, size};
  into.channels.push_back(added != nullptr
                              ? floats_of(*added)
                              : std::vector<float>(static_cast<std::size_t>(into.gemm.columns)));
  return true;
}

bool add_steps(const Problem& problem, const strop::Epilogue& steps, std::size_t channel_axis,
               WgmmaProblem& into, std::string& refusal) {
  for (const strop::EpilogueStep& step : steps) {
    if (!add_step(problem, step, channel_axis, into, refusal)) return false;
  }
  return true;
}

bool read_window(const Problem& problem, const ConvAttributes& conv, const Tensor& w,
                 WgmmaProblem& into, std::string& refusal) {
  const auto axes = static_cast<std::size_t>(w.rank() - 2);
  sm90::GemmWindow window;
  window.images = size_of_input(problem, into.a, 0);
  window.height = window.out_height = 1;
  bool is_product = true;  // each output reads one pixel, its own
  for (std::size_t i = 0; i < axes; ++i) {
    const std::size_t axis = 2 - axes + i;
    const Dim size = size_of_input(problem, into.a, i + 2);
    (axis == 0 ? window.height : window.width) = size;
    (axis == 0 ? window.out_height : window.out_width) = size_of_output(problem, i + 2);
    window.kernel[axis] = w.dim(static_cast<std::int64_t>(i) + 2);
    window.stride[axis] = at_or(conv.strides, i, 1);
    window.dilation[axis] = at_or(conv.dilations, i, 1);
    const auto pads = pads_of(conv, i, axes, size, window.kernel[axis]);
    if (!pads) refusal = "its pads depend on a size that is open";
    if (!pads) return false;
    window.pad_begin[axis] = pads->first;
    window.pad_end[axis] = pads->second;
    is_product = is_product && window.kernel[axis] == 1 && window.stride[axis] == 1 &&
                 pads->first == 0 && pads->second == 0;
  }
  into.gemm.rows = window.images * window.out_height * window.out_width;
  if (!is_product) into.gemm.window = window;
  return true;
}

bool add_pieces(const Problem& problem, const std::vector<std::int64_t>& inputs, WgmmaProblem& into,
                std::string& refusal) {
  for (const std::int64_t input : inputs) {
    const Type& type = problem.input_type(static_cast<std::size_t>(input));
    const Type& first = problem.input_type(into.a);
    if (type.dtype != first.dtype || type.rank() != first.rank() ||
        !(*type.shape)[1].is_constant() || problem.constant(static_cast<std::size_t>(input))) {
      refusal = "of a tensor beside others the channels are not known, or it is a constant";
      return false;
    }
    into.pieces.push_back(static_cast<std::uint32_t>(input));
    into.gemm.pieces.push_back((*type.shape)[1].value());
  }
  return true;
}

std::vector<OperandLayouts> wgmma_conv_layouts(const Problem& problem, const WgmmaProblem& wgmma) {
  OperandLayouts out;
  out.outputs = {Layout::channels_last};
  out.inputs.assign(problem.node->inputs.size(), Layout::plain);
  out.inputs[wgmma.a] = Layout::channels_last;
  for (const std::uint32_t piece : wgmma.pieces) out.inputs[piece] = Layout::channels_last;
  for (const std::uint32_t tensor : wgmma.tensors) out.inputs[tensor] = Layout::channels_last;
  return {out};
}

bool add_requantize(const Problem& problem, const QuantizedView& view, WgmmaProblem& into,
                    std::string& refusal) {
  const auto input = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  if (view.requantize == nullptr || view.floats) {
    refusal = "its sums are not requantised";
    return false;
  }
  auto requantize = read_requantize(problem, view, refusal);
  if (!requantize) return false;
  into.gemm.element = problem.input_type(into.a).dtype;
  into.centred = centred_weights(*problem.constant(input(view.w)), view.w_zero);
  if (!into.centred) refusal = "a weight less its zero point is no signed byte";
  if (!into.centred) return false;
  into.channels = {floats_of(*problem.constant(input(view.multiplier))),
                   floats_of(*problem.constant(input(view.offset)))};
  if (view.residual >= 0) into.tensors = {static_cast<std::uint32_t>(view.residual)};
  if (view.table >= 0) into.table = static_cast<std::uint32_t>(view.table);
  requantize->corrected = view.x_zero != 0;
  into.gemm.borders = requantize->corrected && has_pads(into.gemm);
  if (into.gemm.borders && kinds_of_pixels(*into.gemm.window) > kMostKinds) {
    refusal = "its padding is wide and not the byte 0";
    return false;
  }
  if (requantize->corrected) add_corrections(view.x_zero, into);
  into.gemm.requantize = requantize;
  return true;
}

std::vector<std::string> wgmma_configs(const Problem& problem, const WgmmaProblem& wgmma) {
  double rows = 1 / static_cast<double>(wgmma.gemm.columns);
  for (const Dim& dim : *problem.output_type(0).shape) rows *= typical(dim, problem.sample);
  std::vector<std::string> out;
  for (const sm90::GemmConfig& config : sm90::candidate_configs(
           wgmma.gemm, static_cast<std::int64_t>(std::min(rows + 0.5, kMostRows)),
           std::max(problem.device->multiprocessors, 1)))
    out.push_back(to_text(config));
  return out;
}

KernelChoice wgmma_choice(const Problem& problem, const WgmmaProblem& wgmma,
                          std::string_view config) {
  const auto parsed = sm90::parse_gemm_config(config);
  STROP_CHECK(parsed && sm90::fits(wgmma.gemm, *parsed), "a configuration that was offered");
  sm90::GemmOperands operands;
  operands.a = wgmma.pieces;
  if (operands.a.empty()) operands.a = {static_cast<std::uint32_t>(wgmma.a)};
  operands.weights = static_cast<std::uint32_t>(wgmma.weights);
  operands.channel = constant_input(problem, 0);
  operands.image = 0;
  operands.tensors = wgmma.tensors;
  operands.table = wgmma.table;
  if (wgmma.normalized) operands.row_sums = static_cast<std::uint32_t>(wgmma.normalized->sums);
  std::vector<std::vector<float>> channels = wgmma.channels;
  const Tensor weights = wgmma.normalized ? fold_normalization(problem, wgmma, channels[0])
                         : wgmma.centred  ? *wgmma.centred
                                          : *problem.constant(wgmma.weights);
  LaunchStep step;
  step.record = sm90::launch_record(wgmma.gemm, *parsed, operands);
  step.sources = {sm90::source(wgmma.gemm, *parsed)};
  step.replaced[wgmma.weights] = {
      sm90::pack_weights(wgmma.gemm, *parsed, weights, wgmma.weight_strides)};
  if (!channels.empty())
    step.constants.push_back(sm90::pack_channels(wgmma.gemm, *parsed, channels));
  return to_choice(problem, std::move(step));
}

}  // namespace strop::cuda
