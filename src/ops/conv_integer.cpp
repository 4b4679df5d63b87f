// SPDX-License-Identifier: Apache-2.0
// Convolution of 8-bit integers with exact products, summed in int32: modulo 2^32 where a sum does
// not fit, in whatever order it is added up. Padding is the real number 0, which is the zero point.
#include "ops/conv_integer.hpp"

#include "ir/evaluate.hpp"
#include "ops/convolution.hpp"

namespace strop {
namespace {

constexpr DTypeSet kBytes{DType::i8, DType::u8};

// One element, or as many as there are output channels.
void check_zero_point(InferContext& context, std::size_t input, const Dim* channels) {
  const SymShape* zero = context.has_input(input) ? context.shape(input) : nullptr;
  if (zero == nullptr || zero->empty()) return;
  context.require(zero->size() == 1, ErrorCode::bad_shape,
                  "a zero point is a scalar or a list, not of shape " + to_string(*zero));
  if ((*zero)[0].is(1)) return;
  context.require_equal((*zero)[0], channels != nullptr ? *channels : Dim(1),
                        channels != nullptr ? "sizes of w's zero point and of the output channels"
                                            : "the size of x's zero point and 1");
}

void infer(InferContext& context) {
  auto y = infer_convolution(context, 4);
  check_zero_point(context, 2, nullptr);
  if (context.shape(1) != nullptr) check_zero_point(context, 3, &(*context.shape(1))[0]);
  context.set_output(
      0, y ? Type::tensor(DType::i32, std::move(*y)) : Type::tensor_of_unknown_rank(DType::i32));
}

// Differences from the zero points; `per` neighbouring elements share one.
std::vector<std::int32_t> centred(const Tensor& values, const Tensor* zero, std::int64_t per) {
  std::vector<std::int32_t> out(static_cast<std::size_t>(values.size())), zeros(1, 0);
  if (zero != nullptr) load_all<std::int32_t>(*zero, zeros);
  if (zeros.size() == 1) per = values.size();
  parallel_for(values.size(), 16 * kChunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end;) {
      const std::int64_t count = std::min({kChunk, end - i, per - i % per});
      const std::int32_t z = zeros[static_cast<std::size_t>(i / per)];
      std::int32_t* to = out.data() + i;
      load_chunk<std::int32_t>(values, i, count, to);
      for (std::int64_t k = 0; k < count; ++k) to[k] -= z;
      i += count;
    }
  });
  return out;
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<ConvAttributes>();
  const Tensor& x = context.input(0);
  const Tensor& w = context.input(1);
  const auto optional = [&](std::size_t i) {
    return context.has_input(i) ? &context.input(i) : nullptr;
  };
  const auto in = centred(x, optional(2), x.size());
  const auto weights = centred(w, optional(3), w.dim(0) > 0 ? w.size() / w.dim(0) : 0);
  const Tensor* bias = optional(4);
  convolve<std::int32_t>({.x = in.data(),
                          .x_shape = x.shape(),
                          .w = weights.data(),
                          .w_shape = w.shape(),
                          .bias = bias != nullptr ? bias->values<std::int32_t>().data() : nullptr,
                          .group = attributes.group,
                          .axes = convolution_axes(attributes, x, w, context.output(0))},
                         context.output(0));
}

}  // namespace

const OpDef& op_conv_integer() {
  static const OpDef def{
      .name = "conv_integer",
      .summary =
          "y[n,m,o] = bias[m] + sum over c, k of (w[m,c,k] - w_zero_point[m]) * "
          "(x[n,c,o*stride + k*dilation - pad] - x_zero_point) in int32, modulo 2^32",
      .attributes = &attribute_schema<ConvAttributes>(),
      .inputs =
          {{.name = "x", .types = kBytes, .same_as = 'X'},
           {.name = "w", .types = kBytes, .same_as = 'W'},
           {.name = "x_zero_point", .types = kBytes, .same_as = 'X', .arity = Operand::optional},
           {.name = "w_zero_point", .types = kBytes, .same_as = 'W', .arity = Operand::optional},
           {.name = "bias", .types = {DType::i32}, .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = {DType::i32}}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
