// SPDX-License-Identifier: Apache-2.0
// ai.onnx.preview.training: steps of optimizers, which are plain arithmetic on tensors, gradients
// and what is kept of earlier steps. Inputs are R (learning rate), T (count of updates), then all
// tensors X, all gradients G, and so on; outputs are the new X and what is kept. Factors that all
// elements share are computed in FP64. Gradient is refused.
#include "onnx/convert/arithmetic_support.hpp"
#include "ops/select.hpp"

namespace strop::onnx {
namespace {

using B = BinaryFunction;

constexpr std::string_view kDomain = "ai.onnx.preview.training";

double real_attribute(ConvertContext& c, const char* name, float otherwise) {
  return static_cast<double>(c.float_attribute(name, otherwise));
}
double real_attribute(ConvertContext& c, const char* name) {
  return static_cast<double>(c.float_attribute(name));
}

// What the tensors of one node share.
struct Step {
  ConvertContext& c;
  std::size_t tensors = 0;  // optimized at once
  ValueId rate, count;      // R and T, scalars in FP64

  Step(ConvertContext& context, std::size_t inputs_each) : c(context) {
    const std::size_t given = c.input_count() < 2 ? 0 : c.input_count() - 2;
    if (given == 0 || given % inputs_each != 0) {
      c.fail(ErrorCode::model_malformed, "has " + std::to_string(c.input_count()) +
                                             " inputs; it takes two and " +
                                             std::to_string(inputs_each) + " for each tensor");
    }
    tensors = given / inputs_each;
    rate = cast_to(c, without_axes(c, c.input(0)), DType::f64);
    count = cast_to(c, without_axes(c, c.input(1)), DType::f64);
  }

  // Input `which` (0: X, 1: G, ...) of a tensor.
  ValueId input(std::size_t which, std::size_t tensor) const {
    return c.input(2 + which * tensors + tensor);
  }
  void set_output(std::size_t which, std::size_t tensor, ValueId value) const {
    if (c.has_output(which * tensors + tensor)) c.set_output(which * tensors + tensor, value);
  }
  ValueId add(ValueId a, ValueId b) const { return binary(c, B::add, a, b); }
  ValueId sub(ValueId a, ValueId b) const { return binary(c, B::sub, a, b); }
  ValueId mul(ValueId a, ValueId b) const { return binary(c, B::mul, a, b); }
  ValueId div(ValueId a, ValueId b) const { return binary(c, B::div, a, b); }
  ValueId times(double factor, ValueId a) const {
    return mul(scalar(c, c.type(a).dtype, factor), a);
  }
  ValueId root(ValueId a) const { return unary(c, {UnaryFunction::sqrt}, a); }
  ValueId number64(double value) const { return scalar(c, DType::f64, value); }
  // a when some update was made before, else b.
  ValueId after_first(ValueId a, ValueId b) const {
    const ValueId later = binary(c, B::greater, count, number64(0));
    return c.emit(op_select(), NoAttributes{}, {later, a, b});
  }
  // The gradient with that of norm / 2 * |X|^2.
  ValueId gradient(double norm, std::size_t tensor) const {
    const ValueId g = input(1, tensor);
    return norm == 0 ? g : add(times(norm, input(0, tensor)), g);
  }
};

void adagrad(ConvertContext& c) {
  const double norm = real_attribute(c, "norm_coefficient", 0.0f);
  const double decay = real_attribute(c, "decay_factor", 0.0f);
  const double epsilon = real_attribute(c, "epsilon", 1e-6f);
  const Step s(c, 3);
  const ValueId rate = s.div(s.rate, s.add(s.number64(1), s.times(decay, s.count)));
  for (std::size_t i = 0; i < s.tensors; ++i) {
    const ValueId x = s.input(0, i), g = s.gradient(norm, i);
    const DType dtype = c.type(x).dtype;
    const ValueId h = s.add(s.input(2, i), s.mul(g, g));
    const ValueId divisor = s.add(s.root(h), scalar(c, dtype, epsilon));
    const ValueId step = s.div(s.mul(cast_to(c, rate, dtype), g), divisor);
    s.set_output(0, i, s.sub(x, step));
    s.set_output(1, i, h);
  }
}

void adam(ConvertContext& c) {
  const double norm = real_attribute(c, "norm_coefficient", 0.0f);
  const double norm_post = real_attribute(c, "norm_coefficient_post", 0.0f);
  const double alpha = real_attribute(c, "alpha", 0.9f), beta = real_attribute(c, "beta", 0.999f);
  const double epsilon = real_attribute(c, "epsilon", 1e-6f);
  const Step s(c, 4);
  const auto one_less_power = [&](double base) {
    return s.sub(s.number64(1), binary(c, B::pow, s.number64(base), s.count));
  };
  const ValueId corrected =
      s.div(s.mul(s.rate, s.root(one_less_power(beta))), one_less_power(alpha));
  const ValueId rate = s.after_first(corrected, s.rate);
  for (std::size_t i = 0; i < s.tensors; ++i) {
    const ValueId x = s.input(0, i), g = s.gradient(norm, i);
    const DType dtype = c.type(x).dtype;
    const ValueId v = s.add(s.times(alpha, s.input(2, i)), s.times(1 - alpha, g));
    const ValueId h = s.add(s.times(beta, s.input(3, i)), s.times(1 - beta, s.mul(g, g)));
    const ValueId divisor = s.add(s.root(h), scalar(c, dtype, epsilon));
    const ValueId moved = s.sub(x, s.div(s.mul(cast_to(c, rate, dtype), v), divisor));
    s.set_output(0, i, norm_post == 0 ? moved : s.times(1 - norm_post, moved));
    s.set_output(1, i, v);
    s.set_output(2, i, h);
  }
}

void momentum(ConvertContext& c) {
  const double norm = real_attribute(c, "norm_coefficient");
  const double alpha = real_attribute(c, "alpha"), beta = real_attribute(c, "beta");
  const std::string mode = c.string_attribute("mode");
  if (mode != "standard" && mode != "nesterov") {
    c.fail(ErrorCode::bad_attribute, "mode is \"" + mode + "\"; it may be standard or nesterov");
  }
  const Step s(c, 3);
  const ValueId of_gradient = s.after_first(s.number64(beta), s.number64(1));
  for (std::size_t i = 0; i < s.tensors; ++i) {
    const ValueId x = s.input(0, i), g = s.gradient(norm, i);
    const DType dtype = c.type(x).dtype;
    const ValueId v =
        s.add(s.times(alpha, s.input(2, i)), s.mul(cast_to(c, of_gradient, dtype), g));
    const ValueId direction = mode == "standard" ? v : s.add(g, s.times(alpha, v));
    s.set_output(0, i, s.sub(x, s.mul(cast_to(c, s.rate, dtype), direction)));
    s.set_output(1, i, v);
  }
}

void gradient(ConvertContext& c) {
  for (const char* name : {"xs", "zs", "y"}) c.ignore_attribute(name);
  c.fail(ErrorCode::unsupported_operator,
         "it asks for derivatives of other nodes, which only training needs",
         "export the model for inference; Strop does not train");
}

}  // namespace

void register_training(ConverterTable& table) {
  table.add(kDomain, "Adagrad", 1, adagrad);
  table.add(kDomain, "Adam", 1, adam);
  table.add(kDomain, "Momentum", 1, momentum);
  table.add(kDomain, "Gradient", 1, gradient);
}

}  // namespace strop::onnx
