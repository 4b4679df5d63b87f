// SPDX-License-Identifier: Apache-2.0
// Convolutions with constant weights by cuDNN, with bias, residual and activation: channels
// innermost in f16 and bf16, in the order of the dimensions in f32. Configurations are numbers in
// the list of engines that the library suggests for the sizes at hand.
#include <algorithm>

#include "backends/cuda/cudnn_library.hpp"
#include "backends/cuda/tactics/library_support.hpp"
#include "base/error.hpp"
#include "base/float_types.hpp"
#include "ops/conv.hpp"
#include "tactic/anchor_view.hpp"

namespace strop::cuda {
const Tactic& tactic_conv_cudnn();
namespace {

constexpr std::size_t kChoices = 6;

// Strides, dilations and pads of every axis; false when pads depend on a size that is open.
bool read_window(const Problem& problem, const ConvAttributes& conv, const Tensor& weights,
                 LibraryConv& into) {
  const auto axes = static_cast<std::size_t>(weights.rank() - 2);
  const SymShape& x = *problem.input_type(into.x).shape;
  const SymShape& y = *problem.output_type(0).shape;
  std::vector<std::int64_t> input, output, kernel;
  bool open = false;
  for (std::size_t i = 0; i < axes; ++i) {
    open = open || !x[i + 2].is_constant() || !y[i + 2].is_constant();
    input.push_back(x[i + 2].is_constant() ? x[i + 2].value() : 0);
    output.push_back(y[i + 2].is_constant() ? y[i + 2].value() : 0);
    kernel.push_back(weights.dim(static_cast<std::int64_t>(i) + 2));
  }
  if (open && (conv.auto_pad == AutoPad::same_upper || conv.auto_pad == AutoPad::same_lower))
    return false;
  for (const WindowAxis& axis : resolve_window(conv.window(), input, output, kernel)) {
    into.strides.push_back(axis.stride);
    into.dilations.push_back(axis.dilation);
    into.pads_begin.push_back(axis.begin);
    into.pads_end.push_back(axis.end);
  }
  return true;
}

std::string operands_refusal(const Problem& problem, const LibraryConv& conv,
                             const Tensor* weights) {
  const Type& x = problem.input_type(conv.x);
  if (!x.shape || !problem.output_type(0).shape) return "the rank of an operand is not known";
  if (x.rank() < 3 || x.rank() > 5) return "it takes convolutions along 1 to 3 axes";
  if (weights == nullptr || weights->size() == 0) return "its weights are no constant, or empty";
  if (conv.chain.bias && problem.input_type(*conv.chain.bias).rank() != 1)
    return "its bias has not one number a channel";
  LibraryChain chain = conv.chain;
  if (chain.bias && problem.constant(*chain.bias) != nullptr) chain.bias.reset();  // see lower()
  return library_types_refusal(problem, conv.x, conv.w, chain);
}

// Those of the kernels that the library holds; the others it compiles, for half types alone.
bool has_single_precision(LibraryActivation activation) {
  using A = LibraryActivation;
  return activation == A::none || activation == A::relu || activation == A::sigmoid ||
         activation == A::tanh || activation == A::elu;
}

std::optional<LibraryConv> read(const Problem& problem, std::string& refusal) {
  const auto view = view_as(problem, op_conv(), refusal);
  if (!view) return std::nullopt;
  LibraryConv out;
  out.x = static_cast<std::uint32_t>(view->input(0));
  out.w = static_cast<std::uint32_t>(view->input(1));
  if (view->input(2) >= 0) out.chain.bias = static_cast<std::uint32_t>(view->input(2));
  if (!read_library_chain(problem, view->epilogue, out.chain, refusal)) return std::nullopt;
  const Tensor* weights = problem.constant(out.w);
  refusal = operands_refusal(problem, out, weights);
  if (refusal.empty() && problem.output_type(0).dtype == DType::f32 &&
      !has_single_precision(out.chain.activation))
    refusal = "the library has no such activation in f32";
  if (refusal.empty() && problem.precise) refusal = "a precise engine sums in one order";
  if (refusal.empty() && !read_window(problem, view->anchor->as<ConvAttributes>(), *weights, out))
    refusal = "its pads depend on a size that is open";
  if (!refusal.empty()) return std::nullopt;
  out.channels_last = problem.layouts.output(0) == Layout::channels_last;
  return out;
}

Tensor as_type(const Tensor& tensor, DType type) {
  Tensor out = Tensor::allocate(type, tensor.shape());
  for (std::int64_t i = 0; i < tensor.size(); ++i)
    store_from_double(type, out.mutable_data(), i,
                      load_as_double(tensor.dtype(), tensor.data(), i));
  return out;
}

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  if (!read(problem, refusal)) return Acceptance::refuse(refusal);
  if (runs_here(problem) && !cudnn_problem().empty())
    return Acceptance::refuse(cudnn_description());
  return Acceptance::accept();
}

std::vector<std::string> configs(const Problem&) { return library_choices(kChoices); }

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  OperandLayouts out;
  if (problem.output_type(0).dtype == DType::f32) return {out};
  std::string refusal;
  const auto conv = read(problem, refusal);
  STROP_CHECK(conv.has_value(), "a problem is asked about after it was accepted");
  out.outputs = {Layout::channels_last};
  out.inputs.assign(problem.node->inputs.size(), Layout::plain);
  out.inputs[conv->x] = Layout::channels_last;
  if (conv->chain.residual) out.inputs[*conv->chain.residual] = Layout::channels_last;
  return {out};
}

KernelChoice lower(const Problem& problem, std::string_view config) {
  std::string refusal;
  auto conv = read(problem, refusal);
  STROP_CHECK(conv.has_value(), "a problem is lowered after it was accepted");
  conv->choice = library_choice(config, runs_here(problem) ? cudnn_version() : 0);
  KernelChoice out{"cudnn_conv", to_text(*conv)};
  if (conv->channels_last)
    out.replaced[conv->w] = {relayout(*problem.constant(conv->w), Layout::channels_last)};
  // The library adds biases of the result's type.
  const DType type = problem.output_type(0).dtype;
  if (conv->chain.bias && problem.input_type(*conv->chain.bias).dtype != type)
    out.replaced[*conv->chain.bias] = {as_type(*problem.constant(*conv->chain.bias), type)};
  return out;
}

}  // namespace

const Tactic& tactic_conv_cudnn() {
  static const Tactic tactic{.name = "conv_cudnn",
                             .backend = "cuda",
                             .opens_library = true,
                             .ops = {op_conv},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .configs = configs,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
