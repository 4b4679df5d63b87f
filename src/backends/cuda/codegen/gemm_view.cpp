// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/gemm_view.hpp"

#include <algorithm>

#include "backends/cuda/codegen/gemm_reading.hpp"
#include "base/error.hpp"
#include "base/float_types.hpp"
#include "ops/conv.hpp"
#include "tactic/product_view.hpp"

namespace strop::cuda {
namespace {

constexpr std::int64_t kMostStemChannels = 4;

std::int64_t padded_row(std::int64_t size, WeightOrder order) {
  const std::int64_t unit = order == WeightOrder::k_outer ? 4 : 8;
  return (size + unit - 1) / unit * unit;
}

// Weights in the order of the kernels; `element(group, filter, k)` is the number of one in `w`.
template <class Element>
Tensor pack_weights(const Tensor& w, DType type, WeightOrder order, std::int64_t groups,
                    std::int64_t filters, std::int64_t k, const Element& element) {
  const bool outer = order == WeightOrder::k_outer;
  const std::int64_t rows = outer ? k : filters, columns = outer ? filters : k;
  const std::int64_t lead = padded_row(columns, order);
  Tensor out = Tensor::allocate(type, {groups, rows, lead});
  const std::int64_t bytes = bits_of(type) / 8;
  std::fill_n(out.mutable_data(), out.bytes(), std::byte{0});
  for (std::int64_t g = 0; g < groups; ++g) {
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t column = 0; column < columns; ++column) {
        const std::int64_t from = outer ? element(g, column, row) : element(g, row, column);
        const std::int64_t to = (g * rows + row) * lead + column;
        if (w.dtype() == type) {
          std::copy_n(w.data() + from * bytes, bytes, out.mutable_data() + to * bytes);
        } else {
          store_from_double(type, out.mutable_data(), to,
                            load_as_double(w.dtype(), w.data(), from));
        }
      }
    }
  }
  return out;
}

// Why an operand or the result is not of the kernels' type; empty when all are.
std::string wrong_type(const Problem& problem, std::span<const std::int64_t> inputs,
                       DType element) {
  for (const std::int64_t i : inputs) {
    const auto input = static_cast<std::size_t>(i);
    const Type& type = problem.input_type(input);
    if (type.rank() < 0) return "the rank of an input is not known";
    const bool constant = problem.constant(input) != nullptr && is_float(type.dtype);
    if (type.dtype != element && !constant)
      return "input " + std::to_string(i) + " is " + std::string(to_string(type.dtype)) +
             ", this tactic is for " + std::string(to_string(element));
  }
  if (problem.output_type(0).dtype != element)
    return "the result is " + std::string(to_string(problem.output_type(0).dtype)) +
           ", this tactic is for " + std::string(to_string(element));
  if (problem.output_type(0).rank() < 0) return "the rank of the result is not known";
  for (const Dim& dim : *problem.output_type(0).shape) {
    if (dim.is_constant() && dim.value() > kMostSize) return "the result is too large";
  }
  return {};
}

// Bytes of one filter, [channels][row][column], in the order of k: (row, column, channel).
Tensor pack_filters(const Tensor& w, DType element, WeightOrder order, std::int64_t groups) {
  const std::int64_t filters = w.dim(0) / groups, channels = w.dim(1);
  const std::int64_t taps = w.size() / (w.dim(0) * channels);
  return pack_weights(w, element, order, groups, filters, channels * taps,
                      [&](std::int64_t g, std::int64_t filter, std::int64_t k) {
                        return ((g * filters + filter) * channels + k % channels) * taps +
                               k / channels;
                      });
}

// Three axes of batches of a product's operand: elements of a step along each.
std::array<Dim, 3> batch_strides(const Problem& problem, std::size_t input, std::size_t result_rank,
                                 const Dim& matrix) {
  const SymShape& shape = *problem.input_type(input).shape;
  const SymShape& result = *problem.output_type(0).shape;
  std::array<Dim, 3> out{0, 0, 0};
  Dim step = matrix;
  for (std::size_t back = 3; back <= shape.size(); ++back) {
    const std::size_t axis = shape.size() - back;
    const Dim size = operand_dim(problem, input, axis, Layout::plain);
    Dim& stride = out[5 - back];
    if (shape[axis].is(1)) {
      stride = 0;
    } else if (shape[axis] == result[result_rank - back]) {
      stride = step;
    } else {
      stride = step * min(size - Dim(1), Dim(1));  // 0 where a size that is open is 1
    }
    step = step * size;
  }
  return out;
}

}  // namespace

std::optional<GemmView> view_as_conv(const Problem& problem, DType element, WeightOrder order,
                                     bool pack, std::string& refusal) {
  const auto view = view_as(problem, op_conv(), refusal, Casts::looked_through);
  if (!view) return std::nullopt;
  const auto x = static_cast<std::size_t>(view->input(0));
  const auto weights = static_cast<std::size_t>(view->input(1));
  const Tensor* w = problem.constant(weights);
  const std::int64_t both[] = {view->input(0), view->input(1)};
  refusal = wrong_type(problem, both, element);
  if (!refusal.empty()) return std::nullopt;
  const std::int64_t rank = problem.input_type(x).rank();
  if (rank < 3 || rank > 4) {
    refusal = "it takes 1-D and 2-D convolutions";
  } else if (w == nullptr) {
    refusal = "its weights are not constant";
  } else if (problem.input_type(x).dtype != element) {
    refusal = "its input is a constant of another type";
  } else if (w->size() == 0) {
    refusal = "there is nothing to sum over";
  }
  if (!refusal.empty()) return std::nullopt;

  const auto& conv = view->anchor->as<ConvAttributes>();
  const Layout layout = problem.layouts.output(0);
  const bool last = layout == Layout::channels_last;
  GemmView out;
  GemmProblem& p = out.problem;
  p.kind = last ? GemmKind::conv_channels_last : GemmKind::conv_plain;
  p.element = element;
  const Layout layout_x = x < problem.layouts.inputs.size() ? problem.layouts.input(x) : layout;
  if (!read_window(problem, x, layout_x, *w, conv, p.window, refusal)) return std::nullopt;
  p.window.channels = w->dim(1);
  const std::int64_t filters = w->dim(0) / conv.group;
  const std::int64_t k = w->size() / w->dim(0);
  const Dim pixels = result_dim(problem, 0) * p.window.out_size[0] * p.window.out_size[1];
  const bool inner = order == WeightOrder::k_inner;
  const Dim lead(padded_row(inner ? k : filters, order));
  p.k = k;
  p.batches = conv.group;
  p.m = last ? pixels : Dim(filters);
  p.n = last ? Dim(filters) : pixels;
  p.inner_a = last || inner;
  p.inner_b = last && inner;
  (last ? p.lead_b : p.lead_a) = lead;
  p.a = Operand::in(static_cast<std::uint32_t>(last ? x : weights));
  p.b = Operand::in(static_cast<std::uint32_t>(last ? weights : x));
  p.y = Operand::out(0);
  EpilogueReader reader(problem, 1, out);
  if (!reader.add(view->input(2), refusal) || !reader.add(view->epilogue, refusal))
    return std::nullopt;
  if (pack) out.replaced[weights] = {pack_filters(*w, element, order, conv.group)};
  return out;
}

std::optional<GemmView> view_as_depthwise(const Problem& problem, DType element, bool pack,
                                          std::string& refusal) {
  Problem last = problem;
  last.layouts.outputs = {Layout::channels_last};
  auto out = view_as_conv(last, element, WeightOrder::k_outer, false, refusal);
  if (!out) return std::nullopt;
  GemmProblem& p = out->problem;
  if (p.batches.is(1) || p.window.channels != 1 || !p.n.is(1)) {
    refusal = "its groups are not of one channel and one filter";
    return std::nullopt;
  }
  p.n = p.batches;
  p.batches = 1;
  p.lead_b = padded_row(p.n.value(), WeightOrder::k_outer);
  if (pack) {
    const Tensor& w = *problem.constant(p.b.index);
    out->replaced[p.b.index] = {pack_filters(w, element, WeightOrder::k_outer, 1)};
  }
  return out;
}

// Word `half` of tile j that a lane has of a step is taps of one filter beside each other, such
// that a thread's results are of channels beside each other.
Tensor pack_stem_filters(const Tensor& w, DType element, const GemmWindow& window) {
  const std::int64_t filters = w.dim(0);
  const auto parts = StemFilters::of(window, element, filters);
  STROP_CHECK(parts.has_value(), "a problem is packed after it was accepted");
  const std::int64_t words = 2 * parts->tiles, run = 2 * parts->tiles;
  const std::int64_t height = window.kernel[0], width = window.kernel[1], taps = parts->taps;
  Tensor out = Tensor::zeros(element, {parts->groups, parts->steps, 32, taps * words});
  for (std::int64_t i = 0; i < out.size(); ++i) {
    const std::int64_t e = i % taps, word = i / taps % words, lane = i / taps / words % 32;
    const std::int64_t step = i / taps / words / 32 % parts->steps;
    const std::int64_t group = i / taps / words / 32 / parts->steps;
    const std::int64_t column = lane / 4, tile = word / 2;
    const std::int64_t filter = (group * 4 + column / 2) * run + 2 * tile + column % 2;
    const std::int64_t pair = 8 * step + 4 * (word % 2) + lane % 4;
    const std::int64_t channel = pair / parts->pairs / parts->rows;
    const std::int64_t row = pair / parts->pairs % parts->rows;
    const std::int64_t tap = taps * (pair % parts->pairs) + e - parts->shift;
    if (filter >= filters || channel >= window.channels || row >= height || tap < 0 || tap >= width)
      continue;
    const std::int64_t from = ((filter * window.channels + channel) * height + row) * width + tap;
    store_from_double(element, out.mutable_data(), i, load_as_double(w.dtype(), w.data(), from));
  }
  return out;
}

std::string stem_refusal(const Problem& problem, const GemmProblem& p) {
  if (problem.input_type(p.a.index).rank() != 4 || p.window.channels > kMostStemChannels ||
      !p.batches.is(1))
    return "it is for images of at most four channels, in one group";
  if (p.window.dilations[1] != 1) return "the taps of a row are not beside each other";
  return stem_configs(p).empty() ? "its filters or its tiles are too large" : "";
}

std::optional<GemmView> view_as_stem(const Problem& problem, DType element, bool pack,
                                     std::string& refusal) {
  Problem last = problem;
  last.layouts.outputs = {Layout::channels_last};
  auto out = view_as_conv(last, element, WeightOrder::k_inner, false, refusal);
  if (!out) return std::nullopt;
  GemmProblem& p = out->problem;
  p.inner_a = problem.layouts.input(p.a.index) == Layout::channels_last;
  refusal = stem_refusal(problem, p);
  if (!refusal.empty()) return std::nullopt;
  if (pack) {
    const Tensor& w = *problem.constant(p.b.index);
    out->replaced[p.b.index] = {pack_stem_filters(w, element, p.window)};
  }
  return out;
}

std::optional<GemmView> view_as_product(const Problem& problem, DType element, WeightOrder order,
                                        bool pack, std::string& refusal) {
  const auto product = read_product(problem, refusal, Casts::looked_through);
  if (!product) return std::nullopt;
  const auto a = static_cast<std::size_t>(product->view.input(0));
  const auto b = static_cast<std::size_t>(product->view.input(1));
  const std::int64_t both[] = {product->view.input(0), product->view.input(1)};
  refusal = wrong_type(problem, both, element);
  if (!refusal.empty()) return std::nullopt;
  const auto rank_a = static_cast<std::size_t>(problem.input_type(a).rank());
  const auto rank_b = static_cast<std::size_t>(problem.input_type(b).rank());
  const auto rank = static_cast<std::size_t>(problem.output_type(0).rank());
  const Tensor* matrix = problem.constant(b);
  if (rank_a < 2 || rank_b < 2) {
    refusal = "an operand is a vector";
  } else if (problem.constant(a) != nullptr && problem.input_type(a).dtype != element) {
    refusal = "its first operand is a constant of another type";
  } else if (matrix != nullptr && rank_b > 2 && matrix->dtype() != element) {
    refusal = "its second operand is a constant of another type";
  }
  if (!refusal.empty()) return std::nullopt;

  GemmView out;
  GemmProblem& p = out.problem;
  p.element = element;
  const auto dim = [&](std::size_t input, std::size_t axis) {
    return operand_dim(problem, input, axis, Layout::plain);
  };
  const Dim rows = dim(a, rank_a - (product->trans_a ? 1 : 2));
  p.k = dim(a, rank_a - (product->trans_a ? 2 : 1));
  p.n = dim(b, rank_b - (product->trans_b ? 2 : 1));
  p.inner_a = !product->trans_a;
  p.inner_b = product->trans_b;
  p.lead_a = product->trans_a ? rows : p.k;
  p.lead_b = product->trans_b ? p.k : p.n;
  p.m = rows;
  if (rank_b == 2 && !product->trans_a) {
    for (std::size_t axis = 0; axis + 2 < rank_a; ++axis) p.m = p.m * dim(a, axis);
  } else if (rank > 2) {
    if (rank > 5) {
      refusal = "it has more than three axes of batches";
      return std::nullopt;
    }
    p.batched = true;
    for (std::size_t axis = 0; axis + 2 < rank; ++axis)
      p.batches = p.batches * result_dim(problem, axis);
    if (rank > 3) p.batch_sizes[0] = result_dim(problem, rank - 4);
    p.batch_sizes[1] = result_dim(problem, rank - 3);
    p.batch_a = batch_strides(problem, a, rank, rows * p.k);
    p.batch_b = batch_strides(problem, b, rank, p.k * p.n);
  }
  p.a = Operand::in(static_cast<std::uint32_t>(a));
  p.b = Operand::in(static_cast<std::uint32_t>(b));
  p.y = Operand::out(0);
  if (matrix != nullptr && rank_b == 2 && matrix->size() > 0) {
    p.inner_b = order == WeightOrder::k_inner;
    p.lead_b = padded_row(p.inner_b ? p.k.value() : p.n.value(), order);
    const std::int64_t k = p.k.value(), n = p.n.value();
    const bool trans = product->trans_b;
    if (pack) {
      out.replaced[b] = {pack_weights(*matrix, element, order, 1, n, k,
                                      [&](std::int64_t, std::int64_t column, std::int64_t row) {
                                        return trans ? column * k + row : row * n + column;
                                      })};
    }
  } else if (matrix != nullptr && matrix->dtype() != element) {
    refusal = "its second operand is empty";
    return std::nullopt;
  }
  EpilogueReader reader(problem, rank - 1, out);
  if (!reader.add(product->bias, refusal) || !reader.add(product->view.epilogue, refusal))
    return std::nullopt;
  return out;
}

std::vector<OperandLayouts> gemm_conv_layouts(const Problem& problem, bool with_plain) {
  std::string refusal;
  const auto view = view_as(problem, op_conv(), refusal, Casts::looked_through);
  STROP_CHECK(view.has_value(), "layouts are asked for what was accepted");
  OperandLayouts last;
  last.outputs = {Layout::channels_last};
  last.inputs.assign(problem.node->inputs.size(), Layout::plain);
  last.inputs[static_cast<std::size_t>(view->input(0))] = Layout::channels_last;
  for (const strop::EpilogueStep& step : view->epilogue) {
    if (step.kind == strop::EpilogueStep::binary &&
        *problem.input_type(step.input).shape == *problem.output_type(0).shape)
      last.inputs[step.input] = Layout::channels_last;
  }
  std::vector<OperandLayouts> out{std::move(last)};
  if (with_plain) out.emplace_back();
  return out;
}

std::vector<OperandLayouts> stem_layouts(const Problem& problem) {
  std::string refusal;
  const auto view = view_as(problem, op_conv(), refusal, Casts::looked_through);
  std::vector<OperandLayouts> out = gemm_conv_layouts(problem, false);
  out.insert(out.begin(), out.front());
  out[0].inputs[static_cast<std::size_t>(view->input(0))] = Layout::plain;
  return out;
}

}  // namespace strop::cuda
