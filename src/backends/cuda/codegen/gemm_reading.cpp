// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/gemm_reading.hpp"

#include <algorithm>

#include "base/float_types.hpp"

namespace strop::cuda {
namespace {

constexpr std::int64_t kMostTaps = 4096;

template <class E>
std::optional<E> enum_of(const std::string& name) {
  const auto names = enum_names(E{});
  const auto at = std::ranges::find(names, name);
  if (at == names.end()) return std::nullopt;
  return static_cast<E>(at - names.begin());
}

Tensor as_floats(const Tensor& tensor) {
  Tensor out = Tensor::allocate(DType::f32, {tensor.size()});
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    out.mutable_values<float>()[static_cast<std::size_t>(i)] =
        static_cast<float>(load_as_double(tensor.dtype(), tensor.data(), i));
  }
  return out;
}

bool is_single(const Type& type, std::int64_t most_rank) {
  return type.rank() <= most_rank &&
         std::ranges::all_of(*type.shape, [](const Dim& size) { return size.is(1); });
}

}  // namespace

bool is_float(DType type) {
  return type == DType::f32 || type == DType::f16 || type == DType::bf16;
}

Dim operand_dim(const Problem& problem, std::size_t input, std::size_t axis, Layout layout) {
  const SymShape& shape = *problem.input_type(input).shape;
  if (shape[axis].is_constant()) return shape[axis];
  if (layout == Layout::plain || axis == 0) return input_dim(input, axis);
  return input_dim(input, axis == 1 ? shape.size() - 1 : axis - 1);
}

Dim result_dim(const Problem& problem, std::size_t axis) {
  const SymShape& shape = *problem.output_type(0).shape;
  if (shape[axis].is_constant()) return shape[axis];
  if (problem.layouts.output(0) == Layout::plain || axis == 0) return output_dim(0, axis);
  return output_dim(0, axis == 1 ? shape.size() - 1 : axis - 1);
}

bool read_window(const Problem& problem, std::size_t x, Layout layout, const Tensor& w,
                 const ConvAttributes& conv, GemmWindow& window, std::string& refusal) {
  const std::size_t axes = static_cast<std::size_t>(w.rank()) - 2;
  const SymShape& in = *problem.input_type(x).shape;
  const SymShape& out = *problem.output_type(0).shape;
  for (std::size_t i = 0; i < axes; ++i) {
    const std::size_t to = 2 - axes + i;
    window.kernel[to] = w.dim(static_cast<std::int64_t>(i) + 2);
    window.strides[to] = at_or(conv.strides, i, 1);
    window.dilations[to] = at_or(conv.dilations, i, 1);
    window.size[to] = operand_dim(problem, x, i + 2, layout);
    window.out_size[to] = result_dim(problem, i + 2);
    std::int64_t pad = conv.auto_pad == AutoPad::valid ? 0 : at_or(conv.pads, i, 0);
    if (conv.auto_pad == AutoPad::same_upper || conv.auto_pad == AutoPad::same_lower) {
      if (!in[i + 2].is_constant() || !out[i + 2].is_constant()) {
        refusal = "its padding follows from sizes that are open";
        return false;
      }
      const std::int64_t reach = (out[i + 2].value() - 1) * window.strides[to] +
                                 window.dilations[to] * (window.kernel[to] - 1) + 1;
      const std::int64_t total = std::max<std::int64_t>(reach - in[i + 2].value(), 0);
      pad = conv.auto_pad == AutoPad::same_upper ? total / 2 : total - total / 2;
    }
    window.pads[to] = pad;
    if (window.strides[to] > kMaxWindow / 1024 || window.dilations[to] > kMaxWindow / 1024 ||
        pad > kMaxWindow / 1024 || pad < 0) {
      refusal = "its window is too large";
      return false;
    }
  }
  if (window.kernel[0] * window.kernel[1] > kMostTaps) {
    refusal = "its window has too many elements";
    return false;
  }
  return true;
}

bool EpilogueReader::operand(std::size_t input, bool bias, EpilogueOperand& into,
                             std::string& refusal) {
  const Type& type = problem_.input_type(input);
  const Type& result = problem_.output_type(0);
  const Tensor* constant = problem_.constant(input);
  GemmEpilogue& epilogue = view_.problem.epilogue;
  const auto number = static_cast<std::uint32_t>(input);
  if (!is_float(type.dtype) || type.rank() < 0) {
    refusal = "an operand of its epilogue is " + type.to_string();
    return false;
  }
  if (constant != nullptr && constant->size() == 1) {
    into.kind = EpilogueOperand::scalar;
    into.value = static_cast<float>(load_as_double(constant->dtype(), constant->data(), 0));
    return true;
  }
  if ((constant != nullptr || type.dtype == DType::f32) && is_one_a_channel(type, bias)) {
    into.kind = EpilogueOperand::channel;
    into.index = static_cast<std::uint32_t>(epilogue.channel.size());
    epilogue.channel.push_back(Operand::in(number));
    if (constant != nullptr && constant->dtype() != DType::f32)
      view_.replaced[input] = {as_floats(*constant)};
    return true;
  }
  if (constant == nullptr && type.dtype == DType::f32 && is_single(type, result.rank())) {
    into.kind = EpilogueOperand::channel;
    into.index = static_cast<std::uint32_t>(epilogue.channel.size());
    if (into.index >= 32) return refusal = "it has too many operands", false;
    epilogue.channel.push_back(Operand::in(number));
    epilogue.singles |= std::uint32_t{1} << into.index;
    return true;
  }
  if (type.dtype == result.dtype && *type.shape == *result.shape) {
    into.kind = EpilogueOperand::tensor;
    into.index = static_cast<std::uint32_t>(epilogue.tensor.size());
    epilogue.tensor.push_back(Operand::in(number));
    return true;
  }
  refusal = "an operand of its epilogue is neither of one number a channel nor as the result: " +
            type.to_string();
  return false;
}

bool EpilogueReader::add(std::int64_t bias, std::string& refusal) {
  if (bias < 0) return true;
  EpilogueStep step;
  step.kind = EpilogueStep::binary;
  if (!operand(static_cast<std::size_t>(bias), true, step.operand, refusal)) return false;
  view_.problem.epilogue.steps.push_back(step);
  return true;
}

bool EpilogueReader::add(const strop::Epilogue& steps, std::string& refusal) {
  for (const strop::EpilogueStep& in : steps) {
    EpilogueStep out;
    out.alpha = in.alpha;
    out.beta = in.beta;
    bool known = true;
    if (in.kind == strop::EpilogueStep::unary) {
      const auto function = enum_of<UnaryFunction>(in.function);
      known = function && has_source(*function);
      if (known) out.unary_function = *function;
    } else if (in.kind == strop::EpilogueStep::binary) {
      out.kind = EpilogueStep::binary;
      const auto function = enum_of<BinaryFunction>(in.function);
      known = function && has_source(*function);
      if (known) out.binary_function = *function;
      out.swapped = in.swapped;
      if (known && !operand(in.input, false, out.operand, refusal)) return false;
    } else {
      out.kind = EpilogueStep::clip;
    }
    if (!known) {
      refusal = "its kernels have no function " + in.function;
      return false;
    }
    view_.problem.epilogue.steps.push_back(out);
  }
  return true;
}

bool EpilogueReader::is_one_a_channel(const Type& type, bool bias) const {
  const SymShape& result = *problem_.output_type(0).shape;
  const Dim& channels = result[channel_axis_];
  if (bias && type.rank() == 1) return (*type.shape)[0] == channels;
  if (static_cast<std::size_t>(type.rank()) > result.size()) return false;
  const SymShape whole = extended_shape(*type.shape, result.size());
  for (std::size_t axis = 0; axis < whole.size(); ++axis) {
    if (!(axis == channel_axis_ ? whole[axis] == channels : whole[axis].is(1))) return false;
  }
  return true;
}

}  // namespace strop::cuda
