// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/kernels/float_result.hpp"

#include <algorithm>

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "float result of an integer product";
constexpr std::int64_t kPanelColumns = 64;  // at most, of any instruction set

// Takes the step off the front when it is that function of an operand which engines declare as
// single values or rows of columns.
std::int64_t take(Epilogue& epilogue, const char* function, const KernelInit& init) {
  if (epilogue.empty() || epilogue[0].kind != EpilogueStep::binary ||
      epilogue[0].function != function || epilogue[0].input >= init.inputs.size() ||
      init.parameters.integer(function) == 0) {
    return -1;
  }
  const std::int64_t input = epilogue[0].input;
  epilogue.erase(epilogue.begin());
  return input;
}

}  // namespace

FloatResult::FloatResult(const KernelInit& init) : rest_({}, 0) {
  Epilogue epilogue = parse_epilogue(init.parameters.string("epilogue"));
  factor_ = take(epilogue, "mul", init);
  bias_ = take(epilogue, "add", init);
  rest_ = EpilogueRuns(std::move(epilogue), init.inputs.size());
}

void FloatResult::prepare(std::span<const View> inputs, const View& output, std::int64_t channels) {
  require(output.dtype == DType::f32, kWhat, "its result is not f32");
  for (const std::int64_t input : {factor_, bias_}) {
    if (input < 0) continue;
    const View& operand = inputs[static_cast<std::size_t>(input)];
    require(operand.dtype == DType::f32 && operand.dims.size() <= output.dims.size() &&
                (operand.size() == 1 ||
                 (operand.size() == channels && operand.dims.back() == channels)),
            kWhat, "an operand does not fit");
  }
  rest_.prepare(inputs, output.dims, false);
  factors_.assign(static_cast<std::size_t>(channels + kPanelColumns), 1.0f);
  // Changes no number it is added to.
  biases_.assign(static_cast<std::size_t>(channels + kPanelColumns), -0.0f);
}

void FloatResult::read_factors(std::span<const View> inputs) {
  const auto read = [&](std::int64_t input, std::vector<float>& to) {
    if (input < 0) return;
    const View& operand = inputs[static_cast<std::size_t>(input)];
    const auto* from = operand.as<const float>();
    if (operand.size() == 1) {
      std::ranges::fill(to, from[0]);
    } else {
      std::copy_n(from, operand.size(), to.begin());
    }
  };
  read(factor_, factors_);
  read(bias_, biases_);
}

void FloatResult::set_place(const View& output, std::int64_t row, std::int64_t stride,
                            std::int64_t channel, TileS8& tile) const {
  tile.floats = output.as<float>() + row * stride + channel;
  tile.floats_stride = stride;
  tile.multiplier = factors_.data() + channel;
  tile.offset = biases_.data() + channel;
}

void FloatResult::finish_rows(std::span<const View> inputs, const View& output, std::int64_t row,
                              std::int64_t rows, std::int64_t stride, std::int64_t channel,
                              std::int64_t count) const {
  float* at = output.as<float>() + row * stride + channel;
  if (count == stride && !rest_.has_operands())
    return rest_.apply(inputs, row, 0, rows * count, at);
  for (std::int64_t i = 0; i < rows; ++i, at += stride)
    rest_.apply(inputs, row + i, channel, count, at);
}

}  // namespace strop::cpu
