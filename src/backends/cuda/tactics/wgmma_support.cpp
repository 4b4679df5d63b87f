// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/tactics/wgmma_support.hpp"

#include <algorithm>
#include <set>

#include "backends/cuda/codegen/launch_step.hpp"
#include "base/error.hpp"
#include "base/float_types.hpp"
#include "tactic/layout_support.hpp"

namespace strop::cuda {
namespace {

constexpr std::int64_t kTypicalSize = 16;  // of a dimension that the model leaves open

std::vector<float> floats_of(const Tensor& tensor) {
  std::vector<float> out;
  for (std::int64_t i = 0; i < tensor.size(); ++i)
    out.push_back(static_cast<float>(load_as_double(tensor.dtype(), tensor.data(), i)));
  return out;
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

std::int64_t typical(const Dim& dim) {
  std::set<std::string> symbols;
  dim.collect_symbols(symbols);
  SymbolValues values;
  for (const std::string& symbol : symbols) values[symbol] = kTypicalSize;
  return std::max<std::int64_t>(dim.try_evaluate(values).value_or(1), 1);
}

}  // namespace

std::string wgmma_refusal(const Problem& problem) {
  if (problem.device == nullptr || problem.device->compute_capability != 90)
    return "its instructions are those of compute capability 9.0";
  const DType element = problem.output_type(0).dtype;
  if (element != DType::f16 && element != DType::bf16) return "it is for f16 and bf16";
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

bool add_steps(const Problem& problem, const strop::Epilogue& steps, std::size_t channel_axis,
               WgmmaProblem& into, std::string& refusal) {
  for (const strop::EpilogueStep& step : steps) {
    if (!add_step(problem, step, channel_axis, into, refusal)) return false;
  }
  return true;
}

std::vector<std::string> wgmma_configs(const Problem& problem, const WgmmaProblem& wgmma) {
  std::int64_t rows = 1;
  const SymShape& output = *problem.output_type(0).shape;
  for (const Dim& dim : output) rows *= typical(dim);
  std::vector<std::string> out;
  for (const sm90::GemmConfig& config : sm90::candidate_configs(
           wgmma.gemm, rows / wgmma.gemm.columns, std::max(problem.device->multiprocessors, 1)))
    out.push_back(to_text(config));
  return out;
}

KernelChoice wgmma_choice(const Problem& problem, const WgmmaProblem& wgmma,
                          std::string_view config) {
  const auto parsed = sm90::parse_gemm_config(config);
  STROP_CHECK(parsed && sm90::fits(wgmma.gemm, *parsed), "a configuration that was offered");
  sm90::GemmOperands operands;
  operands.a = static_cast<std::uint32_t>(wgmma.a);
  operands.weights = static_cast<std::uint32_t>(wgmma.weights);
  operands.channel = constant_input(problem, 0);
  operands.image = 0;
  operands.tensors = wgmma.tensors;
  LaunchStep step;
  step.record = sm90::launch_record(wgmma.gemm, *parsed, operands);
  step.sources = {sm90::source(wgmma.gemm, *parsed)};
  step.replaced[wgmma.weights] = {sm90::pack_weights(
      wgmma.gemm, *parsed, *problem.constant(wgmma.weights), wgmma.weight_strides)};
  if (!wgmma.channels.empty())
    step.constants.push_back(sm90::pack_channels(wgmma.gemm, *parsed, wgmma.channels));
  return to_choice(problem, std::move(step));
}

}  // namespace strop::cuda
