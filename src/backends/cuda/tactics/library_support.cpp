// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/tactics/library_support.hpp"

#include <charconv>
#include <cmath>

#include "base/error.hpp"

namespace strop::cuda {
namespace {

// Activations by their names in the IR; alpha is the step's.
LibraryActivation activation_named(std::string_view name) {
  using A = LibraryActivation;
  if (name == "relu") return A::relu;
  if (name == "leaky_relu") return A::leaky_relu;
  if (name == "elu") return A::elu;
  if (name == "sigmoid") return A::sigmoid;
  if (name == "tanh") return A::tanh;
  if (name == "silu") return A::silu;
  if (name == "gelu") return A::gelu;
  return name == "gelu_tanh" ? A::gelu_tanh : A::none;
}

bool read_activation(const EpilogueStep& step, LibraryChain& chain, std::string& refusal) {
  if (step.kind == EpilogueStep::unary) {
    chain.activation = activation_named(step.function);
    chain.alpha = step.alpha;
  } else if (step.kind == EpilogueStep::clip && step.alpha == 0) {
    chain.activation = std::isinf(step.beta) ? LibraryActivation::relu : LibraryActivation::clip;
    chain.alpha = std::isinf(step.beta) ? 0 : step.beta;
  }
  if (chain.activation != LibraryActivation::none) return true;
  refusal = "the library has no " +
            (step.kind == EpilogueStep::clip ? std::string("such clip") : step.function);
  return false;
}

bool read_residual(const Problem& problem, const EpilogueStep& step, LibraryChain& chain,
                   std::string& refusal) {
  const Type& output = problem.output_type(0);
  const Type& type = problem.input_type(step.input);
  if (step.function != "add" || chain.residual) {
    refusal = "the library adds one tensor and does nothing else with two";
  } else if (problem.constant(step.input) != nullptr || !type.shape || type.shape != output.shape) {
    refusal = "what is added is not like the output";
  } else {
    chain.residual = step.input;
  }
  return refusal.empty();
}

}  // namespace

bool read_library_chain(const Problem& problem, const Epilogue& epilogue, LibraryChain& chain,
                        std::string& refusal) {
  for (const EpilogueStep& step : epilogue) {
    if (chain.activation != LibraryActivation::none) {
      refusal = "the library does nothing after an activation";
      return false;
    }
    if (step.kind == EpilogueStep::binary ? !read_residual(problem, step, chain, refusal)
                                          : !read_activation(step, chain, refusal))
      return false;
  }
  return true;
}

std::string library_types_refusal(const Problem& problem, std::size_t a, std::size_t b,
                                  const LibraryChain& chain) {
  const DType type = problem.output_type(0).dtype;
  if (type != DType::f32 && type != DType::f16 && type != DType::bf16)
    return "it is for f32, f16 and bf16";
  for (const std::optional<std::uint32_t> input :
       {std::optional(static_cast<std::uint32_t>(a)), std::optional(static_cast<std::uint32_t>(b)),
        chain.bias, chain.residual}) {
    if (input && problem.input_type(*input).dtype != type)
      return "its operands are of several types";
  }
  return {};
}

std::vector<std::string> library_choices(std::size_t count) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(std::to_string(i));
  return out;
}

LibraryChoice library_choice(std::string_view config, std::uint64_t version) {
  LibraryChoice out;
  out.version = version;
  const auto [end, failed] =
      std::from_chars(config.data(), config.data() + config.size(), out.number);
  STROP_CHECK(failed == std::errc(), "a configuration that was offered");
  return out;
}

bool runs_here(const Problem& problem) {
  return problem.device != nullptr && problem.device->ordinal >= 0;
}

}  // namespace strop::cuda
