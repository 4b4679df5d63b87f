// SPDX-License-Identifier: Apache-2.0
// Convolution over any number of spatial axes. Sums are in float for the 16-bit types.
#include "ops/conv.hpp"

#include "ir/evaluate.hpp"
#include "ops/convolution.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const DType dtype = context.dtype(0);
  if (context.has_input(2) && context.dtype(2) != dtype) {
    context.require(context.dtype(2) == DType::f32 && (dtype == DType::f16 || dtype == DType::bf16),
                    ErrorCode::bad_type,
                    "the bias is " + std::string(to_string(context.dtype(2))) + " beside " +
                        std::string(to_string(dtype)) + "; it must be like x, or f32");
  }
  auto y = infer_convolution(context, 2);
  context.set_output(0, y ? Type::tensor(context.dtype(0), std::move(*y))
                          : Type::tensor_of_unknown_rank(context.dtype(0)));
}

template <class C>
void run(const ConvAttributes& attributes, const Tensor& x, const Tensor& w, const Tensor* bias,
         Tensor& y) {
  std::vector<C> x_copy, w_copy, bias_copy;
  convolve<C>({.x = load_all<C>(x, x_copy),
               .x_shape = x.shape(),
               .w = load_all<C>(w, w_copy),
               .w_shape = w.shape(),
               .bias = bias != nullptr ? load_all<C>(*bias, bias_copy) : nullptr,
               .group = attributes.group,
               .axes = convolution_axes(attributes, x, w, y)},
              y);
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<ConvAttributes>();
  const Tensor& x = context.input(0);
  const Tensor* bias = context.has_input(2) ? &context.input(2) : nullptr;
  if (x.dtype() == DType::f64) {
    run<double>(attributes, x, context.input(1), bias, context.output(0));
  } else {
    run<float>(attributes, x, context.input(1), bias, context.output(0));
  }
}

}  // namespace

const OpDef& op_conv() {
  static const OpDef def{
      .name = "conv",
      .summary =
          "y[n,m,o] = bias[m] + sum over c, k of w[m,c,k] * x[n,c,o*stride + k*dilation - pad]",
      .limits = "1 to 3 spatial axes; bias is like x, or f32 beside a 16-bit type",
      .attributes = &attribute_schema<ConvAttributes>(),
      .inputs = {{.name = "x", .types = kFloats, .same_as = 'T'},
                 {.name = "w", .types = kFloats, .same_as = 'T'},
                 {.name = "bias", .types = kFloats, .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kFloats, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
