// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/tactics/quantized_support.hpp"

#include <bit>

#include "backends/cpu/tactics/anchor_support.hpp"

namespace strop::cpu {

std::optional<QuantizedView> read_quantized(const Problem& problem, const OpDef& anchor,
                                            std::int64_t channel_axis, std::string& refusal) {
  auto view = view_as_quantized(problem, anchor, channel_axis, refusal);
  if (view && view->addition != nullptr) {
    refusal = "other bytes are added to its own";
    return std::nullopt;
  }
  if (view && view->floats && !runs_take(problem, view->epilogue, refusal)) return std::nullopt;
  return view;
}

void set_requantize(const RequantizeAttributes& attributes, std::int64_t multiplier,
                    std::int64_t offset, std::int64_t residual, Parameters& parameters) {
  parameters.set("result", "bytes");
  parameters.set("multiplier", multiplier);
  parameters.set("offset", offset);
  parameters.set("residual", residual);
  parameters.set("residual_multiplier", static_cast<std::int64_t>(std::bit_cast<std::uint32_t>(
                                            static_cast<float>(attributes.residual_multiplier))));
  parameters.set("residual_zero", attributes.residual_zero);
  parameters.set("low", attributes.low);
  parameters.set("high", attributes.high);
}

void set_quantized(const QuantizedView& view, Parameters& parameters) {
  parameters.set("x_zero", view.x_zero);
  parameters.set("w_zero", view.w_zero);
  if (view.x_zero_input >= 0) parameters.set("x_zero_input", view.x_zero_input);
  if (view.floats) {
    parameters.set("result", "floats");
    parameters.set("mul", std::int64_t{view.scales});
    parameters.set("add", std::int64_t{view.adds});
    parameters.set("epilogue", to_text(view.epilogue));
    return;
  }
  if (view.requantize == nullptr) {
    parameters.set("result", "sums");
    return;
  }
  const auto& attributes = view.requantize->as<RequantizeAttributes>();
  set_requantize(attributes, view.multiplier, view.offset, view.residual, parameters);
  if (view.table < 0) return;
  parameters.set("table", view.table);
  parameters.set("signed", std::int64_t{attributes.to == DType::i8});
}

}  // namespace strop::cpu
