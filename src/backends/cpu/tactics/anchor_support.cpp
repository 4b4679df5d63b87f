// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/tactics/anchor_support.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "backends/cpu/pointwise_functions.hpp"

namespace strop::cpu {

bool runs_take(const Problem& problem, const Epilogue& epilogue, std::string& refusal) {
  const std::int64_t rank = problem.output_type(0).rank();
  for (const EpilogueStep& step : epilogue) {
    if (find_run_function(step) == nullptr) {
      refusal = "there is no kernel for " + step.function;
      return false;
    }
    if (step.kind != EpilogueStep::binary) continue;
    const Type& type = problem.input_type(step.input);
    if (type.dtype != DType::f32 || !type.shape || type.rank() > rank) {
      refusal = "an operand is " + type.to_string();
      return false;
    }
    const SymShape whole = extended_shape(*type.shape, static_cast<std::size_t>(rank));
    if (type.rank() < rank && problem.constant(step.input) == nullptr &&
        !is_same_order(whole, Layout::plain, Layout::channels_last)) {
      refusal = "an operand of lower rank would have to be reordered";
      return false;
    }
  }
  return true;
}

bool onednn_takes(const Epilogue& epilogue, std::string& refusal) {
  static constexpr std::array<std::string_view, 13> kUnary = {
      "relu", "leaky_relu", "sigmoid",   "tanh", "elu",  "hard_sigmoid", "hard_swish",
      "silu", "gelu",       "gelu_tanh", "abs",  "sqrt", "exp"};
  static constexpr std::array<std::string_view, 6> kBinary = {"add", "mul", "min",
                                                              "max", "sub", "div"};
  if (epilogue.size() > 32) {
    refusal = "oneDNN takes 32 post-ops";
    return false;
  }
  for (const EpilogueStep& step : epilogue) {
    if (step.kind == EpilogueStep::clip) {
      if (step.alpha <= step.beta) continue;
      refusal = "oneDNN has no clip whose bounds cross";
      return false;
    }
    const bool known = step.kind == EpilogueStep::unary
                           ? std::ranges::find(kUnary, step.function) != kUnary.end()
                           : std::ranges::find(kBinary, step.function) != kBinary.end();
    const bool ordered = step.function == "sub" || step.function == "div";
    if (!known || (step.swapped && ordered)) {
      refusal = "oneDNN has no post-op for " + step.function;
      return false;
    }
  }
  return true;
}

}  // namespace strop::cpu
